"""E06: an import that is killed, or finds the disk full, leaves whole chunks; the same file adds exactly the rest."""

import asyncio
import io
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

from kashop.analytics import INVARIANTS
from kashop.db import Reader
from kashop.flows import restock
from kashop.flows.restock import Source
from kashop.flows.restock.pace import CHUNK
from kashop.inventory import reads as inventory
from kashop.lib.actor import CLI
from kashop.lib.errors import Unavailable
from kashop.shop import Shop
from tests.cast import add_product, config
from tests.serving import Served, command, environment, kashop

ROWS = 200 * CHUNK
CODES = "SELECT COUNT(*) FROM codes"


async def furnish(data: Path) -> None:
    shop = await Shop.open(config(data), is_server=True)
    await add_product(shop, "keys")
    await shop.close()


def test_e06_killed_at_some_chunk_and_run_again_beside_a_server(data: Path, tmp_path: Path) -> None:
    asyncio.run(furnish(data))
    path = tmp_path / "codes.txt"
    path.write_text("".join(f"CODE-{n:08}\n" for n in range(ROWS)))
    arguments = ("codes", "import", str(path), "--product", "keys", "--data", str(data))
    with Served(data) as served:
        process = subprocess.Popen(command(None, *arguments), env=environment(None), stdout=subprocess.DEVNULL)
        limit = time.monotonic() + 60
        while served.count(CODES) < ROWS // 4 and time.monotonic() < limit:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        left = served.count(CODES)
        assert 0 < left < ROWS
        assert left % CHUNK == 0
        assert served.count("SELECT imported FROM batches WHERE status = 'importing'") == left
        assert served.count("SELECT free FROM stock_counts") == left
        told = kashop(*arguments)
        assert f"{ROWS - left} added" in told
        assert f"{left} already known" in told
        assert served.count(CODES) == ROWS
        served.check()


@pytest.mark.sqlite
async def test_e06_a_full_disk_at_sixty_percent(shop: Shop) -> None:
    await add_product(shop, "keys")
    text = "".join(f"CODE-{n:08}\n" for n in range(ROWS)).encode()
    pages = await limit(shop, None)
    await limit(shop, pages + ROWS * 6 // 10 * 260 // 4096)
    with pytest.raises((Unavailable, sqlite3.OperationalError), match="full"):
        await restock.import_codes(shop, Source(file=io.BytesIO(text), name="a.txt", product="keys"), CLI)
    left = sum(c.free for c in await shop.db.read(inventory.counts))
    assert 0 < left < ROWS
    assert left % CHUNK == 0
    assert (await shop.db.read(inventory.batches))[0].imported == left
    await limit(shop, 2**30)
    report = await restock.import_codes(shop, Source(file=io.BytesIO(text), name="a.txt", product="keys"), CLI)
    assert (report.new, report.duplicate_in_stock) == (ROWS - left, left)
    assert await shop.db.read(broken, shop) == []


def broken(db: Reader, shop: Shop) -> list[str]:
    return [f"{i.id} {witness}" for i in INVARIANTS if (witness := i.first_witness(db, shop.keyring))]


async def limit(shop: Shop, pages: int | None) -> int:
    """Let the database have no more pages: SQLite then says that the disk is full. Without a number: how many it has."""
    writer = shop.db._writer  # type: ignore[attr-defined]
    asked = "PRAGMA page_count" if pages is None else f"PRAGMA max_page_count = {pages}"
    return int(await writer.run(lambda con: con.execute(asked).fetchone()[0]))
