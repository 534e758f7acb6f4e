"""Keeps a gateway to its protocol: what a plugin breaks becomes a refusal that the flows know, never a
failure of the shop.
"""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from itertools import islice
from typing import Any

import msgspec

from kashop.lib.errors import Invalid
from kashop.payments.types import (
    Answer,
    Begun,
    CallbackRequest,
    Finding,
    Gateway,
    GatewayFailed,
    GatewayType,
    Intent,
    Notice,
    RefundAsk,
    RefundWord,
    Rejected,
    StatementLine,
)
from kashop.plugins.context import where
from kashop.plugins.types import Context

SECONDS = 25.0
"""For a whole call: beyond what one bounded request takes, since `test` may make several."""

STATEMENT_SECONDS = 120.0
"""A statement of a busy day has many pages."""

STATES = ("paid", "pending", "failed", "closed", "refunded", "disputed")
REFUND_STATES = ("done", "pending", "failed")
ABILITIES = {
    "begins_alone": ("begin_alone",),
    "closes": ("close",),
    "refunds": ("refund", "query_refund"),
    "states": ("statement",),
    "reads_statements": ("read_statement",),
}
"""What a type says of itself, and the methods that it must then have."""
REFUSED = Answer(status=400, body=b"fail")


class Guarded:
    """A Gateway that raises only what the protocol names and gives only what it allows.

    It has the method of every ability; to one that its type does not name it answers with GatewayFailed, never unclear.
    """

    def __init__(self, gateway: Gateway, ctx: Context):
        self._gateway = gateway
        self._ctx = ctx
        self.accepted: Answer = gateway.accepted
        self.rejected: Answer = gateway.rejected

    async def begin(self, intent: Intent) -> Begun:
        """As the protocol says."""
        begun: Begun = await self._asked("begin", partial(self._gateway.begin, intent), Begun)
        return self._fit_way("begin", begun)

    def begin_alone(self, intent: Intent) -> Begun | None:
        """As the ability says."""
        begin = getattr(self._gateway, "begin_alone", None)
        try:
            begun: Begun | None = _checked(begin(intent), Begun | None) if begin else None
        except GatewayFailed:
            raise
        except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything
            raise self._broken("begin_alone", error) from None
        return None if begun is None else self._fit_way("begin_alone", begun)

    def _fit_way(self, verb: str, begun: Begun) -> Begun:
        needed = {"redirect": begun.url, "form": begun.url, "qr": begun.qr, "transfer": begun.fields or begun.qr}
        if not needed.get(begun.kind):
            raise self._broken(verb, ValueError("no way to pay"))
        return begun

    def read_callback(self, request: CallbackRequest) -> Notice:
        """As the protocol says."""
        try:
            notice: Notice = _checked(self._gateway.read_callback(request), Notice)
        except Rejected:
            raise
        except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything
            self._say("read_callback", error)
            raise Rejected("broken") from None
        if not _is_fit(notice):
            self._say("read_callback", ValueError(notice.state))
            raise Rejected("broken")
        return notice

    async def query(self, intent: Intent) -> Notice | None:
        """As the protocol says."""
        notice: Notice | None = await self._asked("query", partial(self._gateway.query, intent), Notice | None)
        if notice is not None and (not _is_fit(notice) or (notice.is_hint and notice.state != "paid")):
            raise self._broken("query", ValueError(notice.state))
        return notice

    async def refund(self, ask: RefundAsk) -> RefundWord:
        """As the ability says."""
        word: RefundWord = await self._able("refund", (ask,), RefundWord)
        return self._fit_word("refund", word)

    async def query_refund(self, ask: RefundAsk) -> RefundWord | None:
        """As the ability says."""
        word: RefundWord | None = await self._able("query_refund", (ask,), RefundWord | None)
        return None if word is None else self._fit_word("query_refund", word)

    async def close(self, intent: Intent) -> None:
        """As the ability says."""
        await self._able("close", (intent,), None)

    async def statement(self, day: dt.date) -> list[StatementLine] | None:
        """As the ability says."""
        said: Any = await self._able("statement", (day,), Any, seconds=STATEMENT_SECONDS, is_checked=False)
        try:
            return None if said is None else await asyncio.to_thread(_checked_lines, said)
        except Exception as error:  # noqa: BLE001 - a stranger's code may give anything
            raise self._broken("statement", error) from None

    def read_statement(self, content: bytes) -> list[StatementLine]:
        """As the ability says."""
        if not hasattr(self._gateway, "read_statement"):
            raise Invalid.of("file", "This gateway reads no statement files of its own.")
        try:
            lines = _checked_lines(self._gateway.read_statement(content))
        except Invalid:
            raise
        except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything
            self._say("read_statement", error)
            raise Invalid.of("file", "This is not a statement of this gateway.") from None
        return lines

    async def _able(self, verb: str, given: tuple[Any, ...], kind: Any, *, seconds: float = 0, is_checked: bool = True) -> Any:
        method = getattr(self._gateway, verb, None)
        if method is None:
            raise GatewayFailed(f"this gateway cannot do this: {verb}")
        return await self._asked(verb, partial(method, *given), kind, seconds=seconds, is_checked=is_checked)

    def _fit_word(self, verb: str, word: RefundWord) -> RefundWord:
        if word.state not in REFUND_STATES or word.amount_minor < 0:
            raise self._broken(verb, ValueError(word.state))
        return word

    async def test(self) -> list[Finding]:
        """As the protocol says."""
        findings: list[Finding] = await self._asked("test", self._gateway.test, list[Finding])
        return findings

    def skew_since(self, moment: float) -> float | None:
        """How far this machine's clock is ahead of the vendor's in seconds, by what it answered since a monotonic moment."""
        heard: tuple[float, float] | None = getattr(self._ctx.http, "skew_heard", None)
        return heard[1] if heard is not None and heard[0] >= moment else None

    async def _asked(
        self, verb: str, ask: Callable[[], Awaitable[Any]], kind: Any, *, seconds: float = 0, is_checked: bool = True
    ) -> Any:
        patience = seconds or SECONDS
        try:
            said = await asyncio.wait_for(ask(), patience)
            return _checked(said, kind) if is_checked else said
        except GatewayFailed:
            raise
        except TimeoutError:
            raise GatewayFailed(f"no answer within {patience:g} s", is_unclear=True) from None
        except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything
            raise self._broken(verb, error) from None

    def _broken(self, verb: str, error: Exception) -> GatewayFailed:
        self._say(verb, error)
        return GatewayFailed(f"the plugin {self._ctx.plugin} failed", is_unclear=True)

    def _say(self, verb: str, error: Exception) -> None:
        self._ctx.log.error("gateway broke its protocol", verb=verb, error=type(error).__name__, where=where(error))


