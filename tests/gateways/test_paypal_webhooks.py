"""PayPal's webhooks: the sheet's vector, whose certificate counts, and what events mean."""

import asyncio
import datetime as dt
import json
from typing import Any

import msgspec
import pytest

from kashop.bundled.pay_paypal.certificates import MOST_FETCHES, authorities, verify
from kashop.bundled.pay_paypal.gateway import PayPalGateway
from kashop.bundled.pay_paypal.signing import sending
from kashop.payments.types import CallbackRequest, Notice, RefundWord, Rejected
from kashop.plugins.api import is_rsa_signed, x509_certificates
from kashop.plugins.kit import Reply, Stage
from kashop.plugins.kit.simulators.paypal import PayPalSimulator
from kashop.plugins.kit.simulators.paypal_papers import authority
from kashop.plugins.kit.stage import NOW
from kashop.plugins.kit.vendorwords import How
from tests.gateways.test_paypal import approved, ask_for, paypal, stage
from tests.gateways.test_paypal_contract import AUTHORITY, CERTIFICATE, PEM, SECRET, WEBHOOK, learned, signed
from tests.gateways.testkeys import private_key

__all__ = ["paypal", "stage"]

VECTOR = (
    b'{"id":"WH-TEST-1","event_type":"PAYMENT.CAPTURE.COMPLETED",'
    b'"resource":{"id":"CAP1","amount":{"currency_code":"USD","value":"12.50"}}}'
)
SIGNATURE = (
    "cvXOi0FGj+81sCsSlHcBUS6NKbuEmFDN/NXgo4dCN5Er3GMzUu0XKXglZ/ec4Ic4rKTjlL2TK/EnD5u/GncSUMHBe/5a2WHZ79kn+DGz4lFJCtlP0+rNV0rdTHCYZnbx"
    "6gXslQ7TBPdS68gA/oe9G9HCW87nWe9oploioTizo9eku5y5tgeOwdVMxh8bJAASBy0g8Wneat5cDOXKQKwaihXS+cutr3157GL11A7xVmnl1vd3OKXA6NF+gxpMCw8o"
    "zSKvTCrB4Slpd+hAqXJWrVHQL56DLYc1HxaUk49iAuyZT1E6fZA2UFWI/GXnCgGF610I0Xi3x98zu6PngmQDzQ=="
)
PLATFORM = private_key("platform").public_key()


def make(stage: Stage, **over: str) -> PayPalGateway:
    whose = {"client_id": "CLIENT-of-the-contract", "client_secret": SECRET, "webhook_id": WEBHOOK}
    return PayPalGateway({**whose, "api_url": stage.mouth.url, "authority": AUTHORITY.pem, **over}, stage.ctx)


def event(kind: str, thing: object, stage: Stage, **how: str) -> CallbackRequest:
    return signed(json.dumps({"id": "WH-1", "event_type": kind, "resource": thing}).encode(), stage.mouth.url, **how)


async def knowing(stage: Stage, **over: str) -> PayPalGateway:
    """A gateway that has learned its certificate."""
    stage.mouth.at[CERTIFICATE] = Reply(PEM.encode())
    gateway = make(stage, **over)
    await learned(stage, gateway, event("PING", {}, stage))
    return gateway


async def settled(stage: Stage) -> None:
    while stage.ctx._tasks:  # noqa: ASYNC110 - a set has no event to wait for
        await asyncio.sleep(0.01)


# The sheet's vector


async def test_the_vector_of_the_sheet(stage: Stage) -> None:
    request = signed(VECTOR, stage.mouth.url)
    said = sending(request.headers, now=NOW)
    assert said.content(WEBHOOK, VECTOR) == "tid-0001|2026-11-01T04:00:00Z|WHID0000000000001|2748074228"
    assert said.signature == SIGNATURE
    assert is_rsa_signed(PLATFORM, SIGNATURE, said.content(WEBHOOK, VECTOR))
    gateway = await knowing(stage)
    assert gateway.read_callback(request) == Notice(state="pending", attempt_no=""), "genuine, and of no attempt of ours"


