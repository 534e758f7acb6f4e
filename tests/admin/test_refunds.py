"""Refunds at the panel: sent by the gateway or recorded, by a second person above the bound, and told as they stand."""

import re
from typing import Any

import pytest

from kashop.flows import settings
from kashop.flows.checkout import Placed
from kashop.lib.actor import CLI
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.shop import Shop
from kashop.web.edge import Edge
from tests.admin.desk import Desk, add_staff, step_up
from tests.cast import add_product, codes_of
from tests.flows.till import Till, add_till, buy, pay, refunded, sold, state


@pytest.fixture
async def till(shop: Shop) -> Till:
    await add_product(shop, "steam", codes=5)
    return await add_till(shop)


@pytest.fixture
async def finance(shop: Shop, app: Edge) -> Desk:
    return await at_desk(shop, app, "finance")


async def at_desk(shop: Shop, app: Edge, role: str) -> Desk:
    await add_staff(shop, f"{role}@example.com", role)
    desk = Desk(app)
    await desk.log_in(f"{role}@example.com")
    await step_up(shop)
    return desk


async def form(shop: Shop, placed: Placed, **more: Any) -> dict[str, str]:
    receipts = await shop.db.read(payments.receipts, placed.order.order_id)
    typed = {
        "receipt": str(receipts[-1].receipt_id),
        "amount": "12.50",
        "way": "gateway",
        "reason": "asked by mail",
        "reference": "",
    }
    return {**typed, **more}


async def test_it_goes_back_by_the_gateway_and_the_order_tells(shop: Shop, finance: Desk, till: Till) -> None:
    placed = await sold(shop)
    path = f"/admin/orders/{placed.order.order_no}"
    assert f'href="{path}/refund"' in (await finance.get(path)).text
    page = await finance.get(f"{path}/refund")
    assert 'value="12.50"' in page.text
    till.says = "pending"
    sent = await finance.post(f"{path}/refund", await form(shop, placed, amount="5"))
    assert (sent.status_code, sent.headers["location"]) == (303, f"{path}?said=refund_open")
    told = (await finance.get(path)).text
    assert "On its way" in told
    assert "asked by mail" in told
    assert await refunded(shop, placed, refund_no=till.asked[0].refund_no) == "noted"
    assert 'value="7.50"' in (await finance.get(f"{path}/refund")).text, "what is left is proposed"
    assert "Order refunded" in (await finance.get(path)).text


async def test_what_is_wrong_stands_beside_its_field(shop: Shop, finance: Desk, till: Till) -> None:
    placed = await sold(shop)
    path = f"/admin/orders/{placed.order.order_no}/refund"
    for typed, field in (({"amount": "12.51"}, "amount"), ({"way": "recorded"}, "reference"), ({"reason": ""}, "reason")):
        page = await finance.post(path, await form(shop, placed, **typed))
        assert page.status_code == 422
        assert f'id="wrong-{field}"' in page.text
    gone = await finance.post(path, await form(shop, placed, receipt="999"))
    assert gone.status_code == 409
    assert till.asked == []


async def test_a_claim_link_and_a_refusal_are_shown(shop: Shop, finance: Desk, till: Till) -> None:
    from kashop.payments.types import RefundWord

    placed = await sold(shop)
    path = f"/admin/orders/{placed.order.order_no}"
    till.says = RefundWord(state="pending", claim_url="https://pay.example/claim/1")
    await finance.post(f"{path}/refund", await form(shop, placed, amount="1"))
    till.says = RefundWord(state="failed", problem="balance too low")
    failed = await finance.post(f"{path}/refund", await form(shop, placed, amount="2"))
    assert failed.headers["location"].endswith("said=refund_failed")
    page = (await finance.get(path)).text
    assert 'href="https://pay.example/claim/1"' in page
    assert "balance too low" in page


async def test_of_several_payments_one_is_chosen_and_a_surplus_proposed(shop: Shop, finance: Desk, till: Till) -> None:
    placed = await sold(shop)
    await pay(shop, placed, txn="T2", amount=1300)
    path = f"/admin/orders/{placed.order.order_no}/refund"
    page = (await finance.get(path)).text
    links = re.findall(r"refund\?receipt=(\d+)", page)
    assert len(links) == 2
    assert 'name="amount"' not in page
    second = (await finance.get(f"{path}?receipt={links[1]}")).text
    assert 'value="13.00"' in second
    await finance.post(path, await form(shop, placed, receipt=links[1], amount="13.00"))
    assert await state(shop, placed) == ("delivered", 1250, 1300, [])


async def test_above_the_bound_somebody_else_approves(shop: Shop, app: Edge, finance: Desk, till: Till) -> None:
    await settings.change(shop, {"payments.second_person_above": 1000}, CLI)
    placed = await sold(shop)
    path = f"/admin/orders/{placed.order.order_no}/refund"
    lonely = await finance.post(path, await form(shop, placed, amount="10.01", reference="x", way="recorded"))
    assert lonely.status_code == 303, "the owner may approve"
    request = lonely.headers["location"].partition("?")[0]
    assert placed.order.order_no in (await finance.get(request)).text
    manager = await at_desk(shop, app, "manager")
    assert (await finance.post(f"{request}/decide", {"decision": "approve", "note": ""})).status_code == 403
    assert (await finance.post(f"{request}/refund")).status_code == 409
    assert "10.01" in (await manager.get(request)).text
    assert (await manager.post(f"{request}/decide", {"decision": "approve", "note": ""})).status_code == 303
    done = await finance.post(f"{request}/refund")
    assert done.headers["location"].endswith("said=refund_done")
    assert (await finance.post(f"{request}/refund")).status_code == 409
    assert await state(shop, placed) == ("refunded", 249, 1001, [])
    support = await at_desk(shop, app, "support")
    assert (await support.get(request)).status_code == 404
    assert (await support.get(path)).status_code == 403


async def test_the_buyers_codes_are_shown_until_all_went_back(shop: Shop, finance: Desk, till: Till) -> None:
    placed = await buy(shop)
    await pay(shop, placed)
    path = f"/admin/orders/{placed.order.order_no}/refund"
    await finance.post(path, await form(shop, placed, amount="12.49"))
    assert len(await codes_of(shop, placed)) == 1
    order = await shop.db.read(orders.get, placed.order.order_id)
    assert (order.status, order.kept_minor) == ("refunded", 1)
