"""Money by callback: believed only when all of it fits, recorded always, counted once."""

import asyncio

import pytest

from kashop.flows import attempts, checkout, confirm
from kashop.flows import settings as settings_flow
from kashop.flows.checkout import Checkout, Want
from kashop.lib.actor import CLI, SYSTEM
from kashop.lib.errors import Invalid
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.risk import SCOPES
from kashop.shop import Shop
from tests import beside
from tests.cast import BUYER, TestClock, add_epay, add_product, call_back, codes_of, epay_notice, order


@pytest.fixture(autouse=True)
async def stocked(shop: Shop) -> None:
    await add_epay(shop)
    await add_product(shop, "steam-50", codes=5)


async def state(shop: Shop, placed: checkout.Placed) -> tuple[str, list[str], int]:
    """The order's status, its open exceptions, and how many receipts it has."""
    order_id = placed.order.order_id
    current = await shop.db.read(orders.get, order_id)
    open_ones = [e.kind for e in await shop.db.read(orders.open_exceptions, order_id)]
    return current.status, open_ones, len(await shop.db.read(payments.receipts, order_id))


async def verdicts(shop: Shop) -> list[tuple[str, str]]:
    return [(c.verdict, c.reason) for c in await shop.db.read(payments.callbacks, 10**9, limit=200)]


async def test_the_same_callback_a_hundred_times_is_one_delivery(shop: Shop) -> None:
    placed = await order(shop, "steam-50")
    notice = epay_notice(placed)
    answers = await asyncio.gather(*(call_back(shop, notice) for _ in range(100)))
    assert [(a.status, a.body) for a in answers] == [(200, b"success")] * 100
    assert await state(shop, placed) == ("delivered", [], 1)
    assert len(await codes_of(shop, placed)) == 1
    found = await verdicts(shop)
    assert sorted(found).count(("settled", "")) == 1


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"sign_key": "another key"}, "signature"),
        ({"pid": "1002"}, "merchant"),
        ({"out_trade_no": "A000000NOTHERE"}, "unknown_attempt"),
        ({"money": "0"}, None),
        ({"money": "-12.50"}, None),
        ({"money": "1e2"}, None),
    ],
)
async def test_what_does_not_fit_changes_nothing(shop: Shop, over: dict[str, str], reason: str | None) -> None:
    placed = await order(shop, "steam-50")
    answer = await call_back(shop, epay_notice(placed, **over))
    assert answer.status == 400
    assert await state(shop, placed) == ("pending", [], 0)
    ((verdict, why),) = await verdicts(shop)
    assert verdict == "rejected"
    assert reason is None or why == reason


async def test_every_rejection_sounds_the_same(shop: Shop) -> None:
    placed = await order(shop, "steam-50")
    notices = (
        b"",
        b"\xff\xfe",
        epay_notice(placed, sign_key="x"),
        epay_notice(placed, pid="9"),
        epay_notice(placed, out_trade_no="A1"),
    )
    answers = {(a.status, a.body) for a in [await call_back(shop, n) for n in notices]}
    answers |= {(a.status, a.body) for a in [await call_back(shop, notices[2], account="nobody")]}
    assert len(answers) == 1


async def test_an_unpaid_status_is_heard_and_does_nothing(shop: Shop) -> None:
    placed = await order(shop, "steam-50")
    answer = await call_back(shop, epay_notice(placed, trade_status="WAIT_BUYER_PAY"))
    assert answer.status == 200
    assert await state(shop, placed) == ("pending", [], 0)


async def test_another_accounts_attempt_is_not_ours_to_settle(shop: Shop) -> None:
    await add_epay(shop, "epay-two")
    placed = await order(shop, "steam-50")
    answer = await call_back(shop, epay_notice(placed), account="epay-two")
    assert answer.status == 400
    assert await state(shop, placed) == ("pending", ["mismatch"], 0)
    assert (await verdicts(shop))[0] == ("rejected", "attempt_of_other_account")


async def test_one_payment_pays_one_order(shop: Shop) -> None:
    first, second = await order(shop, "steam-50"), await order(shop, "steam-50")
    assert (await call_back(shop, epay_notice(first, txn="T9"))).status == 200
    assert (await call_back(shop, epay_notice(second, txn="T9"))).status == 400
    assert await state(shop, first) == ("delivered", [], 1)
    assert await state(shop, second) == ("pending", ["mismatch"], 0)


