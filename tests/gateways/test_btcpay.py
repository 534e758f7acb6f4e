"""BTCPay: the sheet's webhook, what invoices mean, and whole sales through the simulated server."""

import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kashop.bundled.pay_btcpay import words
from kashop.bundled.pay_btcpay.gateway import BTCPAY
from kashop.lib.errors import Invalid
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.payments.rules import AccountRules
from kashop.payments.types import CallbackRequest, GatewayFailed, Rejected
from kashop.plugins.kit import Stage, open_stage
from kashop.plugins.kit.simulators.btcpay import BtcpaySimulator
from kashop.plugins.kit.vendorwords import How
from tests.cast import codes_of
from tests.gateways.streets import Street, street

SECRET = "btcpaySecretTest"
EVENT = (
    '{"deliveryId":"d1","webhookId":"w1","originalDeliveryId":"d1","isRedelivery":false,"type":"InvoiceSettled",'
    '"timestamp":1793505660,"storeId":"S1","invoiceId":"I1","metadata":{"orderId":"K202611010001"}}'
)
SIGNATURE = "sha256=ea05bc49acf6448b91ce5d45862dd236a1823cba9cfb017e51124e5958798411"
OPTIONS = {"url": "https://btcpay.example", "store": "S1", "key": "12345678", "webhook_secret": SECRET}
OK, FAIL = (200, "ok"), (400, "fail")


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with open_stage() as stage:
        yield stage


@pytest.fixture
async def btcpay(data: Path) -> AsyncIterator[Street]:
    async with street(data, BtcpaySimulator) as opened:
        yield opened


def event(body: str = EVENT, signature: str = SIGNATURE) -> CallbackRequest:
    return CallbackRequest(method="POST", query=b"", headers={"btcpay-sig": signature}, body=body.encode())


async def test_the_sheets_vector_hints(stage: Stage) -> None:
    notice = BTCPAY.make(OPTIONS, stage.ctx).read_callback(event())
    assert (notice.attempt_no, notice.is_hint, notice.amount_minor) == ("K202611010001", True, 0)


async def test_another_body_signature_or_store_is_rejected(stage: Stage) -> None:
    gateway = BTCPAY.make(OPTIONS, stage.ctx)
    for told in (event(EVENT + " "), event(signature=SIGNATURE.upper()), event(signature=SIGNATURE[7:]), event(signature="")):
        with pytest.raises(Rejected, match="signature"):
            gateway.read_callback(told)
    with pytest.raises(Rejected, match="merchant"):
        BTCPAY.make({**OPTIONS, "store": "S2"}, stage.ctx).read_callback(event())


@pytest.mark.parametrize(
    ("wrong", "value"),
    [("url", "http://btcpay.example"), ("store", "a/b"), ("store", ""), ("key", "short"), ("key", ""), ("webhook_secret", " ")],
)
async def test_unfit_options_are_refused_by_name(stage: Stage, wrong: str, value: str) -> None:
    with pytest.raises(Invalid) as caught:
        BTCPAY.make({**OPTIONS, wrong: value}, stage.ctx)
    assert [e.field for e in caught.value.fields] == [wrong]


@pytest.mark.parametrize(
    ("status", "more", "paid", "state", "amount"),
    [
        *(("New", "None", "0", "pending", 0), ("Processing", "None", "12.50", "pending", 1250)),
        *(("Settled", "None", "12.50", "paid", 1250), ("Settled", "None", "12.49731", "paid", 1250)),
        *(("Settled", "PaidOver", "13.019", "paid", 1301), ("Settled", "Marked", "0", "paid", 1250)),
        *(("Settled", "None", None, "paid", 1250), ("Settled", "PaidLate", "12.50", "paid", 1250)),
        *(("Expired", "None", "0", "closed", 0), ("Expired", "PaidPartial", "6.259", "late", 625)),
        *(("Expired", "PaidLate", "12.50", "late", 1250), ("Expired", "PaidLate", None, "late", 1250)),
        *(("Invalid", "None", "0", "failed", 0), ("Invalid", "Marked", "0", "closed", 0)),
        *(("Invalid", "Marked", "12.50", "late", 1250), ("Unheard", "None", "0", "pending", 0)),
    ],
)
def test_what_an_invoice_means(status: str, more: str, paid: str | None, state: str, amount: int) -> None:
    told = {"id": "I1", "status": status, "additionalStatus": more, "amount": "12.50", "paidAmount": paid, "currency": "CNY"}
    assert (words.state_of(told), words.amount_of(told)) == (state, amount)


