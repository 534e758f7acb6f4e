"""Who may connect, who gives way, and who is cut off: over real sockets."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import uvicorn

from kashop.web import protocol
from kashop.web.connections import LINGERING, MOST, Connections, most_connections
from kashop.web.protocol import bounded

LARGE = 40 * 1024 * 1024
GET = b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class One:
    """A connection that remembers whether it gave way."""

    def __init__(self) -> None:
        self.gave_way = self.takes = False

    def is_taking(self) -> bool:
        return self.takes

    def give_way(self) -> None:
        self.gave_way = True


def come(everybody: Connections, address: str, count: int) -> list[One]:
    """So many connections of an address, as far as there is room."""
    new = [One() for _ in range(count)]
    return [one for one in new if everybody.come(one, address)]


def test_the_stillest_gives_way_to_who_comes() -> None:
    everybody = Connections(3)
    first, second, third = come(everybody, "127.0.0.1", 3)
    everybody.stir(first)
    everybody.answer(second)
    assert len(come(everybody, "127.0.0.1", 1)) == 1
    assert (first.gave_way, second.gave_way, third.gave_way) == (False, False, True)
    assert len(everybody) == 3


def test_who_is_being_answered_never_gives_way() -> None:
    everybody = Connections(2)
    both = come(everybody, "127.0.0.1", 2)
    for one in both:
        everybody.answer(one)
    assert come(everybody, "127.0.0.1", 1) == []
    everybody.stir(both[0])  # it was answered
    assert len(come(everybody, "127.0.0.1", 1)) == 1
    assert [one.gave_way for one in both] == [True, False]


def test_who_takes_an_answer_is_spared_and_asked_again_later() -> None:
    everybody = Connections(3)
    slow, second, third = come(everybody, "127.0.0.1", 3)
    slow.takes = True
    assert len(come(everybody, "127.0.0.1", 2)) == 2
    assert (slow.gave_way, second.gave_way, third.gave_way) == (False, True, True)
    slow.takes = False
    come(everybody, "127.0.0.1", 3)
    assert slow.gave_way


def test_one_address_has_a_share_and_others_the_rest() -> None:
    everybody = Connections(100)
    assert len(come(everybody, "203.0.113.7", 60)) == 25
    assert len(come(everybody, "2001:db8::1", 20) + come(everybody, "2001:db8::ffff", 20)) == 25, "a provider hands out the /64"
    mine = come(everybody, "203.0.113.8", 1)
    everybody.go(mine[0])
    everybody.go(mine[0])
    assert len(everybody) == 50
    assert len(come(everybody, "203.0.113.8", 60)) == 25


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "::1", "::ffff:127.0.0.1", "", "a socket"])
def test_a_proxys_connections_are_many_peoples(address: str) -> None:
    assert len(come(Connections(100, lambda ip: ip == "10.0.0.1"), address, 100)) == 100


def test_few_of_those_without_room_linger() -> None:
    everybody = Connections(1)
    assert [everybody.may_linger() for _ in range(LINGERING + 1)] == [True] * LINGERING + [False]
    everybody.lingered(lambda: None)
    assert everybody.may_linger()


def test_files_bound_connections() -> None:
    assert most_connections(1_000_000) == MOST
    assert most_connections(1024) == 768
    assert most_connections(100) == 75


def test_a_server_takes_as_many_files_as_it_may() -> None:
    said = """if True:
        import resource
        from kashop.web.connections import most_files
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
        most = most_files(4000)
        print(most == resource.getrlimit(resource.RLIMIT_NOFILE)[0] == min(hard, 4000) > 64, most_files(4000) == most)
    """
    told = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, timeout=60)
    assert told.stdout.split() == ["True", "True"], told.stderr


class Small:
    """An application: `/held` is answered when it is released, `/large` is large, a body is read whole."""

    def __init__(self) -> None:
        self.released = asyncio.Event()
        self.held = asyncio.Semaphore(0)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        while (await receive()).get("more_body"):
            pass
        if scope["path"] == "/held":
            self.held.release()
            await self.released.wait()
        body = bytes(LARGE) if scope["path"] == "/large" else b"ok"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})


class Site:
    """A served small application with room for few."""

    def __init__(self, app: Small, everybody: Connections, port: int):
        self.app, self.everybody, self.port = app, everybody, port

    async def connect(self, sent: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        await self.until(lambda: True)
        return reader, writer

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until the server has come so far."""
        async with asyncio.timeout(30):
            await asyncio.sleep(0.01)
            while not is_so():  # noqa: ASYNC110 - a served process tells nobody
                await asyncio.sleep(0.01)

    async def get(self, path: bytes = b"/") -> bytes:
        """The first bytes of an answer over a new connection."""
        reader, writer = await self.connect(GET % path)
        try:
            return await asyncio.wait_for(reader.read(2000), 30)
        finally:
            writer.close()


@pytest.fixture
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    app, everybody = Small(), Connections(getattr(request, "param", 4))
    config = uvicorn.Config(app, port=0, http=bounded(everybody), ws="none", log_config=None, lifespan="off", access_log=False)
    server = uvicorn.Server(config)
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody
        await asyncio.sleep(0.01)
    yield Site(app, everybody, server.servers[0].sockets[0].getsockname()[1])
    app.released.set()
    server.should_exit = server.force_exit = True
    await serving


async def test_idle_connections_keep_nobody_out(site: Site) -> None:
    idle = [await site.connect() for _ in range(4)]
    await site.until(lambda: len(site.everybody) == 4)
    assert (await site.get()).startswith(b"HTTP/1.1 200")
    assert await asyncio.wait_for(idle[0][0].read(), 30) == b""
    for _, writer in idle:
        writer.close()


