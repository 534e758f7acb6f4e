"""What is known of a buyer's browser: where it runs, and whether somebody is signed in at the panel in it.

The panel's session never leaves the panel. Beside it a log-in sets a mark for the whole shop, which opens nothing: it names the
session by its hash, so that accounts for staff alone are offered while that session lives.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from kashop.flows import login
from kashop.flows.offers import Visitor
from kashop.shop import Shop
from kashop.web.edge import Scope
from kashop.web.sessions import MARK, AnyRequest, session_of_mark, shop_of

_APPS = (("micromessenger", "wechat"), ("alipayclient", "alipay"))
_QQ = re.compile(r"\bqq/\d|\bqqtheme\b", re.I)
_PHONE = re.compile(r"android|iphone|ipod|ipad|mobile|harmonyos", re.I)

_MARKED = re.compile(rb"(?:^|;)\s*" + MARK.encode() + rb"\s*=\s*\"?([^\";\s]{1,300})\"?\s*(?:;|$)")

SHUT_OUT: Mapping[str, frozenset[str]] = {
    "wechat": frozenset({"alipay", "qqpay"}),
    "alipay": frozenset({"wxpay", "qqpay"}),
    "qq": frozenset({"alipay", "wxpay"}),
}
"""What each app's own browser refuses to open: the others' wallets."""


@lru_cache(maxsize=2048)
def device_of(user_agent: str) -> str:
    """Where a browser runs, as `Intent.device` names it."""
    agent = user_agent.lower()
    for sign, app in _APPS:
        if sign in agent:
            return app
    if _QQ.search(agent):
        return "qq"
    return "phone" if _PHONE.search(agent) else "desktop"


def works_in(device: str, method: str) -> bool:
    """Whether a way to pay can be used in the browser of a device."""
    return method not in SHUT_OUT.get(device, frozenset())


async def visitor_of(request: AnyRequest) -> Visitor:
    """Who asks."""
    return await visitor_in(shop_of(request), request.scope)  # type: ignore[arg-type]


async def visitor_in(shop: Shop, scope: Scope) -> Visitor:
    """The same by the request itself."""
    headers: dict[bytes, bytes] = dict(scope["headers"])
    device = device_of(headers.get(b"user-agent", b"")[:400].decode("latin-1"))
    marked = _MARKED.search(headers.get(b"cookie", b""))
    session_hash = session_of_mark(shop, marked[1].decode("latin-1")) if marked else None
    is_staff = session_hash is not None and await login.is_live(shop, session_hash)
    return Visitor(device=device, is_staff=is_staff)
