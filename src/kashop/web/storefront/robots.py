"""What robots are told, and how fast those that do not listen may go.

Always true: no robot is let through for its name: whoever calls himself one is slowed with 429 and Retry-After, which search
engines obey and come back. Pages that stand ready cost nothing and are not counted. What is anybody's own is never to be indexed,
and the edge says so on each such answer.
"""

import re

from litestar import Response, get

from kashop.risk import one_client
from kashop.risk.networks import is_free
from kashop.web.sessions import AnyRequest, client_ip, shop_of

_ROBOT = re.compile(r"bot\b|crawl|spider|slurp|scrap|python|curl/|wget|go-http|okhttp|java/|libwww|headless|http-?client", re.I)
_ROBOTS_TXT = b"""User-agent: *
Crawl-delay: 2
Disallow: /admin
Disallow: /api/
Disallow: /checkout
Disallow: /lookup
Disallow: /o/
Disallow: /pay/
Disallow: /supply
Disallow: /x/
Allow: /
"""


@get("/robots.txt", sync_to_thread=False)
def robots_txt() -> Response[bytes]:
    """Where robots may go, and how fast."""
    return Response(_ROBOTS_TXT, media_type="text/plain", headers={"cache-control": "public, max-age=86400"})


def count_drawn(request: AnyRequest) -> None:
    """One page that has to be drawn for somebody, since none that stands ready fits. Raises TooMany."""
    shop, ip = shop_of(request), client_ip(request)
    if ip and not is_free(shop.settings.text("risk.free_networks"), ip):
        scope = "page of a robot" if _ROBOT.search(request.headers.get("user-agent", "")[:400]) else "page drawn"
        shop.limits.take(scope, one_client(ip))
