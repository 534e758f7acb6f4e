"""HTTP/1.1 on the wire, with the limits that uvicorn's fast parser leaves open: how many are connected, how large and how slow a
head may be, and how slowly an answer may be taken; and new orders, which wait for their turn as the bytes that came.

Always true: nothing of an order that waits is parsed, and it has no task; what is parsed later are the very bytes that came, in
their order; a connection that has not sent a whole head in HEAD_SECONDS is closed; what it sends outside of bodies (head,
trailers, chunk frames) is never more than MAX_OUTSIDE bytes in memory; one that takes nothing of its answer for STALLED_SECONDS
is cut off (abuse cases A03, A06); who may connect is for web/connections.py to say.
"""

import asyncio
import re
from functools import partial
from typing import Any, Protocol

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from kashop.lib.line import ComeIn, Place, Turn
from kashop.web.connections import Connections, most_connections, most_files

HEAD_SECONDS = 20
STALLED_SECONDS = 30
FAREWELL_SECONDS = 2
MAX_OUTSIDE = 128 * 1024
STIRS = 4096
"""Bytes of a body that came at once: less is dripping, not sending."""

MOST_HEAD, MOST_HELD = 8 * 1024, 16 * 1024
"""Bytes of an order that are kept unparsed: its head alone, and all of it. A larger one waits parsed, behind the edge."""

HELD_SECONDS = 10
"""So long is the rest of a body waited for here: then the edge waits for it, and says so when it does not come."""

_ORDERS = ((b"POST /api/v1/orders HTTP/1.1\r\n", "/api/v1/orders"), (b"POST /checkout HTTP/1.1\r\n", "/checkout"))
_BEGINS = tuple(line for line, _ in _ORDERS)
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,6})[ \t]*\r\n", re.I)
_PARSED = re.compile(rb"\r\n(?:transfer-encoding|expect|upgrade)[ \t]*:", re.I)
"""Heads that say more of how the body comes than its length."""

_NO_ROOM = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class Orders(Protocol):
    """Where new orders wait (web/admission.py)."""

    def stand(self, path: str, body: bytes, come_in: ComeIn) -> Place:
        """A place for an order that is here; `come_in` is called when its turn has come."""
        ...


class _Pipeline(list[Any]):
    """Requests behind the one that is answered: an empty deque is half a kilobyte for each connection."""

    __slots__ = ()

    def appendleft(self, request: Any) -> None:
        self.insert(0, request)


class _Flow(FlowControl):
    """uvicorn's, but that the event is made when somebody has to wait for it: it is most of a kilobyte."""

    __slots__ = ("_is_writable_event", "_transport", "read_paused", "write_paused")

    def __init__(self, transport: asyncio.Transport):
        self._transport = transport
        self.read_paused = self.write_paused = False

    def pause_writing(self) -> None:
        if not self.write_paused:
            self._is_writable_event = asyncio.Event()
        super().pause_writing()


