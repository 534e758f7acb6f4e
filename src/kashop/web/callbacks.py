"""Where gateways knock. What arrives is taken as raw bytes; its meaning is the flow's and the gateway's business."""

from litestar import Response, route
from litestar.enums import HttpMethod
from litestar.params import FromPath

from kashop.flows import inbox, self_test
from kashop.payments.types import CallbackRequest
from kashop.shop import Shop
from kashop.web.answers import response
from kashop.web.direct import Way, whole_body
from kashop.web.edge import Receive, Scope
from kashop.web.errors import Answer
from kashop.web.sessions import AnyRequest, shop_of

_KEPT_BACK = frozenset({b"cookie", b"authorization", b"proxy-authorization"})
MOST_NAME = 64


async def answer(shop: Shop, scope: Scope, receive: Receive, gateway: str) -> Answer:
    """Store, judge, answer in the gateway's own words. A probe of our own is answered, and is no callback."""
    probed = self_test.answer_probe(shop, gateway, scope["query_string"])
    if probed is not None:
        return _told(200, b"text/plain; charset=utf-8", probed.encode())
    taken = CallbackRequest(
        method=scope["method"],
        query=scope["query_string"],
        headers={k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"] if k not in _KEPT_BACK},
        body=await whole_body(receive),
    )
    client = scope.get("client")
    said = await inbox.receive_callback(shop, gateway[:MOST_NAME], taken, ip=client[0] if client else "")
    return _told(said.status, said.content_type.encode("latin-1"), said.body)


def _told(status: int, kind: bytes, body: bytes) -> Answer:
    length = b"%d" % len(body)
    return status, [(b"content-type", kind), (b"content-length", length), (b"cache-control", b"no-store")], body


@route("/pay/{gateway:str}/callback", http_method=[HttpMethod.GET, HttpMethod.POST])
async def callback(request: AnyRequest, gateway: FromPath[str]) -> Response[bytes]:
    """The same, as the framework routes it."""
    return response(await answer(shop_of(request), request.scope, request.receive, gateway))  # type: ignore[arg-type]


route_handlers = [callback]
ways = [Way.on(("GET", "POST"), "/pay/*/callback", answer)]
