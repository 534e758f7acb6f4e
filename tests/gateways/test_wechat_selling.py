"""A shop sells through a simulated WeChat Pay in both key modes, on every device, survives its moods, and refunds."""

import asyncio
import datetime as dt
import html
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest

from kashop.flows import attempts, gateways
from kashop.lib.actor import CLI
from kashop.payments import reads as payments
from kashop.payments.refunding import reads as refunding
from kashop.payments.types import GatewayFailed, Intent
from kashop.plugins.kit.simulator import Simulator, tell
from kashop.plugins.kit.simulators.wechat import WechatCertificateSimulator, WechatSimulator
from kashop.plugins.kit.vendorwords import Refunded
from tests.cast import BUYER, codes_of
from tests.gateways import testkeys
from tests.gateways.streets import ACCOUNT, Street, street

HEARD, REFUSED = (200, ""), (400, '{"code":"FAIL","message":"refused"}')
BEIJING = dt.timezone(dt.timedelta(hours=8))


@pytest.fixture(params=[WechatSimulator, WechatCertificateSimulator], ids=["public-key", "certificates"])
async def wechat(request: pytest.FixtureRequest, data: Path) -> AsyncIterator[Street]:
    kind: type[Simulator] = request.param
    async with street(data, kind) as opened:
        yield opened


async def intent_of(wechat: Street, device: str) -> tuple[Intent, object]:
    placed = await wechat.buy()
    attempt = await wechat.attempt(placed)
    base = wechat.shop.base_url
    intent = attempt.intent(
        title="测试 <VIP>",
        callback_url=f"{base}/pay/{ACCOUNT}/callback",
        return_url=f"{base}/pay/{ACCOUNT}/return?a=1",
        client_ip="203.0.113.7",
        locale="zh_Hans",
    )
    number = f"A{device.upper()}000001"
    return msgspec.structs.replace(intent, attempt_no=number, device=device), placed


async def test_it_sells_by_qr_code(wechat: Street) -> None:
    placed = await wechat.buy()
    attempt = await wechat.attempt(placed)
    assert (attempt.kind, attempt.qr[:9]) == ("qr", "weixin://")
    assert await wechat.query(placed) == "pending"
    assert await wechat.pay(placed, times=3, parallel=True) == [HEARD] * 3
    assert await wechat.status(placed) == "delivered"
    assert len(await codes_of(wechat.shop, placed)) == 1


async def test_inside_wechat_the_buyer_is_known_before_the_payment_begins(wechat: Street) -> None:
    intent, _placed = await intent_of(wechat, "wechat")
    gateway = await wechat.gateway()
    begun = await gateway.begin(intent)
    assert begun.kind == "redirect"
    assert (await gateway.begin(intent)) == begun
    async with httpx.AsyncClient(headers={"accept-language": "zh-CN"}) as browser:
        first = await browser.get(begun.url)
        assert first.status_code == 303
        consent = await browser.get(first.headers["location"].partition("#")[0])
        page = await browser.get(consent.headers["location"])
        told = {k: html.unescape(v) for k, v in re.findall(r'data-(\w+)="([^"]*)"', page.text)}
        assert page.status_code == 200
        assert "12.50 CNY" in page.text
        assert "测试 &lt;VIP&gt;" in page.text
        assert told["package"] == f"prepay_id=wx{wechat.vendor.find(intent.attempt_no).ref}"
        assert told["back"] == intent.return_url
        assert (await browser.get(consent.headers["location"])).status_code == 502, "WeChat's code is good once"
        forged = begun.url.replace("&s=", "&s=0")
        assert (await browser.get(forged)).status_code == 404
        assert (await browser.get(begun.url.replace("/pay?d=W", "/pay?d=X"))).status_code == 404
        script = await browser.get(f"{wechat.shop.base_url}/x/pay_wechat/wechat.js")
    assert script.headers["content-type"].startswith("text/javascript")
    secrets = [wechat.vendor.options()[name] for name in ("api_v3_key", "app_secret")]
    assert not [s for s in secrets if s in page.text + begun.url + first.headers["location"]]


async def test_on_a_phone_wechats_page_learns_where_the_buyer_comes_from(wechat: Street) -> None:
    intent, _placed = await intent_of(wechat, "phone")
    begun = await (await wechat.gateway()).begin(intent)
    assert begun.kind == "redirect"
    assert 0 < begun.expires_at - wechat.shop.clock.now() <= 300_000
    async with httpx.AsyncClient() as browser:
        page = await browser.get(begun.url)
        assert page.headers["referrer-policy"] == "origin"
        (away,) = re.findall(r'id="away" class="main" href="([^"]+)"', page.text)
        answer = await browser.get(html.unescape(away), headers={"referer": wechat.shop.base_url + "/"})
        assert (await browser.get(html.unescape(away))).status_code == 403
        evil = begun.url.replace("h5pay", "evil")
        assert (await browser.get(evil)).status_code == 404, "no open door to any other site"
    assert answer.status_code == 303
    assert wechat.vendor.find(intent.attempt_no).return_url == intent.return_url


