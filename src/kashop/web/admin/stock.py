"""Stock: how many codes of every SKU are in which state."""

from litestar import Response, get

from kashop.analytics import reads
from kashop.web.admin.page import answer
from kashop.web.guards import Needs
from kashop.web.sessions import AnyRequest, shop_of


@get("/admin/stock", guards=[Needs("stock.view")])
async def stock(request: AnyRequest) -> Response[bytes]:
    """The counts."""
    return answer(request, "stock.html", rows=await shop_of(request).db.read(reads.stock))


route_handlers = [stock]
