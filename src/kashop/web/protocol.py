"""HTTP/1.1 on the wire, with the two limits that uvicorn's fast parser leaves open: how large and how slow a head may be.

Always true: a connection that has not sent a whole head in HEAD_SECONDS is closed; what it sends outside of bodies (head,
trailers, chunk frames) is never more than MAX_OUTSIDE bytes in memory (abuse cases A03, A06).
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 20
MAX_OUTSIDE = 128 * 1024


class BoundedProtocol(HttpToolsProtocol):
    """For `uvicorn.Config(http=…)`."""

    _outside = 0
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, then see how much of it was no body."""
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

    def _unsupported_upgrade_warning(self) -> None:
        """A request that would rather be something else is answered as HTTP; that is not worth a line in the log."""

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