async def test_a_partial_payment_waits_and_the_rest_completes_it(shop: Shop) -> None:
    placed = await order(shop, "steam-50")
    await call_back(shop, epay_notice(placed, money="5", txn="T1"))
    assert await state(shop, placed) == ("pending", ["paid_partly"], 1)
    await call_back(shop, epay_notice(placed, money="7.50", txn="T2"))
    assert await state(shop, placed) == ("delivered", [], 2)


async def test_too_much_is_delivered_once_and_on_the_desk(shop: Shop) -> None:
    placed = await order(shop, "steam-50")
    await call_back(shop, epay_notice(placed, money="13"))
    assert await state(shop, placed) == ("delivered", ["paid_over"], 1)


async def test_a_second_payment_is_on_the_desk(shop: Shop) -> None:
    placed = await order(shop, "steam-50")
    for txn in ("T1", "T2"):
        assert (await call_back(shop, epay_notice(placed, txn=txn))).status == 200
    assert await state(shop, placed) == ("delivered", ["paid_twice"], 2)
    assert len(await codes_of(shop, placed)) == 1


async def test_another_method_is_recorded_and_not_delivered(shop: Shop) -> None:
    placed = await order(shop, "steam-50")
    assert (await call_back(shop, epay_notice(placed, type="wxpay"))).status == 200
    assert await state(shop, placed) == ("pending", ["mismatch"], 1)


@pytest.mark.parametrize("ending", ["expired", "cancelled"])
async def test_late_money_is_delivered_from_stock_by_policy(shop: Shop, clock: TestClock, ending: str) -> None:
    placed = await order(shop, "steam-50")
    if ending == "cancelled":
        await checkout.cancel(shop, placed.order, CLI)
    else:
        clock.pass_time(minutes=16)
        await checkout.expire(shop, placed.order.order_id, SYSTEM)
    await call_back(shop, epay_notice(placed))
    assert await state(shop, placed) == ("delivered", [], 1)
    (late,) = await shop.db.read(orders.exceptions, placed.order.order_id)
    assert late.kind == "paid_late"
    assert late.reason


async def test_late_money_waits_for_staff_when_the_policy_says_so(shop: Shop, clock: TestClock) -> None:
    await settings_flow.change(shop, {"orders.late_payment": "hold"}, CLI)
    placed = await order(shop, "steam-50")
    clock.pass_time(minutes=16)
    await checkout.expire(shop, placed.order.order_id, SYSTEM)
    await call_back(shop, epay_notice(placed))
    assert await state(shop, placed) == ("expired", ["paid_late"], 1)
    assert await confirm.confirm(shop, placed.order.order_no, reference="X", note="checked", actor=CLI) == "delivered"
    assert await state(shop, placed) == ("delivered", [], 1)


async def test_a_person_can_vouch_for_a_payment_once(shop: Shop) -> None:
    placed, other = await order(shop, "steam-50"), await order(shop, "steam-50")
    with pytest.raises(Invalid):
        await confirm.confirm(shop, placed.order.order_no, reference="", note="x", actor=CLI)
    assert await confirm.confirm(shop, placed.order.order_no, reference="B7", note="bank slip", actor=CLI) == "delivered"
    with pytest.raises(Invalid):
        await confirm.confirm(shop, other.order.order_no, reference="B7", note="bank slip", actor=CLI)
    assert await state(shop, other) == ("pending", [], 0)


async def test_a_callback_left_unread_is_read_later(shop: Shop, clock: TestClock) -> None:
    from kashop.jobs.schedule import read_callbacks
    from kashop.payments import writes
    from kashop.payments.types import CallbackRequest

    placed = await order(shop, "steam-50")
    request = CallbackRequest(method="GET", query=epay_notice(placed), headers={}, body=b"")
    await shop.db.write(writes.store_callback, "epay-main", request, ip="")
    clock.pass_time(minutes=1)
    assert await read_callbacks(shop) == 1
    assert await state(shop, placed) == ("delivered", [], 1)