def test_an_invoice_that_does_not_say_how_much_is_a_hint() -> None:
    told = {"id": "I1", "status": "Expired", "additionalStatus": "PaidPartial", "amount": "12.50", "currency": "CNY"}
    notice = words.paid(told, "K1")
    assert (notice.state, notice.is_hint, notice.amount_minor) == ("paid", True, 0)


def test_yen_have_no_places() -> None:
    assert words.floored("1250.99", "JPY") == 1250
    for bad in ("-1", "1e3", "", "１", "1.", True, 12.5):
        with pytest.raises(ValueError, match="amount"):
            words.floored(bad, "CNY")


async def test_it_sells_by_what_the_invoice_says(btcpay: Street) -> None:
    placed = await btcpay.buy()
    assert await btcpay.pay(placed, times=5, parallel=True) == [OK] * 5
    assert await btcpay.status(placed) == "delivered"
    assert len(await codes_of(btcpay.shop, placed)) == 1
    (receipt,) = await btcpay.shop.db.read(payments.receipts, placed.order.order_id)
    attempt = await btcpay.attempt(placed)
    assert (receipt.gateway_txn, receipt.amount_minor) == (attempt.gateway_ref, 1250)


async def test_a_genuine_event_about_an_unpaid_invoice_pays_nothing(btcpay: Street) -> None:
    placed = await btcpay.buy()
    told = btcpay.vendor.notification(btcpay.vendor.find((await btcpay.attempt(placed)).attempt_no), How())
    gateway: Any = await btcpay.gateway()
    notice = gateway.read_callback(
        CallbackRequest(method="POST", query=b"", headers={k.lower(): v for k, v in told.headers.items()}, body=told.body)
    )
    assert notice.is_hint
    assert await btcpay.query(placed) == "pending"
    for forge in ("signature", "key", "merchant", "amount"):
        assert await btcpay.pay(placed, forge=forge) == [FAIL]
    assert await btcpay.status(placed) == "pending"


async def test_part_over_and_late_are_recorded(btcpay: Street) -> None:
    half, double, late = [await btcpay.buy() for _ in range(3)]
    assert await btcpay.pay(half, amount="6.25") == [OK]
    assert await btcpay.pay(double, amount="25.00") == [OK]
    payment = btcpay.vendor.find((await btcpay.attempt(late)).attempt_no)
    payment.request |= {"more": "Marked", "confirmed": "Processing"}
    assert await btcpay.pay(late) == [OK]
    assert [await btcpay.status(p) for p in (half, double, late)] == ["pending", "delivered", "pending"]
    payment.request["confirmed"] = "Settled"
    assert await btcpay.query(late) == "paid"
    assert await btcpay.status(late) == "delivered"
    kinds = [[e.kind for e in await btcpay.shop.db.read(orders.open_exceptions, p.order.order_id)] for p in (half, double, late)]
    assert kinds == [["paid_partly"], ["paid_over"], []]


async def test_beginning_again_makes_no_second_invoice(btcpay: Street) -> None:
    placed = await btcpay.buy()
    gateway, attempt = await btcpay.gateway(), await btcpay.attempt(placed)
    intent = attempt.intent(title="t", callback_url="", return_url="https://a/return", client_ip="", locale="en")
    begun = await gateway.begin(intent)
    assert begun.gateway_ref == attempt.gateway_ref
    assert len(btcpay.vendor.payments) == 1


async def test_a_lost_event_and_a_lost_number_are_found(btcpay: Street) -> None:
    placed = await btcpay.buy()
    await btcpay.pay(placed, lose=True)
    gateway, attempt = await btcpay.gateway(), await btcpay.attempt(placed)
    intent = attempt.intent(title="t", callback_url="", return_url="", client_ip="", locale="en")
    notice = await gateway.query(msgspec.structs.replace(intent, gateway_ref=""))
    assert notice is not None
    assert (notice.state, notice.amount_minor) == ("paid", 1250)
    assert await btcpay.query(placed) == "paid"
    assert await btcpay.status(placed) == "delivered"


