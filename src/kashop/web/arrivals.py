"""How connections are taken from the system: many, so that it has room for who comes next, and opened a few in each turn of the
event loop, so that thousands who come at one moment hold up nobody who is here already.

Always true: whoever comes with a new order is opened after all who come with anything else, orders in the order of coming; when
there are no files left for one more, nobody is taken for a moment, and all who are here are answered.
"""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable

from kashop.lib import logs
from kashop.web.connections import UNOPENED

TAKEN = 64
"""Connections that are taken in one turn of the loop: a few microseconds each. The system keeps 4,096; where those are full it
lets a page's connection knock again after a second, and again after two."""

OPENED = 12
"""Connections that are opened in one turn, and so the requests that come in with them: a millisecond or two."""

REST_SECONDS = 0.5

_PEEKED = 24
_ORDERS = (b"POST /api/v1/orders HTTP", b"POST /checkout HTTP/")

log = logs.get_logger("kashop.web")


class Arrivals:
    """A listening socket; `make` makes the protocol of each connection. `close` and `wait_closed` are what uvicorn asks of a
    server."""

    def __init__(self, sock: socket.socket, make: Callable[[], asyncio.Protocol], *, most: int = UNOPENED):
        self._sock, self._make, self._most = sock, make, most
        self._loop = asyncio.get_running_loop()
        self._orders: deque[socket.socket] = deque()
        self._others: deque[socket.socket] = deque()
        self._opening: set[asyncio.Task[object]] = set()
        self._resting: asyncio.TimerHandle | None = None
        self._is_listening = self._is_called = self._is_closed = False
        sock.setblocking(False)
        self._listen()

    @property
    def _waiting(self) -> int:
        return len(self._orders) + len(self._others)

    def _listen(self) -> None:
        self._resting = None
        if not self._is_listening and not self._is_closed:
            self._is_listening = True
            self._loop.add_reader(self._sock, self._take)

    def _pause(self) -> None:
        if self._is_listening:
            self._is_listening = False
            self._loop.remove_reader(self._sock)

    def _take(self) -> None:
        for _ in range(min(TAKEN, self._most - self._waiting)):
            try:
                connection, _address = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                break
            except ConnectionError:  # it has gone again
                continue
            except OSError as error:
                self._rest(error)
                break
            (self._orders if _is_order(connection) else self._others).append(connection)
        if self._waiting >= self._most:
            self._pause()
        if self._waiting and not self._is_called:
            self._is_called = True
            self._open_some()

    def _open_some(self) -> None:
        for _ in range(OPENED):
            waiting = self._others or self._orders
            if not waiting:
                break
            opening = self._loop.create_task(self._loop.connect_accepted_socket(self._make, waiting.popleft()))
            self._opening.add(opening)
            opening.add_done_callback(self._opened)
        self._is_called = bool(self._waiting)
        if self._is_called:
            self._loop.call_soon(self._open_some)
        if self._resting is None and self._waiting < self._most:
            self._listen()

    def _opened(self, opening: "asyncio.Task[object]") -> None:
        self._opening.discard(opening)
        if not opening.cancelled() and (error := opening.exception()) is not None and not isinstance(error, OSError):
            log.error("a connection could not be opened", exc_info=error)

    def _rest(self, error: OSError) -> None:
        """No files or no memory for one more: the loop would ask again at once, and again."""
        log.error("no connection can be taken just now", error=error.strerror)
        self._pause()
        self._resting = self._loop.call_later(REST_SECONDS, self._listen)

    def close(self) -> None:
        """Take nobody any more; who was not opened is hung up on."""
        self._is_closed = True
        if self._resting is not None:
            self._resting.cancel()
        self._pause()
        for waiting in (self._others, self._orders):
            while waiting:
                waiting.popleft().close()

    async def wait_closed(self) -> None:
        """Nothing is under way then."""
        if self._opening:
            await asyncio.wait(self._opening)


def _is_order(connection: socket.socket) -> bool:
    """Whether it has sent the beginning of a new order. What has sent nothing yet is none: slow, or a page's."""
    with contextlib.suppress(OSError):
        return connection.recv(_PEEKED, socket.MSG_PEEK | socket.MSG_DONTWAIT).startswith(_ORDERS)
    return False
