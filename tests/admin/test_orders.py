"""Orders and the exceptions desk as staff work them."""

import pytest

from kashop.flows import gateways
from kashop.flows.checkout import Placed
from kashop.inventory import reads as inventory
from kashop.lib.actor import CLI, SYSTEM
from kashop.orders import reads as orders
from kashop.orders import writes
from kashop.payments import reads as payments
from kashop.shop import Shop
from tests.admin.desk import Desk, complaints, step_up
from tests.cast import TestClock, add_epay, add_product, call_back, epay_notice, let_a_crowd_in, order

MARK = "<script>alert(7)</script>"


@pytest.fixture
async def placed(shop: Shop) -> Placed:
    """An unpaid order of two codes."""
    await add_epay(shop)
    await add_product(shop, "steam", codes=3)
    return await order(shop, "steam", 2)


async def status(shop: Shop, placed: Placed) -> str:
    return (await shop.db.read(orders.get, placed.order.order_id)).status


def at(placed: Placed, rest: str = "") -> str:
    return f"/admin/orders/{placed.order.order_no}{rest}"


async def test_a_number_in_a_banks_list_leads_to_its_order(shop: Shop, owner: Desk) -> None:
    await add_product(shop, "steam", codes=3)
    options = {"payee": "张三", "account": "31050161", "methods": "transfer"}
    await gateways.configure(shop, "bank", type="transfer", options=options, actor=CLI)
    placed, other = [await order(shop, "steam", gateway="bank", method="transfer") for _ in range(2)]
    (attempt,) = await shop.db.read(payments.attempts, placed.order.order_id)
    page = (await owner.get(at(placed))).text
    assert attempt.attempt_no in page
    for number in (attempt.gateway_ref, attempt.gateway_ref.lower(), attempt.attempt_no):
        assert (await owner.get("/admin/orders", params={"q": f" {number} "})).headers["location"] == at(placed)
    for each in (placed, other):
        await owner.post(at(each, "/confirm"), {"reference": f"Bank-{each.order.order_id}", "confirm_note": "on the statement"})
    assert (await owner.get("/admin/orders?q=Bank-" + str(other.order.order_id))).headers["location"] == at(other)
    assert "No order fits." in (await owner.get("/admin/orders?q=Bank-")).text


async def test_an_order_is_confirmed_by_hand_once(shop: Shop, owner: Desk, placed: Placed) -> None:
    for missing in ({"reference": "", "confirm_note": "seen"}, {"reference": "T9", "confirm_note": ""}):
        refused = await owner.post(at(placed, "/confirm"), missing)
        assert refused.status_code == 422
        assert "Please fill in this field." in complaints(refused)
    assert await status(shop, placed) == "pending"
    sent = {"reference": "T900", "confirm_note": "seen on the statement"}
    done = await owner.post(at(placed, "/confirm"), sent)
    assert done.headers["location"].endswith("?said=confirmed")
    assert await status(shop, placed) == "delivered"
    again = await owner.post(at(placed, "/confirm"), {**sent, "reference": "T901"})
    assert again.status_code == 409
    assert "This order is already paid." in again.text
    page = (await owner.get(at(placed))).text
    for said in ("T900", "Manual confirmation", "Paid in full", "Delivered in whole", "owner@example.com", "2 codes"):
        assert said in page


async def test_the_page_tells_payments_and_callbacks_and_no_code_or_signature(shop: Shop, owner: Desk, placed: Placed) -> None:
    notice = epay_notice(placed, money="25.00", txn="T1")
    await call_back(shop, notice)
    await call_back(shop, notice)
    page = (await owner.get(at(placed))).text
    assert "STEAM-0000" not in page
    assert notice.decode().rpartition("sign=")[2] not in page
    assert "sign = •••" in page
    for said in ("trade_status = TRADE_SUCCESS", "Settled", "Repeated", "T1", "epay-main"):
        assert said in page


async def test_a_manual_line_is_delivered_once_and_sealed(shop: Shop, owner: Desk) -> None:
    await add_epay(shop)
    await add_product(shop, "topup", delivery="manual")
    placed = await order(shop, "topup", 2)
    await call_back(shop, epay_notice(placed, money="25.00"))
    line = (await shop.db.read(orders.lines, placed.order.order_id))[0]
    path = at(placed, f"/lines/{line.line_id}/deliver")
    short = await owner.post(path, {"content-0-text": "CANARY-HAND-1"})
    assert short.status_code == 422
    blank = await owner.post(path, {"content-0-text": "CANARY-HAND-1", "content-1-text": "  "})
    assert blank.status_code == 422
    assert await status(shop, placed) != "delivered"
    done = await owner.post(path, {"content-0-text": "CANARY-HAND-1\r\nline two", "content-1-text": "CANARY-HAND-2"})
    assert done.status_code == 303
    assert await status(shop, placed) == "delivered"
    again = await owner.post(path, {"content-0-text": "a", "content-1-text": "b"})
    assert again.status_code == 409
    assert "CANARY-HAND" not in (await owner.get(at(placed))).text
    assert len(await shop.db.read(inventory.owned_codes, line.line_id)) == 2
    foreign = await owner.post(at(placed, "/lines/99999/deliver"), {"content-0-text": "a", "content-1-text": "b"})
    assert foreign.status_code == 422


