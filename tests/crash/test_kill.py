"""kill -9 under load (promises, M2): what was acknowledged is there, what was not has one effect when it is asked again."""

import asyncio
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from kashop.flows.restock.pace import CHUNK
from kashop.shop import Shop
from tests.cast import add_epay, add_product, config, let_a_crowd_in, stock
from tests.crash.traders import Book, ask_again, look_again, trade_until
from tests.planting import planted
from tests.serving import Served, command, environment, kashop

CLIENTS = 20
LONGEST = 1.0
"""Seconds of load before a kill."""

STOCK = 4000


@pytest.fixture
def stocked(data: Path) -> Path:
    async def furnish() -> None:
        shop = await Shop.open(config(data))
        await add_epay(shop)
        await let_a_crowd_in(shop)
        await add_product(shop, "steam-50", codes=STOCK, hold_minutes=1440)
        await shop.close()

    asyncio.run(furnish())
    return data


async def cycle(served: Served, book: Book, chance: random.Random) -> None:
    """Load, kill, restart, look, ask again."""
    first = len(book.trades)
    dies: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def kill() -> None:
        await asyncio.sleep(chance.uniform(0.3, LONGEST))
        dies.set_result(None)
        served.kill()

    await asyncio.gather(trade_until(served.port, book, CLIENTS, dies), kill())
    served.start()
    old = chance.sample(book.trades[:first], min(first, 40))
    await look_again(served.port, book.trades[first:] + old)
    unknown = [trade for trade in book.trades if trade.asked]
    await ask_again(served.port, book)
    await look_again(served.port, unknown)


def take_stock(served: Served, book: Book) -> None:
    """The database holds exactly what the book says: no order, payment or code too few or too many."""
    placed = [t for t in book.trades if t.placed]
    paid = [t for t in placed if t.is_paid]
    assert served.count("SELECT COUNT(*) FROM orders") == len(placed)
    assert served.count("SELECT COUNT(*) FROM receipts") == len(paid)
    assert served.count("SELECT COUNT(*) FROM orders WHERE status = 'delivered'") == len(paid)
    assert served.count("SELECT COUNT(*) FROM codes WHERE status = 'sold'") == sum(1 + t.number % 3 for t in paid)
    codes = [code for t in book.trades for code in t.codes or ()]
    assert len(set(codes)) == len(codes)
    served.check()


def refill(served: Served, number: int) -> None:
    if served.count("SELECT COUNT(*) FROM codes WHERE status = 'free'") < STOCK // 2:
        text = "\n".join(f"MORE-{number:03}-{n:05}" for n in range(STOCK))
        kashop("codes", "import", "-", "--product", "steam-50", "--data", served.data, given=text, tree=served.tree)


def kill_and_look(data: Path, tree: Path, cycles: int) -> None:
    """`tree` is a copy of ours: every restart runs the same program, whatever is edited meanwhile."""
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    chance, book = random.Random(seed), Book()
    with Served(data, tree=tree) as served:
        for number in range(cycles):
            refill(served, number)
            asyncio.run(cycle(served, book, chance))
            take_stock(served, book)
    print(f"{cycles} kills: acknowledged {dict(book.acknowledged)}, unknown and asked again {dict(book.unknown)}")
    assert book.acknowledged.total() > cycles * 10, "there was hardly any load"
    assert book.unknown, "no kill came between a question and its answer"


def test_kill_under_load(stocked: Path, tmp_path: Path) -> None:
    kill_and_look(stocked, planted(tmp_path), 3)


@pytest.mark.drill
def test_kill_under_load_fifty_times(stocked: Path, tmp_path: Path) -> None:
    kill_and_look(stocked, planted(tmp_path), 50)


def test_a_killed_import_is_finished_by_the_same_file(data: Path, tmp_path: Path) -> None:
    rows = 50_000

    async def furnish() -> None:
        shop = await Shop.open(config(data))
        await add_product(shop, "steam-50")
        await stock(shop, "steam-50", ["BEFORE-1"])
        await shop.close()

    asyncio.run(furnish())
    file = tmp_path / "stock.txt"
    file.write_text("\n".join(f"IMPORT-{n:06}" for n in range(rows)), encoding="utf-8")
    served = Served(data)  # to look only: it is not started
    arguments = command(None, "codes", "import", str(file), "--product", "steam-50", "--data", str(data))
    importing = subprocess.Popen(arguments, env=environment(None), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    limit = time.monotonic() + 120
    while served.count("SELECT COUNT(*) FROM codes") < 4001 and importing.poll() is None and time.monotonic() < limit:
        time.sleep(0.005)
    importing.send_signal(signal.SIGKILL)
    _, said = importing.communicate()
    there = served.count("SELECT COUNT(*) FROM codes") - 1
    assert 4000 <= there < rows, f"the import was not killed midway: {there} rows, {said!r}"
    assert there % CHUNK == 0, "a chunk is whole or not there"
    assert served.count("SELECT COUNT(*) FROM batches WHERE status = 'importing'") == 1
    served.check()
    kashop("codes", "import", file, "--product", "steam-50", "--data", data)
    assert served.count("SELECT COUNT(*) FROM codes") == rows + 1
    assert served.count("SELECT imported FROM batches ORDER BY batch_id DESC LIMIT 1") == rows - there
    kashop("codes", "import", file, "--product", "steam-50", "--data", data)
    assert served.count("SELECT COUNT(*) FROM codes") == rows + 1
    served.check()
