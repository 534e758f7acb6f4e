"""A shop sells through a simulated Alipay, survives its moods, refunds, and hears of refunds that it did not make."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest

from kashop.flows import attempts, gateways
from kashop.lib.actor import CLI
from kashop.payments import reads as payments
from kashop.plugins.kit.simulator import tell
from kashop.plugins.kit.simulators.alipay import AlipaySimulator
from kashop.plugins.kit.vendorwords import Refunded
from tests.cast import BUYER, codes_of
from tests.gateways import testkeys
from tests.gateways.streets import ACCOUNT, Street, street

SUCCESS = (200, "success")
BEIJING = dt.timezone(dt.timedelta(hours=8))


@pytest.fixture
async def alipay(data: Path) -> AsyncIterator[Street]:
    async with street(data, AlipaySimulator) as opened:
        yield opened


async def test_it_sells_by_qr_code(alipay: Street) -> None:
    placed = await alipay.buy()
    attempt = await alipay.attempt(placed)
    assert (attempt.kind, attempt.qr[:23]) == ("qr", "https://qr.alipay.com/b")
    assert parse_qs(urlsplit(attempt.url).query)["qrcode"] == [attempt.qr], "the app's link opens the same code"
    assert await alipay.query(placed) == "unknown", "nobody has scanned it"
    assert await alipay.pay(placed, times=3, parallel=True) == [SUCCESS] * 3
    assert await alipay.status(placed) == "delivered"
    assert len(await codes_of(alipay.shop, placed)) == 1


@pytest.mark.parametrize(
    ("device", "contracts"), [("desktop", "page"), ("phone", "qr,wap,page"), ("alipay", "wap"), ("wechat", "page")]
)
async def test_its_pages_accept_what_the_browser_brings(data: Path, device: str, contracts: str) -> None:
    async with street(data, AlipaySimulator, contracts=contracts) as alipay:
        placed = await alipay.buy()
        attempt = await alipay.attempt(placed)
        intent = attempt.intent(
            title="a/b=c&d", callback_url="https://s.example/c", return_url="https://s.example/r?a=1", client_ip="", locale=""
        )
        begun = await (await alipay.gateway()).begin(msgspec.structs.replace(intent, device=device))
        product = "page" if contracts == "page" else "wap"
        assert f"method=alipay.trade.{product}.pay&" in begun.url
        async with httpx.AsyncClient() as browser:
            page = await browser.get(begun.url)
            assert (page.status_code, page.headers["location"][:8]) == (303, f"{alipay.vendor.url}simulate"[:8])
            assert (await browser.get(begun.url.replace("12.50", "0.01"))).status_code == 400


async def test_what_is_forged_changes_nothing_and_what_was_lost_is_found(alipay: Street) -> None:
    placed = await alipay.buy()
    for forge in ("signature", "key", "merchant", "amount"):
        assert await alipay.pay(placed, forge=forge) == [(400, "fail")]
    assert await alipay.pay(placed, state="pending") == [SUCCESS]
    assert await alipay.status(placed) == "pending"
    assert await alipay.pay(placed, lose=True) == []
    assert await alipay.query(placed) == "paid"
    assert await alipay.status(placed) == "delivered"
    assert await alipay.pay(placed) == [SUCCESS], "late, and settled already"


async def test_an_alipay_that_breaks_leaves_the_order_open_for_another_try(alipay: Street) -> None:
    for mood in ("error", "html", "cuts"):
        alipay.vendor.mood(mood)
        placed = await alipay.buy()
        broken = await alipay.attempt(placed)
        assert (broken.kind, bool(broken.problem)) == ("", True)
        assert await alipay.query(placed) == "unknown"
        alipay.vendor.mood("answers")
        await attempts.change(alipay.shop, placed.order, gateway=ACCOUNT, method="alipay", actor=BUYER)
        assert await alipay.pay(placed) == [SUCCESS]
        assert await alipay.status(placed) == "delivered"


async def test_a_trade_is_closed_unless_it_was_paid(alipay: Street) -> None:
    gateway = await alipay.gateway()
    placed, other = await alipay.buy(), await alipay.buy()
    alipay.vendor.scan((await alipay.attempt(placed)).attempt_no)  # type: ignore[attr-defined]
    intents = [
        (await alipay.attempt(p)).intent(title="t", callback_url="", return_url="", client_ip="", locale="")
        for p in (placed, other)
    ]
    for intent in (*intents, intents[0]):
        await gateway.close(intent)  # type: ignore[attr-defined]
    assert await alipay.query(placed) == "closed"
    await alipay.pay(other)
    with pytest.raises(Exception, match=r"ACQ\.TRADE_STATUS_ERROR"):
        await gateway.close(intents[1])  # type: ignore[attr-defined]


async def test_it_refunds_in_parts_and_never_twice_by_one_number(alipay: Street) -> None:
    alipay.vendor.tells_refunds = False  # type: ignore[attr-defined]
    placed = await alipay.buy()
    await alipay.pay(placed)
    gateway = await alipay.gateway()
    ask = await alipay.refund_ask(placed, 500)
    assert await gateway.query_refund(ask) is None  # type: ignore[attr-defined]
    assert (await gateway.refund(ask)).state == "done"  # type: ignore[attr-defined]
    assert (await gateway.refund(ask)).state == "pending", "a repeat moves nothing, so it is asked for"  # type: ignore[attr-defined]
    found = await gateway.query_refund(ask)  # type: ignore[attr-defined]
    assert (found.state, found.amount_minor) == ("done", 500)
    beyond = await gateway.refund(await alipay.refund_ask(placed, 800, refund_no="R2", before=500))  # type: ignore[attr-defined]
    assert (beyond.state, "ACQ.REFUND_AMT" in beyond.problem) == ("failed", True)
    other = msgspec.structs.replace(ask, amount_minor=600)
    assert (await gateway.refund(other)).state == "failed", "the number belongs to another amount"  # type: ignore[attr-defined]
    for state in ("pending", "failed"):
        alipay.vendor.refund_state = state
        word = await gateway.refund(await alipay.refund_ask(placed, 100, refund_no=f"R{state}".upper()))  # type: ignore[attr-defined]
        assert word.state == state
    made = alipay.vendor.find((await alipay.attempt(placed)).attempt_no).refunds
    assert [(r.amount, r.state) for r in made] == [("5.00", "done"), ("1.00", "pending")]


async def test_a_refund_made_in_alipays_pages_is_heard_and_never_taken_for_a_payment(alipay: Street) -> None:
    placed = await alipay.buy()
    await alipay.pay(placed)
    payment = alipay.vendor.find((await alipay.attempt(placed)).attempt_no)
    for number, amount in (("20261101001", "5.00"), ("20261101002", "7.50")):
        payment.refunds.append(Refunded(number, "x", amount))
        told = alipay.vendor.refund_notice(payment, payment.refunds[-1])  # type: ignore[attr-defined]
        assert (b"TRADE_CLOSED" in told.body) is (number == "20261101002")
        for _again in range(2):
            heard = await asyncio.to_thread(tell, told)
            assert (heard.status, heard.body) == SUCCESS
    receipts = await alipay.shop.db.read(payments.receipts, placed.order.order_id)
    assert [r.amount_minor for r in receipts] == [1250], "paid once"
    assert await alipay.status(placed) == "refunded"
    assert await alipay.query(placed) == "refunded"


async def test_a_refund_told_before_its_payment_loses_neither(alipay: Street) -> None:
    placed = await alipay.buy()
    await alipay.pay(placed, lose=True)
    payment = alipay.vendor.find((await alipay.attempt(placed)).attempt_no)
    payment.refunds.append(Refunded("20261101001", "x", "5.00"))
    heard = await asyncio.to_thread(tell, alipay.vendor.refund_notice(payment, payment.refunds[-1]))  # type: ignore[attr-defined]
    assert (heard.status, heard.body) == SUCCESS
    assert await alipay.query(placed) == "paid"
    receipts = await alipay.shop.db.read(payments.receipts, placed.order.order_id)
    assert [r.amount_minor for r in receipts] == [1250]
    assert await alipay.status(placed) == "pending", "not all of it is there any more"


async def test_a_day_is_stated(alipay: Street) -> None:
    alipay.vendor.tells_refunds = False  # type: ignore[attr-defined]
    gateway = await alipay.gateway()
    placed = await alipay.buy()
    await alipay.pay(placed)
    ask = await alipay.refund_ask(placed, 500)
    await gateway.refund(ask)  # type: ignore[attr-defined]
    payment = alipay.vendor.find((await alipay.attempt(placed)).attempt_no)
    payment.paid_at -= 86400 * 2
    today = dt.datetime.fromtimestamp(alipay.vendor.clock(), BEIJING).date()
    day = today - dt.timedelta(days=2)
    lines = await gateway.statement(day)  # type: ignore[attr-defined]
    assert [(line.kind, line.amount_minor, line.attempt_no) for line in lines] == [
        ("payment", 1250, payment.attempt_no),
        ("refund", 500, payment.attempt_no),
    ]
    assert (lines[0].fee_minor, lines[0].gateway_txn, lines[1].refund_no) == (8, payment.txn, ask.refund_no)
    assert await gateway.statement(day - dt.timedelta(days=9)) == []  # type: ignore[attr-defined]
    assert await gateway.statement(today) is None  # type: ignore[attr-defined]
    content = alipay.vendor.packed(day.isoformat())  # type: ignore[attr-defined]
    assert list(gateway.read_statement(content)) == list(lines), "the same file by hand"  # type: ignore[attr-defined]


async def test_the_account_tests_well_and_says_what_is_wrong(alipay: Street) -> None:
    findings = await gateways.test(alipay.shop, ACCOUNT)
    assert len(findings) >= 3
    assert all(f.is_ok for f in findings), findings
    for option, value, subject, words in (
        ("app_id", "2021000000000002", "App id and private key", "does not know this app id"),
        ("private_key", testkeys.private_line("merchant"), "App id and private key", "does not accept our signature"),
        ("alipay_public_key", testkeys.public_line("platform"), "Alipay public key", "not the app's own"),
    ):
        options = {**alipay.vendor.options(), option: value}
        await gateways.configure(alipay.shop, ACCOUNT, type="alipay", options=options, actor=CLI)
        (wrong,) = [f for f in await gateways.test(alipay.shop, ACCOUNT) if not f.is_ok]
        assert wrong.subject == subject
        assert words in wrong.advice