async def test_an_unpaid_order_is_cancelled_with_a_reason_and_gives_back(shop: Shop, owner: Desk, placed: Placed) -> None:
    assert (await owner.post(at(placed, "/cancel"), {"reason": ""})).status_code == 422
    assert await status(shop, placed) == "pending"
    assert (await owner.post(at(placed, "/cancel"), {"reason": "asked for"})).status_code == 303
    assert await status(shop, placed) == "cancelled"
    assert [c.free for c in await shop.db.read(inventory.counts)] == [3]
    assert "asked for" in (await owner.get(at(placed))).text
    late = await owner.post(at(placed, "/cancel"), {"reason": "again"})
    assert late.status_code == 409


async def test_late_confirmation_without_stock_waits_on_the_desk(
    shop: Shop, owner: Desk, placed: Placed, clock: TestClock
) -> None:
    clock.pass_time(minutes=16)
    await shop.db.write(writes.expire, placed.order.order_id, SYSTEM)
    await call_back(shop, epay_notice(await order(shop, "steam", 3), money="37.50", txn="T2"))
    await step_up(shop)
    done = await owner.post(at(placed, "/confirm"), {"reference": "T3", "confirm_note": "late"})
    assert done.headers["location"].endswith("?said=confirmed_waiting")
    desk = await owner.get("/admin/exceptions")
    assert placed.order.order_no in desk.text
    assert "Paid late" in desk.text


async def test_an_exception_is_closed_with_a_reason_and_once(shop: Shop, owner: Desk, placed: Placed) -> None:
    exception_id = await shop.db.write(writes.open_exception, placed.order.order_id, "paid_over", SYSTEM, over=500, txn=MARK)
    path = f"/admin/exceptions/{exception_id}/close"
    page = (await owner.get("/admin/exceptions")).text
    assert MARK not in page
    assert "Paid too much" in page
    assert (await owner.post(path, {f"reason-{exception_id}": ""})).status_code == 422
    assert len(await shop.db.read(orders.desk)) == 1
    assert (await owner.post(path, {f"reason-{exception_id}": "paid back"})).status_code == 303
    assert await shop.db.read(orders.desk) == []
    assert (await owner.post(path, {f"reason-{exception_id}": "again"})).status_code == 409
    assert "paid back" in (await owner.get(at(placed))).text


async def test_a_note_is_text(shop: Shop, owner: Desk, placed: Placed) -> None:
    assert (await owner.post(at(placed, "/note"), {"note": f"line one\r\n{MARK}"})).status_code == 303
    page = (await owner.get(at(placed))).text
    assert MARK not in page
    assert "line one\n&lt;script&gt;" in page
    assert (await owner.post(at(placed, "/note"), {"note": "x" * 2001})).status_code == 422


async def test_orders_are_found_by_number_contact_and_state(shop: Shop, owner: Desk, placed: Placed) -> None:
    other = await order(shop, "steam", 1, contact="other@example.com")
    number = placed.order.order_no
    assert (await owner.get(f"/admin/orders?q={number.lower()}")).headers["location"] == at(placed)
    found = (await owner.get("/admin/orders", params={"q": "other@example.com"})).text
    assert other.order.order_no in found
    assert number not in found
    assert number in (await owner.get("/admin/orders?status=pending")).text
    assert number not in (await owner.get("/admin/orders?status=delivered")).text
    for odd in ("status=nonsense", "before=abc", "before=-1", "before=99999999999999999999999", "q=%27%20OR%201%3D1--", "q=%25"):
        assert (await owner.get(f"/admin/orders?{odd}")).status_code == 200


async def test_long_lists_go_on_by_a_cursor(shop: Shop, owner: Desk) -> None:
    await let_a_crowd_in(shop)
    await add_epay(shop)
    await add_product(shop, "steam", codes=60)
    numbers = {(await order(shop, "steam")).order.order_no for _ in range(53)}
    first = (await owner.get("/admin/orders?status=pending")).text
    older = first.partition('href="/admin/orders?status=pending&amp;before=')[2].partition('"')[0]
    second = (await owner.get(f"/admin/orders?status=pending&before={older}")).text
    on_first, on_second = {n for n in numbers if n in first}, {n for n in numbers if n in second}
    assert (len(on_first), len(on_second)) == (50, 3)
    assert on_first | on_second == numbers


async def test_a_gateway_can_be_asked_but_not_hammered(owner: Desk, placed: Placed) -> None:
    answers = [(await owner.post(at(placed, "/query"))).status_code for _ in range(11)]
    assert answers == [303] * 10 + [429]


async def test_the_overview_counts_today_in_the_shops_zone(shop: Shop, owner: Desk, placed: Placed, clock: TestClock) -> None:
    await call_back(shop, epay_notice(placed, money="25.00"))
    page = (await owner.get("/admin")).text
    assert "CN¥25.00" in page
    assert placed.order.order_no in page
    clock.pass_time(hours=24)
    await owner.log_in()
    assert "CN¥0.00" in (await owner.get("/admin")).text
