"""PayPal: what is sent, what is captured and when, and whole payments against the simulated server."""

import asyncio
import datetime as dt
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from kashop.bundled.pay_paypal import statement, words
from kashop.bundled.pay_paypal.gateway import PAYPAL, PayPalGateway
from kashop.lib.errors import Invalid
from kashop.payments.types import GatewayFailed, Intent, RefundAsk
from kashop.plugins.kit import Stage, open_stage
from kashop.plugins.kit.simulators.paypal import PayPalSimulator
from kashop.plugins.kit.stage import NOW
from kashop.plugins.kit.vendorwords import How

INTENT = Intent(
    attempt_no="K202611010001",
    amount_minor=1250,
    currency="USD",
    method="paypal",
    title="测试\n商品 VIP",
    callback_url="https://shop.example/pay/paypal/callback",
    return_url="https://shop.example/pay/paypal/return",
    client_ip="203.0.113.7",
    locale="zh_Hans",
    created_at=NOW,
    expires_at=NOW + 900_000,
)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with open_stage() as stage:
        yield stage


@pytest.fixture
def paypal() -> Iterator[PayPalSimulator]:
    with PayPalSimulator() as server:
        server.clock = lambda: NOW / 1000
        server.calls_back_about_captures = False
        yield server


def at(stage: Stage, paypal: PayPalSimulator, **over: str) -> PayPalGateway:
    return PayPalGateway({**paypal.options(), **over}, stage.ctx)


def captures(paypal: PayPalSimulator) -> int:
    """How often we asked for money."""
    return sum(path.endswith("/capture") for _, path in paypal.asked)


async def begun(gateway: PayPalGateway, **over: object) -> Intent:
    intent = msgspec.structs.replace(INTENT, **over)
    return msgspec.structs.replace(intent, gateway_ref=(await gateway.begin(intent)).gateway_ref)


async def approved(stage: Stage, paypal: PayPalSimulator, **over: object) -> tuple[PayPalGateway, Intent]:
    """A gateway, and an attempt that its buyer approved."""
    gateway = at(stage, paypal)
    intent = await begun(gateway, **over)
    paypal.send(paypal.find(intent.attempt_no), How(lose=True))
    return gateway, intent


async def state(gateway: PayPalGateway, intent: Intent) -> str:
    notice = await gateway.query(intent)
    return notice.state if notice else "unknown"


def ask_for(intent: Intent, txn: str, amount: int = 500, number: str = "R1") -> RefundAsk:
    return RefundAsk(
        refund_no=number,
        payment=intent,
        gateway_txn=txn,
        captured_minor=1250,
        refunded_minor=0,
        amount_minor=amount,
        currency="USD",
        reason="sold out",
        asked_at=NOW,
    )


# Amounts and options


@pytest.mark.parametrize(
    ("minor", "currency", "value"),
    [(1250, "USD", "12.50"), (1, "EUR", "0.01"), (1250, "JPY", "1250"), (1200, "HUF", "12"), (1200, "TWD", "12")],
)
def test_amounts_there_and_back(minor: int, currency: str, value: str) -> None:
    assert words.amount_sent(minor, currency) == {"currency_code": currency, "value": value}
    assert words.amount_told({"currency_code": currency, "value": value}) == (minor, currency)


def test_amounts_that_are_none() -> None:
    for minor, currency in ((1250, "HUF"), (1250, "TWD"), (1255, "KWD")):
        with pytest.raises(ValueError, match="parts"):
            words.amount_sent(minor, currency)
    for value in ("0.00", "-1.00", "1e3", "12.505", "", " 1", "１２", "NaN", None, 12, ["12.50"]):
        with pytest.raises(ValueError, match="amount"):
            words.amount_told({"currency_code": "USD", "value": value})
    for amount in (None, "12.50", {"value": "1"}, {"currency_code": "usd", "value": "1"}, {"currency_code": "US", "value": "1"}):
        with pytest.raises(ValueError, match="amount"):
            words.amount_told(amount)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("client_id", text) for text in ("", "short", "with a blank in it", "é" * 20)),
        *(("client_secret", text) for text in ("", "short", "with a blank in it")),
        *(("webhook_id", text) for text in ("", "https://shop.example/pay/paypal/callback", "WH 1234567890")),
        ("environment", "test"),
        *(("api_url", url) for url in ("http://api-m.paypal.com", "ftp://x", "https://u:p@x", "https://x/#y")),
        ("authority", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
    ],
)
async def test_options_that_cannot_work_are_refused_by_name(
    stage: Stage, paypal: PayPalSimulator, option: str, value: str
) -> None:
    with pytest.raises(Invalid) as caught:
        at(stage, paypal, **{option: value})
    assert [e.field for e in caught.value.fields] == [option]