async def test_strangers_cannot_fill_the_inbox_and_real_money_still_gets_through(shop: Shop, clock: TestClock) -> None:
    placed = await order(shop, "steam-50")
    forged = epay_notice(placed, sign_key="another key")
    for n in range(SCOPES["rejected callbacks"].most + 30):
        account = "epay-main" if n % 2 else "nobody"
        answer = await call_back(shop, forged, account=account)
        assert (answer.status, answer.body) == (400, b"fail")
    assert len(await verdicts(shop)) == SCOPES["rejected callbacks"].most
    assert (await call_back(shop, epay_notice(placed))).body == b"success"
    assert await state(shop, placed) == ("delivered", [], 1)
    assert (await verdicts(shop))[0] == ("settled", "")
    clock.pass_time(minutes=11)
    await call_back(shop, forged)
    assert (await verdicts(shop))[0] == ("rejected", "signature")


async def test_a_payment_that_a_person_vouched_for_is_taken_when_it_calls_back(shop: Shop) -> None:
    placed = await order(shop, "steam-50")
    await attempts.change(shop, placed.order, gateway="epay-main", method="wxpay", actor=BUYER)
    await confirm.confirm(shop, placed.order.order_no, reference="T1", note="seen in the statement", actor=CLI)
    assert (await call_back(shop, epay_notice(placed, txn="T1"))).body == b"success"  # it was paid by the first attempt
    assert await state(shop, placed) == ("delivered", [], 1)


async def test_the_same_payment_told_with_another_amount_is_put_on_the_desk(shop: Shop) -> None:
    placed = await order(shop, "steam-50")
    await confirm.confirm(shop, placed.order.order_no, reference="T1", note="seen in the statement", actor=CLI)
    assert (await call_back(shop, epay_notice(placed, txn="T1", money="0.50"))).body == b"success"
    assert await state(shop, placed) == ("delivered", ["mismatch"], 1)
    assert (await verdicts(shop))[0] == ("repeated", "amount")


def break_by_hand(shop: Shop, *statements: str) -> None:
    """What no code of ours does: the database is changed behind the shop's back."""
    beside.change(shop.config.place, *statements)


async def test_money_is_recorded_even_when_what_follows_it_breaks(shop: Shop) -> None:
    placed = await order(shop, "steam-50")
    break_by_hand(shop, "UPDATE stock_counts SET held = 0")
    assert (await call_back(shop, epay_notice(placed))).status == 200
    assert await state(shop, placed) == ("pending", ["delivery_failed"], 1)
    break_by_hand(shop, "UPDATE stock_counts SET held = 1")
    assert await confirm.confirm(shop, placed.order.order_no, reference="X", note="counts mended", actor=CLI) == "delivered"
    assert await state(shop, placed) == ("delivered", [], 1)


async def test_a_count_that_promises_too_much_leaves_nothing_half_taken(shop: Shop, clock: TestClock) -> None:
    placed = await order(shop, "steam-50", 5)
    clock.pass_time(minutes=16)
    await checkout.expire(shop, placed.order.order_id, SYSTEM)
    break_by_hand(shop, "UPDATE codes SET status = 'void' WHERE code_id IN (SELECT code_id FROM codes LIMIT 2)")
    await call_back(shop, epay_notice(placed, money="62.50"))
    assert await state(shop, placed) == ("expired", ["paid_late"], 1)
    kept = await shop.db.read(lambda db: db.values("SELECT status FROM codes ORDER BY status"))
    assert kept == ["free"] * 3 + ["void"] * 2


async def test_what_can_be_delivered_is_while_another_line_waits(shop: Shop) -> None:
    await add_product(shop, "game-100", codes=1)
    wish = Checkout(
        lines=(Want("steam-50", 1), Want("game-100", 1)), contact="a@example.com", gateway="epay-main", method="alipay"
    )
    placed = await checkout.place(shop, wish, BUYER)
    gone = "SELECT line_id FROM order_lines WHERE sku_code = 'game-100'"
    break_by_hand(
        shop,
        f"UPDATE codes SET status = 'void', held_until = NULL, line_id = NULL WHERE line_id = ({gone})",
        "UPDATE stock_counts SET held = 0, void = 1 WHERE sku_id = (SELECT sku_id FROM skus WHERE sku_code = 'game-100')",
    )
    await call_back(shop, epay_notice(placed, money="25"))
    assert await state(shop, placed) == ("delivering", ["short_of_stock"], 1)
    assert await codes_of(shop, placed) == ["STEAM-50-00000"]