async def test_with_jsapi_alone_other_devices_scan_the_page(data: Path) -> None:
    async with street(data, WechatSimulator, contracts="jsapi") as wechat:
        placed = await wechat.buy()
        attempt = await wechat.attempt(placed)
        assert attempt.kind == "qr"
        assert attempt.qr.startswith(f"{wechat.shop.base_url}/x/pay_wechat/pay?")


async def test_what_is_forged_or_a_probe_changes_nothing_and_what_was_lost_is_found(wechat: Street) -> None:
    placed = await wechat.buy()
    for forge in ("signature", "key", "merchant", "amount"):
        assert await wechat.pay(placed, forge=forge) == [REFUSED]
    payment = wechat.vendor.find((await wechat.attempt(placed)).attempt_no)
    probe = await asyncio.to_thread(tell, wechat.vendor.probe(payment))  # type: ignore[attr-defined]
    assert (probe.status, probe.body) == REFUSED
    assert await wechat.status(placed) == "pending"
    assert await wechat.pay(placed, lose=True) == []
    assert await wechat.query(placed) == "paid"
    assert await wechat.status(placed) == "delivered"
    assert await wechat.pay(placed) == [HEARD], "late, and settled already"


async def test_a_notice_of_another_hour_is_refused(wechat: Street) -> None:
    placed = await wechat.buy()
    wechat.vendor.clock = lambda: wechat.shop.clock.now() / 1000 - 301
    assert await wechat.pay(placed) == [REFUSED]
    assert await wechat.status(placed) == "pending"


async def test_a_wechat_that_breaks_leaves_the_order_open_for_another_try(wechat: Street) -> None:
    for mood in ("error", "html", "cuts"):
        wechat.vendor.mood(mood)
        placed = await wechat.buy()
        broken = await wechat.attempt(placed)
        assert (broken.kind, bool(broken.problem)) == ("", True)
        assert await wechat.query(placed) == "unknown"
        wechat.vendor.mood("answers")
        await attempts.change(wechat.shop, placed.order, gateway=ACCOUNT, method="wxpay", actor=BUYER)
        assert await wechat.pay(placed) == [HEARD]
        assert await wechat.status(placed) == "delivered"


async def test_after_a_restart_the_first_notice_is_refused_and_the_next_is_believed(data: Path) -> None:
    async with street(data, WechatCertificateSimulator) as wechat:
        placed = await wechat.buy()
        wechat.shop.gateways.clear()  # what a restart forgets
        assert await wechat.pay(placed) == [REFUSED], "its certificate is not known yet"
        async with asyncio.timeout(60):
            while await wechat.pay(placed) != [HEARD]:  # noqa: ASYNC110  # as the vendor repeats it
                await asyncio.sleep(0.02)
        assert await wechat.status(placed) == "delivered"


async def test_an_order_is_closed_unless_it_was_paid(wechat: Street) -> None:
    gateway = await wechat.gateway()
    placed, other = await wechat.buy(), await wechat.buy()
    told = {"title": "t", "callback_url": "", "return_url": "", "client_ip": "", "locale": ""}
    intents = [(await wechat.attempt(p)).intent(**told) for p in (placed, other)]
    for _again in range(2):
        await gateway.close(intents[0])  # type: ignore[attr-defined]
    assert await wechat.query(placed) == "closed"
    await wechat.pay(other)
    with pytest.raises(GatewayFailed, match="ORDERPAID"):
        await gateway.close(intents[1])  # type: ignore[attr-defined]


async def test_it_refunds_in_parts_and_never_twice_by_one_number(wechat: Street) -> None:
    placed = await wechat.buy()
    await wechat.pay(placed)
    gateway = await wechat.gateway()
    ask = await wechat.refund_ask(placed, 500)
    assert await gateway.query_refund(ask) is None  # type: ignore[attr-defined]
    for _again in range(2):
        word = await gateway.refund(ask)  # type: ignore[attr-defined]
        assert (word.state, word.amount_minor) == ("done", 500)
    beyond = await gateway.refund(await wechat.refund_ask(placed, 800, refund_no="R2", before=500))  # type: ignore[attr-defined]
    assert (beyond.state, "INVALID_REQUEST" in beyond.problem) == ("failed", True)
    other = msgspec.structs.replace(ask, amount_minor=600)
    assert (await gateway.refund(other)).state == "failed", "the number belongs to another amount"  # type: ignore[attr-defined]
    for state in ("pending", "failed"):
        wechat.vendor.refund_state = state
        word = await gateway.refund(await wechat.refund_ask(placed, 100, refund_no=f"R{state}".upper()))  # type: ignore[attr-defined]
        assert word.state == state
    made = wechat.vendor.find((await wechat.attempt(placed)).attempt_no).refunds
    assert [(r.amount, r.state) for r in made] == [("500", "done"), ("100", "pending")]


