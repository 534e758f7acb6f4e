"""What is for sale, in memory: seen as promised, counted as promised, and never what an order is decided by."""

import asyncio
import itertools
import re
import sqlite3
from pathlib import Path

import pytest

from kashop.catalog import writes as catalog
from kashop.catalog.reads import find_offer
from kashop.catalog.types import SkuDraft
from kashop.db import Reader, Tx
from kashop.db.units import SqliteTx
from kashop.flows import checkout
from kashop.lib.actor import CLI
from kashop.lib.errors import Invalid, PriceChanged, Unavailable
from kashop.shelf import reads
from kashop.shelf.memory import OLDEST, OLDEST_COUNTS, Shelf
from kashop.shop import Shop
from tests import beside
from tests.cast import BUYER, add_epay, add_product, config, order, stock, wish
from tests.house import tree

CHANGES = {
    "categories": "UPDATE categories SET name = 'x'",
    "products": "UPDATE products SET name = 'x'",
    "skus": "UPDATE skus SET price_minor = price_minor + 1",
    "price_tiers": "UPDATE price_tiers SET price_minor = price_minor + 1",
    "pools": "UPDATE pools SET name = 'x'",
    "pool_channels": "UPDATE pool_channels SET pool_id = 2",
    "gateways": "UPDATE gateways SET is_enabled = 0",
}


class Seconds:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
async def kept(shop: Shop, seconds: Seconds) -> Shelf:
    """The shelf of a furnished shop, with a clock of the test's own."""
    await add_epay(shop)
    await add_product(shop, "steam-50", codes=3, tiers=((10, 1200),))
    return Shelf(shop.db, seconds=seconds)


def by_another(data: Path, *statements: str) -> None:
    """Another process changes the shop."""
    beside.change(config(data).place, *statements)


def furnished(con: sqlite3.Connection) -> None:
    """A row in every table that a sale is priced by."""
    con.execute("INSERT INTO categories (slug, name) VALUES ('games', 'Games')")
    con.execute("INSERT INTO pools (slug, name) VALUES ('wholesale', 'W')")
    con.execute("INSERT INTO pool_channels (channel, pool_id) VALUES ('web', 1)")


async def test_it_shows_what_is_for_sale(kept: Shelf, shop: Shop) -> None:
    await add_product(shop, "hidden", is_hidden=True)
    shown = await kept.look()
    assert list(shown.listing.offers) == ["steam-50"]
    assert list(shown.listing.goods) == ["steam-50", "hidden"]
    assert shown.listing.offers["steam-50"].tiers[0].price_minor == 1200
    assert [a.name for a in shown.listing.accounts] == ["epay-main"]
    sku_id = shown.listing.offers["steam-50"].sku.sku_id
    assert shown.count_free(sku_id, "web") == 3
    assert shown.count_free(sku_id + 1, "web") == 0
    assert shown.counted_at == shop.clock.now()


async def test_it_is_the_same_offer_that_the_catalogue_finds(kept: Shelf, shop: Shop) -> None:
    assert (await kept.look()).listing.offers["steam-50"] == await shop.db.read(find_offer, "steam-50")


async def test_a_change_of_this_process_is_seen_at_once(kept: Shelf, shop: Shop) -> None:
    before = (await kept.look()).listing
    draft = SkuDraft(sku_code="steam-50", price_minor=1250, tiers=((5, 1100),))
    await shop.db.write(catalog.edit_sku, before.offers["steam-50"].sku.sku_id, draft, CLI)
    assert kept.glance() is None
    assert (await kept.look()).listing.offers["steam-50"].tiers[0].price_minor == 1100


async def test_a_change_of_another_process_is_seen_after_half_a_second(kept: Shelf, seconds: Seconds, data: Path) -> None:
    await kept.look()
    by_another(data, "UPDATE skus SET price_minor = 990")
    seconds.now += OLDEST - 0.01
    assert kept.glance() is not None
    seconds.now += 0.01
    assert kept.glance() is None
    assert (await kept.look()).listing.offers["steam-50"].sku.price_minor == 990


async def test_nothing_is_read_again_while_nothing_changes_or_nobody_asks(kept: Shelf, seconds: Seconds) -> None:
    first = await kept.look()
    assert await kept.look() is first
    seconds.now += 100
    assert (await kept.look()).listing is first.listing