# Whose certificate counts


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://api.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com.evil.example/v1/notifications/certs/CERT-1",
        "https://evil.example/v1/notifications/certs/CERT-1",
        "https://api.paypal.com@evil.example/v1/notifications/certs/CERT-1",
        "https://api.paypal.com:8443/v1/notifications/certs/CERT-1",
        "https://API.paypal.com/v1/notifications/certs/CERT-1",
        "https://api.paypal.com/v1/notifications/certs/../../x",
        "https://api.paypal.com/v1/notifications/certs/a/b",
        "https://api.paypal.com/v1/notifications/certs/",
        "https://api.paypal.com/v1/notifications/certs/CERT-1?x=/v1/notifications/certs/CERT-1",
        "https://api.paypal.com/other/v1/notifications/certs/CERT-1",
        "https://api.sandbox.paypal.com/v1/notifications/certs/CERT-1",
        "https://evil.example/https://api.paypal.com/v1/notifications/certs/CERT-1",
    ],
)
async def test_a_certificate_from_elsewhere_is_not_even_fetched(stage: Stage, url: str) -> None:
    gateway = make(stage, api_url="", authority="", environment="live")
    request = signed(VECTOR, stage.mouth.url)
    headers = {**request.headers, "paypal-cert-url": url}
    with pytest.raises(Rejected, match="certificate_host"):
        gateway.read_callback(msgspec.structs.replace(request, headers=headers))
    assert not stage.ctx._tasks


@pytest.mark.parametrize("environment", ["live", "sandbox"])
async def test_paypals_own_hosts_are_asked(stage: Stage, environment: str) -> None:
    gateway = make(stage, api_url="", authority="", environment=environment)
    request = signed(VECTOR, stage.mouth.url)
    infix = "" if environment == "live" else "sandbox."
    for host in (f"https://api.{infix}paypal.com", f"https://api-m.{infix}paypal.com"):
        headers = {**request.headers, "paypal-cert-url": f"{host}/v1/notifications/certs/CERT-360caa42-fca2a594-5edc0ebc"}
        with pytest.raises(Rejected, match="certificate_unknown"):
            gateway.read_callback(msgspec.structs.replace(request, headers=headers))
    assert len(stage.ctx._tasks) == 2
    await stage.ctx.close()  # nothing is asked in a test


@pytest.mark.parametrize(
    "pem",
    [
        pytest.param(lambda: authority().issued(PLATFORM), id="another authority"),
        pytest.param(lambda: AUTHORITY.issued(PLATFORM, "evil.example"), id="another name"),
        pytest.param(lambda: AUTHORITY.issued(PLATFORM, "paypal.com.evil.example"), id="a name that begins like it"),
        pytest.param(lambda: AUTHORITY.issued(PLATFORM, "notpaypal.com"), id="a name that ends like it"),
        pytest.param(lambda: AUTHORITY.issued(PLATFORM, until=dt.datetime(2026, 10, 31, tzinfo=dt.UTC)), id="expired"),
        pytest.param(lambda: AUTHORITY.issued(PLATFORM, since=dt.datetime(2026, 11, 2, tzinfo=dt.UTC)), id="not yet"),
        pytest.param(lambda: "<html>", id="a page"),
        pytest.param(lambda: AUTHORITY.pem, id="the authority itself"),
        pytest.param(lambda: PEM + "x" * 15_000, id="too large"),
    ],
)
async def test_a_certificate_that_nobody_vouches_for_proves_nothing(stage: Stage, pem: Any) -> None:
    stage.mouth.at[CERTIFICATE] = Reply(pem().encode())
    gateway = make(stage)
    request = event("PAYMENT.CAPTURE.COMPLETED", {"custom_id": "A1"}, stage)
    for _again in range(2):
        await learned(stage, gateway, request)
    assert not stage.store.texts


async def test_a_certificate_is_good_until_it_ends(stage: Stage) -> None:
    until = dt.datetime(2026, 11, 1, 5, tzinfo=dt.UTC)
    stage.mouth.at[CERTIFICATE] = Reply(AUTHORITY.issued(PLATFORM, until=until).encode())
    gateway, request = make(stage), event("PAYMENT.CAPTURE.COMPLETED", {"custom_id": "A1"}, stage)
    await learned(stage, gateway, request)
    assert gateway.read_callback(request).is_hint
    stage.clock.at += 3_601_000
    with pytest.raises(Rejected, match="certificate_expired"):
        gateway.read_callback(request)