async def test_an_authority_may_be_pasted_into_one_line(stage: Stage, paypal: PayPalSimulator) -> None:
    assert at(stage, paypal, authority=paypal.authority.pem.replace("\n", " "))


# Beginning


async def test_what_is_sent_to_begin(stage: Stage, paypal: PayPalSimulator) -> None:
    reply = await at(stage, paypal).begin(INTENT)
    assert (reply.kind, urlsplit(reply.url).netloc) == ("redirect", urlsplit(paypal.url).netloc)
    unit = paypal.payments[reply.gateway_ref].request
    assert unit == {
        "reference_id": "K202611010001",
        "custom_id": "K202611010001",
        "invoice_id": "K202611010001",
        "description": "测试 商品 VIP",
        "amount": {"currency_code": "USD", "value": "12.50"},
    }
    assert paypal.payments[reply.gateway_ref].return_url == "https://shop.example/pay/paypal/return?attempt=K202611010001"
    assert await at(stage, paypal).begin(INTENT) == reply, "the same attempt again is the same order"
    assert len(paypal.payments) == 1


async def test_a_token_is_kept_and_renewed(stage: Stage, paypal: PayPalSimulator) -> None:
    gateway = at(stage, paypal)
    intent = await begun(gateway)
    await gateway.query(intent)
    tokens = [path for _, path in paypal.asked if path.endswith("token")]
    assert len(tokens) == 1
    paypal.forget_tokens()
    assert await state(gateway, intent) == "pending"
    stage.clock.at += 32_400_000
    assert await state(gateway, intent) == "pending"
    assert len([path for _, path in paypal.asked if path.endswith("token")]) == 3


@pytest.mark.parametrize("url", [None, "", "javascript:alert(1)", "http://www.paypal.com/x", "//x", ["https://x"]])
async def test_an_order_without_a_page_is_unclear(stage: Stage, paypal: PayPalSimulator, url: object) -> None:
    gateway = at(stage, paypal, api_url=stage.mouth.url)
    said: dict[str, Any] = {"access_token": "t", "expires_in": 1, "id": "5O1", "links": [{"rel": "approve", "href": url}]}
    stage.mouth.says(json.dumps(said).encode())
    with pytest.raises(GatewayFailed) as caught:
        await gateway.begin(INTENT)
    assert caught.value.is_unclear


# Capturing


async def test_an_approved_order_is_captured_once(stage: Stage, paypal: PayPalSimulator) -> None:
    gateway, intent = await approved(stage, paypal)
    notices = await asyncio.gather(*(gateway.query(intent) for _ in range(8)))
    assert {n.state for n in notices if n} == {"paid"}
    assert captures(paypal) == 1
    paid = await gateway.query(intent)
    assert paid is not None
    assert (paid.amount_minor, paid.currency, paid.gateway_txn) == (1250, "USD", paypal.find(intent.attempt_no).txn)
    assert not paid.is_hint


async def test_two_shops_processes_capture_once(stage: Stage, paypal: PayPalSimulator) -> None:
    one, intent = await approved(stage, paypal)
    other = at(stage, paypal)
    states = await asyncio.gather(*(state(gateway, intent) for gateway in (one, other, one, other)))
    assert set(states) == {"paid"}
    assert len(paypal.captures(paypal.find(intent.attempt_no))) == 1


async def test_nothing_is_captured_that_nobody_approved(stage: Stage, paypal: PayPalSimulator) -> None:
    gateway = at(stage, paypal)
    assert await state(gateway, await begun(gateway)) == "pending"
    assert captures(paypal) == 0


async def test_nothing_is_captured_after_the_order_s_life(stage: Stage, paypal: PayPalSimulator) -> None:
    gateway, intent = await approved(stage, paypal)
    stage.clock.at = intent.expires_at + 61_000
    assert await state(gateway, intent) == "closed"
    assert captures(paypal) == 0
    stage.clock.at = intent.expires_at + 10_000  # the last look before the order is ended
    assert await state(gateway, intent) == "paid"


