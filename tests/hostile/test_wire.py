"""Raw sockets: what no HTTP client would send (abuse cases A03 to A06, A08)."""

import asyncio
import re
from pathlib import Path

import pytest

from tests.hostile.served import Served
from tests.hostile.wire import Answer, _read, request, send, unsound

API = b"/api/v1/orders"
HTML = {"content-type": "text/html; charset=utf-8", "x-request-id": "0123456789abcdef"}
JSON = {"content-type": "application/problem+json", "x-request-id": "0123456789abcdef"}


@pytest.mark.parametrize(
    "answer",
    [
        Answer(0, {}, b"", True),
        Answer(500, HTML, b"<p>0123456789abcdef</p>", False),
        Answer(503, HTML, b"<p>0123456789abcdef</p>", False),
        Answer(404, HTML, b"<p>gone</p>", False),
        Answer(404, {"content-type": "text/html"}, b"<p>0123456789abcdef</p>", False),
        Answer(400, HTML, b"0123456789abcdef Traceback (most recent call last)", False),
        Answer(200, HTML, b'File "shop.py", line 3', False),
        Answer(422, HTML, b"0123456789abcdef near SELECT order_id FROM orders", False),
        Answer(422, JSON, b'{"code":"","request_id":"0123456789abcdef","status":422}', False),
        Answer(422, JSON, b'{"code":"invalid","request_id":"","status":422}', False),
        Answer(400, {**HTML, "content-type": "application/octet-stream"}, b"no", False),
    ],
)
def test_an_unsound_answer_is_seen(answer: Answer) -> None:
    """The control for every test in this folder."""
    assert unsound(answer)