async def test_what_was_learned_is_known_after_a_new_start(stage: Stage) -> None:
    await knowing(stage)
    stage.mouth.at.pop(CERTIFICATE)
    again, request = make(stage), event("PAYMENT.CAPTURE.COMPLETED", {"custom_id": "A1"}, stage)
    await again._certificates.warm()  # as its first begin or query does
    assert again.read_callback(request).is_hint
    other = make(stage, authority=authority().pem)
    await other._certificates.warm()
    with pytest.raises(Rejected, match="certificate_unknown"):
        other.read_callback(request)


async def test_strangers_cannot_make_us_fetch_without_end(stage: Stage) -> None:
    gateway = make(stage)
    for n in range(100):
        request = signed(VECTOR, stage.mouth.url)
        headers = {**request.headers, "paypal-cert-url": f"{stage.mouth.url}/v1/notifications/certs/CERT-{n}"}
        with pytest.raises(Rejected):
            gateway.read_callback(msgspec.structs.replace(request, headers=headers))
    await settled(stage)
    assert len(stage.mouth.heard) == MOST_FETCHES


def test_the_authorities_that_everybody_trusts_do_not_vouch_for_ours() -> None:
    assert len(authorities()) > 50
    with pytest.raises(ValueError, match="vouches"):
        verify(x509_certificates(PEM), authorities(), now=NOW)


# What proves an event


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("paypal-auth-algo", "SHA1withRSA", "signature"),
        ("paypal-auth-algo", "", "signature"),
        ("paypal-transmission-sig", "", "signature"),
        ("paypal-transmission-sig", SIGNATURE[::-1], "signature"),
        ("paypal-transmission-sig", SIGNATURE + "\n", "signature"),
        ("paypal-transmission-id", "tid-0002", "signature"),
        ("paypal-transmission-id", "tid|0001", "malformed"),
        ("paypal-transmission-time", "2026-11-01T04:00:01Z", "signature"),
        ("paypal-transmission-time", "2026-10-31T03:59:59Z", "stale"),
        ("paypal-transmission-time", "2026-11-01T04:06:00Z", "stale"),
        ("paypal-transmission-time", "2026-13-01T04:00:00Z", "malformed"),
        ("paypal-transmission-time", "now", "malformed"),
    ],
)
async def test_headers_that_prove_nothing(stage: Stage, name: str, value: str, reason: str) -> None:
    gateway = await knowing(stage)
    request = signed(VECTOR, stage.mouth.url)
    assert gateway.read_callback(request)
    with pytest.raises(Rejected, match=reason):
        gateway.read_callback(msgspec.structs.replace(request, headers={**request.headers, name: value}))


async def test_another_key_or_webhook_or_body_proves_nothing(stage: Stage) -> None:
    gateway = await knowing(stage)
    body, base = VECTOR, stage.mouth.url
    for request in (
        signed(body, base, key="merchant"),
        signed(body, base, webhook="WHID0000000000002"),
        msgspec.structs.replace(signed(body, base), body=body + b" "),
        msgspec.structs.replace(signed(body, base), body=body.replace(b"12.50", b"92.50")),
    ):
        with pytest.raises(Rejected, match="signature"):
            gateway.read_callback(request)


async def test_a_stored_event_is_judged_by_when_it_came(stage: Stage) -> None:
    gateway = await knowing(stage)
    request = event("PAYMENT.CAPTURE.COMPLETED", {"custom_id": "A1"}, stage)
    stage.clock.at += 48 * 3_600_000
    with pytest.raises(Rejected, match="stale"):
        gateway.read_callback(request)
    assert gateway.read_callback(msgspec.structs.replace(request, received_at=NOW)).is_hint


# What events mean


@pytest.mark.parametrize(
    ("kind", "thing"),
    [
        ("CHECKOUT.ORDER.APPROVED", {"id": "5O1", "purchase_units": [{"custom_id": "A1"}]}),
        *((f"PAYMENT.CAPTURE.{state}", {"custom_id": "A1"}) for state in ("COMPLETED", "PENDING", "DENIED", "DECLINED")),
    ],
)
async def test_money_only_hints(stage: Stage, kind: str, thing: object) -> None:
    gateway = await knowing(stage)
    assert gateway.read_callback(event(kind, thing, stage)) == Notice(state="pending", attempt_no="A1", is_hint=True)


