"""Where gateways knock. What arrives is taken as raw bytes; its meaning is the flow's and the gateway's business."""

from litestar import Response, route
from litestar.enums import HttpMethod
from litestar.params import FromPath

from kashop.flows import inbox, self_test
from kashop.payments.types import CallbackRequest
from kashop.web.sessions import AnyRequest, client_ip, shop_of

_KEPT_BACK = frozenset({"cookie", "authorization", "proxy-authorization"})


@route("/pay/{gateway:str}/callback", http_method=[HttpMethod.GET, HttpMethod.POST])
async def callback(request: AnyRequest, gateway: FromPath[str]) -> Response[bytes]:
    """Store, judge, answer in the gateway's own words. A probe of our own is answered, and is no callback."""
    probed = self_test.answer_probe(shop_of(request), gateway, request.scope["query_string"])
    if probed is not None:
        return Response(probed.encode(), media_type="text/plain", status_code=200, headers={"cache-control": "no-store"})
    taken = CallbackRequest(
        method=str(request.method),
        query=request.scope["query_string"],
        headers={k: v for k, v in request.headers.items() if k not in _KEPT_BACK},
        body=await request.body(),
    )
    answer = await inbox.receive_callback(shop_of(request), gateway[:64], taken, ip=client_ip(request))
    return Response(
        answer.body,
        status_code=answer.status,
        media_type=answer.content_type,
        headers={"cache-control": "no-store"},
    )


route_handlers = [callback]
