"""Orders that wait as the bytes that came, over real sockets: when they are begun, what of them, and who leaves the line."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from kashop.lib.line import ComeIn, Few, Line, Place
from kashop.web import protocol
from kashop.web.connections import Connections
from kashop.web.protocol import MOST_HELD, bounded

BODY = b'{"lines":[]}'
ORDER = b"POST /api/v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)
GET = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


class Shopkeeper:
    """An application that notes what reaches it, and the line before it: of one place, which is taken until it is opened."""

    def __init__(self) -> None:
        self.line = Line(at_once=1, patience=60)
        self.came: list[tuple[str, bytes, bool]] = []
        self.stood: list[bytes] = []
        self.others = Few()
        self.is_vain = False

    def stand(self, path: str, body: bytes, come_in: ComeIn) -> Place:
        self.stood.append(body)
        return (self.others if self.is_vain else self.line).stand(come_in)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            if not message["more_body"]:
                break
        self.came.append((scope["path"], body, "turn" in scope["state"]))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


class Site:
    """It, served; one inside already."""

    def __init__(self, shop: Shopkeeper, port: int, server: uvicorn.Server):
        self.shop, self.port, self.server = shop, port, server

    async def send(self, sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(sent)
        return reader, writer

    async def until_waiting(self, count: int) -> None:
        async with asyncio.timeout(30):
            while self.shop.line.waiting != count:  # noqa: ASYNC110 - a served process tells nobody
                await asyncio.sleep(0.005)


async def answered(reader: asyncio.StreamReader) -> bool:
    return (await asyncio.wait_for(reader.readuntil(b"ok"), 30)).startswith(b"HTTP/1.1 200 ")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    shop = Shopkeeper()
    http = bounded(Connections(50), shop)
    server = uvicorn.Server(uvicorn.Config(shop, port=0, http=http, ws="none", log_config=None, lifespan="off", access_log=False))
    server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn tells nobody
        await asyncio.sleep(0.01)
    yield Site(shop, server.servers[0].sockets[0].getsockname()[1], server)
    server.should_exit = server.force_exit = True
    await serving


async def test_an_order_is_begun_when_its_turn_has_come(site: Site) -> None:
    first = await site.shop.line.enter()
    reader, writer = await site.send(ORDER)
    await site.until_waiting(1)
    other, _ = await site.send(GET)
    assert await answered(other), "whoever orders nothing waits for nobody"
    assert site.shop.came == [("/", b"", False)]
    assert not site.server.server_state.tasks
    first.end()
    assert await answered(reader)
    assert site.shop.came[1:] == [("/api/v1/orders", BODY, True)]
    assert site.shop.stood == [BODY]
    writer.write(ORDER)  # the same connection once more: the place was given back
    assert await answered(reader)


async def test_orders_are_begun_in_the_order_in_which_they_came(site: Site) -> None:
    first, lines = await site.shop.line.enter(), []
    for n in range(20):
        body = b"%02d" % n
        lines.append(await site.send(ORDER.replace(b"Content-Length: 12", b"Content-Length: 2").replace(BODY, body)))
        await site.until_waiting(n + 1)
    first.end()
    for reader, _ in lines:
        assert await answered(reader)
    assert [body for _, body, _ in site.shop.came] == [b"%02d" % n for n in range(20)]


async def test_who_hangs_up_leaves_the_line(site: Site) -> None:
    first = await site.shop.line.enter()
    _, gone = await site.send(ORDER)
    await site.until_waiting(1)
    there, _ = await site.send(ORDER)
    await site.until_waiting(2)
    gone.close()
    await site.until_waiting(1)
    first.end()
    assert await answered(there)
    assert len(site.shop.came) == 1


async def test_what_came_in_pieces_is_one_order(site: Site) -> None:
    reader, writer = await site.send(ORDER[:40])
    for byte in (ORDER[i : i + 1] for i in range(40, len(ORDER))):
        writer.write(byte)
        await writer.drain()
        await asyncio.sleep(0)
    assert await answered(reader)
    assert site.shop.came == [("/api/v1/orders", BODY, True)]
    assert site.shop.stood == [BODY]


async def test_what_was_sent_behind_an_order_is_answered_behind_it(site: Site) -> None:
    reader, writer = await site.send(ORDER + GET)
    assert await answered(reader)
    assert await answered(reader)
    first = await site.shop.line.enter()
    writer.write(ORDER)
    await site.until_waiting(1)
    writer.write(GET)
    await asyncio.sleep(0.05)
    first.end()
    assert await answered(reader)
    assert await answered(reader)
    assert [path for path, _, _ in site.shop.came] == ["/api/v1/orders", "/"] * 2


@pytest.mark.parametrize(
    "sent",
    [
        b"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        b"POST /api/v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % MOST_HELD + b"x" * MOST_HELD,
        b"POST /checkout HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 9000 + b"\r\nContent-Length: 0\r\n\r\n",
        b"POST /checkout HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["in chunks", "large", "a large head", "no length"],
)
async def test_what_cannot_be_kept_small_is_parsed_as_it_comes(site: Site, sent: bytes) -> None:
    await site.shop.line.enter()
    reader, _ = await site.send(sent)
    assert await answered(reader)
    assert site.shop.stood == []


async def test_a_body_that_does_not_come_is_waited_for_behind(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "HELD_SECONDS", 0.05)
    reader, writer = await site.send(ORDER[:-1])
    async with asyncio.timeout(30):
        while not site.server.server_state.tasks:  # noqa: ASYNC110 - a served process tells nobody
            await asyncio.sleep(0.005)
    assert site.shop.stood == []
    writer.write(ORDER[-1:])
    assert await answered(reader)


async def test_who_expects_a_word_before_the_body_gets_it(site: Site) -> None:
    head, _, body = ORDER.partition(b"\r\n\r\n")
    reader, writer = await site.send(head + b"\r\nExpect: 100-continue\r\n\r\n")
    assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)).startswith(b"HTTP/1.1 100 ")
    writer.write(body)
    assert await answered(reader)


async def test_a_turn_that_comes_to_no_request_is_given_back(site: Site) -> None:
    bad, _ = await site.send(ORDER.replace(b"Host: 127.0.0.1", b"Host 127.0.0.1"))
    assert (await asyncio.wait_for(bad.read(), 30)).startswith(b"HTTP/1.1 400 ")
    good, _ = await site.send(ORDER)
    assert await answered(good)


async def test_who_asks_in_vain_is_begun_without_a_turn(site: Site) -> None:
    await site.shop.line.enter()
    site.shop.is_vain = True
    reader, _ = await site.send(ORDER)
    assert await answered(reader)
    assert site.shop.came == [("/api/v1/orders", BODY, False)]


async def test_an_order_in_line_is_told_to_come_back_when_the_server_ends(site: Site) -> None:
    await site.shop.line.enter()
    reader, _ = await site.send(ORDER)
    await site.until_waiting(1)
    site.server.should_exit = True
    told = await asyncio.wait_for(reader.read(), 30)
    assert told.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: " in told
    assert site.shop.came == []
