"""`python -m bench.lag [--rows N]`: how long a served shop keeps others waiting while it does its heaviest work (I-49).

A probe asks `/healthz` every 10 ms over one connection, and is timed from the moment it was due: what it waits beyond the quiet
run is the event loop's lag. Beside it, one after the other: 50 log-ins at once, an export of codes as a sealed workbook, an
import of N rows through the panel, and one by command line. Printed: p50, p99 and longest wait of each.
"""

import argparse
import asyncio
import contextlib
import io
import os
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.journeys.browser import Browser
from tests.serving import Served, kashop

OWNER, PASSWORD = "owner@example.com", "a long enough Secret 7"
EVERY, EXPORTED, LOG_INS = 0.01, 20_000, 50


class Probe:
    """Asks all the time, in a loop of its own; `waits` are in seconds."""

    def __init__(self, port: int):
        self._port, self._stop = port, False
        self.waits: list[float] = []

    async def run(self) -> None:
        """Until it is told to stop."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        due = time.perf_counter()
        while not self._stop:
            writer.write(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]))
            self.waits.append(time.perf_counter() - due)
            due = max(due + EVERY, time.perf_counter() - EVERY)
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
        writer.close()

    def stop(self) -> None:
        """Enough."""
        self._stop = True


@contextlib.contextmanager
def probing(name: str, served: Served) -> Iterator[None]:
    """Tell how long the probe waited while something went on."""
    probe, started = Probe(served.port), time.perf_counter()
    with ThreadPoolExecutor(1) as beside:
        asking = beside.submit(lambda: asyncio.run(probe.run()))
        try:
            yield
        finally:
            probe.stop()
            asking.result()
    waits = sorted(probe.waits)
    parts = " ".join(f"p{part * 100:g} {waits[int(part * (len(waits) - 1))] * 1000:7.1f} ms" for part in (0.5, 0.99, 1))
    about = f"{len(waits)} probes, {_memory(served)} MiB, load {os.getloadavg()[0]:.1f}"
    print(f"{name:<26} {parts}   {time.perf_counter() - started:6.1f} s, {about}")


def _memory(served: Served) -> int:
    assert served.process is not None
    status = Path(f"/proc/{served.process.pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))) // 1024


def log_in(browser: Browser, served: Served) -> None:
    """As the owner."""
    browser.open(f"{served.url}/admin/login")
    browser.send(browser.form("/admin/login"), email=OWNER, password=PASSWORD)


def many_log_ins(served: Served) -> None:
    """So many at once, each from an address of its own: nobody's, at the price of a right one."""

    async def one(n: int) -> int:
        transport = httpx.AsyncHTTPTransport(local_address=f"127.0.0.{n + 2}")
        async with httpx.AsyncClient(timeout=60, transport=transport) as client:
            form = {"email": f"nobody{n}@example.com", "password": "not this one"}
            return (await client.post(f"{served.url}/admin/login", data=form)).status_code

    async def all_at_once() -> list[int]:
        return await asyncio.gather(*(one(n) for n in range(LOG_INS)))

    codes = asyncio.run(all_at_once())
    print(f"{'':<26} answers: " + ", ".join(f"{codes.count(code)} × {code}" for code in sorted(set(codes))))


def export(browser: Browser, served: Served) -> None:
    """A workbook of many codes."""
    browser.open(f"{served.url}/admin/codes/export?state=free&most={EXPORTED}")
    browser.send(next(f for f in browser.forms if "reason" in f.texts), reason="measured for the closing note")
    browser.send(next(f for f in browser.forms if "/admin/codes/export/" in f.action))


def rows(start: int, count: int) -> bytes:
    """A stock file."""
    text = io.StringIO()
    for n in range(start, start + count):
        text.write(f"LAG-{n:09}-{n * 7919 % 1_000_003:07}\n")
    return text.getvalue().encode()


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(prog="python -m bench.lag")
    parser.add_argument("--rows", type=int, default=1_000_000)
    count = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="kashop-lag-") as folder:
        data = Path(folder) / "shop"
        kashop("init", "--data", data, "--owner", OWNER, "--owner-password-file", "-", given=PASSWORD)
        kashop("product", "add", "--data", data, "--slug", "card", "--name", "Card", "--price", "1")
        kashop("codes", "import", "-", "--data", data, "--product", "card", given=rows(10**8, EXPORTED).decode())
        kashop("setting", "set", "codes.second_person_above", "0", "--data", data)
        with Served(data) as served, Browser() as browser:
            measure(served, browser, data, count)


def measure(served: Served, browser: Browser, data: Path, count: int) -> None:
    """Each kind of work by itself."""
    with probing("quiet", served):
        time.sleep(10)
    with probing(f"{LOG_INS} log-ins at once", served):
        many_log_ins(served)
    log_in(browser, served)
    with probing(f"export of {EXPORTED:,}", served):
        export(browser, served)
    content = rows(0, count)
    with probing(f"import of {count:,}, panel", served):
        import_by_panel(served, browser, content)
    (data.parent / "more.txt").write_bytes(rows(2 * 10**8, count))
    with probing(f"import of {count:,}, terminal", served):
        kashop("codes", "import", data.parent / "more.txt", "--data", data, "--product", "card")


def import_by_panel(served: Served, browser: Browser, content: bytes) -> None:
    """Through every step of the wizard, to the page of the batch."""
    browser.open(f"{served.url}/admin/codes/import")
    browser.upload(browser.form("/admin/codes/import/files"), "lag.txt", content, sku="card/card")
    here = str(browser.page.url).removesuffix("/rules")
    form = browser.form("/rules")
    form.values["do"] = "next"
    browser.send(form)
    _watch(browser, f"{here}/preview")
    browser.open(f"{here}/options")
    browser.send(browser.form("/options"))
    _watch(browser, f"{here}/run")
    assert "/admin/codes/batches/" in str(browser.page.url)


def _watch(browser: Browser, address: str) -> None:
    while "data-live" in browser.page.text:
        time.sleep(1)
        browser.open(address)


if __name__ == "__main__":
    main()
