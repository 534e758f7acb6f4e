"""Stripe: the sheet's vector, what is sent, what webhooks say, and whole payments against the simulated server."""

import datetime as dt
import json
from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from kashop.bundled.pay_stripe import signing, units
from kashop.bundled.pay_stripe.gateway import STRIPE, StripeGateway
from kashop.lib.errors import Invalid
from kashop.payments.types import CallbackRequest, GatewayFailed, Intent, Notice, RefundAsk, Rejected
from kashop.plugins.kit import Stage, open_stage
from kashop.plugins.kit.simulators.stripe import StripeSimulator
from kashop.plugins.kit.stage import NOW
from kashop.plugins.kit.vendorwords import How, Told
from tests.gateways.test_stripe_contract import KEY, SECRET

VECTOR = b'{"id":"evt_test_1","object":"event","type":"checkout.session.completed"}'
INTENT = Intent(
    attempt_no="K202611010001",
    amount_minor=1250,
    currency="USD",
    method="card",
    title="测试\n商品 VIP",
    callback_url="https://shop.example/pay/stripe/callback",
    return_url="https://shop.example/pay/stripe/return",
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
def stripe() -> Iterator[StripeSimulator]:
    with StripeSimulator() as server:
        server.clock = lambda: NOW / 1000
        yield server


def make(stage: Stage, **options: str) -> StripeGateway:
    return StripeGateway({"secret_key": KEY, "webhook_secret": SECRET, "api_url": stage.mouth.url, **options}, stage.ctx)


def at(stage: Stage, stripe: StripeSimulator) -> StripeGateway:
    return StripeGateway(stripe.options(), stage.ctx)


def received(told: Told) -> CallbackRequest:
    headers = {name.lower(): value for name, value in told.headers.items()}
    return CallbackRequest(method=told.method, query=b"", headers=headers, body=told.body)


def ask_for(intent: Intent, txn: str, amount: int = 500, number: str = "R1") -> RefundAsk:
    return RefundAsk(
        refund_no=number,
        payment=intent,
        gateway_txn=txn,
        captured_minor=1250,
        refunded_minor=0,
        amount_minor=amount,
        currency="USD",
        reason="",
        asked_at=NOW,
    )


async def begun(gateway: StripeGateway, **over: object) -> Intent:
    intent = msgspec.structs.replace(INTENT, **over)
    return msgspec.structs.replace(intent, gateway_ref=(await gateway.begin(intent)).gateway_ref)


# The sheet's vector


def test_the_vector_of_the_sheet() -> None:
    v1 = "ca796b857b81e24d595a4c37abf88d2fafb533a32ede6ce4cfc9b0e892a35b08"
    assert signing.sign("1700000000", VECTOR, "whsec_test_secret") == v1
    signing.prove(f"t=1700000000,v1={v1}", VECTOR, "whsec_test_secret", now=1_700_000_299_000)
    signing.prove(f"t=1700000000,v1={'0' * 64},v1={v1},v0=x", VECTOR, "whsec_test_secret", now=0)
    with pytest.raises(Rejected, match="stale"):
        signing.prove(f"t=1700000000,v1={v1}", VECTOR, "whsec_test_secret", now=1_700_000_301_000)


@pytest.mark.parametrize(
    "header",
    [
        *("", "t=1", "v1=a", "t=,v1={v1}", "t=1700000000,v0={v1}", "t=1700000000,v1=", "t=1700000000,t=1700000000,v1={v1}"),
        *(
            "t=1700000001,v1={v1}",
            "t=1700000000;v1={v1}",
            "t=1700000000,v1={V1}",
            "t=+1700000000,v1={v1}",
            "t=1700000000,v1= {v1}",
        ),
        "t=1700000000" + ",v1=0" * 20 + ",v1={v1}",
    ],
)
def test_other_spellings_of_a_signature_prove_nothing(header: str) -> None:
    v1 = signing.sign("1700000000", VECTOR, SECRET)
    with pytest.raises(Rejected, match="signature"):
        signing.prove(header.format(v1=v1, V1=v1.upper()), VECTOR, SECRET, now=0)


# Amounts


@pytest.mark.parametrize(
    ("minor", "currency", "stripes"),
    [(1250, "USD", 1250), (1250, "JPY", 1250), (1250, "CNY", 1250), (1250, "KWD", 1250), (12, "ISK", 1200), (12, "UGX", 1200)],
)
def test_amounts_in_stripes_units_and_back(minor: int, currency: str, stripes: int) -> None:
    assert units.sent(minor, currency) == stripes
    assert units.told(str(stripes), currency.lower()) == (minor, currency)


def test_amounts_that_stripe_or_we_cannot_take() -> None:
    with pytest.raises(ValueError, match="Stripe"):
        units.sent(1255, "KWD")  # three places, the last of them 0
    for told, currency in (
        ("1250", "isk"),
        ("-1", "usd"),
        ("1", ""),
        ("1", "us$"),
        (1250, "usd"),
        (None, "usd"),
        ("9" * 16, "usd"),
    ):
        with pytest.raises(ValueError, match="not a"):
            units.told(told, currency)


# Options


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(
            ("secret_key", key)
            for key in ("pk_live_12345678", "sk_1234567890", "sk_live_", "sk_live_1234 5678", "sk_test_é2345678")
        ),
        *(("webhook_secret", secret) for secret in ("secret", "whsec_", "we_123456789", "whsec_1234 5678")),
        ("methods", "card,cash"),
        *(
            ("api_url", url)
            for url in ("http://api.stripe.com", "ftp://x", "https://", "https://u:p@x", "https://x/?a", "https://[::1")
        ),
    ],
)
async def test_options_that_cannot_work_are_refused_by_name(stage: Stage, option: str, value: str) -> None:
    with pytest.raises(Invalid) as caught:
        make(stage, **{option: value})
    assert [e.field for e in caught.value.fields] == [option]


