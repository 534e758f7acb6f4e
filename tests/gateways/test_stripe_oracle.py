"""Stripe's own package as an oracle: for the signature of webhooks, for our form encoding, and for the simulated Stripe.

Nothing of the shop imports it: docs/decisions/0023.
"""

import asyncio
import json
import random
from urllib.parse import parse_qsl

import httpx
import pytest
import stripe
from stripe._encode import _api_encode

from kashop.bundled.pay_stripe import signing
from kashop.bundled.pay_stripe.client import API_VERSION, encoded
from kashop.bundled.pay_stripe.gateway import _session
from kashop.payments.types import Rejected
from kashop.plugins.kit.simulators.stripe import StripeSimulator
from kashop.plugins.kit.vendorwords import How
from tests.gateways.test_stripe import INTENT, VECTOR

SECRET = "whsec_of_the_oracle"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their client heeds the environment's proxies, which know nothing of loopback."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(stripe, "enable_telemetry", False)


def ours(header: str, body: bytes) -> bool:
    try:
        signing.prove(header, body, SECRET, now=0)
    except Rejected:
        return False
    return True


def theirs(header: str, body: bytes) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, header, SECRET, tolerance=None)
    except (stripe.SignatureVerificationError, UnicodeDecodeError):
        return False
    return True


def test_both_believe_the_same_signatures() -> None:
    dice = random.Random(4711)
    v1 = signing.sign("1700000000", VECTOR, SECRET)
    good = [f"t=1700000000,v1={v1}", f"t=1700000000,v1=00,v1={v1}", f"v1={v1},t=1700000000", f"t=1700000000,v0=9,v1={v1}"]
    assert all(ours(header, VECTOR) and theirs(header, VECTOR) for header in good)
    assert not ours(good[0], VECTOR + b" ")
    assert not theirs(good[0], VECTOR + b" ")
    for _round in range(2000):
        header = list(dice.choice(good))
        for _change in range(dice.randrange(1, 4)):
            header[dice.randrange(len(header))] = dice.choice("tv10=,af9 ")
        text = "".join(header)
        assert not ours(text, VECTOR) or theirs(text, VECTOR), f"only we believe {text}"


def test_what_the_simulated_stripe_signs_their_helper_believes() -> None:
    with StripeSimulator() as server:
        payment = begun(server)
        told = server.notification(payment, How())
        event = stripe.Webhook.construct_event(told.body, told.headers["Stripe-Signature"], server.webhook_secret)
        assert event.type == "checkout.session.completed"
        assert event.data.object["client_reference_id"] == INTENT.attempt_no
        for forge in ("signature", "key", "amount"):
            lie = server.notification(payment, How(forge=forge))
            with pytest.raises(stripe.SignatureVerificationError):
                stripe.Webhook.construct_event(lie.body, lie.headers["Stripe-Signature"], server.webhook_secret)


def begun(server: StripeSimulator):  # type: ignore[no-untyped-def]
    """A session that was begun by their client with our fields."""
    params = {**_session(INTENT), "expires_at": int(server.clock()) + 3600}
    asyncio.run(client(server).v1.checkout.sessions.create_async(params, {"idempotency_key": INTENT.attempt_no}))
    return server.find(INTENT.attempt_no)


def client(server: StripeSimulator) -> stripe.StripeClient:
    """Their client, sent to the simulated server."""
    return stripe.StripeClient(
        server.key,
        base_addresses={"api": server.url.rstrip("/")},
        http_client=stripe.HTTPXClient(),
        max_network_retries=0,
    )


def test_our_forms_are_theirs() -> None:
    params = _session(INTENT)
    assert encoded(params) == {name: str(value) for name, value in _api_encode(params)}


def test_the_version_that_we_name_is_one_of_theirs() -> None:
    assert stripe.api_version == API_VERSION


async def test_their_client_works_with_the_simulated_stripe() -> None:
    with StripeSimulator() as server:
        theirs = client(server).v1
        params = {**_session(INTENT), "expires_at": int(server.clock()) + 3600}
        session = await theirs.checkout.sessions.create_async(params, {"idempotency_key": "K1"})
        again = await theirs.checkout.sessions.create_async(params, {"idempotency_key": "K1"})
        assert session.id == again.id
        assert (session.status, session.amount_total, session.currency) == ("open", 1250, "usd")
        with pytest.raises(stripe.IdempotencyError):
            await theirs.checkout.sessions.create_async({**params, "locale": "en"}, {"idempotency_key": "K1"})
        with pytest.raises(stripe.InvalidRequestError):
            await theirs.checkout.sessions.create_async({**params, "surprise": "1"})
        server.send(server.find(INTENT.attempt_no), How(lose=True))
        paid = await theirs.checkout.sessions.retrieve_async(session.id)
        assert (paid.payment_status, paid.client_reference_id) == ("paid", INTENT.attempt_no)
        refund = await theirs.refunds.create_async({"payment_intent": str(paid.payment_intent), "amount": 500})
        assert (refund.status, refund.amount) == ("succeeded", 500)
        await theirs.refunds.create_async({"payment_intent": str(paid.payment_intent)})
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await theirs.refunds.create_async({"payment_intent": str(paid.payment_intent)})
        assert caught.value.code == "charge_already_refunded"
        rows = await theirs.balance_transactions.list_async({"limit": 2, "expand": ["data.source"]})
        assert [row.type async for row in rows.auto_paging_iter()] == ["refund", "refund", "charge"]
        with pytest.raises(stripe.InvalidRequestError):
            await theirs.checkout.sessions.expire_async(session.id)


def test_their_client_hears_a_wrong_key() -> None:
    with StripeSimulator() as server:
        wrong = stripe.StripeClient(
            "sk_test_wrong", base_addresses={"api": server.url.rstrip("/")}, http_client=stripe.HTTPXClient()
        )
        with pytest.raises(stripe.AuthenticationError):
            asyncio.run(wrong.v1.checkout.sessions.retrieve_async("cs_1"))


def test_forms_survive_the_way() -> None:
    fields = encoded({"a": {"b": ["x y", "&=%", {"c": "测试"}]}, "n": 7})
    body = httpx.Request("POST", "https://x", data=fields).read()
    assert dict(parse_qsl(body.decode())) == {"a[b][0]": "x y", "a[b][1]": "&=%", "a[b][2][c]": "测试", "n": "7"}
    assert json.dumps(fields)
