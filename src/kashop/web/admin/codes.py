"""The imports so far, newest first, and the way to a new one."""

from litestar import Response, get

from kashop.catalog import reads as catalog
from kashop.inventory import reads as inventory
from kashop.web.admin.page import answer, cursor
from kashop.web.guards import Needs
from kashop.web.sessions import AnyRequest, shop_of

PAGE = 50


@get("/admin/codes", guards=[Needs("codes.import")])
async def codes(request: AnyRequest) -> Response[bytes]:
    """The batches."""
    shop = shop_of(request)
    batches = await shop.db.read(inventory.batches, before=cursor(request), limit=PAGE + 1)
    names = {p.product_id: p.name for p in await shop.db.read(catalog.products)}
    more = batches[PAGE - 1].batch_id if len(batches) > PAGE else None
    return answer(request, "codes.html", batches=batches[:PAGE], more=more, names=names)


route_handlers = [codes]
