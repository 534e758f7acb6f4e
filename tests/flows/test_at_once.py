"""A callback is stored and settled by one commit, and stored by a commit of its own where that is not safe (decision 0029)."""

import asyncio
from typing import Any

import pytest

from kashop.analytics.money.reads import settled_callbacks_brought_money
from kashop.bundled.pay_epay.gateway import EpayGateway
from kashop.db.groups import Groups
from kashop.flows import gateways
from kashop.flows.checkout import Placed
from kashop.lib.actor import CLI
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.payments.rows import Callback
from kashop.payments.types import CallbackRequest, Notice
from kashop.shop import Shop
from tests import beside
from tests.cast import add_epay, add_product, call_back, epay_notice, order

NEW_KEY = "another key, by another process"


@pytest.fixture(autouse=True)
async def stocked(shop: Shop) -> None:
    await add_epay(shop)
    await add_product(shop, "steam-50", codes=20)


async def inbox_of(shop: Shop) -> list[Callback]:
    return await shop.db.read(payments.callbacks, 10**9, limit=200)


async def status_of(shop: Shop, placed: Placed) -> str:
    return (await shop.db.read(orders.get, placed.order.order_id)).status


async def test_what_the_box_proves_is_stored_judged_and_settled_by_one_unit(shop: Shop) -> None:
    assert isinstance(shop.db, Groups)
    placed = await order(shop, "steam-50")
    for query, verdict in (
        (epay_notice(placed), ("settled", "")),
        (epay_notice(placed), ("repeated", "")),
        (epay_notice(placed, sign_key="no"), ("rejected", "signature")),
        (epay_notice(placed, out_trade_no="A000000NOTHERE"), ("rejected", "unknown_attempt")),
        (epay_notice(placed, trade_status="WAIT_BUYER_PAY"), ("ignored", "pending")),
    ):
        before = shop.db.units
        await call_back(shop, query)
        assert shop.db.units == before + 1
        newest = (await inbox_of(shop))[0]
        assert (newest.verdict, newest.reason) == verdict
        assert newest.query == query
    receipt = (await shop.db.read(payments.receipts, placed.order.order_id))[0]
    first = (await inbox_of(shop))[-1]
    assert (receipt.callback_id, first.attempt_id) == (first.callback_id, receipt.attempt_id)
    assert await status_of(shop, placed) == "delivered"


def seen_when_read(monkeypatch: pytest.MonkeyPatch, shop: Shop) -> list[str]:
    """The verdicts that stand in the inbox, durably, at the moment at which a callback is read."""
    seen: list[str] = []
    proved = EpayGateway.read_callback

    def read(self: EpayGateway, request: CallbackRequest) -> Notice:
        seen.extend(verdict for (verdict,) in beside.rows(shop.config.place, "SELECT verdict FROM callbacks"))
        return proved(self, request)

    monkeypatch.setattr(EpayGateway, "read_callback", read)
    return seen


async def test_what_a_strangers_plugin_reads_is_stored_first(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    placed = await order(shop, "steam-50")
    seen = seen_when_read(monkeypatch, shop)
    monkeypatch.setattr(shop.plugins, "is_of_box", lambda _type: False)
    await call_back(shop, epay_notice(placed))
    assert seen == ["new"]
    assert await status_of(shop, placed) == "delivered"


async def test_control_what_the_box_reads_is_not(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = seen_when_read(monkeypatch, shop)
    await call_back(shop, epay_notice(await order(shop, "steam-50")))
    assert seen == []


async def change_key(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """By another process, and before this one looks again at what is for sale."""
    shown = await shop.shelf.look()
    monkeypatch.setattr(shop.shelf, "_seconds", lambda: 0.0)
    beside = await Shop.open(shop.config)
    await gateways.configure(beside, "epay-main", type="epay", options={"key": NEW_KEY}, actor=CLI)
    await beside.close()
    assert shop.shelf.glance() is shown


async def test_a_key_that_was_changed_elsewhere_is_the_one_that_counts(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = await order(shop, "steam-50"), await order(shop, "steam-50")
    await change_key(shop, monkeypatch)
    assert (await call_back(shop, epay_notice(old, txn="T1"))).status == 400
    assert (await call_back(shop, epay_notice(new, txn="T2", sign_key=NEW_KEY))).body == b"success"
    assert [await status_of(shop, p) for p in (old, new)] == ["pending", "delivered"]
    assert [c.verdict for c in await inbox_of(shop)] == ["settled", "rejected"]


async def test_control_without_the_comparison_the_old_key_pays(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    old = await order(shop, "steam-50")
    await change_key(shop, monkeypatch)
    monkeypatch.setattr(payments, "is_current", lambda *_anything: True)
    await call_back(shop, epay_notice(old, txn="T1"))
    assert await status_of(shop, old) == "delivered"


async def test_when_delivery_breaks_one_callback_one_receipt_and_the_desk_tell_of_it(shop: Shop) -> None:
    placed = await order(shop, "steam-50")
    beside.poison(shop.config.place, "order_lines")
    assert [(await call_back(shop, epay_notice(placed))).body for _ in range(2)] == [b"success"] * 2
    assert [(c.verdict, c.reason) for c in await inbox_of(shop)] == [("repeated", ""), ("settled", "delivery_failed")]
    assert len(await shop.db.read(payments.receipts, placed.order.order_id)) == 1
    assert [e.kind for e in await shop.db.read(orders.open_exceptions, placed.order.order_id)] == ["delivery_failed"]


async def test_of_one_payment_told_at_once_one_brought_the_money_whatever_breaks(shop: Shop) -> None:
    placed = await order(shop, "steam-50")
    beside.poison(shop.config.place, "order_lines")
    answers = await asyncio.gather(*(call_back(shop, epay_notice(placed)) for _ in range(4)))
    assert {answer.body for answer in answers} == {b"success"}
    assert sorted(c.verdict for c in await inbox_of(shop)) == ["repeated"] * 3 + ["settled"]
    assert await shop.db.read(settled_callbacks_brought_money) is None
    assert [e.kind for e in await shop.db.read(orders.open_exceptions, placed.order.order_id)] == ["delivery_failed"]


async def test_what_breaks_while_it_is_read_is_in_the_inbox_all_the_same(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    placed = await order(shop, "steam-50")

    def broken(*_anything: Any) -> None:
        raise RuntimeError("a bug of ours")

    monkeypatch.setattr(gateways, "made", broken)
    with pytest.raises(RuntimeError):
        await call_back(shop, epay_notice(placed))
    assert [(c.verdict, c.query) for c in await inbox_of(shop)] == [("new", epay_notice(placed))]