async def test_many_who_ask_at_once_share_one_reading(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    readings = 0
    read = reads.snapshot

    def counted(db: Reader, known: object) -> object:
        nonlocal readings
        readings += 1
        return read(db, known)  # type: ignore[arg-type]

    monkeypatch.setattr(reads, "snapshot", counted)
    shelf = Shelf(shop.db)
    seen = await asyncio.gather(*(shelf.look() for _ in range(100)))
    assert readings == 1
    assert {id(s) for s in seen} == {id(seen[0])}


async def test_who_knows_of_a_change_is_not_shown_what_was_being_read_before_it(kept: Shelf, shop: Shop) -> None:
    reading = asyncio.create_task(kept.look())
    await asyncio.sleep(0)
    await add_product(shop, "new")
    assert "new" in (await kept.look()).listing.goods
    await reading


async def test_counts_are_new_soon_after_a_sale_here(kept: Shelf, shop: Shop, seconds: Seconds) -> None:
    first = await kept.look()
    sku_id = first.listing.offers["steam-50"].sku.sku_id
    await order(shop, "steam-50", 2)
    seconds.now += OLDEST_COUNTS / 2
    await order(shop, "steam-50", 1)  # does not put off what the first made old
    seconds.now += OLDEST_COUNTS / 2
    assert kept.glance() is None
    shown = await kept.look()
    assert shown.count_free(sku_id, "web") == 0
    assert shown.listing is first.listing, "a sale is no change of what is for sale"


async def test_a_version_that_was_never_committed_does_not_make_it_read_for_ever(kept: Shelf) -> None:
    shown = await kept.look()
    kept.doubt(shown.version + 1)
    assert kept.glance() is None
    await kept.look()
    assert kept.glance() is not None


async def test_an_order_at_a_price_of_another_process_is_priced_anew(shop: Shop, data: Path) -> None:
    await add_epay(shop)
    await add_product(shop, "steam-50", codes=3)
    await shop.shelf.look()
    by_another(data, "UPDATE skus SET price_minor = 990")
    placed = await order(shop, "steam-50")
    assert placed.order.total_minor == 990
    by_another(data, "UPDATE skus SET price_minor = 1500")
    with pytest.raises(PriceChanged):
        await order(shop, "steam-50", expected_minor=990)
    by_another(data, "UPDATE products SET is_hidden = 1")
    with pytest.raises(Invalid):
        await order(shop, "steam-50")


async def test_control_without_the_comparison_the_old_price_goes_through(
    shop: Shop, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_epay(shop)
    await add_product(shop, "steam-50", codes=3)
    known = (await shop.shelf.look()).version
    by_another(data, "UPDATE skus SET price_minor = 990")
    monkeypatch.setattr(checkout.shelf, "version", lambda tx: known)
    assert (await order(shop, "steam-50")).order.total_minor == 1250


async def test_what_changes_all_the_time_is_told_as_busy(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await add_epay(shop)
    await add_product(shop, "steam-50", codes=3)
    always_another = itertools.count(100)
    monkeypatch.setattr(checkout.shelf, "version", lambda tx: next(always_another))
    with pytest.raises(Unavailable):
        await order(shop, "steam-50")


async def test_a_replay_is_answered_whatever_became_of_what_was_bought(shop: Shop, data: Path) -> None:
    await add_epay(shop)
    await add_product(shop, "steam-50", codes=3)
    placed = await checkout.place(shop, wish("steam-50"), BUYER, key="a key of this test alone")
    by_another(data, "UPDATE products SET is_hidden = 1", "UPDATE gateways SET is_enabled = 0")
    shop.shelf.doubt(await shop.db.read(reads.version))
    again = await checkout.place(shop, wish("steam-50"), BUYER, key="a key of this test alone")
    assert (again.order.order_no, again.is_replay) == (placed.order.order_no, True)


@pytest.mark.sqlite
def test_every_table_that_the_listing_is_read_from_counts_its_changes(data: Path) -> None:
    con = sqlite3.connect(data / "kashop.db")
    looked = set(re.findall(r"(?:FROM|JOIN) (\w+)", _listing_statements(con)))
    assert looked - {"versions", "stock_counts"} == CHANGES.keys()
    counted = {
        (table, verb)
        for (sql,) in con.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'")
        for verb, table in re.findall(r"AFTER (INSERT|UPDATE|DELETE) ON (\w+)", sql)
        if "UPDATE versions" in sql and "'shelf'" in sql
    }
    assert counted == {(table, verb) for table in CHANGES for verb in ("INSERT", "UPDATE", "DELETE")}
    con.close()


def _listing_statements(con: sqlite3.Connection) -> str:
    """Every statement that a reading of the shelf runs."""
    told: list[str] = []
    con.set_trace_callback(told.append)
    reads.snapshot(SqliteTx(con, 0), None)
    con.set_trace_callback(None)
    return "\n".join(told)


@pytest.mark.sqlite
@pytest.mark.parametrize("table", CHANGES)
async def test_a_change_of_any_of_them_is_counted(shop: Shop, data: Path, table: str) -> None:
    await add_epay(shop)
    await add_product(shop, "steam-50", tiers=((10, 1200),))
    con = sqlite3.connect(data / "kashop.db", isolation_level=None)
    furnished(con)
    (before,) = con.execute("SELECT version FROM versions WHERE name = 'shelf'").fetchone()
    assert con.execute(CHANGES[table]).rowcount > 0
    assert con.execute("SELECT version FROM versions WHERE name = 'shelf'").fetchone() > (before,)
    con.close()


def test_the_other_engine_has_the_same_triggers() -> None:
    (script,) = (p.read_text() for p in tree.migrations() if p.stem.endswith("_versions"))
    assert set(re.findall(r"TRUNCATE ON (\w+)\nFOR EACH STATEMENT", script)) == CHANGES.keys()


async def test_a_commit_is_told_before_who_waits_for_it_goes_on(shop: Shop) -> None:
    told: list[int] = []
    shop.db.watch(reads.version, told.append)

    def change(tx: Tx) -> int:
        tx.run("UPDATE categories SET name = 'x'")
        return reads.version(tx)

    assert await shop.db.write(change) == told[-1]


async def test_what_watches_and_fails_undoes_the_group_and_says_so(shop: Shop) -> None:
    def broken(db: Reader) -> int:
        raise KeyError("broken")

    shop.db.watch(broken, lambda seen: None)
    with pytest.raises(Unavailable):
        await add_product(shop, "never")
    assert beside.value(shop.config.place, "SELECT COUNT(*) FROM products") == 0


async def test_codes_that_come_are_for_sale(kept: Shelf, shop: Shop, seconds: Seconds) -> None:
    sku_id = (await kept.look()).listing.offers["steam-50"].sku.sku_id
    await stock(shop, "steam-50", ["NEW-1", "NEW-2"])
    seconds.now += OLDEST_COUNTS
    assert (await kept.look()).count_free(sku_id, "web") == 5