def post(served: Served, *headers: bytes, body: bytes) -> bytes:
    """A POST whose framing is all in `headers`."""
    lines = [b"POST " + API + b" HTTP/1.1", b"Host: 127.0.0.1:%d" % served.port, b"Content-Type: application/json", *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


FRAMING = {
    "length and chunked": ([b"Content-Length: 5", b"Transfer-Encoding: chunked"], b"0\r\n\r\n"),
    "chunked and length": ([b"Transfer-Encoding: chunked", b"Content-Length: 5"], b"0\r\n\r\n"),
    "two lengths": ([b"Content-Length: 2", b"Content-Length: 3"], b"{} "),
    "a list of lengths": ([b"Content-Length: 2, 2"], b"{}"),
    "a length with a sign": ([b"Content-Length: +2"], b"{}"),
    "a length below zero": ([b"Content-Length: -1"], b"{}"),
    "a length of 20 digits": ([b"Content-Length: 99999999999999999999"], b"{}"),
    "a length in words": ([b"Content-Length: two"], b"{}"),
    "an encoding that only ends like chunked": ([b"Transfer-Encoding: xchunked"], b"0\r\n\r\n"),
    "an encoding after chunked": ([b"Transfer-Encoding: chunked, identity"], b"0\r\n\r\n"),
    "a blank before the colon": ([b"Transfer-Encoding : chunked"], b"0\r\n\r\n"),
    "a bare CR": ([b"X: a\rContent-Length: 2"], b"{}"),
    "a folded header": ([b"X: a", b" b", b"Content-Length: 2"], b"{}"),
    "a NUL in a header": ([b"X: a\0b", b"Content-Length: 2"], b"{}"),
    "a blank in a header's name": ([b"X Y: 1", b"Content-Length: 2"], b"{}"),
    "a chunk size that is none": ([b"Transfer-Encoding: chunked"], b"zz\r\n{}\r\n0\r\n\r\n"),
    "a chunk extension with a bare LF": ([b"Transfer-Encoding: chunked"], b"2;x=\n\r\n{}\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("name", FRAMING)
async def test_two_ways_to_read_a_request_are_refused_and_the_connection_ends(served: Served, name: str) -> None:
    headers, body = FRAMING[name]
    smuggled = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(post(served, *headers, body=body + smuggled))
    said = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    assert said.startswith(b"HTTP/1.1 400 "), said
    assert said.count(b"HTTP/1.1 ") == 1
    assert b"ok\n" not in said


async def test_good_framing_is_read(served: Served) -> None:
    """The control: the same request with one length, and with chunks, reaches the shop."""
    for headers, body in [([b"Content-Length: 2"], b"{}"), ([b"Transfer-Encoding: chunked"], b"2\r\n{}\r\n0\r\n\r\n")]:
        answer = await send(served, post(served, b"Idempotency-Key: a", b"Connection: close", *headers, body=body))
        assert answer.status == 422
        assert '"lines"' in answer.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([b"X: " + b"x" * 9000], {200, 431}),
        ([b"X: " + b"x" * 40_000], {431}),
        ([b"X%d: 1" % n for n in range(200)], {431}),
        ([b"Cookie: " + b"a=b; " * 5000], {200, 431}),
        ([b"Cookie: =;;;=\xff; kashop_staff=\xff; kashop_locale=../../x"], {200, 400}),
        ([b"Accept-Language: " + b"zh-Hans;q=0." * 500], {200, 431}),
        ([b"Accept-Language: ../../etc, *;q=x, \xff"], {200}),
        ([b"Accept: application/json\xff"], {200}),
        ([b"If-None-Match: \xff", b"Range: bytes=9-1,-99999999999999999999", b"If-Modified-Since: yesterday"], {200}),
        ([b"Authorization: Bearer \xff\xfe"], {200}),
        ([b"X-Forwarded-For: <script>, 1.2.3.4, ::::", b"Forwarded: for=x", b"X-Real-IP: y"], {200}),
        ([b"Upgrade: websocket", b"Connection: Upgrade"], {200}),
    ],
)
async def test_odd_headers(served: Served, headers: list[bytes], status: set[int]) -> None:
    for path in (b"/", b"/api/v1/products", b"/admin/login", b"/lookup"):
        answer = await send(served, request(served, "GET", path, *headers))
        assert answer.status in status, (path, answer.text)
        assert not unsound(answer)


@pytest.mark.parametrize(
    "host",
    [
        b"evil.example",
        b"",
        b"a:b:c",
        b"127.0.0.1:x",
        b"127.0.0.1@evil.example",
        b"127.0.0.1 evil",
        b"[::1",
        b"127.0.0.1.evil.example",
    ],
)
async def test_a_foreign_host_is_refused(served: Served, host: bytes) -> None:
    answer = await send(served, b"GET / HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
    assert answer.status == 400
    assert b"evil" not in answer.body
    two = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    assert (await send(served, two)).status == 400


async def test_a_head_without_end_is_cut_off(served: Served) -> None:
    start = resident(served)
    for piece in (b"X: " + b"y" * 8000 + b"\r\n", b"y" * 8000):
        answer = await stream(served, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ", piece, most=64 * 2**20)
        assert answer.status in (0, 400, 431)
    assert resident(served) - start < 16 * 2**20


@pytest.mark.parametrize(("path", "limit"), [(b"/checkout", 256), (API, 64), (b"/pay/epay-main/callback", 64)])
async def test_a_body_that_is_too_large_is_cut_before_it_is_held(served: Served, path: bytes, limit: int) -> None:
    form = b"Content-Type: application/json" if path == API else b"Content-Type: application/x-www-form-urlencoded"
    before, start = served.rows(), resident(served)
    declared = await send(served, request(served, "POST", path, form, b"Content-Length: %d" % (limit * 1024 + 1), body=b""))
    assert declared.status == 413
    assert not unsound(declared)
    head = request(served, "POST", path, form, b"Transfer-Encoding: chunked", body=b"")
    answer = await stream(served, head, b"2000\r\n" + b"a" * 0x2000 + b"\r\n", most=64 * 2**20)
    assert answer.status in (0, 413)  # 0: the answer was lost to the reset that our own sending provoked
    assert resident(served) - start < 16 * 2**20
    assert served.rows() == before


async def test_trailers_without_end_are_cut_off(served: Served) -> None:
    start = resident(served)
    head = request(
        served, "POST", API, b"Content-Type: application/json", b"Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n"
    )
    answer = await stream(served, head, b"X: " + b"y" * 8000 + b"\r\n", most=32 * 2**20)
    assert answer.status in (0, 400, 408, 413, 422, 431)
    assert resident(served) - start < 16 * 2**20


@pytest.mark.drill
async def test_a_slow_head_and_a_slow_body_are_given_up_while_others_are_served(served: Served) -> None:
    """One byte a second on a hundred connections, for longer than anyone may take."""
    head = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: "
    body = request(
        served, "POST", b"/checkout", b"Content-Type: application/x-www-form-urlencoded", b"Content-Length: 1000", body=b""
    )
    slow = [asyncio.create_task(trickle(served, start)) for start in [head] * 60 + [body] * 40]
    times = []
    while not all(task.done() for task in slow) and len(times) < 200:
        began = asyncio.get_running_loop().time()
        assert (await send(served, request(served, "GET", b"/"))).status == 200
        times.append(asyncio.get_running_loop().time() - began)
        await asyncio.sleep(0.25)
    lasted = [await task for task in slow]
    assert max(lasted) < 36
    assert sorted(times)[int(len(times) * 0.99)] < 1.0


async def test_the_server_outlives_noise(served: Served) -> None:
    noise = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\0" * 4096, b"GET /\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    noise += [b"CONNECT evil:443 HTTP/1.1\r\n\r\n", b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"\r\n" * 500]
    for data in noise:
        _, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(data)
        await writer.drain()
        writer.close()
    assert (await send(served, request(served, "GET", b"/"))).status == 200
    assert "Traceback" not in served.errors()


def resident(served: Served) -> int:
    """Bytes of memory that the server's process holds."""
    status = Path(f"/proc/{served.process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


async def stream(served: Served, head: bytes, piece: bytes, *, most: int) -> Answer:
    """Send a head, then pieces until the server answers or hangs up, or `most` bytes are sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    answer = asyncio.create_task(_read(reader))
    sent = 0
    try:
        writer.write(head)
        while sent < most and not answer.done():
            writer.write(piece)
            sent += len(piece)
            await writer.drain()
            await asyncio.sleep(0.001)
        assert sent < most, "the server took it all"
    except ConnectionError:
        sent = most
    finally:
        writer.close()
    return await asyncio.wait_for(answer, 60)


async def trickle(served: Served, start: bytes) -> float:
    """Send a byte a second until the server hangs up; how long that took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    answer = asyncio.create_task(_read(reader))
    try:
        writer.write(start)
        while not answer.done() and loop.time() - began < 60:
            writer.write(b"y")
            await writer.drain()
            await asyncio.wait({answer}, timeout=1)
    except ConnectionError:
        return loop.time() - began
    finally:
        writer.close()
    return loop.time() - began
