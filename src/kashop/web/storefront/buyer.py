"""What the pages of a buyer share: who asks, and where he is sent."""

from litestar import Response

from kashop.lib.actor import Actor
from kashop.web.sessions import AnyRequest, client_ip, request_id


def buyer(request: AnyRequest, order_no: str = "") -> Actor:
    """The buyer as events name him."""
    return Actor("buyer", order_no, client_ip(request), request_id=request_id(request))


def see_other(href: str) -> Response[bytes]:
    """After a form, the page that shows what came of it (RFC 9110 §15.4.4)."""
    headers = {"location": href, "cache-control": "no-store"}
    return Response(b"", status_code=303, media_type="text/plain", headers=headers)
