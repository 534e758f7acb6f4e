"""The contract suite: what every gateway must do with genuine, forged, foreign and broken words.

Always true: no secret of the account stands in anything that a gateway raises or logs, in any of these tests.
"""

import logging
import random
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import structlog

from kashop.lib.errors import Invalid
from kashop.payments.types import CallbackRequest, Gateway, GatewayFailed, Notice, Rejected
from kashop.plugins.kit.abilities import HTML, Abilities
from kashop.plugins.kit.stage import Stage, open_stage
from kashop.plugins.kit.vendor import Claim, FormVendor, Vendor
from kashop.plugins.wire import minor_units

BROKEN_REPLIES = (HTML, b"", b"null", b"[]", b"[1]", b"7", b'"x"', b"{", b'{"code":NaN}', b"\xff\xfe{}", b"[" * 50_000)


class GatewayContract(Abilities):
    """Subclass it, name it Test…, set `vendor`."""

    vendor: Vendor

    @pytest.fixture(autouse=True)
    def _no_secret_is_told(self, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        caplog.set_level(logging.DEBUG)
        self.told: list[str] = []
        with structlog.testing.capture_logs() as events:
            yield
        said = "\n".join([*self.told, caplog.text, *map(repr, events)])
        assert not [secret for secret in self.secrets() if secret in said]

    def secrets(self) -> list[str]:
        """The account's secrets."""
        options = self.vendor.options("http://127.0.0.1:9")
        return [options[o.name] for o in self.vendor.type.options if o.is_secret]

    @asynccontextmanager
    async def stage(self) -> AsyncIterator[tuple[Any, Stage]]:
        """A gateway of good options, and its stage."""
        async with open_stage() as stage:
            options = self.vendor.options(stage.mouth.url)
            self.vendor.arrange(stage)
            gateway = self.vendor.type.make(options, stage.ctx)
            await self.vendor.prepare(stage, gateway)
            yield gateway, stage

    def rejects(self, gateway: Gateway, request: CallbackRequest) -> str:
        """The reason with which a callback is not believed; anything but Rejected fails the test."""
        with pytest.raises(Rejected) as caught:
            gateway.read_callback(request)
        self._remember(caught.value)
        assert caught.value.reason.isidentifier(), "the reason is a stable word"
        return caught.value.reason

    async def fails(self, ask: Callable[[], Awaitable[Any]], *, is_unclear: bool) -> None:
        """Asking raises GatewayFailed, in time."""
        began = time.monotonic()
        with pytest.raises(GatewayFailed) as caught:
            await ask()
        self._remember(caught.value)
        assert time.monotonic() - began < 10
        assert caught.value.problem
        assert caught.value.is_unclear is is_unclear, caught.value.problem

    def _remember(self, error: BaseException) -> None:
        self.told += [repr(error), repr(error.args), "".join(traceback.format_exception(error))]

    # Making

    async def test_a_blank_secret_is_refused(self) -> None:
        async with open_stage() as stage:
            good = self.vendor.options(stage.mouth.url)
            for option in self.vendor.type.options:
                for blank in ("", "   ") if option.is_secret else ():
                    with pytest.raises(Invalid) as caught:
                        self.vendor.type.make({**good, option.name: blank}, stage.ctx)
                    assert option.name in [e.field for e in caught.value.fields]

    async def test_a_missing_option_is_refused_by_name(self) -> None:
        async with open_stage() as stage:
            good = self.vendor.options(stage.mouth.url)
            for option in self.vendor.type.options:
                if option.is_required and not option.default:
                    with pytest.raises(Invalid) as caught:
                        self.vendor.type.make({**good, option.name: ""}, stage.ctx)
                    assert option.name in [e.field for e in caught.value.fields]

    async def test_the_two_answers_differ(self) -> None:
        async with self.stage() as (gateway, _):
            assert gateway.accepted.status == 200
            assert 400 <= gateway.rejected.status < 500
            assert b"success" not in gateway.rejected.body.lower()

    # Callbacks

    async def test_a_genuine_callback_is_believed(self) -> None:
        self._calls_back()
        claim = Claim(method=self.vendor.method)
        async with self.stage() as (gateway, _):
            notice = gateway.read_callback(self.vendor.callback(claim))
        assert notice.attempt_no == claim.attempt_no
        assert notice.is_hint is self.vendor.hints
        if self.vendor.hints:
            return
        assert notice.state == "paid"
        assert notice.gateway_txn == (claim.txn if self.vendor.names_transactions else claim.attempt_no)
        assert (notice.amount_minor, notice.currency) == (1250, self.vendor.currency)
        assert notice.method in ("", self.vendor.method)

    async def test_amounts_are_read_exactly(self) -> None:
        self._calls_back()
        if self.vendor.hints:
            pytest.skip("its callbacks only hint")
        async with self.stage() as (gateway, _):
            for amount in self.vendor.amounts:
                notice = gateway.read_callback(self.vendor.callback(Claim(amount=amount)))
                assert notice.amount_minor == minor_units(amount, self.vendor.currency)

    async def test_strange_amounts_pay_nothing(self) -> None:
        self._calls_back()
        if self.vendor.hints:
            pytest.skip("its callbacks only hint")
        async with self.stage() as (gateway, _):
            for amount in self.vendor.bad_amounts:
                self.rejects(gateway, self.vendor.callback(Claim(amount=amount)))

    async def test_only_the_paid_state_pays(self) -> None:
        self._calls_back()
        if self.vendor.hints:
            pytest.skip("its callbacks only hint")
        if self.vendor.only_tells_payments:
            pytest.skip("its callbacks name no state: each is a payment")
        async with self.stage() as (gateway, _):
            assert self.vendor.unpaid
            for word in self.vendor.unpaid:
                notice = gateway.read_callback(self.vendor.callback(Claim(state=word)))
                assert notice.state in ("pending", "failed", "closed"), word
                assert notice.amount_minor == 0

    async def test_another_merchants_genuine_callback_is_rejected(self) -> None:
        self._calls_back()
        async with self.stage() as (gateway, _):
            reason = self.rejects(gateway, self.vendor.callback(Claim(merchant="9999")))
        assert not self.vendor.names_merchant or reason == "merchant"

    async def test_a_strange_attempt_number_is_rejected(self) -> None:
        self._calls_back()
        async with self.stage() as (gateway, _):
            for number in ("", "a", "A" * 33, "A 1", "A1\n", "../A1", "Ａ１", "A1'--"):
                self.rejects(gateway, self.vendor.callback(Claim(attempt_no=number)))

    async def test_noise_is_rejected(self) -> None:
        self._calls_back()
        dice = random.Random(4711)  # noqa: S311 - a repeatable test
        async with self.stage() as (gateway, _):
            genuine = self.vendor.callback(Claim())
            for _round in range(300):
                noise = dice.randbytes(dice.randrange(0, 200))
                cut = dice.randrange(0, len(_content(genuine)))
                self.rejects(gateway, _carrying(genuine, noise))
                self.rejects(gateway, _carrying(genuine, _content(genuine)[:cut] + noise))

    async def test_a_huge_callback_is_rejected_quickly(self) -> None:
        self._calls_back()
        async with self.stage() as (gateway, _):
            genuine = self.vendor.callback(Claim())
            began = time.monotonic()
            for ballast in (b"&x=" + b"y" * 2_000_000, b"&x=1" * 500_000, b"&%00=" * 100_000):
                self.rejects(gateway, _carrying(genuine, _content(genuine) + ballast))
            assert time.monotonic() - began < 5

    async def test_other_http_methods_are_rejected(self) -> None:
        self._calls_back()
        async with self.stage() as (gateway, _):
            for method in ("PUT", "DELETE", "HEAD", "get", ""):
                self.rejects(gateway, msgspec.structs.replace(self.vendor.callback(Claim()), method=method))

    async def test_a_vendor_that_never_calls_back_is_never_believed(self) -> None:
        if self.vendor.calls_back:
            pytest.skip("its vendor calls back")
        async with self.stage() as (gateway, _):
            for content in (b"", b"state=paid&no=A1&amount=12.50", b'{"state":"paid"}', b"\xff", b"x" * 100_000):
                for method in ("GET", "POST"):
                    request = CallbackRequest(method=method, query=content, headers={}, body=content)
                    self.rejects(gateway, request)

    # Callbacks of signed fields

    async def test_a_wrong_signature_is_rejected(self) -> None:
        vendor = self._form()
        fields = vendor.fields(Claim())
        right = vendor.sign(sorted(fields.items()))
        other_content = vendor.sign(sorted(vendor.fields(Claim(amount="0.01")).items()))
        other_key = vendor.sign(sorted(fields.items()), key="another key")
        backwards = vendor.sign(sorted(fields.items(), reverse=True))
        flipped = ("0" if right[-1] != "0" else "1").join((right[:-1], ""))
        wrong = [right + "\n", f" {right}", right + "\0", right[:-1], flipped, other_content, other_key, backwards, "", "0", "é"]
        wrong += [spelt for spelt in (right.upper(), right.lower(), right.swapcase()) if spelt != right]
        async with self.stage() as (gateway, _):
            for signature in wrong:
                self.rejects(gateway, vendor.carried([*fields.items(), (vendor.sign_field, signature)]))
            self.rejects(gateway, vendor.carried(list(fields.items())))
            self.rejects(gateway, vendor.raw(b""))

    async def test_no_field_can_be_changed_or_added_or_taken_away(self) -> None:
        vendor = self._form()
        fields = vendor.fields(Claim(method=vendor.method))
        signature = (vendor.sign_field, vendor.sign(sorted(fields.items())))
        async with self.stage() as (gateway, _):
            for name in fields:
                for changed in ({**fields, name: fields[name] + "1"}, {k: v for k, v in fields.items() if k != name}):
                    self.rejects(gateway, vendor.carried([*changed.items(), signature]))
            self.rejects(gateway, vendor.carried([*fields.items(), ("brand_new", "1"), signature]))

    async def test_signed_unknown_fields_and_any_order_are_fine(self) -> None:
        vendor = self._form()
        fields = vendor.fields(Claim(extra={"brand_new": "+ %20&=é 测试", "zero": "0", "blank": ""}))
        async with self.stage() as (gateway, _):
            notices = [gateway.read_callback(vendor.signed(dict(order))) for order in _orders(fields)]
        assert {n.state for n in notices} == {"paid"}
        assert len(set(map(repr, notices))) == 1

    async def test_a_field_twice_is_rejected(self) -> None:
        vendor = self._form()
        fields = vendor.fields(Claim())
        pairs = [*fields.items(), (vendor.sign_field, vendor.sign(sorted(fields.items())))]
        async with self.stage() as (gateway, _):
            for name, value in pairs:
                for again in (value, value + "1", ""):
                    self.rejects(gateway, vendor.carried([(name, again), *pairs]))
                    self.rejects(gateway, vendor.carried([*pairs, (name, again)]))

    async def test_broken_encodings_are_rejected(self) -> None:
        vendor = self._form()
        genuine = vendor.callback(Claim())
        spoilt = (b"&x=%ff", b"&x=\xff", b"&x=%zz", b"&x=%", b"&x=%00", b"&%ff=x", b"&x[]=1", b"&x%5B%5D=1", b"&x=%ed%a0%80")
        async with self.stage() as (gateway, _):
            for tail in spoilt:
                self.rejects(gateway, vendor.raw(_content(genuine) + tail))

    # Beginning

    async def test_begin_gives_a_way_to_pay_and_the_same_one_again(self) -> None:
        async with self.stage() as (gateway, stage):
            intent = self.vendor.intent()
            if self.vendor.calls_to_begin:
                stage.mouth.says(self.vendor.begin_reply(intent))
            first, second = await gateway.begin(intent), await gateway.begin(intent)
        assert first == second
        needed = {"redirect": first.url, "form": first.url, "qr": first.qr, "transfer": first.fields or first.qr}
        assert needed[first.kind]
        assert bool(first.coin) is bool(first.coin_amount)
        self.told.append(repr(first))

    async def test_begin_fails_in_words(self) -> None:
        async with self.stage() as (gateway, stage):
            if not self.vendor.calls_to_begin:
                pytest.skip("begin asks nobody")
            await self.every_failure(stage, lambda: gateway.begin(self.vendor.intent()))

    # Asking

    async def test_a_query_finds_what_became_of_an_attempt(self) -> None:
        told = (("paid", "paid"), ("unpaid", "pending"), ("unknown", None))
        for state, expected in told if self.vendor.can_be_asked else told[2:]:
            async with self.stage() as (gateway, stage):
                intent = self.vendor.intent()
                await self.vendor.arrange_query(stage, intent, state)
                notice = await gateway.query(intent)
            assert (notice.state if notice else None) == expected
            assert (notice is not None and notice.is_hint) is (self.vendor.hints_when_asked and expected == "paid")
            if notice and expected == "paid" and not notice.is_hint:
                self._is_the_payment(notice)

    def _is_the_payment(self, notice: Notice) -> None:
        assert notice.attempt_no == Claim().attempt_no
        assert (notice.amount_minor, notice.currency) == (1250, self.vendor.currency)
        assert notice.gateway_txn

    async def test_a_query_fails_in_words(self) -> None:
        async with self.stage() as (gateway, stage):
            if not self.vendor.calls_to_query:
                pytest.skip("query asks nobody")
            await self.every_failure(stage, lambda: gateway.query(self.vendor.intent()))

    async def test_the_self_test_finds_without_raising(self) -> None:
        async with self.stage() as (gateway, stage):
            for body, status in ((b"{}", 200), (HTML, 200), (HTML, 502)):
                stage.mouth.says(body, status=status)
                findings = await gateway.test()
                assert findings
                assert all(f.is_ok or f.advice for f in findings)
                self.told.append(repr(findings))

    async def every_failure(self, stage: Stage, ask: Callable[[], Awaitable[Any]], *, refuses: bool = True) -> None:
        """What every call does when the vendor breaks. A call that `refuses` raises when the vendor does."""
        mouth = stage.mouth
        for body in BROKEN_REPLIES:
            mouth.says(body)
            await self.fails(ask, is_unclear=True)
        mouth.says(HTML, status=500)
        await self.fails(ask, is_unclear=True)
        mouth.says(HTML, status=404)
        await self.fails(ask, is_unclear=False)
        mouth.mood = "hangs"
        with stage.impatient():
            await self.fails(ask, is_unclear=True)
        for mood in ("hangs_up", "endless"):
            mouth.mood = mood
            await self.fails(ask, is_unclear=True)
        for secret in self.secrets():
            mouth.says(self.vendor.refusal(secret))
            if refuses:
                await self.fails(ask, is_unclear=False)
            else:
                word = await ask()
                assert word.state == "failed"
                self.told.append(repr(word))
        mouth.says(b"", status=302, location=f"{mouth.url}/elsewhere")
        await self.fails(ask, is_unclear=False)
        assert not [line for line, _ in mouth.heard if "elsewhere" in line], "a redirect is not followed"
        await mouth.close()
        await self.fails(ask, is_unclear=False)

    def _calls_back(self) -> None:
        if not self.vendor.calls_back:
            pytest.skip("its vendor never calls back")

    def _form(self) -> FormVendor:
        if not isinstance(self.vendor, FormVendor):
            pytest.skip("its callbacks are no signed fields")
        return self.vendor


def _content(request: CallbackRequest) -> bytes:
    return request.body or request.query


def _carrying(request: CallbackRequest, content: bytes) -> CallbackRequest:
    if request.body:
        return msgspec.structs.replace(request, body=content)
    return msgspec.structs.replace(request, query=content)


def _orders(fields: dict[str, str]) -> list[list[tuple[str, str]]]:
    pairs = sorted(fields.items())
    return [pairs, pairs[::-1], pairs[1::2] + pairs[::2]]