async def test_a_closed_attempt_is_never_captured(stage: Stage, paypal: PayPalSimulator) -> None:
    gateway, intent = await approved(stage, paypal)
    await gateway.close(intent)
    await gateway.close(intent)
    assert await state(gateway, intent) == await state(at(stage, paypal), intent) == "closed", "after a new start too"
    assert captures(paypal) == 0
    assert list(stage.store.texts) == [f"closed/{intent.attempt_no}"]
    stage.clock.at = intent.expires_at + 61_000
    assert await state(gateway, intent) == "closed"
    assert not stage.store.texts, "and is forgotten when its time is over"


async def test_what_was_captured_cannot_be_closed(stage: Stage, paypal: PayPalSimulator) -> None:
    gateway, intent = await approved(stage, paypal)
    assert await state(gateway, intent) == "paid"
    with pytest.raises(GatewayFailed) as caught:
        await gateway.close(intent)
    assert not caught.value.is_unclear
    paypal.find(intent.attempt_no).request["captured"] = "PENDING"
    with pytest.raises(GatewayFailed):
        await gateway.close(intent)


@pytest.mark.parametrize(
    ("becomes", "found"), [("PENDING", "pending"), ("DECLINED", "failed"), ("INSTRUMENT_DECLINED", "pending")]
)
async def test_a_capture_that_is_not_completed_pays_nothing(
    stage: Stage, paypal: PayPalSimulator, becomes: str, found: str
) -> None:
    paypal.capture_state = becomes
    gateway, intent = await approved(stage, paypal)
    assert await state(gateway, intent) == found
    assert await state(gateway, intent) == found


async def test_another_card_after_a_declined_one(stage: Stage, paypal: PayPalSimulator) -> None:
    paypal.capture_state = "INSTRUMENT_DECLINED"
    gateway, intent = await approved(stage, paypal)
    assert await state(gateway, intent) == "pending"
    paypal.capture_state = "COMPLETED"
    assert await state(gateway, intent) == "paid"


async def test_an_invoice_that_was_paid_by_another_order(stage: Stage, paypal: PayPalSimulator) -> None:
    gateway, intent = await approved(stage, paypal)
    assert await state(gateway, intent) == "paid"
    paypal._kept.clear()  # PayPal has forgotten the request ids
    again = await begun(gateway)
    paypal.send(paypal.find(again.gateway_ref), How(lose=True))
    assert again.gateway_ref != intent.gateway_ref
    assert await state(gateway, again) == "failed"


@pytest.mark.parametrize(
    "lie",
    [
        {"purchase_units": []},
        {"purchase_units": [{"custom_id": "K202611010002"}]},
        {"purchase_units": [{}]},
        {"purchase_units": [{"custom_id": "K202611010001", "payments": {"captures": [{"status": "COMPLETED", "id": "C1"}]}}]},
        {
            "purchase_units": [
                {"custom_id": "K202611010001", "payments": {"captures": [{"status": "COMPLETED", "custom_id": "K2", "id": "C1"}]}}
            ]
        },
        {"purchase_units": "x"},
    ],
)
async def test_a_strange_answer_is_not_believed(stage: Stage, paypal: PayPalSimulator, lie: dict[str, Any]) -> None:
    stage.mouth.says(json.dumps({"access_token": "t", "expires_in": 32400, "status": "COMPLETED", **lie}).encode())
    with pytest.raises(GatewayFailed) as caught:
        await at(stage, paypal, api_url=stage.mouth.url).query(msgspec.structs.replace(INTENT, gateway_ref="5O1"))
    assert caught.value.is_unclear


# Refunds, statements, the self-test


async def test_refunds_once_for_each_number(stage: Stage, paypal: PayPalSimulator) -> None:
    gateway, intent = await approved(stage, paypal)
    paid = await gateway.query(intent)
    assert paid is not None
    ask = ask_for(intent, paid.gateway_txn)
    assert await gateway.query_refund(ask) is None
    first, again = await gateway.refund(ask), await gateway.refund(ask)
    assert first == again == await gateway.query_refund(ask)
    assert (first.state, first.refund_no, first.amount_minor) == ("done", "R1", 500)
    paypal._kept.clear()
    stage.clock.at += 2 * 3_600_000
    assert await gateway.refund(ask) == first, "PayPal has forgotten the request id, and we have looked"
    too_much = await gateway.refund(ask_for(intent, paid.gateway_txn, 751, "R2"))
    assert (too_much.state, "REFUND_AMOUNT_EXCEEDED" in too_much.problem) == ("failed", True)
    assert (await gateway.refund(ask_for(intent, paid.gateway_txn, 750, "R3"))).state == "done"
    assert (await gateway.refund(ask_for(intent, paid.gateway_txn, 1, "R4"))).state == "failed"
    assert (await gateway.refund(ask_for(intent, "9UNKNOWN", 1, "R5"))).state == "failed"
    assert [r.amount for r in paypal.find(intent.attempt_no).refunds] == ["5.00", "7.50"]
    assert await state(gateway, intent) == "closed", "who asks again learns that the money went back"


