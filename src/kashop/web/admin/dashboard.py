"""What staff see first: today's figures, and what waits for a person."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from litestar import Response, get

from kashop.accounts.factors import reads as factors
from kashop.analytics import reads as analytics
from kashop.audit import reads as audit
from kashop.catalog import reads as catalog
from kashop.flows import pressure
from kashop.lib.clock import DAY
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.shop import Shop
from kashop.web.admin.page import answer
from kashop.web.guards import Needs
from kashop.web.sessions import AnyRequest, shop_of, signed_in


@get("/admin", guards=[Needs("dashboard.view")])
async def dashboard(request: AnyRequest) -> Response[bytes]:
    """The overview."""
    shop = shop_of(request)
    return answer(
        request,
        "dashboard.html",
        alerts=await shop.db.read(factors.open_alerts, staff_id=signed_in(request).staff_id),
        today=await shop.db.read(analytics.day, _midnight(shop)),
        desk=await shop.db.read(analytics.desk),
        low=await shop.db.read(analytics.low_stock),
        exceptions=await shop.db.read(orders.desk, limit=6),
        orders=await shop.db.read(orders.page, 2**62, limit=8),
        pressed=await _pressed(shop),
        alarms=await shop.db.read(audit.count_since, "vault.alarm", shop.clock.now() - 7 * DAY),
        is_new={
            "product": not await shop.db.read(catalog.products),
            "gateway": not any(g.is_enabled for g in await shop.db.read(payments.gateways)),
        },
    )


async def _pressed(shop: Shop) -> list[tuple[str, int, int]]:
    """Products under pressure: their names, the percent of their stock that is held unpaid, and codes that ran out lately."""
    strains = await pressure.pressed_now(shop)
    if not strains:
        return []
    listing = (await shop.shelf.look()).listing
    names = {sku.sku_id: goods.product.name for goods in listing.goods.values() for sku in goods.skus}
    return [(names.get(s.sku_id, "?"), round(100 * s.share), s.lapsed) for s in strains[:3]]


def _midnight(shop: Shop) -> int:
    """When today began where the shop is."""
    zone = ZoneInfo(shop.settings.text("shop.timezone"))
    now = datetime.fromtimestamp(shop.clock.now() / 1000, UTC).astimezone(zone)
    return int(now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp() * 1000)


route_handlers = [dashboard]
