"""Stripe's webhooks: what proves them, which are believed, and what they mean."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from kashop.payments.types import Notice, Rejected
from kashop.plugins.kit import Stage
from kashop.plugins.kit.simulators.stripe import StripeSimulator
from kashop.plugins.kit.stage import NOW
from kashop.plugins.kit.vendorwords import How
from tests.gateways.test_stripe import INTENT, ask_for, at, begun, make, received, stage, stripe
from tests.gateways.test_stripe_contract import signed

__all__ = ["stage", "stripe"]


def event(kind: str, thing: dict[str, Any], **over: object) -> bytes:
    return json.dumps({"id": "evt_1", "type": kind, "livemode": False, "data": {"object": thing}, **over}).encode()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (event("checkout.session.completed", {}, livemode=True), "livemode"),
        (event("checkout.session.completed", {}, livemode=None), "livemode"),
        (event("checkout.session.completed", {}, account="acct_2"), "merchant"),
        (event("checkout.session.completed", {"metadata": {"kashop_attempt": "a b"}}), "malformed"),
        (event("checkout.session.completed", {"metadata": {"kashop_attempt": ["A1"]}}), "malformed"),
        (b"[]", "malformed"),
        (b'{"livemode":false,"type":"x","data":7}', "malformed"),
        (b'{"livemode":false,"x":NaN}', "malformed"),
        (b"[" * 60_000, "malformed"),
        (b"\xff", "malformed"),
        (b'{"livemode":false,"x":' + b"9" * 5000 + b"}", "malformed"),
    ],
)
async def test_proved_and_yet_not_believed(stage: Stage, body: bytes, reason: str) -> None:
    with pytest.raises(Rejected, match=reason):
        make(stage).read_callback(signed(body))


async def test_what_is_not_ours_is_heard_and_changes_nothing(stage: Stage) -> None:
    for body in (
        event("customer.created", {"id": "cus_1"}),
        event("checkout.session.completed", {"id": "cs_2", "payment_status": "paid", "client_reference_id": "X", "metadata": {}}),
        event("charge.refunded", {"id": "ch_1", "payment_intent": None}),
    ):
        assert make(stage).read_callback(signed(body)).attempt_no == ""


async def test_a_live_key_believes_live_events_only(stage: Stage) -> None:
    live = make(stage, secret_key="sk_live_12345678")
    body = event("checkout.session.expired", {"status": "expired", "metadata": {"kashop_attempt": "A1"}}, livemode=True)
    assert live.read_callback(signed(body)).state == "closed"
    with pytest.raises(Rejected, match="livemode"):
        live.read_callback(signed(body.replace(b"true", b"false")))


async def test_a_stored_event_is_judged_by_when_it_came(stage: Stage) -> None:
    request = signed(event("checkout.session.expired", {"status": "expired", "metadata": {"kashop_attempt": "A1"}}))
    stage.clock.at += 3_600_000
    with pytest.raises(Rejected, match="stale"):
        make(stage).read_callback(request)
    assert make(stage).read_callback(msgspec.structs.replace(request, received_at=NOW)).state == "closed"


async def test_a_late_failure_of_a_slow_method(stage: Stage) -> None:
    session = {"status": "complete", "payment_status": "unpaid", "metadata": {"kashop_attempt": "A1"}}
    gateway = make(stage)
    states = [
        gateway.read_callback(signed(event(f"checkout.session.{kind}", session))).state
        for kind in ("completed", "async_payment_failed", "async_payment_succeeded")
    ]
    assert states == ["pending", "failed", "pending"]


async def test_refunds_and_disputes_that_stripe_tells_of(stage: Stage, stripe: StripeSimulator) -> None:
    gateway = at(stage, stripe)
    intent = await begun(gateway)
    payment = stripe.find(intent.attempt_no)
    stripe.send(payment, How(lose=True))
    word = await gateway.refund(ask_for(intent, payment.txn))
    ours = gateway.read_callback(
        received(stripe.event(payment, "refund.updated", stripe.refund_object(payment, payment.refunds[0])))
    )
    assert ours == Notice(state="refunded", attempt_no=intent.attempt_no, gateway_txn=payment.txn, refund=word)
    elsewhere = stripe.refund_outside(intent.attempt_no, "300")
    outside = received(stripe.event(payment, "refund.created", stripe.refund_object(payment, elsewhere)))
    dispute = received(stripe.event(payment, "charge.dispute.created", {"object": "dispute", "payment_intent": payment.txn}))
    for request in (outside, dispute):  # they name the PaymentIntent alone, which this process has never seen
        with pytest.raises(Rejected, match="unknown_payment"):
            gateway.read_callback(request)
    await settled(stage)
    notice = gateway.read_callback(outside)
    assert (notice.state, notice.attempt_no, notice.gateway_txn) == ("refunded", intent.attempt_no, payment.txn)
    assert notice.refund is not None
    assert (notice.refund.refund_no, notice.refund.gateway_refund, notice.refund.amount_minor) == ("", elsewhere.ref, 300)
    assert gateway.read_callback(dispute) == Notice(state="disputed", attempt_no=intent.attempt_no, gateway_txn=payment.txn)


async def settled(stage: Stage) -> None:
    """Until what the gateway does in the background is done."""
    while stage.ctx._tasks:  # noqa: ASYNC110 - a set has no event to wait for
        await asyncio.sleep(0.01)


async def test_a_strangers_payment_is_learned_to_be_none_of_ours(stage: Stage, stripe: StripeSimulator) -> None:
    gateway = at(stage, stripe)
    await begun(gateway)
    told = stripe.event(stripe.find(INTENT.attempt_no), "charge.dispute.created", {"payment_intent": "pi_stranger"})
    with pytest.raises(Rejected, match="unknown_payment"):
        gateway.read_callback(received(told))
    await settled(stage)
    assert gateway.read_callback(received(told)).attempt_no == ""