async def test_an_order_that_paypal_forgot_says_nothing_of_its_refunds(stage: Stage, paypal: PayPalSimulator) -> None:
    gateway, intent = await approved(stage, paypal)
    for ref in ("", "5OFORGOTTEN"):
        with pytest.raises(GatewayFailed) as caught:
            await gateway.query_refund(ask_for(msgspec.structs.replace(intent, gateway_ref=ref), "C1"))
        assert caught.value.is_unclear, "None would let it be asked for again"


async def test_a_statement_of_several_pages(stage: Stage, paypal: PayPalSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statement, "PAGE", 3)
    gateway = at(stage, paypal)
    numbers = [f"A{n:03}" for n in range(3)]
    for number in numbers:
        intent = await begun(gateway, attempt_no=number)
        paypal.send(paypal.find(number), How(lose=True))
        assert await state(gateway, intent) == "paid"
    payment = paypal.find("A001")
    await gateway.refund(ask_for(msgspec.structs.replace(INTENT, attempt_no="A001", gateway_ref=payment.ref), payment.txn))
    day = dt.date(2026, 11, 1)
    assert await gateway.statement(day) is None, "the day is not over"
    stage.clock.at += 2 * 86_400_000
    assert await gateway.statement(day) is None, "PayPal's report has not come so far"
    paypal.clock = lambda: stage.clock.at / 1000
    lines = await gateway.statement(day)
    assert lines is not None
    assert [line.attempt_no for line in lines if line.kind == "payment"] == numbers
    refund = next(line for line in lines if line.kind == "refund")
    assert (refund.refund_no, refund.amount_minor, refund.gateway_txn, refund.attempt_no) == ("R1", 500, payment.txn, "A001")


async def test_the_self_test_tells_a_good_account_from_a_bad_one(stage: Stage, paypal: PayPalSimulator) -> None:
    paypal.webhook_url = "https://shop.example/pay/paypal/callback"
    findings = await at(stage, paypal).test()
    assert len(findings) == 5
    assert all(f.is_ok for f in findings), findings
    wrong = await at(stage, paypal, client_secret="ANOTHER-SECRET-0001").test()
    assert [f.subject for f in wrong if not f.is_ok] == ["Client ID and secret"]
    unknown = await at(stage, paypal, webhook_id="WHOTHER0000000001").test()
    assert "Webhook" in [f.subject for f in unknown if not f.is_ok]
    paypal.webhook_url = "https://elsewhere.example/pay/paypal/callback"
    assert "Webhook" in [f.subject for f in await at(stage, paypal).test() if not f.is_ok]


@pytest.mark.parametrize("mood", ["error", "html", "cuts"])
async def test_a_paypal_that_is_down_is_unclear(stage: Stage, paypal: PayPalSimulator, mood: str) -> None:
    gateway, intent = await approved(stage, paypal)
    paypal.mood(mood)
    for ask in (gateway.query(intent), gateway.begin(INTENT), gateway.close(intent), gateway.refund(ask_for(intent, "C1"))):
        with pytest.raises(GatewayFailed) as caught:
            await ask
        assert caught.value.is_unclear


async def test_a_capture_whose_answer_was_lost_is_found(stage: Stage, paypal: PayPalSimulator) -> None:
    gateway, intent = await approved(stage, paypal)
    paypal.find(intent.attempt_no).request["captured"] = "COMPLETED"  # it arrived, and its answer did not
    assert await state(gateway, intent) == "paid"
    assert captures(paypal) == 0


def test_the_type_says_what_the_panel_needs() -> None:
    assert [o.name for o in PAYPAL.options if o.is_secret] == ["client_secret"]
    assert "CNY" not in PAYPAL.currencies
    assert {m.name for m in PAYPAL.methods} == {"paypal"}