async def test_a_refund_made_in_the_merchant_platform_is_heard(wechat: Street) -> None:
    placed = await wechat.buy()
    await wechat.pay(placed)
    payment = wechat.vendor.find((await wechat.attempt(placed)).attempt_no)
    for number, amount in (("20261101001", "500"), ("20261101002", "750")):
        payment.refunds.append(Refunded(number, f"5{number}", amount))
        for _again in range(2):
            notice = wechat.vendor.refund_notice(payment, payment.refunds[-1])  # type: ignore[attr-defined]
            heard = await asyncio.to_thread(tell, notice)
            assert (heard.status, heard.body) == HEARD
    receipts = await wechat.shop.db.read(payments.receipts, placed.order.order_id)
    assert [r.amount_minor for r in receipts] == [1250], "paid once"
    assert await wechat.status(placed) == "refunded"
    assert await wechat.query(placed) == "refunded"


async def test_a_query_that_says_refunded_takes_a_known_refund_for_no_other(wechat: Street) -> None:
    placed = await wechat.buy()
    await wechat.pay(placed)
    payment = wechat.vendor.find((await wechat.attempt(placed)).attempt_no)
    payment.refunds.append(Refunded("20261101001", "520261101001", "500"))
    await asyncio.to_thread(tell, wechat.vendor.refund_notice(payment, payment.refunds[-1]))  # type: ignore[attr-defined]
    assert await wechat.query(placed) == "refunded"
    (receipt,) = await wechat.shop.db.read(payments.receipts, placed.order.order_id)
    refunds = await wechat.shop.db.read(refunding.of_receipt, receipt.receipt_id)
    assert [r.amount_minor for r in refunds] == [500], "5.00 of 12.50 went back, not all"


async def test_a_day_is_stated(wechat: Street) -> None:
    gateway = await wechat.gateway()
    placed = await wechat.buy()
    await wechat.pay(placed)
    ask = await wechat.refund_ask(placed, 500)
    await gateway.refund(ask)  # type: ignore[attr-defined]
    payment = wechat.vendor.find((await wechat.attempt(placed)).attempt_no)
    payment.paid_at -= 86400 * 2
    today = dt.datetime.fromtimestamp(wechat.vendor.clock(), BEIJING).date()
    day = today - dt.timedelta(days=2)
    lines = await gateway.statement(day)  # type: ignore[attr-defined]
    assert [(line.kind, line.amount_minor, line.attempt_no) for line in lines] == [
        ("payment", 1250, payment.attempt_no),
        ("refund", 500, payment.attempt_no),
    ]
    assert (lines[0].fee_minor, lines[0].gateway_txn, lines[1].refund_no) == (8, payment.txn, ask.refund_no)
    assert await gateway.statement(day - dt.timedelta(days=9)) == []  # type: ignore[attr-defined]
    assert await gateway.statement(today) is None  # type: ignore[attr-defined]
    content = wechat.vendor.stated(day.isoformat())  # type: ignore[attr-defined]
    assert list(gateway.read_statement(content)) == list(lines), "the same file by hand"  # type: ignore[attr-defined]


async def test_the_account_tests_well_and_says_what_is_wrong(wechat: Street) -> None:
    findings = await gateways.test(wechat.shop, ACCOUNT)
    assert len(findings) >= 3
    assert all(f.is_ok for f in findings), findings
    by_mode = ("public_key", testkeys.public_pem("platform"), "not signed")
    if isinstance(wechat.vendor, WechatCertificateSimulator):
        by_mode = ("api_v3_key", "x" * 32, "APIv3")
    for option, value, words in (
        ("serial_no", "00112233", "does not accept our signature"),
        ("private_key", testkeys.private_line("merchant"), "does not accept our signature"),
        by_mode,
    ):
        options = {**wechat.vendor.options(), option: value}
        await gateways.configure(wechat.shop, ACCOUNT, type="wechat", options=options, actor=CLI)
        wrong = [f for f in await gateways.test(wechat.shop, ACCOUNT) if not f.is_ok]
        assert len(wrong) == 1
        assert words in wrong[0].advice