async def test_a_refund_is_claimed_by_the_buyer_and_made_once(btcpay: Street) -> None:
    placed = await btcpay.buy()
    await btcpay.pay(placed)
    gateway: Any = await btcpay.gateway()
    ask = await btcpay.refund_ask(placed, 500)
    assert await gateway.query_refund(ask) is None
    word, again = await gateway.refund(ask), await gateway.refund(ask)
    assert (word.state, word.amount_minor, word) == ("pending", 500, again)
    assert word.claim_url.startswith(f"{btcpay.vendor.url}pull-payments/")
    (made,) = btcpay.vendor.find(ask.payment.attempt_no).refunds
    made.state = "done"
    assert (await gateway.query_refund(ask)).state == "done"
    much = await gateway.refund(await btcpay.refund_ask(placed, 1000, refund_no="R2"))
    assert much.state == "failed"
    assert "customAmount" in much.problem


async def test_closing(btcpay: Street) -> None:
    open_, paid = await btcpay.buy(), await btcpay.buy()
    await btcpay.pay(paid, lose=True)
    gateway: Any = await btcpay.gateway()
    for placed in (open_, paid):
        attempt = await btcpay.attempt(placed)
        intent = attempt.intent(title="t", callback_url="", return_url="", client_ip="", locale="en")
        if placed is paid:
            with pytest.raises(GatewayFailed, match="was paid"):
                await gateway.close(intent)
        else:
            await gateway.close(intent)
            await gateway.close(intent)
            assert (await gateway.query(intent)).state == "closed"


async def test_a_days_statement(btcpay: Street) -> None:
    now = dt.datetime.now(dt.UTC)
    btcpay.vendor.clock = (now - dt.timedelta(days=1)).timestamp
    placed = [await btcpay.buy() for _ in range(3)]
    await btcpay.pay(placed[0])
    await btcpay.pay(placed[1], amount="6.25")
    gateway: Any = await btcpay.gateway()
    lines = await gateway.statement((now - dt.timedelta(days=1)).date())
    assert sorted((line.amount_minor, line.kind) for line in lines) == [(625, "payment"), (1250, "payment")]
    assert {line.attempt_no for line in lines} == {(await btcpay.attempt(p)).attempt_no for p in placed[:2]}
    assert await gateway.statement(now.date()) is None, "the day is not over"


async def test_the_self_test_names_what_is_missing(stage: Stage) -> None:
    with BtcpaySimulator() as vendor:
        good = BTCPAY.make(vendor.options(), stage.ctx)
        assert all(f.is_ok for f in await good.test())
        for wrong, subject in (({"key": "wrong-key"}, "API key and store"), ({"store": "S9"}, "API key and store")):
            found = await BTCPAY.make({**vendor.options(), **wrong}, stage.ctx).test()
            assert [f.subject for f in found if not f.is_ok] == [subject]
        vendor.routes = {k: v for k, v in vendor.routes.items() if v != "rights"}  # type: ignore[misc]
        assert [f.subject for f in await good.test() if not f.is_ok] == ["Rights of the key"]


async def test_moods(btcpay: Street) -> None:
    placed = await btcpay.buy()
    for mood in ("error", "html", "cuts"):
        btcpay.vendor.mood(mood, "/api/")
        assert await btcpay.query(placed) == "unknown"
    assert await btcpay.pay(placed) == [OK], "asked again by schedule"
    assert await btcpay.status(placed) == "pending"
    btcpay.vendor.mood("answers", "/api/")
    assert await btcpay.query(placed) == "paid"
    assert await btcpay.status(placed) == "delivered"


async def test_it_sells_in_another_currency(data: Path) -> None:
    async with street(data, BtcpaySimulator, AccountRules(currency="USD", rate="0.14")) as shop:
        placed = await shop.buy()
        assert await shop.pay(placed) == [OK]
        (receipt,) = await shop.shop.db.read(payments.receipts, placed.order.order_id)
        assert (receipt.currency, receipt.amount_minor, receipt.counted_minor) == ("USD", 175, 1250)