def _checked(value: Any, kind: Any) -> Any:
    """`value` made anew of its kind, field types checked: frozen Structs do not check them when they are made."""
    return msgspec.convert(msgspec.to_builtins(value), kind)


def _checked_lines(lines: Iterable[Any]) -> list[StatementLine]:
    """A statement's lines made anew, a few at a time: a busy day has a hundred thousand, and others wait meanwhile."""
    rest, found = iter(lines), []
    while part := list(islice(rest, 1000)):
        found += _checked(part, list[StatementLine])
    return found


def _is_fit(notice: Notice) -> bool:
    told = notice.refund
    is_refund_fit = told is None or (told.state in REFUND_STATES and told.amount_minor >= 0)
    return notice.state in STATES and is_refund_fit and (notice.state == "refunded") is (told is not None)


def made(kind: GatewayType, options: dict[str, str], ctx: Context) -> Guarded:
    """A gateway made and guarded. Raises Invalid as the gateway does, and for what breaks in it."""
    try:
        gateway = kind.make(options, ctx)
        missing = [m for m in _promised(kind) if not hasattr(gateway, m)]
        if missing:
            raise TypeError(f"it has no {missing[0]}")
        return Guarded(gateway, ctx)
    except Invalid:
        raise
    except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything
        ctx.log.error("gateway cannot be made", error=type(error).__name__, where=where(error))
        raise Invalid.of("type", "The plugin {plugin} failed with these options.", plugin=ctx.plugin) from None


def _promised(kind: GatewayType) -> list[str]:
    named = {name: getattr(kind, name) not in (False, "none") for name in ABILITIES}
    return [method for name, methods in ABILITIES.items() if named[name] for method in methods]