class BoundedProtocol(HttpToolsProtocol):
    """For `uvicorn.Config(http=…)`; `bounded` makes one for connections that are counted by more than their number."""

    everybody: Connections | None = None
    orders: Orders | None = None

    # beside the dict, which would grow with them past what Python keeps small: twice a kilobyte for each of thousands
    __slots__ = (
        *("_is_admitted", "_is_begun", "_left", "_outside", "_patience", "_stalled"),
        *("_head", "_held", "_place", "_turn", "_whole"),
    )

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.pipeline = _Pipeline()  # type: ignore[assignment]
        self._is_admitted = self._is_begun = False
        self._outside = self._left = 0
        self._held = b""
        self._head = self._whole = 0  # bytes of the order that is held; 0 until they are known
        self._patience: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._place: Place | None = None
        self._turn: Turn | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head, if there is room."""
        super().connection_made(transport)
        self.flow = _Flow(transport)
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
        self._leave_line()
        if self._stalled is not None:
            self._stalled.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Keep what is a new order until its turn has come; parse all else."""
        if not self._is_admitted:
            return
        if self._held or (self.orders is not None and data.startswith(_BEGINS) and self._is_at_rest()):
            self._hold(data)
        else:
            self._parse(data)

    def _is_at_rest(self) -> bool:
        cycle: Any = self.cycle
        return not self._is_begun and (cycle is None or cycle.response_complete)

    def _hold(self, data: bytes) -> None:
        if not self._held:
            self._unset_keepalive_if_required()
        self._held += data
        if self._place is not None:  # there is more behind the order that waits
            if len(self._held) > MOST_HELD:
                self.flow.pause_reading()
            return
        if len(data) >= STIRS:
            self._all.stir(self)
        if not self._whole and not self._measure():
            self._let_go()
        elif self._whole and len(self._held) >= self._whole:
            self._line_up()
        elif self._patience is None:
            self._wait()

    def _measure(self) -> bool:
        """How long the order will be, once its head is here; whether it may be held."""
        head = self._held.find(b"\r\n\r\n") + 4
        if head < 4:
            return len(self._held) <= MOST_HEAD
        found = _LENGTH.search(self._held, 0, head)
        if head > MOST_HEAD or found is None or _PARSED.search(self._held, 0, head):
            return False
        self._head, self._whole = head, head + int(found[1])
        if self._whole > len(self._held):
            self._stop_waiting()
            self._patience = self.loop.call_later(HELD_SECONDS, self._let_go)
        return self._whole <= MOST_HELD

    def _line_up(self) -> None:
        assert self.orders is not None
        self._stop_waiting()
        self._all.answer(self)
        path = next(path for line, path in _ORDERS if self._held.startswith(line))
        self._place = self.orders.stand(path, self._held[self._head : self._whole], self._come_in)

    def _come_in(self, turn: Turn | None) -> None:
        self._place, self._turn = None, turn
        self._let_go()
        turn, self._turn = self._turn, None
        if turn is not None:  # it was no request
            turn.end()

    def _let_go(self) -> None:
        """Parse what was held."""
        self._stop_waiting()
        held, self._held, self._head, self._whole = self._held, b"", 0, 0
        if not self.transport.is_closing():
            self.flow.resume_reading()
            self._parse(held)

    def _leave_line(self) -> None:
        place, self._place, self._held = self._place, None, b""
        if place is not None:
            place.leave()

    def _parse(self, data: bytes) -> None:
        """Parse, then see how much of it was no body."""
        super().data_received(data)
        self._outside += len(data)
        is_whole = self._patience is None and self._outside <= len(data)  # a head that came at once: the edge measures it
        if self._outside > MAX_OUTSIDE and not is_whole and not self.transport.is_closing():
            self._refuse(b"431 Request Header Fields Too Large")

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        """A request that has a turn has it until it is done, wherever it ends."""
        turn, self._turn = self._turn, None
        if turn is not None:
            cycle.scope["state"]["turn"] = turn
            app = partial(_in_turn, app, turn)
        super()._start_asgi_task(cycle, app)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._is_begun = True
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
        self._is_begun = False
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
        self._all.stir(self)
        if self._stalled is None:
            self._watch()

    def resume_writing(self) -> None:
        """It was taken: what is left of the answer is on its way again."""
        super().resume_writing()
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete:
            self._all.answer(self)

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

    def shutdown(self) -> None:
        """The server ends: an order that was not begun is told to come back."""
        if self._place is not None and not self.transport.is_closing():
            self._leave_line()
            self.transport.write(_NO_ROOM)
        super().shutdown()

    def _unsupported_upgrade_warning(self) -> None:
        """A request that would rather be something else is answered as HTTP; that is not worth a line in the log."""

    def is_taking(self) -> bool:
        """Whether less of its answer is left than when this was asked last, or when it began to wait."""
        before, self._left = self._left, self.transport.get_write_buffer_size()
        return 0 < self._left < before

    def give_way(self) -> None:
        """Somebody else has come, and there is no room for both."""
        if self.transport.is_closing():
            return
        cycle: Any = self.cycle
        if self.transport.get_write_buffer_size():  # closing would wait until it is taken
            self.transport.abort()
            return
        is_under_way = self._patience is not None if cycle is None else not cycle.response_complete
        if is_under_way and (self._outside or self._held):
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


async def _in_turn(app: Any, turn: Turn, scope: Any, receive: Any, send: Any) -> None:
    try:
        await app(scope, receive, send)
    finally:
        turn.end()


def bounded(connections: Connections, orders: Orders | None = None) -> type[BoundedProtocol]:
    """The protocol of a server whose connections are these, and whose new orders wait there."""
    return type("BoundedProtocol", (BoundedProtocol,), {"everybody": connections, "orders": orders})
