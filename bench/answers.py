"""What the shop answered, kept in a file for the bare handlers to answer the same."""

import asyncio
from pathlib import Path

import msgspec

from kashop.stress.crowd import HOST, UNCHANGED, joined


class Answer(msgspec.Struct, frozen=True):
    """One answer; names of headers are small letters."""

    body: bytes
    headers: dict[str, str] = {}


class Answers(msgspec.Struct, frozen=True):
    """An order placed, an order shown, and each page by its path."""

    placed: Answer
    shown: Answer
    pages: dict[str, Answer]


def write(path: Path, answers: Answers) -> None:
    """Keep them."""
    path.write_bytes(msgspec.msgpack.encode(answers))


def read(path: Path) -> Answers:
    """What was kept."""
    return msgspec.msgpack.decode(path.read_bytes(), type=Answers)


async def ask(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """One request over a connection of its own: status, headers by their small names (twice: two lines), body."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(request)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers: dict[str, str] = {}
        for name, _, value in (line.partition(":") for line in lines[1:] if line):
            before = headers.get(name.lower(), "")
            headers[name.lower()] = f"{before}\n{value.strip()}" if before else value.strip()
        status = int(lines[0].split()[1])
        if headers.get("transfer-encoding") == "chunked":
            return status, headers, joined(await reader.readuntil(b"\r\n0\r\n\r\n"))
        return status, headers, await reader.readexactly(0 if status == UNCHANGED else int(headers["content-length"]))
    finally:
        writer.close()