@pytest.mark.parametrize(
    "body", [b"[]", b"7", b"{", b"\xff", b'{"event_type":"X","resource":7}', b'{"resource":{}}', b'{"x":NaN}', b"[" * 60_000]
)
async def test_what_is_malformed_is_not_believed(stage: Stage, body: bytes) -> None:
    gateway = await knowing(stage)
    with pytest.raises(Rejected, match="malformed"):
        gateway.read_callback(signed(body, stage.mouth.url))


async def test_refunds_reversals_and_disputes(stage: Stage, paypal: PayPalSimulator) -> None:
    gateway, intent = await approved(stage, paypal)
    paid = await gateway.query(intent)
    assert paid is not None
    word = await gateway.refund(ask_for(intent, paid.gateway_txn))
    payment = paypal.find(intent.attempt_no)
    ours = received(paypal, "PAYMENT.CAPTURE.REFUNDED", paypal.refund_object(payment, payment.refunds[0]))
    await learned(stage, gateway, ours)
    about = {"attempt_no": intent.attempt_no, "gateway_txn": payment.txn}
    assert gateway.read_callback(ours) == Notice(state="refunded", refund=word, **about)
    elsewhere = {**paypal.refund_object(payment, payment.refunds[0]), "id": "2JX", "invoice_id": intent.attempt_no}
    told = gateway.read_callback(received(paypal, "PAYMENT.CAPTURE.REFUNDED", elsewhere))
    assert told.refund == RefundWord(state="done", refund_no="", gateway_refund="2JX", amount_minor=500)
    reversed_ = {"id": "3JX", "links": elsewhere["links"]}
    dispute = {"disputed_transactions": [{"seller_transaction_id": payment.txn}]}
    fresh = PayPalGateway(paypal.options(), stage.ctx)
    await fresh._certificates.warm()
    for kind, thing in (("PAYMENT.CAPTURE.REVERSED", reversed_), ("CUSTOMER.DISPUTE.CREATED", dispute)):
        request = received(paypal, kind, thing)
        assert gateway.read_callback(request) == Notice(state="disputed", **about)
        with pytest.raises(Rejected, match="unknown_payment"):  # a process that has never seen the capture
            fresh.read_callback(request)
        await settled(stage)
        assert fresh.read_callback(request) == Notice(state="disputed", **about)
        fresh._captures._known.clear()


def received(paypal: PayPalSimulator, kind: str, thing: dict[str, Any]) -> CallbackRequest:
    told = paypal.event(next(iter(paypal.payments.values())), kind, thing)
    headers = {name.lower(): value for name, value in told.headers.items()}
    return CallbackRequest(method=told.method, query=b"", headers=headers, body=told.body)


async def test_what_is_forged_by_the_simulated_paypal_is_not_believed(stage: Stage, paypal: PayPalSimulator) -> None:
    gateway, intent = await approved(stage, paypal)
    payment = paypal.find(intent.attempt_no)
    told = paypal.notification(payment, How())
    headers = {name.lower(): value for name, value in told.headers.items()}
    await learned(stage, gateway, CallbackRequest(method="POST", query=b"", headers=headers, body=told.body))
    for forge in ("signature", "key", "merchant", "amount"):
        lie = paypal.notification(payment, How(forge=forge))
        headers = {name.lower(): value for name, value in lie.headers.items()}
        with pytest.raises(Rejected, match="signature"):
            gateway.read_callback(CallbackRequest(method="POST", query=b"", headers=headers, body=lie.body))


async def test_what_is_not_ours_is_heard_and_changes_nothing(stage: Stage) -> None:
    gateway = await knowing(stage)
    for kind, thing in (
        ("BILLING.PLAN.CREATED", {"id": "P-1"}),
        ("PAYMENT.CAPTURE.COMPLETED", {"id": "C1"}),
        ("PAYMENT.CAPTURE.REFUNDED", {"id": "R1", "status": "COMPLETED"}),
        ("CUSTOMER.DISPUTE.CREATED", {"dispute_id": "PP-D-1"}),
    ):
        assert gateway.read_callback(event(kind, thing, stage)).attempt_no == ""
