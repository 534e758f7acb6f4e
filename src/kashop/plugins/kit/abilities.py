"""The part of the contract suite about what not every vendor can do: refund, close, state."""

import datetime as dt
import socket
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any

import pytest

from kashop.lib.errors import Invalid
from kashop.plugins import guard
from kashop.plugins.kit.stage import Stage
from kashop.plugins.kit.vendor import Vendor

HTML = b"<html><body>Checking your browser</body></html>"


def _refused(*given: object, **named: object) -> None:
    raise AssertionError("it spoke to somebody")


class Abilities:
    """Tests of what a gateway type promises; part of GatewayContract."""

    vendor: Vendor
    told: list[str]

    def stage(self) -> AbstractAsyncContextManager[tuple[Any, Stage]]:
        """A gateway of good options, and its stage."""
        raise NotImplementedError

    async def fails(self, ask: Callable[[], Awaitable[Any]], *, is_unclear: bool) -> None:
        """Asking raises GatewayFailed, in time."""
        raise NotImplementedError

    async def every_failure(self, stage: Stage, ask: Callable[[], Awaitable[Any]], *, refuses: bool = True) -> None:
        """What every call does when the vendor breaks."""
        raise NotImplementedError

    async def test_it_has_what_its_type_promises(self) -> None:
        async with self.stage() as (gateway, _):
            for ability, methods in guard.ABILITIES.items():
                is_promised = getattr(self.vendor.type, ability) not in (False, "none")
                assert all(hasattr(gateway, method) is is_promised for method in methods), ability
        assert self.vendor.type.refunds in ("any", "whole", "none")

    def _able(self, ability: str) -> None:
        if getattr(self.vendor.type, ability) in (False, "none"):
            pytest.skip(f"this gateway does not do that: {ability}")

    async def test_what_begins_alone_asks_nobody_and_says_what_begin_says(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._able("begins_alone")
        async with self.stage() as (gateway, stage):
            intent = self.vendor.intent()
            with monkeypatch.context() as alone:
                for call in ("connect", "connect_ex", "sendto", "send"):
                    alone.setattr(socket.socket, call, _refused)
                alone.setattr(socket, "getaddrinfo", _refused)
                first, second = gateway.begin_alone(intent), gateway.begin_alone(intent)
            assert first == second
            assert not stage.mouth.heard
            if first is not None:
                assert await gateway.begin(intent) == first

    async def test_a_refund_is_asked_for(self) -> None:
        self._able("refunds")
        assert {"done", "failed"} <= set(self.vendor.refund_ends)
        for state in self.vendor.refund_ends:
            async with self.stage() as (gateway, stage):
                ask = self.vendor.ask()
                await self.vendor.arrange_refund(stage, ask, state)
                word = await gateway.refund(ask)
            assert word.state == state
            assert word.refund_no in ("", ask.refund_no)
            assert word.amount_minor in (0, ask.amount_minor)
            assert word.problem or state != "failed"
            self.told.append(repr(word))

    async def test_a_refund_fails_in_words(self) -> None:
        self._able("refunds")
        async with self.stage() as (gateway, stage):
            await self.every_failure(stage, lambda: gateway.refund(self.vendor.ask()), refuses=False)

    async def test_a_query_finds_what_became_of_a_refund(self) -> None:
        self._able("refunds")
        assert {"done", "unknown"} <= set(self.vendor.refund_findings)
        for state in self.vendor.refund_findings:
            async with self.stage() as (gateway, stage):
                ask = self.vendor.ask()
                await self.vendor.arrange_refund_query(stage, ask, state)
                word = await gateway.query_refund(ask)
            assert (word.state if word else "unknown") == state
            assert word is None or word.amount_minor in (0, ask.amount_minor)

    async def test_closing(self) -> None:
        self._able("closes")
        for state in ("open", "closed", "unknown", "paid"):
            async with self.stage() as (gateway, stage):
                intent = self.vendor.intent()
                await self.vendor.arrange_close(stage, intent, state)
                if state == "paid":
                    await self.fails(partial(gateway.close, intent), is_unclear=False)
                else:
                    await gateway.close(intent)

    async def test_a_statement(self) -> None:
        self._able("states")
        day = dt.date(2026, 11, 1)
        async with self.stage() as (gateway, stage):
            expected = await self.vendor.arrange_statement(stage, day, "ready")
            assert {line.kind for line in expected} == ({"payment", "refund"} if self.vendor.type.states_refunds else {"payment"})
            assert list(await gateway.statement(day)) == list(expected)
        async with self.stage() as (gateway, stage):
            await self.vendor.arrange_statement(stage, day, "empty")
            assert list(await gateway.statement(day)) == []
        async with self.stage() as (gateway, stage):
            await self.vendor.arrange_statement(stage, day, "unready")
            assert await gateway.statement(day) is None

    async def test_a_strange_statement_file_is_refused(self) -> None:
        self._able("reads_statements")
        async with self.stage() as (gateway, _):
            for content in (b"", b"\0" * 1000, HTML, b"a,b,c\n1,2,3\n", b"PK\x03\x04" + b"x" * 100, ("，\n" * 50).encode()):
                with pytest.raises(Invalid) as caught:
                    gateway.read_statement(content)
                assert [e.field for e in caught.value.fields] == ["file"]
