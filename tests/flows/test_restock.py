"""Stock comes in from every kind of file, once, and comes out as it went in."""

import io
from pathlib import Path

import pytest

from kashop.flows import restock
from kashop.inventory import reads as inventory
from kashop.inventory import stockfile
from kashop.lib.actor import CLI
from kashop.lib.errors import Conflict, Invalid, NotFound
from kashop.shop import Shop
from tests.cast import add_epay, add_product, call_back, codes_of, epay_notice, let_a_crowd_in, order, stock

FILES = {
    "steam-keys.txt": (1000, 3),
    "video-accounts-gbk.txt": (500, 0),
    "game-cards-gb18030.csv": (2000, 0),
    "gift-cards-utf16.txt": (300, 0),
    "licences.xlsx": (None, None),
    "vpn-configs.jsonl": (120, 0),
}


def source(path: Path, product: str, **more: object) -> restock.Source:
    return restock.Source(file=io.BytesIO(path.read_bytes()), name=path.name, product=product, **more)


@pytest.mark.parametrize("name", FILES)
async def test_every_sample_comes_in_once_and_out_exactly(shop: Shop, samples: Path, name: str) -> None:
    await add_epay(shop)
    await let_a_crowd_in(shop)
    await add_product(shop, "goods", price=1, max_quantity=1000)
    path = samples / name
    expected = [r.code for r in stockfile.rows(path.read_bytes(), name, stockfile.Rules()) if r.problem is None]
    distinct = list(dict.fromkeys(expected))
    tried = await restock.import_codes(shop, source(path, "goods"), CLI, dry_run=True)
    assert (tried.new, tried.batch_id) == (len(distinct), None)
    assert await shop.db.read(inventory.counts) == []
    done = await restock.import_codes(shop, source(path, "goods"), CLI)
    assert (done.new, done.duplicate_in_file, done.bad) == (tried.new, tried.duplicate_in_file, tried.bad)
    rows, repeated = FILES[name]
    if rows is not None:
        assert (done.new + done.duplicate_in_file, done.duplicate_in_file) == (rows, repeated)
    again = await restock.import_codes(shop, source(path, "goods"), CLI)
    assert (again.new, again.duplicate_in_stock) == (0, len(distinct))
    wanted = min(len(distinct), 1000)
    placed = await order(shop, "goods", wanted)
    await call_back(shop, epay_notice(placed, money=f"{wanted / 100:.2f}"))
    assert await codes_of(shop, placed) == distinct[:wanted]


async def test_a_report_names_rows_and_never_codes(shop: Shop) -> None:
    await add_product(shop, "goods")
    await stock(shop, "goods", ["KNOWN-1"])
    report = await stock(shop, "goods", ["NEW-1", "", "NEW-1", "KNOWN-1", "BAD\x01CODE", "NEW-2"])
    assert (report.new, report.bad, report.duplicate_in_file, report.duplicate_in_stock) == (2, 1, 1, 1)
    assert [(r.row, r.reason) for r in report.rejects] == [
        (3, "duplicate_in_file"),
        (4, "duplicate_in_stock"),
        (5, "control_character"),
    ]
    assert "NEW-1" not in repr(report)


async def test_sold_codes_count_as_known(shop: Shop) -> None:
    await add_epay(shop)
    await let_a_crowd_in(shop)
    await add_product(shop, "goods", codes=1)
    placed = await order(shop, "goods")
    await call_back(shop, epay_notice(placed))
    assert (await stock(shop, "goods", ["GOODS-00000"])).duplicate_in_stock == 1


async def test_a_file_that_breaks_at_its_end_changes_nothing(shop: Shop) -> None:
    await add_product(shop, "goods")
    broken = io.BytesIO(b"\xef\xbb\xbf" + b"CODE-%d\n" * 1 % 1 + b"\n".join(b"C-%d" % n for n in range(5000)) + b"\n\xff\xfe\xfa")
    with pytest.raises(Invalid) as refused:
        await restock.import_codes(shop, restock.Source(file=broken, name="x.txt", product="goods"), CLI)
    assert refused.value.fields[0].field == "file"
    assert await shop.db.read(inventory.counts) == []
    assert await shop.db.read(inventory.batches) == []


async def test_only_automatic_products_of_one_sku_take_a_bare_file(shop: Shop) -> None:
    await add_product(shop, "byhand", delivery="manual")
    for product, refusal in (("byhand", Conflict), ("nothing", NotFound)):
        with pytest.raises(refusal):
            await stock(shop, product, ["A-1"])


async def test_two_imports_of_one_file_at_once_make_one_set(shop: Shop) -> None:
    import asyncio

    await add_product(shop, "goods")
    codes = [f"C-{n:06}" for n in range(5000)]
    reports = await asyncio.gather(*(stock(shop, "goods", codes) for _ in range(3)))
    assert sum(r.new for r in reports) == 5000
    (count,) = await shop.db.read(inventory.counts)
    assert count.free == 5000
    batches = await shop.db.read(inventory.batches)
    assert sum(b.imported for b in batches) == 5000
    assert {b.status for b in batches} == {"done"}


def test_a_mask_shows_ends_only() -> None:
    assert restock.mask("ABCDE-FGHIJ-KLMNO") == "AB" + "•" * 12 + "NO"
    assert restock.mask("1234567") == "•" * 7
