"""Keeps a gateway to its protocol: what a plugin breaks becomes a refusal that the flows know, never a
failure of the shop.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar, get_origin

import msgspec

from kashop.lib.errors import Invalid
from kashop.payments.types import (
    Answer,
    Begun,
    CallbackRequest,
    Finding,
    Gateway,
    GatewayFailed,
    Intent,
    Notice,
    Rejected,
)
from kashop.plugins.context import where
from kashop.plugins.types import Context

T = TypeVar("T")

SECONDS = 25.0
"""For a whole call: beyond what one bounded request takes, since `test` may make several."""

STATES = ("paid", "pending", "failed", "closed")
REFUSED = Answer(status=400, body=b"fail")


class Guarded:
    """A Gateway that raises only what the protocol names and gives only what it allows."""

    def __init__(self, gateway: Gateway, ctx: Context):
        self._gateway = gateway
        self._ctx = ctx
        self.accepted: Answer = gateway.accepted
        self.rejected: Answer = gateway.rejected

    async def begin(self, intent: Intent) -> Begun:
        """As the protocol says."""
        begun: Begun = await self._asked("begin", partial(self._gateway.begin, intent), Begun)
        if begun.kind not in ("redirect", "form", "qr") or not (begun.qr if begun.kind == "qr" else begun.url):
            raise self._broken("begin", ValueError("no way to pay"))
        return begun

    def read_callback(self, request: CallbackRequest) -> Notice:
        """As the protocol says."""
        try:
            notice = _checked(self._gateway.read_callback(request), Notice)
        except Rejected:
            raise
        except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything
            self._say("read_callback", error)
            raise Rejected("broken") from None
        if notice.state not in STATES:
            self._say("read_callback", ValueError(notice.state))
            raise Rejected("broken")
        return notice

    async def query(self, intent: Intent) -> Notice | None:
        """As the protocol says."""
        notice: Notice | None = await self._asked("query", partial(self._gateway.query, intent), Notice | None)
        if notice is not None and notice.state not in STATES:
            raise self._broken("query", ValueError(notice.state))
        return notice

    async def test(self) -> list[Finding]:
        """As the protocol says."""
        findings: list[Finding] = await self._asked("test", self._gateway.test, list[Finding])
        return findings

    async def _asked(self, verb: str, ask: Callable[[], Awaitable[Any]], kind: Any) -> Any:
        try:
            return _checked(await asyncio.wait_for(ask(), SECONDS), kind)
        except GatewayFailed:
            raise
        except TimeoutError:
            raise GatewayFailed(f"no answer within {SECONDS:g} s", is_unclear=True) from None
        except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything
            raise self._broken(verb, error) from None

    def _broken(self, verb: str, error: Exception) -> GatewayFailed:
        self._say(verb, error)
        return GatewayFailed(f"the plugin {self._ctx.plugin} failed", is_unclear=True)

    def _say(self, verb: str, error: Exception) -> None:
        self._ctx.log.error("gateway broke its protocol", verb=verb, error=type(error).__name__, where=where(error))


def _checked(value: T, kind: Any) -> T:
    """`value`, once it is of its kind: field types too, since frozen Structs do not check them when made."""
    msgspec.convert(msgspec.to_builtins(value), kind)
    if not isinstance(value, get_origin(kind) if get_origin(kind) is list else kind):
        raise TypeError(f"not a {kind}")
    return value


def made(make: Any, options: dict[str, str], ctx: Context) -> Guarded:
    """A gateway made and guarded. Raises Invalid as the gateway does, and for what breaks in it."""
    try:
        return Guarded(make(options, ctx), ctx)
    except Invalid:
        raise
    except Exception as error:  # noqa: BLE001 - a stranger's code may raise anything
        ctx.log.error("gateway cannot be made", error=type(error).__name__, where=where(error))
        raise Invalid.of("type", "The plugin {plugin} failed with these options.", plugin=ctx.plugin) from None
