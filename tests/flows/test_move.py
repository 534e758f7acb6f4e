"""From the file to PostgreSQL: every row, the chain, and a fence round the old file."""

from pathlib import Path

import pytest

from kashop.cli.check import results
from kashop.db import moving
from kashop.flows.move import move
from kashop.lib.errors import Conflict, Unavailable
from kashop.settings.config import Config, load
from kashop.shop import Shop
from tests import beside
from tests.cast import TestClock, add_epay, add_product, call_back, codes_of, config, epay_notice, order

pytestmark = pytest.mark.sqlite


@pytest.fixture
async def traded(data: Path, clock: TestClock) -> Config:
    """A shop that has sold, is selling, and has codes left."""
    shop = await Shop.open(config(data), clock=clock, is_server=True)
    await add_epay(shop)
    await add_product(shop, "steam-50", codes=20)
    paid = await order(shop, "steam-50", 2)
    await call_back(shop, epay_notice(paid, money="25.00"))
    await order(shop, "steam-50")
    await shop.close()
    return config(data)


def on_server(old: Config, address: str) -> Config:
    return load(old.data, {"KASHOP_DATABASE": address}, base_url="http://shop.example")


async def test_a_shop_goes_on_where_it_was(traded: Config, address: str, clock: TestClock) -> None:
    told: dict[str, int] = {}
    moved = move(traded, address, told.__setitem__)
    assert (moved.rows, moved.rows["codes"], moved.rows["orders"]) == (told, 20, 2)
    shop = await Shop.open(on_server(traded, address), clock=clock, is_server=True)
    bought = await order(shop, "steam-50", 2)
    await call_back(shop, epay_notice(bought, money="25.00", txn="T2"))
    assert await codes_of(shop, bought) == ["STEAM-50-00003", "STEAM-50-00004"]
    found = await results(shop, is_all=True)
    assert [r for r in found if r.witness] == []
    assert len(found) > 20
    await shop.close()


async def test_the_old_file_is_fenced(traded: Config, address: str) -> None:
    move(traded, address, lambda *_: None)
    assert not traded.file.exists()
    with pytest.raises(Unavailable, match="moved to PostgreSQL: set KASHOP_DATABASE"):
        await Shop.open(traded, is_server=True)
    with pytest.raises(Unavailable, match="moved"):
        move(traded, address, lambda *_: None)
    with pytest.raises(Conflict, match="already"):
        move(on_server(traded, address), address, lambda *_: None)


def test_a_move_that_died_before_its_fence_is_finished(traded: Config, address: str) -> None:
    moving.copy(traded.file, address, lambda *_: None)
    assert move(traded, address, lambda *_: pytest.fail("copied again")).rows["codes"] == 20
    assert traded.moved_file.exists()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE codes SET sealed = fingerprint WHERE code_id = (SELECT MIN(code_id) FROM codes)",
        "DELETE FROM codes WHERE code_id = (SELECT MAX(code_id) FROM codes)",
        "UPDATE orders SET contact = 'b@example.com' WHERE order_id = 1",
    ],
)
def test_what_is_not_the_same_on_both_sides_fences_nothing(traded: Config, address: str, sql: str) -> None:
    moving.copy(traded.file, address, lambda *_: None)
    beside.change(address, sql)
    with pytest.raises(Conflict):
        move(traded, address, lambda *_: None)
    assert traded.file.exists()
    assert not traded.moved_file.exists()


def test_another_shop_is_never_written_over(traded: Config, address: str, founded: Path) -> None:
    moving.copy(config(founded).file, address, lambda *_: None)
    before = beside.row_counts(address)
    with pytest.raises(Conflict, match="choose an empty database"):
        move(traded, address, lambda *_: None)
    assert beside.row_counts(address) == before
    assert traded.file.exists()


def test_a_move_that_fails_leaves_nothing(traded: Config, address: str) -> None:
    beside.change(traded.file, "UPDATE orders SET contact = 'a' || char(0) || 'b' WHERE order_id = 1")
    with pytest.raises(Unavailable, match="NUL"):
        move(traded, address, lambda *_: None)
    assert beside.value(address, "SELECT COUNT(*) FROM codes") == 0
    assert traded.file.exists()


def test_an_address_that_does_not_answer_changes_nothing(traded: Config, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        move(traded, f"postgresql:///x?host={tmp_path}", lambda *_: None)
    assert traded.file.exists()