# Beginning


async def test_what_is_sent_to_begin(stage: Stage) -> None:
    stage.mouth.says(json.dumps({"id": "cs_1", "url": "https://checkout.stripe.com/c/1", "expires_at": 1}).encode())
    await make(stage).begin(INTENT)
    line, body = stage.mouth.heard[0]
    head = stage.mouth.heads[0].lower()
    assert line.startswith("POST /v1/checkout/sessions ")
    assert f"authorization: bearer {KEY}".lower() in head
    assert "idempotency-key: k202611010001" in head
    assert "stripe-version: 2026-10-28.endive" in head
    assert dict(parse_qsl(body.decode())) == {
        "mode": "payment",
        "client_reference_id": "K202611010001",
        "line_items[0][quantity]": "1",
        "line_items[0][price_data][currency]": "usd",
        "line_items[0][price_data][unit_amount]": "1250",
        "line_items[0][price_data][product_data][name]": "测试 商品 VIP",
        "success_url": "https://shop.example/pay/stripe/return?attempt=K202611010001",
        "cancel_url": "https://shop.example/pay/stripe/return?attempt=K202611010001",
        "expires_at": str(NOW // 1000 + 32 * 60),
        "locale": "zh",
        "metadata[kashop_attempt]": "K202611010001",
        "payment_intent_data[metadata][kashop_attempt]": "K202611010001",
    }


@pytest.mark.parametrize(
    ("minutes", "sent"),
    [(1, 32), (15, 32), (32, 32), (45, 45), (23 * 60, 23 * 60), (24 * 60, 24 * 60 - 1), (72 * 60, 24 * 60 - 1)],
)
async def test_a_session_lives_half_an_hour_to_a_day(stage: Stage, stripe: StripeSimulator, minutes: int, sent: int) -> None:
    reply = await at(stage, stripe).begin(msgspec.structs.replace(INTENT, expires_at=NOW + minutes * 60_000))
    assert reply.expires_at == NOW + sent * 60_000


async def test_methods_that_are_chosen_in_the_shop(stage: Stage) -> None:
    stage.mouth.says(json.dumps({"id": "cs_1", "url": "https://checkout.stripe.com/c/1", "expires_at": 1}).encode())
    await make(stage).begin(msgspec.structs.replace(INTENT, method="wxpay"))
    sent = dict(parse_qsl(stage.mouth.heard[0][1].decode()))
    assert sent["allowed_payment_method_types[0]"] == "wechat_pay"
    assert sent["payment_method_options[wechat_pay][client]"] == "web"


@pytest.mark.parametrize("url", [None, "", "javascript:alert(1)", "http://checkout.stripe.com/c/1", "//x", ["https://x"]])
async def test_a_session_without_a_page_is_unclear(stage: Stage, url: object) -> None:
    stage.mouth.says(json.dumps({"id": "cs_1", "url": url, "expires_at": 1}).encode())
    with pytest.raises(GatewayFailed) as caught:
        await make(stage).begin(INTENT)
    assert caught.value.is_unclear


async def test_an_amount_below_stripes_least_is_refused_in_words(stage: Stage, stripe: StripeSimulator) -> None:
    with pytest.raises(GatewayFailed, match="at least 50 cents") as caught:
        await at(stage, stripe).begin(msgspec.structs.replace(INTENT, amount_minor=10))
    assert not caught.value.is_unclear


# Whole payments against the simulated server


async def test_pay_ask_and_hear_the_same(stage: Stage, stripe: StripeSimulator) -> None:
    gateway = at(stage, stripe)
    assert await gateway.query(INTENT) is None
    intent = await begun(gateway)
    assert intent == await begun(gateway), "the same attempt again gives the same session"
    assert (await gateway.query(intent)).state == "pending"  # type: ignore[union-attr]
    payment = stripe.find(intent.attempt_no)
    stripe.send(payment, How(lose=True))
    told = gateway.read_callback(received(stripe.notification(payment, How())))
    assert told == await gateway.query(intent)
    assert told == Notice(state="paid", attempt_no=intent.attempt_no, gateway_txn=payment.txn, amount_minor=1250, currency="USD")
    with pytest.raises(GatewayFailed, match="paid") as caught:
        await gateway.close(intent)
    assert not caught.value.is_unclear


async def test_another_wish_under_the_same_number_is_refused(stage: Stage, stripe: StripeSimulator) -> None:
    gateway = at(stage, stripe)
    await begun(gateway)
    with pytest.raises(GatewayFailed, match="same parameters"):
        await begun(gateway, amount_minor=1300)


async def test_what_is_forged_is_not_believed(stage: Stage, stripe: StripeSimulator) -> None:
    gateway = at(stage, stripe)
    payment = stripe.find((await begun(gateway)).attempt_no)
    for forge, reason in (("signature", "signature"), ("key", "signature"), ("amount", "signature"), ("merchant", "merchant")):
        with pytest.raises(Rejected, match=reason):
            gateway.read_callback(received(stripe.notification(payment, How(forge=forge))))


async def test_a_closed_session_cannot_be_paid(stage: Stage, stripe: StripeSimulator) -> None:
    gateway = at(stage, stripe)
    intent = await begun(gateway)
    await gateway.close(intent)
    await gateway.close(intent)
    assert (await gateway.query(intent)).state == "closed"  # type: ignore[union-attr]
    await gateway.close(msgspec.structs.replace(intent, gateway_ref="cs_unknown"))
    await gateway.close(msgspec.structs.replace(intent, gateway_ref=""))


async def test_refunds_once_for_each_number(stage: Stage, stripe: StripeSimulator) -> None:
    gateway = at(stage, stripe)
    intent = await begun(gateway)
    payment = stripe.find(intent.attempt_no)
    stripe.send(payment, How(lose=True))
    ask = ask_for(intent, payment.txn)
    assert await gateway.query_refund(ask) is None
    first, again = await gateway.refund(ask), await gateway.refund(ask)
    assert first == again == await gateway.query_refund(ask)
    assert (first.state, first.refund_no, first.amount_minor) == ("done", "R1", 500)
    stage.clock.at += 25 * 3_600_000  # by now Stripe may have forgotten the key
    stripe._kept.clear()
    assert await gateway.refund(ask) == first
    too_much = await gateway.refund(ask_for(intent, payment.txn, 751, "R2"))
    assert (too_much.state, "greater than" in too_much.problem) == ("failed", True)
    assert (await gateway.refund(ask_for(intent, payment.txn, 750, "R3"))).state == "done"
    assert (await gateway.refund(ask_for(intent, payment.txn, 1, "R4"))).state == "failed"
    assert (await gateway.refund(ask_for(intent, "pi_unknown", 1, "R5"))).state == "failed"
    assert [r.amount for r in payment.refunds] == ["500", "750"]


async def test_a_wrong_key_does_not_fail_a_refund_for_good(stage: Stage, stripe: StripeSimulator) -> None:
    other = StripeGateway({**stripe.options(), "secret_key": "sk_test_another0001"}, stage.ctx)
    with pytest.raises(GatewayFailed, match="Invalid API Key") as caught:
        await other.refund(ask_for(INTENT, "pi_1"))
    assert not caught.value.is_unclear


async def test_a_statement_of_many_pages(stage: Stage, stripe: StripeSimulator) -> None:
    gateway = at(stage, stripe)
    numbers = [f"A{n:03}" for n in range(130)]
    for number in numbers:
        await begun(gateway, attempt_no=number)
        stripe.send(stripe.find(number), How(lose=True))
    await gateway.refund(ask_for(INTENT, stripe.find("A007").txn))
    day = dt.date(2026, 11, 1)
    assert await gateway.statement(day) is None, "the day is not over"
    stage.clock.at += 86_400_000
    lines = await gateway.statement(day)
    assert lines is not None
    assert sorted(line.attempt_no for line in lines if line.kind == "payment") == numbers
    assert [(line.refund_no, line.amount_minor) for line in lines if line.kind == "refund"] == [("R1", 500)]
    assert {line.fee_minor for line in lines if line.kind == "payment"} == {66}
    assert await gateway.statement(dt.date(2026, 10, 31)) == []


async def test_the_self_test_tells_a_good_account_from_a_bad_one(stage: Stage, stripe: StripeSimulator) -> None:
    stripe.webhook_url = "https://shop.example/pay/stripe/callback"
    findings = await at(stage, stripe).test()
    assert len(findings) == 5
    assert all(f.is_ok for f in findings), findings
    other = StripeGateway({**stripe.options(), "secret_key": "sk_test_another0001"}, stage.ctx)
    assert [f.subject for f in await other.test() if not f.is_ok] == ["Secret key"]
    stripe.webhook_url = "https://elsewhere.example/pay/stripe/callback"
    assert "Webhook endpoint" in [f.subject for f in await at(stage, stripe).test() if not f.is_ok]
    stage.mouth.says(b"<html>", status=502)
    assert [f.is_ok for f in await make(stage).test()] == [False]


@pytest.mark.parametrize("mood", ["error", "html", "cuts"])
async def test_a_stripe_that_is_down_is_unclear(stage: Stage, stripe: StripeSimulator, mood: str) -> None:
    gateway = at(stage, stripe)
    intent = await begun(gateway)
    stripe.mood(mood)
    for ask in (gateway.query(intent), gateway.begin(INTENT), gateway.close(intent), gateway.refund(ask_for(intent, "pi_1"))):
        with pytest.raises(GatewayFailed) as caught:
            await ask
        assert caught.value.is_unclear


async def test_the_buyer_is_sent_to_a_page_that_exists(stage: Stage, stripe: StripeSimulator) -> None:
    reply = await at(stage, stripe).begin(INTENT)
    assert urlsplit(reply.url).netloc == urlsplit(stripe.url).netloc


def test_the_type_says_what_the_panel_needs() -> None:
    assert [o.name for o in STRIPE.options if o.is_secret] == ["secret_key", "webhook_secret"]
    assert {m.name for m in STRIPE.methods} == {"card", "alipay", "wxpay"}
