"""kill -9 while the data keys are rotated and buyers trade (promises, I-29): it goes on where it was, and loses nothing."""

import asyncio
import json
import random
import time
from pathlib import Path

import pytest

from kashop.flows import rotate
from kashop.lib.actor import CLI
from kashop.shop import Shop
from tests.cast import add_epay, add_product, config, let_a_crowd_in
from tests.crash.test_kill import cycle, take_stock
from tests.crash.traders import Book
from tests.planting import planted
from tests.serving import Served, kashop

OLD = "SELECT COUNT(*) FROM codes c WHERE epoch <> (SELECT MAX(epoch) FROM vault_keys k WHERE k.product_id = c.product_id)"
RUNNING = "SELECT COUNT(*) FROM rotations WHERE status = 'running'"


def furnish(data: Path, codes: int) -> None:
    async def work() -> None:
        shop = await Shop.open(config(data))
        await add_epay(shop)
        await let_a_crowd_in(shop)
        await add_product(shop, "steam-50", codes=codes, hold_minutes=1440)
        await shop.close()

    asyncio.run(work())


class Watched(Served):
    """Remembers how far the rotation was at each kill: the share of the codes it had done."""

    shares: list[float]

    def kill(self) -> None:
        super().kill()
        self.shares += [done / total for done, total in self.rows("SELECT done, total FROM rotations WHERE status = 'running'")]


async def begin(data: Path) -> None:
    """Begin one beside the server, as `kashop vault rotate` does."""
    shop = await Shop.open(config(data))
    await rotate.begin(shop, CLI)
    await shop.close()


def rotate_and_kill(data: Path, tree: Path, *, codes: int, cycles: int) -> None:
    """Rotation after rotation under load, and a kill in each cycle; after each, every code opens and every order has its own."""
    furnish(data, codes)
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    chance, book = random.Random(seed), Book()
    with Watched(data, tree=tree) as served:
        served.shares, marks = [], fingerprints(served)
        for number in range(cycles):
            if not served.count(RUNNING):
                asyncio.run(begin(data))
            wait_until(served, f"{RUNNING} AND done >= {chance.uniform(number, number + 1) / cycles * 0.9} * total")
            asyncio.run(cycle(served, book, chance))
            take_stock(served, book)
        wait_until(served, "SELECT COUNT(*) = 0 FROM rotations WHERE status = 'running'")
        ended = json.loads(kashop("vault", "rotate", "--status", "--json", "--data", data, tree=tree))
        assert (ended["status"], ended["after"]["codes"], ended["after"]["data_keys"]) == ("done", codes, 1)
        assert served.count(OLD) == 0
        assert served.count("SELECT COUNT(*) FROM rotations WHERE status <> 'done'") == 0
        assert served.count("SELECT COUNT(*) FROM events WHERE name = 'vault.alarm'") == 0
        assert fingerprints(served) == marks
        take_stock(served, book)
        shares = [f"{share:.0%}" for share in served.shares]
        rotations = served.count("SELECT COUNT(*) FROM rotations")
    print(f"{cycles} kills, {len(shares)} while a rotation ran, at {shares}; {rotations} rotations; {dict(book.acknowledged)}")
    assert sum(0 < share < 1 for share in served.shares) >= cycles // 2, "hardly any kill came midway through a rotation"


def wait_until(served: Served, sql: str) -> None:
    """Wait until the database says so, a quarter of an hour at most: a million codes take seven minutes."""
    limit = time.monotonic() + 900
    while not served.count(sql) and time.monotonic() < limit:
        time.sleep(0.02)


def fingerprints(served: Served) -> list[tuple[int, bytes]]:
    return served.rows("SELECT code_id, fingerprint FROM codes ORDER BY code_id")


def test_i29_a_killed_rotation_goes_on(data: Path, tmp_path: Path) -> None:
    rotate_and_kill(data, planted(tmp_path), codes=12_000, cycles=3)


@pytest.mark.drill
def test_i29_a_rotation_killed_twenty_times(data: Path, tmp_path: Path) -> None:
    rotate_and_kill(data, planted(tmp_path), codes=1_000_000, cycles=20)
