"""The desk, evidence and callbacks at the terminal."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from kashop.lib.actor import CLI
from kashop.orders import reads as orders
from kashop.orders import writes
from kashop.shop import Shop
from tests.admin.desk import add_staff
from tests.cast import add_epay, add_product, call_back, config, epay_notice, order
from tests.cli.conftest import Terminal
from tests.flows.test_confirm import picture


def prepared(data: Path, work: Callable[[Shop], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        shop = await Shop.open(config(data), is_server=True)
        try:
            await add_epay(shop)
            await add_product(shop, "steam", codes=5)
            return await work(shop)
        finally:
            await shop.close()

    return asyncio.run(run())


def test_the_desk_tells_age_and_owner(data: Path, terminal: Terminal) -> None:
    async def work(shop: Shop) -> str:
        mate = await add_staff(shop, "mate@example.com", "finance")
        placed = await order(shop, "steam")
        await call_back(shop, epay_notice(placed, money="5.00"))
        [entry] = await shop.db.read(orders.open_exceptions, placed.order.order_id)
        owner = f"staff:{mate}"
        await shop.db.write(writes.set_owner, entry.exception_id, owner, CLI, was="")
        await shop.db.write(lambda tx: tx.run("UPDATE order_exceptions SET opened_at = opened_at - 93600000"))
        return placed.order.order_no

    number = prepared(data, work)
    said = terminal.good("order", "exceptions")
    for word in (number, "paid_partly", "mate@example.com", "1d 2h"):
        assert word in said
    [row] = terminal.json("order", "exceptions")
    assert (row["owner"], row["order_no"], row["age_seconds"] // 3600) == ("mate@example.com", number, 26)


def test_a_payment_is_confirmed_with_a_file_that_shows_it(data: Path, terminal: Terminal, tmp_path: Path) -> None:
    async def work(shop: Shop) -> str:
        return (await order(shop, "steam")).order.order_no

    number = prepared(data, work)
    slip = tmp_path / "slip.png"
    slip.write_bytes(b"no picture")
    words = ("order", "confirm", number, "--reference", "B1", "--note", "seen", "--evidence", slip)
    assert "neither a picture nor a PDF" in terminal.refused(*words)
    assert "gateway" in terminal.refused(*words[:-2], "--gateway", "nobody")
    slip.write_bytes(picture())
    assert terminal.json(*words)["status"] == "delivered"
    assert len(list((data / "uploads" / "evidence").iterdir())) == 1


def test_callbacks_of_an_order_are_listed_without_what_was_sent(data: Path, terminal: Terminal) -> None:
    async def work(shop: Shop) -> str:
        placed = await order(shop, "steam")
        await call_back(shop, epay_notice(placed))
        await call_back(shop, epay_notice(placed))
        return placed.order.order_no

    number = prepared(data, work)
    assert [c["verdict"] for c in terminal.json("order", "callbacks", number)] == ["settled", "repeated"]
    said = terminal.good("order", "callbacks", number)
    assert "epay-main" in said
    assert "sign" not in said
    assert "K404" in terminal.refused("order", "callbacks", "K404")
