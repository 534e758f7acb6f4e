"""How connections are taken from the system: a few in each turn of the event loop, so that thousands who come at one moment hold
up nobody who is here already.

Always true: whoever is not taken yet waits with the system, in the order of coming; when there are no files left for one more,
nobody is taken for a moment, and all who are here are answered.
"""

import asyncio
import socket
from collections.abc import Callable

import structlog

AT_A_TIME = 24
"""Connections that are taken in one turn of the loop, and so the first requests that come in with them: a few milliseconds."""

REST_SECONDS = 0.5

log = structlog.get_logger("kashop.web")


class Arrivals:
    """A listening socket; `make` makes the protocol of each connection. `close` and `wait_closed` are what uvicorn asks of a
    server."""

    def __init__(self, sock: socket.socket, make: Callable[[], asyncio.Protocol]):
        self._sock, self._make = sock, make
        self._loop = asyncio.get_running_loop()
        self._opening: set[asyncio.Task[object]] = set()
        self._resting: asyncio.TimerHandle | None = None
        sock.setblocking(False)
        self._listen()

    def _listen(self) -> None:
        self._resting = None
        self._loop.add_reader(self._sock, self._take)

    def _take(self) -> None:
        for _ in range(AT_A_TIME):
            try:
                connection, _address = self._sock.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:  # it has gone again
                continue
            except OSError as error:
                self._rest(error)
                return
            opening = self._loop.create_task(self._loop.connect_accepted_socket(self._make, connection))
            self._opening.add(opening)
            opening.add_done_callback(self._opened)

    def _opened(self, opening: "asyncio.Task[object]") -> None:
        self._opening.discard(opening)
        if not opening.cancelled() and (error := opening.exception()) is not None and not isinstance(error, OSError):
            log.error("a connection could not be opened", exc_info=error)

    def _rest(self, error: OSError) -> None:
        """No files or no memory for one more: the loop would ask again at once, and again."""
        log.error("no connection can be taken just now", error=error.strerror)
        self._loop.remove_reader(self._sock)
        self._resting = self._loop.call_later(REST_SECONDS, self._listen)

    def close(self) -> None:
        """Take nobody any more."""
        if self._resting is not None:
            self._resting.cancel()
        self._loop.remove_reader(self._sock)

    async def wait_closed(self) -> None:
        """Nothing is under way then."""
        if self._opening:
            await asyncio.wait(self._opening)
