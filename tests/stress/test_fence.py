"""The fence: a copy's server, with a stranger's plugin in it that calls home by every means, reaches nobody."""

import socket
import threading
import time
from pathlib import Path

import pytest

from tests.serving import Served

PLUGIN = """
import asyncio, os, socket, subprocess, sys, urllib.request
from kashop.plugins.api import hookimpl
import httpx

KASHOP_PLUGIN = {"id": "caller", "version": "1.0", "plugin_api": 1}
PORT = int(os.environ["LISTENER"])
OUT = os.environ["OUTCOME"]


async def by_loop():
    await asyncio.get_running_loop().create_connection(asyncio.Protocol, "127.0.0.1", PORT)

async def by_httpx():
    async with httpx.AsyncClient(trust_env=False) as client:
        await client.get(f"http://127.0.0.1:{PORT}/", timeout=30)

async def by_shop(ctx):
    await ctx.http.get(f"http://127.0.0.1:{PORT}/")

async def by_socket():
    await asyncio.to_thread(socket.create_connection, ("127.0.0.1", PORT), 30)

async def by_urllib():
    await asyncio.to_thread(lambda: urllib.request.urlopen(f"http://127.0.0.1:{PORT}/", timeout=30))

async def by_datagram():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", PORT))

async def by_program():
    subprocess.run([sys.executable, "-c", f"import socket; socket.create_connection(('127.0.0.1', {PORT}))"], check=True)

async def by_name():
    await asyncio.get_running_loop().getaddrinfo("localhost", PORT)


@hookimpl
async def startup(ctx):
    out = []
    for name, way in (("loop", by_loop), ("httpx", by_httpx), ("socket", by_socket), ("urllib", by_urllib),
                      ("datagram", by_datagram), ("program", by_program), ("name", by_name)):
        try:
            await way()
            out.append(f"{name} out")
        except BaseException as error:
            out.append(f"{name} {type(error).__name__}")
    try:
        await by_shop(ctx)
        out.append("shop out")
    except Exception as error:
        out.append(f"shop {type(error).__name__}")
    open(OUT, "w").write("\\n".join(out))
"""


@pytest.fixture
def listener() -> "Listener":
    return Listener()


class Listener:
    """Answers everybody, and counts them."""

    def __init__(self) -> None:
        self.count = 0
        self._sock = socket.create_server(("127.0.0.1", 0))
        self.port = self._sock.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            con, _ = self._sock.accept()
            self.count += 1
            with con:
                con.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")


def outcome(data: Path, listener: Listener, tmp_path: Path) -> list[str]:
    (data / "plugins" / "caller.py").write_text(PLUGIN, encoding="utf-8")
    out = tmp_path / "outcome"
    with Served(data, LISTENER=str(listener.port), OUTCOME=str(out)):
        limit = time.monotonic() + 120
        while not (out.exists() and out.read_text()) and time.monotonic() < limit:
            time.sleep(0.05)
    return out.read_text().splitlines()


def test_a_fenced_server_reaches_nobody(data: Path, listener: Listener, tmp_path: Path) -> None:
    with (data / "kashop.toml").open("a") as toml:
        toml.write("is_fenced = true\n")
    found = outcome(data, listener, tmp_path)
    assert len(found) == 8
    assert not [line for line in found if line.endswith(" out")], found
    assert listener.count == 0


def test_control_without_the_fence_all_of_it_gets_out(data: Path, listener: Listener, tmp_path: Path) -> None:
    found = outcome(data, listener, tmp_path)
    assert found == [f"{way} out" for way in ("loop", "httpx", "socket", "urllib", "datagram", "program", "name", "shop")]
    assert listener.count >= 6
