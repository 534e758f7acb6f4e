"""`kashop order refund`: by the same rules as in the panel."""

import asyncio

import pytest

from kashop.flows.checkout import Placed
from kashop.shop import Shop
from tests.cast import add_epay, add_product, call_back, config, epay_notice, order
from tests.cli.conftest import Terminal


@pytest.fixture
def paid(terminal: Terminal) -> Placed:
    """An order that was paid twice and delivered."""

    async def work() -> Placed:
        shop = await Shop.open(config(terminal.data))
        await add_epay(shop)
        await add_product(shop, "steam", codes=3)
        placed = await order(shop, "steam")
        for txn in ("T1", "T2"):
            await call_back(shop, epay_notice(placed, txn=txn))
        await shop.close()
        return placed

    return asyncio.run(work())


def test_money_goes_back_and_the_order_tells(terminal: Terminal, paid: Placed) -> None:
    no = paid.order.order_no
    by_hand = ("--reason", "paid twice", "--recorded", "--reference", "bank 77")
    assert "several times" in terminal.refused("order", "refund", no, *by_hand)
    assert "T1, T2" in terminal.refused("order", "refund", no, "--payment", "T9", *by_hand)
    assert "reason" in terminal.refused("order", "refund", no, "--payment", "T2")
    assert "reference" in terminal.refused("order", "refund", no, "--payment", "T2", "--reason", "x", "--recorded")
    assert "12.50 CNY" in terminal.refused("order", "refund", no, "--payment", "T2", "--amount", "12.51", *by_hand)
    said = terminal.json("order", "refund", no, "--payment", "T2", "--amount", "12.50", *by_hand)
    assert (said["status"], said["amount"]) == ("done", {"amount": "12.50", "currency": "CNY"})
    known = terminal.json("order", "show", no)
    assert (known["status"], known["refunded"]["amount"]) == ("delivered", "12.50")
    (told,) = known["refunds"]
    assert (told["way"], told["reference"], told["refund_no"]) == ("recorded", "bank 77", said["refund_no"])
    assert f"refund {said['refund_no']} recorded: done, 12.50 CNY, paid twice (bank 77)" in terminal.good("order", "show", no)
    assert "went back" in terminal.good("order", "refund", no, "--amount", "1", *by_hand)
    assert terminal.json("order", "show", no)["status"] == "refunded"


def test_above_the_bound_it_waits_for_a_second_person(terminal: Terminal, paid: Placed) -> None:
    no = paid.order.order_no
    terminal.good("setting", "set", "payments.second_person_above", "1000")
    by_hand = ("--payment", "T2", "--reason", "paid twice", "--recorded", "--reference", "bank 77")
    assert "Request 1 waits under Approvals" in terminal.refused("order", "refund", no, *by_hand)
    assert "not approved" in terminal.refused("order", "refund", no, "--approved", "1")
    assert terminal.json("order", "show", no)["refunds"] == []
