"""Bytes to the server and bytes back, and what every answer to hostile input must be."""

import asyncio
import re
from dataclasses import dataclass

import msgspec

from tests.hostile.served import Served

TELLTALES = re.compile(
    r"Traceback|site-packages|kashop\.db|litestar|File \"|\w\.py\b|[Ss]qlite|psycopg"
    r"|\bSELECT .{1,200} FROM\b|\bINSERT INTO\b|\bUPDATE \w+ SET"
)
"""What no stranger may read of us: a stack, a statement, a path, a part's name."""


UNREADABLE = "Invalid HTTP request received."
"""The parser's own words, when it is not HTTP at all or the address is beyond what it reads: the app never hears of it."""


@dataclass
class Answer:
    """One HTTP answer; `status` 0 is a connection that was closed without one."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_closed: bool

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


async def send(served: Served, data: bytes) -> Answer:
    """Send raw bytes on a connection of their own and read one answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=2**22)
    try:
        try:
            writer.write(data)
            await writer.drain()
        except ConnectionError:
            return await _read(reader)  # the server answered before it had read everything
        return await asyncio.wait_for(_read(reader), 60)
    finally:
        writer.close()


async def _read(reader: asyncio.StreamReader) -> Answer:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return Answer(0, {}, b"", True)
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines if line)}
    try:
        if "content-length" in headers:
            body = await reader.readexactly(int(headers["content-length"]))
        else:
            body = await reader.read(2**20)
    except (asyncio.IncompleteReadError, ConnectionError):
        body = b""
    return Answer(int(first.split()[1]), headers, body, headers.get("connection", "").lower() == "close")


def request(served: Served, method: str, target: bytes, *headers: bytes, body: bytes | None = None, cookie: str = "") -> bytes:
    """A request whose target and headers stand exactly as given."""
    lines = [method.encode() + b" " + target + b" HTTP/1.1", b"Host: 127.0.0.1:%d" % served.port, b"Connection: close"]
    lines += [b"Cookie: " + cookie.encode()] if cookie else []
    lines += headers
    if body is not None and not any(h.lower().startswith((b"content-length", b"transfer-encoding")) for h in headers):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


def unsound(answer: Answer) -> str:
    """What is wrong with an answer to hostile input; empty when nothing is (I-48)."""
    if answer.status == 0:
        return "no answer"
    if answer.status >= 500:
        return f"status {answer.status}"
    if found := TELLTALES.search(answer.text):
        return f"tells {found.group()!r}"
    if answer.status < 400:
        return ""
    if answer.status == 400 and answer.text == UNREADABLE:
        return ""
    kind, number = answer.headers.get("content-type", ""), answer.headers.get("x-request-id", "")
    if kind.startswith("application/problem+json"):
        told = msgspec.json.decode(answer.body)
        return (
            ""
            if told["code"] and told["request_id"] == number and told["status"] == answer.status
            else "problem without code or id"
        )
    if not number:
        return "no request id"
    if kind.startswith("text/html"):
        is_told = answer.status in (403, 409, 422) or (answer.status in (404, 429) and 'role="alert"' in answer.text)
        is_form_again = is_told and "<form" in answer.text
        return "" if number in answer.text or is_form_again else "page without its request id"
    return "" if kind.startswith("text/plain") and len(answer.body) < 80 else f"odd content type {kind!r}"
