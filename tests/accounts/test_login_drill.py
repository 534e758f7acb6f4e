"""How late a really served shop answers while fifty people log in at once (B04, I-49). Prints its figures."""

import asyncio
import shutil
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.serving import Served, read_reply, request

pytestmark = pytest.mark.drill

MOST_LAG, MOST_GROWTH = 0.100, 64 * 4
LOG_INS = 50


async def ask(port: int, sent: bytes) -> tuple[int, float]:
    """Status and seconds of one request over a connection of its own."""
    begun = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(sent)
        return (await read_reply(reader)).status, time.perf_counter() - begun
    finally:
        writer.close()


async def probe(port: int, until: asyncio.Event) -> list[float]:
    """How long the smallest page takes, again and again."""
    took = []
    while not until.is_set():
        status, seconds = await ask(port, request("GET", "/healthz"))
        assert status == 200
        took.append(seconds)
        await asyncio.sleep(0.005)
    return took


async def quiet(port: int) -> list[float]:
    until = asyncio.Event()
    asyncio.get_running_loop().call_later(3, until.set)
    return await probe(port, until)


async def busy(port: int) -> tuple[list[float], set[int], float]:
    until = asyncio.Event()
    probing = asyncio.create_task(probe(port, until))
    begun = time.perf_counter()
    form = [urlencode({"email": f"user{n}@example.com", "password": "wrong one 123"}).encode() for n in range(LOG_INS)]
    kind = "application/x-www-form-urlencoded"
    asks = [ask(port, request("POST", "/admin/login", body, content_type=kind)) for body in form]
    answers = await asyncio.gather(*asks)
    until.set()
    return await probing, {status for status, _ in answers}, time.perf_counter() - begun


def p99(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.99)]


def peak(pid: int) -> int:
    """The most memory that a process ever had, in MiB."""
    (line,) = [x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmHWM")]
    return int(line.split()[1]) // 1024


def test_b04_fifty_log_ins_at_once_delay_nobody(founded: Path, tmp_path: Path) -> None:
    shutil.copytree(founded, tmp_path / "shop")
    shutil.copy2(founded.with_name("shop.key"), tmp_path / "shop.key")
    with Served(tmp_path / "shop") as served:
        assert served.process is not None
        calm = asyncio.run(quiet(served.port))
        before = peak(served.process.pid)
        late, statuses, seconds = asyncio.run(busy(served.port))
        grown = peak(served.process.pid) - before
    print(f"\nquiet p50 {sorted(calm)[len(calm) // 2] * 1000:.1f} ms, p99 {p99(calm) * 1000:.1f} ms of {len(calm)} looks")
    print(f"{LOG_INS} log-ins in {seconds:.1f} s: p50 {sorted(late)[len(late) // 2] * 1000:.1f} ms, "
          f"p99 {p99(late) * 1000:.1f} ms of {len(late)} looks; memory +{grown} MiB")  # fmt: skip
    assert statuses <= {403, 429}
    assert len(late) > 100
    assert p99(late) < MOST_LAG
    assert grown < MOST_GROWTH
