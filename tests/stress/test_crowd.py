"""The crowd's client against a server that answers in pieces, hangs up, or sends nonsense."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from kashop.stress.crowd import Line, drive, get, percentile, post

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


async def serving(answering: Answering) -> tuple[asyncio.Server, int]:
    server = await asyncio.start_server(answering, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


async def test_a_drive_reads_answers_that_come_in_pieces() -> None:
    async def in_pieces(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            for at in range(0, len(OK), 7):
                writer.write(OK[at : at + 7])
                await asyncio.sleep(0)

    server, port = await serving(in_pieces)
    outcome = await drive(port, [get("/", port)] * 30, connections=4, keeps_bodies=True)
    assert outcome.statuses == {200: 30}
    assert outcome.bodies == [b"hello"] * 30
    assert len(outcome.latencies) == 30
    server.close()


async def test_an_unchanged_page_has_no_body_whatever_length_it_tells() -> None:
    async def unchanged(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while b"if-none-match: x" in await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 900\r\n\r\n")

    server, port = await serving(unchanged)
    outcome = await drive(port, [get("/", port, if_none_match="x")] * 3, connections=1, keeps_bodies=True)
    assert (outcome.statuses, outcome.bodies) == ({304: 3}, [b""] * 3)
    server.close()


async def test_an_answer_without_a_length_is_read_to_its_last_chunk() -> None:
    async def in_chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
            await asyncio.sleep(0.01)
            writer.write(b"A;x=1\r\n, all of u\r\n1\r\ns\r\n0\r\n\r\n")

    server, port = await serving(in_chunks)
    outcome = await drive(port, [get("/", port)] * 2, connections=1, keeps_bodies=True)
    assert (outcome.statuses, outcome.bodies) == ({200: 2}, [b"hello, all of us"] * 2)
    server.close()


async def test_a_held_request_is_whole_only_when_it_is_let_go() -> None:
    seen: list[bytes] = []

    async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        seen.append(await reader.readexactly(2))
        writer.write(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\nretry-after: 7\r\n\r\n")

    server, port = await serving(counting)
    line = await Line.open(port)
    line.hold_back(post("/x", port, b"{}", idempotency_key="k1"))
    await asyncio.sleep(0.05)
    assert len(seen) == 1
    assert b"idempotency-key: k1" in seen[0]
    reply = await line.let_go()
    assert (reply.status, reply.retry_after, seen[1]) == (503, 7, b"{}")
    server.close()


@pytest.mark.parametrize(
    ("said", "error"),
    [(b"", ConnectionResetError), (OK[:-1], ConnectionResetError), (b"HTTP/1.1 200 OK\r\n\r\nhello", ValueError)],
    ids=["nothing", "cut short", "no length"],
)
async def test_what_is_no_whole_answer_is_an_error(said: bytes, error: type[Exception]) -> None:
    async def saying(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        writer.close()

    server, port = await serving(saying)
    line = await Line.open(port)
    with pytest.raises(error):
        await line.ask(get("/", port))
    with pytest.raises(error):
        await drive(port, [get("/", port)] * 3, connections=2)
    server.close()


def test_a_percentile_is_a_value_that_was_seen() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert percentile([], 0.5) == 0.0
