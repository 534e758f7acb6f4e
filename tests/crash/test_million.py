"""A million codes come in beside a shop that sells: memory, the event loop and orders are watched meanwhile (E04, I-49, P8).

The figures are printed; `-s` shows them. What else the machine does at the time counts too: read them with the quiet ones beside.
"""

import asyncio
import json
import random
import re
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from kashop.shop import Shop
from tests.cast import OWNER, PASSWORD, add_epay, add_product, config, let_a_crowd_in
from tests.races import buyers
from tests.serving import Served, command, environment, read_reply, request

ROWS = 1_000_000
LEAST_PAUSE = 0.02
GROWTH = 100 * 1024


@dataclass
class Watch:
    """What was seen in one stretch of time, in milliseconds and KiB."""

    health: list[float] = field(default_factory=list)
    orders: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)

    def told(self, name: str) -> str:
        return (
            f"{name}: healthz p50 {at(self.health, 50):.1f} p99 {at(self.health, 99):.1f} ms ({len(self.health)}), "
            f"orders p50 {at(self.orders, 50):.1f} p99 {at(self.orders, 99):.1f} ms ({len(self.orders)}), "
            f"RSS {self.memory[0] // 1024} -> at most {max(self.memory) // 1024} MiB"
        )


def at(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


def memory(pid: int) -> int:
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0])


def write_codes(path: Path, rows: int, mark: str) -> None:
    """Some 200 bytes a row, as licence keys with an account are."""
    dice = random.Random(mark)
    with path.open("w") as file:
        for n in range(rows):
            file.write(
                f"{mark}-{n:08}-{dice.getrandbits(256):064X}----{dice.getrandbits(384):096X}----{dice.getrandbits(60):015X}\n"
            )


async def furnish(data: Path) -> None:
    shop = await Shop.open(config(data), is_server=True)
    await add_epay(shop)
    await let_a_crowd_in(shop)
    await add_product(shop, "keys")
    await add_product(shop, "sold", codes=6000)
    await shop.close()


async def asked(port: int, wanted: bytes) -> tuple[int, float]:
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(wanted)
        await writer.drain()
        reply = await read_reply(reader)
    finally:
        writer.close()
    return reply.status, (time.perf_counter() - began) * 1000


async def watched(served: Served, work: Callable[[], Awaitable[None]]) -> Watch:
    """Ask for /healthz every 20 ms and order ten times a second while something is done."""
    watch, is_over, pid = Watch(), asyncio.Event(), served.process.pid if served.process else 0

    async def probe() -> None:
        while not is_over.is_set():
            status, took = await asked(served.port, request("GET", "/healthz"))
            assert status == 200
            watch.health.append(took)
            await asyncio.sleep(LEAST_PAUSE)

    async def buy() -> None:
        while not is_over.is_set():
            key = f"k{time.monotonic_ns()}"
            status, took = await asked(served.port, buyers.order("sold", key=key))
            assert status == 201, status
            watch.orders.append(took)
            await asyncio.sleep(0.1)

    async def weigh() -> None:
        while not is_over.is_set():
            watch.memory.append(memory(pid))
            await asyncio.sleep(0.25)

    async with asyncio.TaskGroup() as tasks:
        for watcher in (probe, buy, weigh):
            tasks.create_task(watcher())
        try:
            await work()
        finally:
            is_over.set()
    return watch


async def by_panel(served: Served, path: Path, size: int) -> None:
    """The whole way a member of staff goes, the upload sent from the disk."""
    async with httpx.AsyncClient(base_url=served.url, timeout=600, trust_env=False, headers={"accept": "text/html"}) as staff:
        await staff.post("/admin/login", data={"email": OWNER, "password": PASSWORD})
        csrf = re.findall(r'name="_csrf" value="([^"]+)"', (await staff.get("/admin/account")).text)[0]
        began = time.perf_counter()
        with path.open("rb") as file:
            fields = {"_csrf": csrf, "sku": "keys/keys"}
            sent = await staff.post("/admin/codes/import/files", data=fields, files={"files": (path.name, file)})
        assert sent.status_code == 303, sent.text
        here = sent.headers["location"].removesuffix("/rules")
        print(f"sent {size / 1e6:.0f} MB in {time.perf_counter() - began:.1f} s")
        await until_over(staff, f"{here}/preview", "looked at every row")
        await staff.post(f"{here}/options", data={"_csrf": csrf})
        await until_over(staff, f"{here}/run", "imported")


async def until_over(staff: httpx.AsyncClient, path: str, what: str) -> None:
    began = time.perf_counter()
    while (page := await staff.get(path)).status_code == 200 and "data-live" in page.text:  # noqa: ASYNC110
        await asyncio.sleep(1)
    took = time.perf_counter() - began
    print(f"{what} in {took:.1f} s: {ROWS / took:,.0f} a second")


async def by_command(served: Served, path: Path) -> None:
    arguments = ("codes", "import", str(path), "--product", "keys", "--data", str(served.data), "--json")
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *command(None, *arguments), env=environment(None), stdout=asyncio.subprocess.PIPE
    )
    highest = 0
    while process.returncode is None:
        try:
            highest = max(highest, memory(process.pid))
            await asyncio.wait_for(asyncio.shield(process.wait()), 0.25)
        except (TimeoutError, IndexError, OSError):
            continue
    assert process.stdout is not None
    report = json.loads(await process.stdout.read())
    took = time.perf_counter() - began
    assert report["new"] == ROWS
    print(f"by command in {took:.1f} s: {ROWS / took:,.0f} a second, its own RSS at most {highest // 1024} MiB")


@pytest.mark.drill
def test_e04_a_million_rows_beside_a_shop_that_sells(data: Path, tmp_path: Path) -> None:
    asyncio.run(furnish(data))
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    write_codes(first, ROWS, "PANEL")
    write_codes(second, ROWS, "SHELL")
    with Served(data) as served:
        quiet = asyncio.run(watched(served, lambda: asyncio.sleep(15)))
        panel = asyncio.run(watched(served, lambda: by_panel(served, first, first.stat().st_size)))
        shell = asyncio.run(watched(served, lambda: by_command(served, second)))
        for name, watch in (("quiet", quiet), ("panel", panel), ("command", shell)):
            print(watch.told(name))
        assert served.count("SELECT COUNT(*) FROM codes WHERE status = 'free' AND batch_id > 1") == 2 * ROWS
        imported = "SELECT COUNT(*) FROM events WHERE name = 'batch.imported' AND payload LIKE '%digest%1000000%'"
        assert served.count(imported) == 2
        assert max(panel.memory) - panel.memory[0] <= GROWTH
        assert max(shell.memory) - shell.memory[0] <= GROWTH
        assert at(panel.health, 99) < 100
        assert at(shell.health, 99) < 100