async def test_a_kept_connection_gives_way_and_one_that_was_used_later_does_not(site: Site) -> None:
    kept = [await site.connect(GET % b"/") for _ in range(4)]
    for reader, _ in kept:
        assert (await asyncio.wait_for(reader.readuntil(b"ok"), 30)).startswith(b"HTTP/1.1 200")
    kept[0][1].write(GET % b"/")
    await asyncio.wait_for(kept[0][0].readuntil(b"ok"), 30)
    assert (await site.get()).startswith(b"HTTP/1.1 200")
    assert await asyncio.wait_for(kept[1][0].read(), 30) == b""
    kept[0][1].write(GET % b"/")
    assert (await asyncio.wait_for(kept[0][0].readuntil(b"ok"), 30)).startswith(b"HTTP/1.1 200")
    for _, writer in kept:
        writer.close()


async def test_where_all_are_being_answered_one_more_is_told_to_come_back(site: Site) -> None:
    """And those are answered: the control."""
    busy = [await site.connect(GET % b"/held") for _ in range(4)]
    for _ in busy:
        await site.app.held.acquire()
    refused = await site.get()
    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 5\r\n" in refused
    site.app.released.set()
    for reader, writer in busy:
        assert (await asyncio.wait_for(reader.readuntil(b"ok"), 30)).startswith(b"HTTP/1.1 200")
        writer.close()
    await site.until(lambda: len(site.everybody) == 0)
    assert (await site.get()).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "begun",
    [b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ", b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nx"],
    ids=["head", "body"],
)
async def test_slow_senders_keep_nobody_out_and_are_told(site: Site, begun: bytes) -> None:
    slow = [await site.connect(begun) for _ in range(4)]
    await site.until(lambda: len(site.everybody) == 4)
    for _, writer in slow:
        writer.write(b"y")
    await site.until(lambda: True)
    assert (await site.get()).startswith(b"HTTP/1.1 200")
    assert (await asyncio.wait_for(slow[0][0].read(), 30)).startswith(b"HTTP/1.1 408 ")
    for _, writer in slow:
        writer.close()


async def test_a_body_that_really_comes_is_not_the_first_to_give_way(site: Site) -> None:
    upload = await site.connect(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 20000\r\n\r\n")
    others = [await site.connect(b"GET / HTTP/1.1\r\n") for _ in range(3)]
    upload[1].write(b"x" * 10_000)
    await site.until(lambda: len(site.everybody) == 4)
    await asyncio.sleep(0.05)
    for _ in range(3):
        assert (await site.get()).startswith(b"HTTP/1.1 200")
    upload[1].write(b"x" * 10_000)
    assert (await asyncio.wait_for(upload[0].readuntil(b"ok"), 30)).startswith(b"HTTP/1.1 200")
    for _, writer in (*others, upload):
        writer.close()


async def test_who_takes_nothing_of_an_answer_is_cut_off(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "STALLED_SECONDS", 0.3)
    _, writer = await site.connect()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(GET % b"/large")
    await site.until(lambda: len(site.everybody) == 1)
    await site.until(lambda: len(site.everybody) == 0)
    writer.close()


async def test_who_takes_nothing_of_an_answer_gives_way_to_who_comes(site: Site) -> None:
    """However long the answers are that such clients ask for, and however many: else a few addresses would keep everybody out."""
    held = [await site.connect() for _ in range(4)]
    for _, writer in held:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GET % b"/large" * 3)
    await site.until(lambda: len(site.everybody) == 4)
    await asyncio.sleep(0.2)
    for _ in range(6):
        assert (await site.get()).startswith(b"HTTP/1.1 200")
    for _, writer in held:
        writer.close()


async def test_who_takes_it_again_does_not_give_way(site: Site) -> None:
    reader, writer = await site.connect(GET % b"/large")
    await reader.readuntil(b"\r\n\r\n")
    got = len(await reader.readexactly(2**20))
    idle = [await site.connect() for _ in range(3)]
    taking = asyncio.create_task(asyncio.wait_for(reader.readexactly(LARGE - got), 30))
    await asyncio.sleep(0)
    assert (await site.get()).startswith(b"HTTP/1.1 200")
    assert len(await taking) == LARGE - got
    for _, other in (*idle, (reader, writer)):
        other.close()


async def test_control_who_takes_it_slowly_gets_it_all(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it takes longer than anybody may stand still, and no pause takes half of that."""
    monkeypatch.setattr(protocol, "STALLED_SECONDS", 1.5)
    reader, writer = await site.connect(GET % b"/large")
    await reader.readuntil(b"\r\n\r\n")
    got = 0
    while got < LARGE:
        got += len(await asyncio.wait_for(reader.readexactly(min(2**20, LARGE - got)), 30))
        await asyncio.sleep(1.6 * 2**20 / LARGE)
    assert got == LARGE
    writer.close()


async def test_a_pipelined_request_is_not_taken_for_rest(site: Site) -> None:
    """While the second of two is being answered, its connection does not give way."""
    reader, writer = await site.connect(GET % b"/" + GET % b"/held")
    await site.app.held.acquire()
    others = [await site.connect() for _ in range(3)]
    await site.until(lambda: len(site.everybody) == 4)
    for _ in range(3):
        assert (await site.get()).startswith(b"HTTP/1.1 200")
    site.app.released.set()
    await asyncio.wait_for(reader.readuntil(b"ok"), 30)
    await asyncio.wait_for(reader.readuntil(b"ok"), 30)
    for _, other in (*others, (reader, writer)):
        other.close()
