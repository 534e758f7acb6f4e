"""A stocked shop served by a process of its own: what strangers see, whole."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from kashop.app import make_app
from kashop.flows import gateways
from kashop.lib.actor import CLI
from kashop.settings.config import load
from kashop.shop import Shop
from tests.beside import row_counts
from tests.cast import add_epay, add_product, let_a_crowd_in
from tests.serving import free_port


@dataclass
class Route:
    """One path of the app with the methods it answers."""

    path: str
    methods: frozenset[str]


@dataclass
class Served:
    """A running shop."""

    data: Path
    port: int
    process: "subprocess.Popen[bytes]"
    routes: list[Route]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def rows(self) -> dict[str, int]:
        return row_counts(load(self.data, {}).place)

    def errors(self) -> str:
        """The end of what the process complained about."""
        lines = (self.data.parent / "serve.log").read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join([line for line in lines if "Invalid HTTP request" not in line][-40:])

    def kill(self) -> None:
        """As a power cut would: no farewell."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def restart(self) -> None:
        self.process = _start(self.data, self.port)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)


def serve(data: Path) -> Served:
    """Stock a founded shop, and serve it."""
    port = free_port()
    routes = asyncio.run(_stock(data, port))
    return Served(data, port, _start(data, port), routes)


async def _stock(data: Path, port: int) -> list[Route]:
    shop = await Shop.open(load(data, {}, base_url=f"http://127.0.0.1:{port}"), is_server=True)
    try:
        await add_epay(shop, mode="page")
        await let_a_crowd_in(shop)
        await gateways.configure(shop, "practice", type="practice", options={}, actor=CLI)
        await add_product(shop, "steam-50", codes=200, max_quantity=10, tiers=((3, 1100),))
        await add_product(shop, "by-hand", delivery="manual", contact_type="none")
        return [Route(r.path, frozenset(r.methods)) for r in make_app(shop)._app.routes]
    finally:
        await shop.close()


def _start(data: Path, port: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "kashop.cli", "serve", "--data", str(data), "--port", str(port), "--no-jobs", "--drain", "0"]
    environ = {**os.environ, "KASHOP_BASE_URL": f"http://127.0.0.1:{port}"}
    with (data.parent / "serve.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environ)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=30).status_code == 200:
                return process
        except httpx.TransportError:
            time.sleep(0.1)
        if process.poll() is not None:
            break
    process.kill()
    process.wait(10)
    raise RuntimeError("the shop was not served: " + (data.parent / "serve.log").read_text(errors="replace")[-3000:])
