"""Imports beside other imports, other keys and other wishes: what goes on the shelf is whole, once, and under one epoch."""

import asyncio
import io
import zlib
from hashlib import blake2b

import msgspec
import pytest

from kashop.db import Tx
from kashop.flows import restock
from kashop.flows.restock import Lot, Progress, Source, StockFile, pace, run
from kashop.inventory import reads as inventory
from kashop.inventory import writes as stock_writes
from kashop.inventory.types import SealedCode
from kashop.lib.actor import CLI
from kashop.lib.errors import Invalid
from kashop.shop import Shop
from kashop.vault import Keyring, OldEpoch, Sealed
from kashop.vault.reads import find_data_key
from tests.cast import add_product


@pytest.fixture(autouse=True)
def chunk_by_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes of one chunk each, however quick the machine is."""
    monkeypatch.setattr(pace, "MOST_CHUNKS", 1)


def source(text: str, **more: object) -> Source:
    return Source(file=io.BytesIO(text.encode()), name="codes.txt", product="goods", **more)


def lines(first: int, last: int) -> str:
    return "".join(f"CODE-{n:06}\n" for n in range(first, last))


def newer_key(tx: Tx, keyring: Keyring, product_id: int) -> None:
    """What a rotation does first."""
    last = find_data_key(tx, product_id)
    key = keyring.new_data_key(product_id, last.epoch + 1 if last else 1)
    sql = "INSERT INTO vault_keys (product_id, epoch, wrapped, created_at) VALUES (:product_id, :epoch, :wrapped, :now)"
    tx.run(sql, product_id=product_id, epoch=key.epoch, wrapped=key.wrapped, now=tx.now)


async def shelved_at_least(progress: Progress, rows: int) -> None:
    while progress.phase != "storing" or progress.rows < rows:  # noqa: ASYNC110 - a Progress is looked at, it calls nobody
        await asyncio.sleep(0.001)


async def free(shop: Shop) -> int:
    return sum(c.free for c in await shop.db.read(inventory.counts))


async def test_rows_in_memory_come_in_as_a_file_would(shop: Shop) -> None:
    await add_product(shop, "goods", codes=1)
    codes = ["A-1", "", "A-1", " A-2 ", "GOODS-00000", "x\x01"]
    lot = Lot(product="goods", batch="from a supplier", supplier="S")
    report = await restock.import_rows(shop, lot, codes, CLI, name="sealed.ksb", digest=b"\x05" * 32)
    assert (report.new, report.duplicate_in_file, report.duplicate_in_stock, report.bad) == (2, 1, 1, 1)
    assert [(r.row, r.reason) for r in report.rejects] == [
        (3, "duplicate_in_file"),
        (5, "duplicate_in_stock"),
        (6, "control_character"),
    ]
    batch = (await shop.db.read(inventory.batches))[0]
    assert (batch.name, batch.supplier, batch.source, batch.source_digest) == ("from a supplier", "S", "sealed.ksb", b"\x05" * 32)


async def test_several_files_join_one_batch_and_know_each_other(shop: Shop) -> None:
    await add_product(shop, "goods")
    more = StockFile(file=io.BytesIO(b"code,cost\nB-1,1.50\nA-1,2\n"), name="b.csv")
    report = await restock.import_codes(shop, source("A-1\nA-2\n", more=(more,)), CLI)
    assert (report.new, report.duplicate_in_file, report.read) == (3, 1, 4)
    assert [(r.file, r.row) for r in report.rejects] == [(1, 3)]
    kept = await shop.db.read(inventory.find_rejects, report.batch_id or 0)
    assert kept is not None
    assert zlib.decompress(kept.content).decode() == 'file,row,reason\r\n"b.csv",3,duplicate_in_file\r\n'


async def test_one_row_of_the_audit_tells_an_import_with_the_digest_of_its_file(shop: Shop) -> None:
    """E04."""
    await add_product(shop, "goods")
    text = lines(0, 30)
    await restock.import_codes(shop, source(text), CLI)
    events = await shop.db.read(_events, "batch.imported")
    told = msgspec.json.decode(events[-1])
    assert told["digest"] == blake2b(text.encode(), digest_size=32).hexdigest()
    assert (told["imported"], told["rows"], told["status"]) == (30, 30, "done")
    assert len(events) == 1


def _events(db, name: str) -> list[str]:  # type: ignore[no-untyped-def]
    return list(db.values("SELECT payload FROM events WHERE name = :name ORDER BY seq", name=name))


async def test_e02_bad_rows_refuse_the_file_or_are_left_out_as_asked(shop: Shop) -> None:
    await add_product(shop, "goods")
    with pytest.raises(Invalid) as refused:
        await restock.import_codes(shop, source("A-1\nbad\x01\nA-2\n", bad_rows="refuse"), CLI)
    assert dict(refused.value.fields[0].params) == {"count": "1", "row": "2"}
    assert await shop.db.read(inventory.batches) == []
    assert (await restock.import_codes(shop, source("A-1\nbad\x01\nA-2\n"), CLI)).new == 2


async def test_e05_duplicates_refuse_the_file_when_asked(shop: Shop) -> None:
    await add_product(shop, "goods", codes=1)
    for text in ("A-1\nA-1\n", "A-1\nGOODS-00000\n"):
        with pytest.raises(Invalid) as refused:
            await restock.import_codes(shop, source(text, duplicates="refuse"), CLI)
        assert refused.value.fields[0].field == "duplicates"
    assert await free(shop) == 1
    assert (await restock.import_codes(shop, source("A-1\nA-2\n", duplicates="refuse"), CLI)).new == 2


async def test_e12_two_imports_of_one_file_bring_one_set_and_both_are_told(shop: Shop) -> None:
    await add_product(shop, "goods")
    text = lines(0, 3 * pace.CHUNK + 7)
    first, second = await asyncio.gather(*(restock.import_codes(shop, source(text), CLI) for _ in range(2)))
    assert first.new + second.new == 3 * pace.CHUNK + 7 == await free(shop)
    for report in (first, second):
        assert report.new + report.duplicate_in_stock == report.read
    batches = await shop.db.read(inventory.batches)
    assert sum(b.imported for b in batches) == 3 * pace.CHUNK + 7
    assert sum(b.duplicates for b in batches) == 3 * pace.CHUNK + 7


async def test_e06_a_stopped_import_keeps_whole_chunks_and_the_same_file_adds_the_rest(shop: Shop) -> None:
    await add_product(shop, "goods")
    text, total = lines(0, 5 * pace.CHUNK), 5 * pace.CHUNK
    progress = Progress()
    importing = asyncio.create_task(restock.import_codes(shop, source(text), CLI, progress=progress))
    await shelved_at_least(progress, pace.CHUNK)
    assert await shop.db.write(stock_writes.stop_batch, progress.batch_id or 0, CLI)
    report = await importing
    shelved = await free(shop)
    assert report.is_stopped
    assert report.new == shelved
    assert shelved % pace.CHUNK == 0
    assert 0 < shelved < total
    batch = await shop.db.read(inventory.get_batch, progress.batch_id or 0)
    assert (batch.status, batch.imported) == ("stopped", shelved)
    again = await restock.import_codes(shop, source(text), CLI)
    assert (again.new, again.duplicate_in_stock) == (total - shelved, shelved)
    assert await free(shop) == total


async def test_a_watcher_cancels_while_the_file_is_still_read(shop: Shop) -> None:
    await add_product(shop, "goods")
    progress = Progress(is_cancelled=True)
    with pytest.raises(restock.Cancelled):
        await restock.import_codes(shop, source(lines(0, 10)), CLI, progress=progress)
    assert await shop.db.read(inventory.batches) == []


async def test_e14_while_sealed_it_is_refused_before_anything_is_read(shop: Shop) -> None:
    await add_product(shop, "goods")
    file = io.BytesIO(b"A-1\n")
    shop.keyring.seal()
    with pytest.raises(Sealed):
        await restock.import_codes(shop, Source(file=file, name="a.txt", product="goods"), CLI)
    assert file.tell() == 0


async def test_e14_sealed_meanwhile_it_ends_with_what_is_on_the_shelf(shop: Shop) -> None:
    await add_product(shop, "goods")
    progress = Progress()
    importing = asyncio.create_task(restock.import_codes(shop, source(lines(0, 9 * pace.CHUNK)), CLI, progress=progress))
    await shelved_at_least(progress, pace.CHUNK)
    shop.keyring.seal()
    with pytest.raises(Sealed):
        await importing
    batch = await shop.db.read(inventory.get_batch, progress.batch_id or 0)
    assert batch.status == "stopped"
    assert batch.imported == await free(shop) < 9 * pace.CHUNK
    assert batch.imported % pace.CHUNK == 0
    assert '"why":"sealed"' in (await shop.db.read(_events, "batch.stopped"))[0]


async def test_e14_codes_of_an_old_epoch_are_never_shelved(shop: Shop) -> None:
    """The control: what add_codes refuses is exactly what a rotation in between makes."""
    await add_product(shop, "goods", codes=1)
    batch = (await shop.db.read(inventory.batches))[0]
    await shop.db.write(newer_key, shop.keyring, batch.product_id)
    old = SealedCode(code_id=1, epoch=1, sealed=b"x" * 60, fingerprint=b"\x01" * 32, cost_minor=0, expires_on="")
    await shop.db.write(_reopen, batch.batch_id)
    with pytest.raises(OldEpoch):
        await shop.db.write(stock_writes.add_codes, batch.batch_id, [old])
    assert await free(shop) == 1


def _reopen(tx: Tx, batch_id: int) -> None:
    tx.run("UPDATE batches SET status = 'importing', ended_at = NULL WHERE batch_id = :batch_id", batch_id=batch_id)


async def test_e14_an_import_while_keys_are_rotated_goes_on_under_the_newer_key(shop: Shop) -> None:
    await add_product(shop, "goods")
    text, progress = lines(0, 6 * pace.CHUNK), Progress()
    importing = asyncio.create_task(restock.import_codes(shop, source(text), CLI, progress=progress))
    product = 1
    for at in (1, 3):
        await shelved_at_least(progress, at * pace.CHUNK)
        await shop.db.write(newer_key, shop.keyring, product)
    report = await importing
    assert report.new == 6 * pace.CHUNK == await free(shop)
    newest = await shop.db.read(find_data_key, product)
    assert newest is not None
    assert newest.epoch == 3
    by_epoch = await shop.db.read(_epochs)
    assert [epoch for epoch, _ in by_epoch] == [1, 2, 3]
    assert all(n % pace.CHUNK == 0 for _, n in by_epoch)  # no chunk is of two epochs


def _epochs(db) -> list[tuple[int, int]]:  # type: ignore[no-untyped-def]
    epochs = db.values("SELECT DISTINCT epoch FROM codes ORDER BY epoch")
    return [(e, db.value("SELECT COUNT(*) FROM codes WHERE epoch = :e", e=e)) for e in epochs]


async def test_the_interpreter_keeps_its_own_pace_when_no_import_runs(shop: Shop) -> None:
    import sys

    usual = sys.getswitchinterval()
    sys.setswitchinterval(0.003)  # as a server sets its own, after this was loaded
    try:
        with pace.beside_the_shop(), pace.beside_the_shop():
            assert sys.getswitchinterval() < 0.003
        assert sys.getswitchinterval() == pytest.approx(0.003)
    finally:
        sys.setswitchinterval(usual)


def test_nothing_of_a_prepared_row_shows_its_code() -> None:
    prepared = run._Prepared(0, 7, "SECRET-CODE", b"\0" * 32, 0, "")
    assert "SECRET" not in repr(prepared)
