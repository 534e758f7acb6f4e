"""How connections are taken: few in a turn of the loop, all in the end, and what happens when there are no files."""

import asyncio
import errno
import socket
from collections.abc import Iterator
from itertools import pairwise

import pytest

from kashop.web import arrivals
from kashop.web.arrivals import OPENED, TAKEN, Arrivals


class Quiet(asyncio.Protocol):
    """Counts who comes."""

    made = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        Quiet.made += 1


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    Quiet.made = 0
    with socket.create_server(("127.0.0.1", 0), backlog=512) as sock:
        yield sock


def crowd(sock: socket.socket, count: int) -> list[socket.socket]:
    """So many clients, connected by the system before anybody takes them."""
    return [socket.create_connection(sock.getsockname()) for _ in range(count)]


async def until(count: int) -> None:
    async with asyncio.timeout(30):
        while Quiet.made < count:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


async def test_few_are_taken_in_one_turn_and_all_in_the_end(listening: socket.socket) -> None:
    clients, seen = crowd(listening, TAKEN * 2 + 1), [0]
    coming = Arrivals(listening, Quiet)
    async with asyncio.timeout(30):
        while Quiet.made < len(clients):
            await asyncio.sleep(0)
            seen.append(Quiet.made)
    assert max(b - a for a, b in pairwise(seen)) <= OPENED
    coming.close()
    await coming.wait_closed()
    for client in clients:
        client.close()


async def test_who_comes_with_an_order_is_opened_after_all_others(listening: socket.socket) -> None:
    orders, heard = crowd(listening, OPENED * 2), []

    class Telling(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            heard.append(data.partition(b" HTTP")[0])

    for client in orders:
        client.sendall(b"POST /api/v1/orders HTTP/1.1\r\n\r\n")
    pages = crowd(listening, 3)
    for client in pages:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
    coming = Arrivals(listening, Telling)
    async with asyncio.timeout(30):
        while len(heard) < len(orders) + len(pages):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
    assert set(heard[:OPENED]) == {b"GET /", b"POST /api/v1/orders"}
    assert set(heard[OPENED:]) == {b"POST /api/v1/orders"}
    coming.close()
    for client in (*orders, *pages):
        client.close()


async def test_no_more_are_taken_than_there_is_room_for(listening: socket.socket) -> None:
    clients = crowd(listening, TAKEN * 3)
    for client in clients:
        client.sendall(b"POST /checkout HTTP/1.1\r\n\r\n")
    coming, most = Arrivals(listening, Quiet, most=TAKEN), 0
    async with asyncio.timeout(30):
        while Quiet.made < len(clients):
            most = max(most, len(coming._orders))
            await asyncio.sleep(0)
    assert 0 < most <= TAKEN
    coming.close()
    for client in clients:
        client.close()


async def test_without_files_it_rests_and_goes_on(listening: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "REST_SECONDS", 0.02)
    tries: list[int] = []

    class Poor(socket.socket):
        def accept(self) -> tuple[socket.socket, object]:
            tries.append(1)
            if len(tries) < 3:
                raise OSError(errno.EMFILE, "too many open files")
            return super().accept()

    poor = Poor(fileno=listening.detach())
    clients = crowd(poor, 2)
    coming = Arrivals(poor, Quiet)
    await until(2)
    assert len(tries) >= 4
    coming.close()
    await coming.wait_closed()
    poor.close()
    for client in clients:
        client.close()


async def test_closed_it_takes_nobody(listening: socket.socket) -> None:
    coming = Arrivals(listening, Quiet)
    coming.close()
    clients = crowd(listening, 1)
    await asyncio.sleep(0.05)
    assert Quiet.made == 0
    clients[0].close()
