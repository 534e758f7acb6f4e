"""HTTP/1.1 on the wire, with the limits that uvicorn's fast parser leaves open: how many are connected, how large and how slow a
head may be, and how slowly an answer may be taken.

Always true: a connection that has not sent a whole head in HEAD_SECONDS is closed; what it sends outside of bodies (head,
trailers, chunk frames) is never more than MAX_OUTSIDE bytes in memory; one that takes nothing of its answer for STALLED_SECONDS
is cut off (abuse cases A03, A06); who may connect is for web/connections.py to say.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kashop.web.connections import Connections, most_connections, most_files

HEAD_SECONDS = 20
STALLED_SECONDS = 30
FAREWELL_SECONDS = 2
MAX_OUTSIDE = 128 * 1024
STIRS = 4096
"""Bytes of a body that came at once: less is dripping, not sending."""

_NO_ROOM = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """For `uvicorn.Config(http=…)`; `bounded` makes one for connections that are counted by more than their number."""

    everybody: Connections | None = None
    _outside = 0
    _is_admitted = False
    _patience: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _left = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head, if there is room."""
        super().connection_made(transport)
        self._is_admitted = self._all.come(self, self.client[0] if self.client else "")
        if self._is_admitted:
            self._wait()
        else:
            self._say_goodbye()

    @property
    def _all(self) -> Connections:
        cls = type(self)
        if cls.everybody is None:
            cls.everybody = Connections(most_connections(most_files()))
        return cls.everybody

    def _say_goodbye(self) -> None:
        """Answer, and leave the client a moment to read that before what it sends is thrown back at it."""
        self.transport.write(_NO_ROOM)
        if self._all.may_linger():
            self.transport.write_eof()
            self.loop.call_later(FAREWELL_SECONDS, self._all.lingered, self.transport.abort)
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._all.go(self)
        self._stop_waiting()
        if self._stalled is not None:
            self._stalled.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, then see how much of it was no body."""
        if not self._is_admitted:
            return
        super().data_received(data)
        self._outside += len(data)
        is_whole = self._patience is None and self._outside <= len(data)  # a head that came at once: the edge measures it
        if self._outside > MAX_OUTSIDE and not is_whole and not self.transport.is_closing():
            self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._outside = 0
        if self._patience is None:
            self._wait()

    def on_headers_complete(self) -> None:
        """The head is whole; the edge measures the body."""
        self._stop_waiting()
        super().on_headers_complete()
        self.scope["state"]["cycle"] = self.cycle  # whoever makes it wait may ask whether its client is still there

    def on_body(self, body: bytes) -> None:
        """Bytes that are counted by the edge."""
        self._outside -= len(body)
        super().on_body(body)
        if len(body) >= STIRS:
            self._all.stir(self)

    def on_message_complete(self) -> None:
        """The request is here."""
        self._all.answer(self)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """It was answered: the connection is kept for another request, as long as there is room."""
        super().on_response_complete()
        if self.cycle.response_complete and not self.transport.is_closing():  # else the next one is here already
            self._all.stir(self)

    def timeout_keep_alive_handler(self) -> None:
        """Nothing else was asked for. What was not taken by now is not waited for."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            super().timeout_keep_alive_handler()

    def pause_writing(self) -> None:
        """The client takes its answer slower than it is made."""
        super().pause_writing()
        if self._stalled is None:
            self._watch()

    def _watch(self) -> None:
        self._left = self.transport.get_write_buffer_size()
        self._stalled = self.loop.call_later(STALLED_SECONDS, self._look_again)

    def _look_again(self) -> None:
        self._stalled = None
        left = self.transport.get_write_buffer_size()
        if left and left >= self._left:
            self.transport.abort()
        elif left:
            self._watch()

    def _unsupported_upgrade_warning(self) -> None:
        """A request that would rather be something else is answered as HTTP; that is not worth a line in the log."""

    def give_way(self) -> None:
        """Somebody else has come, and there is no room for both."""
        if self.transport.is_closing():
            return
        cycle: Any = self.cycle
        is_under_way = self._patience is not None if cycle is None else not cycle.response_complete
        if is_under_way and self._outside:
            self._refuse(b"408 Request Timeout")
        else:
            self.transport.close()

    def _wait(self) -> None:
        self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete:  # an earlier request on this connection is still being answered
            self._wait()
        elif not self.transport.is_closing():
            self._refuse(b"408 Request Timeout")

    def _refuse(self, status: bytes) -> None:
        cycle: Any = self.cycle
        if cycle is None or not cycle.response_started or cycle.response_complete:
            self.transport.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        if cycle is not None:
            cycle.disconnected = True  # what its handler still says has nowhere to go
        self.transport.close()


def bounded(connections: Connections) -> type[BoundedProtocol]:
    """The protocol of a server whose connections are these."""
    return type("BoundedProtocol", (BoundedProtocol,), {"everybody": connections})
