"""The shop that histories begin with, and what its database says of all that the model knows."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

from kashop.db import Reader
from kashop.flows import settings
from kashop.inventory import reads as inventory
from kashop.lib.actor import CLI
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.plugins.kit.simulators.epay import EpaySimulator
from kashop.shop import Shop
from tests.cast import add_epay, add_product, config, let_a_crowd_in
from tests.properties.acts import GOODS
from tests.properties.model import Model


async def furnish(data: Path, epay: EpaySimulator) -> None:
    """Put the goods and the gateway into a founded shop: the template of every history."""
    shop = await Shop.open(config(data))
    await add_epay(shop, pid=epay.pid, key=epay.key, url=epay.url, methods="alipay,wxpay")
    await let_a_crowd_in(shop)
    await settings.change(shop, {"risk.least_hold_minutes": max(good.hold_minutes for good in GOODS)}, CLI)  # also when pressed
    for good in GOODS:
        rules = {"price": good.price, "hold_minutes": good.hold_minutes, "tiers": good.tiers, "max_quantity": 10}
        kind = {"delivery": "manual" if good.is_manual else "auto", "is_free": not good.price}
        await add_product(shop, good.slug, **rules, **kind)
    await shop.close()


def code_id_of(db: Reader, slug: str, place: int) -> int:
    sql = """SELECT c.code_id FROM codes c JOIN skus s ON s.sku_id = c.sku_id
             WHERE s.sku_code = :slug ORDER BY c.code_id LIMIT 1 OFFSET :place"""
    return int(db.value(sql, slug=slug, place=place))


def form_of(attempt: Any) -> dict[str, str]:
    """What the buyer's browser brings to the gateway."""
    fields = msgspec.json.decode(attempt.fields, type=dict[str, str])
    return fields or dict(parse_qsl(urlsplit(attempt.url).query))


def state_of(db: Reader) -> dict[str, Any]:
    """What the database says of all that the model knows."""
    found = {o.order_no: o for o in orders.page(db, 10**12, limit=10_000)}
    sku_ids = db.values("SELECT sku_id FROM skus ORDER BY sku_id")
    skus = dict(zip(sku_ids, db.values("SELECT sku_code FROM skus ORDER BY sku_id"), strict=True))
    counts = {skus[c.sku_id]: (c.free, c.held, c.sold, c.void) for c in inventory.counts(db)}
    told: dict[str, Any] = {f"counts of {slug}": count for slug, count in counts.items() if any(count)}
    for no, o in found.items():
        told[f"order {no}"] = (
            o.status,
            o.paid_minor,
            o.refunded_minor,
            o.total_minor,
            {e.kind for e in orders.open_exceptions(db, o.order_id)},
        )
        told |= {f"attempt {a.attempt_no}": a.status for a in payments.attempts(db, o.order_id)}
    return {**told, "receipts": set(db.values("SELECT gateway_txn FROM receipts"))}


def expected(model: Model) -> dict[str, Any]:
    """The same, as the model has it."""
    counts = {slug: model.counts(slug) for slug in model.goods}
    told: dict[str, Any] = {f"counts of {slug}": count for slug, count in counts.items() if any(count)}
    for no, o in model.orders.items():
        told[f"order {no}"] = (o.status, o.paid, o.refunded, o.total, o.desk)
        told |= {f"attempt {a.attempt_no}": a.status for a in o.attempts}
    return {**told, "receipts": set(model.receipts)}


def moves_told(db: Reader) -> list[tuple[int, str]]:
    """(order, state) in the order of the events."""
    names = ("placed", "paid", "delivering", "delivered", "expired", "cancelled", "refunded")
    sql = "SELECT object_id FROM events WHERE object_kind = 'order' AND name LIKE 'order.%' ORDER BY seq"
    whose = db.values(sql)
    sql = "SELECT name FROM events WHERE object_kind = 'order' AND name LIKE 'order.%' ORDER BY seq"
    what = [name.removeprefix("order.") for name in db.values(sql)]
    return [(i, "pending" if w == "placed" else w) for i, w in zip(whose, what, strict=True) if w in names]
