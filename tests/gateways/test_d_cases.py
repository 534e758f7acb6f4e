"""Abuse cases D01–D15 and C13 against a served shop, with a simulated Epay platform behind real HTTP.

D12 is about refunds and stands with them; the long storm of D01–D09 over every gateway in test_storm.py, D14 by the clock
in test_silence.py.
"""

import asyncio
from collections.abc import AsyncIterator
from hashlib import md5
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from kashop.flows import attempts, checkout, gateways
from kashop.flows.checkout import Placed
from kashop.jobs import schedule
from kashop.lib.actor import CLI, SYSTEM
from kashop.lib.errors import Invalid
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.plugins.kit.simulators.epay import EpaySimulator, content
from kashop.plugins.kit.vendorwords import Answered, Asked, How
from tests.cast import BUYER, add_product, codes_of, order
from tests.gateways.streets import ACCOUNT, Street, street

STRANGE = ["-0.01", "0", "0.00", "-12.50", "1e2", "1E2", "100.000", "１２.５０", "12,50", "NaN", "inf", "+12.50", "0x0c", ""]
REJECTED, HEARD = (400, "fail"), (200, "success")


@pytest.fixture
async def epay(data: Path) -> AsyncIterator[Street]:
    async with street(data, EpaySimulator) as opened:
        yield opened


async def told(epay: Street, placed: Placed, **how: str) -> dict[str, str]:
    """A genuine notification's fields, before it is sent."""
    payment = epay.vendor.find((await epay.attempt(placed)).attempt_no)
    payment.txn = payment.txn or epay.vendor.number("T")
    query = urlsplit(epay.vendor.notification(payment, How(**how)).url).query
    return dict(parse_qsl(query, keep_blank_values=True))


def signed(epay: Street, fields: dict[str, str], key: str = "") -> dict[str, str]:
    vendor = epay.vendor
    assert isinstance(vendor, EpaySimulator)
    return {**fields, "sign": vendor.sign(fields, key)}


async def knock(epay: Street, query: dict[str, str] | str, account: str = ACCOUNT, **more: object) -> tuple[int, str]:
    text = query if isinstance(query, str) else urlencode(query)
    async with httpx.AsyncClient() as vendor:
        answer = await vendor.get(f"{epay.shop.base_url}/pay/{account}/callback?{text}", **more)  # type: ignore[arg-type]
    return answer.status_code, answer.text


async def standing(epay: Street, placed: Placed) -> tuple[str, list[str], int]:
    """The order's status, what is on the desk, how many receipts."""
    order_id = placed.order.order_id
    kinds = [e.kind for e in await epay.shop.db.read(orders.open_exceptions, order_id)]
    return await epay.status(placed), kinds, len(await epay.shop.db.read(payments.receipts, order_id))


UNTOUCHED = ("pending", [], 0)


async def test_d01_what_is_not_signed_right_changes_nothing(epay: Street) -> None:
    placed = await epay.buy()
    good = await told(epay, placed)
    unsorted = "&".join(f"{k}={v}" for k, v in reversed(good.items()) if k not in ("sign", "sign_type"))
    key = epay.vendor.options()["key"]
    wrong = {
        "none": {k: v for k, v in good.items() if k != "sign"},
        "empty": {**good, "sign": ""},
        "another order of fields": {**good, "sign": md5((unsorted + key).encode()).hexdigest()},
        "trailing newline": {**good, "sign": good["sign"] + "\n"},
        "key in front": {**good, "sign": md5((key + content(good)).encode()).hexdigest()},
        "no key": {**good, "sign": md5(content(good).encode()).hexdigest()},
        "a field more": {**good, "extra": "1"},
        "a digit changed": {**good, "money": "1.5"},
    }
    for how, query in wrong.items():
        assert await knock(epay, query) == REJECTED, how
    assert await knock(epay, urlencode(good) + "&money=0.01") == REJECTED, "a field twice"
    assert await standing(epay, placed) == UNTOUCHED
    assert await knock(epay, good) == HEARD
    assert await standing(epay, placed) == ("delivered", [], 1)


async def test_d02_an_account_without_a_secret_cannot_be_enabled_and_proves_nothing(epay: Street) -> None:
    for blank in ("", "   "):
        options = {**epay.vendor.options(), "key": blank}
        with pytest.raises(Invalid):
            await gateways.configure(epay.shop, "blank", type="epay", options=options, actor=CLI)
    placed = await epay.buy()
    empty = epay.shop.keyring.seal_settings(b'{"key":""}', name=f"gateway/{ACCOUNT}")  # what no code of ours writes
    await epay.shop.db.write(
        lambda tx: tx.run("UPDATE gateways SET secrets = :s, version = version + 1 WHERE name = :n", s=empty, n=ACCOUNT)
    )
    fields = await told(epay, placed)
    assert await knock(epay, {**fields, "sign": md5(content(fields).encode()).hexdigest()}) == REJECTED
    assert await standing(epay, placed) == UNTOUCHED


async def test_d03_an_account_cannot_pay_anothers_order_and_staff_are_told(epay: Street) -> None:
    options = {**epay.vendor.options(), "key": "another-account-key-1"}
    await gateways.configure(epay.shop, "other", type="epay", options=options, actor=CLI)
    placed = await epay.buy()
    fields = signed(epay, await told(epay, placed), "another-account-key-1")
    assert await knock(epay, fields, "other") == REJECTED
    assert await standing(epay, placed) == ("pending", ["mismatch"], 0)
    assert await knock(epay, fields) == REJECTED
    assert await knock(epay, await told(epay, placed)) == HEARD
    assert await epay.status(placed) == "delivered"


async def test_d04_another_merchant_of_the_same_platform_is_not_us(epay: Street) -> None:
    placed = await epay.buy()
    assert await epay.pay(placed, forge="merchant") == [REJECTED]
    assert await standing(epay, placed) == UNTOUCHED


@pytest.mark.parametrize(
    "money",
    ["-0.01", "0", "0.00", "-12.50", "1e2", "1E2", "100.000", "１２.５０", "12,50", "NaN", "inf", " 12.50", "+12.50", "0x0c", ""],
)
async def test_d05_a_strange_amount_delivers_nothing(epay: Street, money: str) -> None:
    placed = await epay.buy()
    fields = signed(epay, {**await told(epay, placed), "money": money})
    status, _ = await knock(epay, fields)
    assert status in (200, 400)
    assert (await standing(epay, placed))[0] == "pending"
    assert await epay.shop.db.read(lambda db: db.value("SELECT COUNT(*) FROM codes WHERE status = 'sold'")) == 0


async def test_d06_too_much_is_delivered_once_and_noted(epay: Street) -> None:
    placed = await epay.buy()
    assert await epay.pay(placed, amount="13.00", times=3) == [HEARD] * 3
    assert await standing(epay, placed) == ("delivered", ["paid_over"], 1)
    assert len(await codes_of(epay.shop, placed)) == 1


@pytest.mark.parametrize("state", ["closed", "WAIT_BUYER_PAY", "TRADE_FINISHED", "REFUND", "trade_success"])
async def test_d07_a_signed_word_that_is_not_paid_delivers_nothing(epay: Street, state: str) -> None:
    placed = await epay.buy()
    fields = await told(epay, placed, state=state)
    assert (await knock(epay, fields))[0] in (200, 400)
    assert await standing(epay, placed) == UNTOUCHED


async def test_d08_a_hundred_at_once_are_one_delivery(epay: Street) -> None:
    placed = await epay.buy()
    assert await epay.pay(placed, times=100, parallel=True) == [HEARD] * 100
    assert await standing(epay, placed) == ("delivered", [], 1)
    assert len(await codes_of(epay.shop, placed)) == 1


async def test_d09_one_payment_pays_one_order_and_a_second_payment_is_on_the_desk(epay: Street) -> None:
    first, second = await epay.buy(), await epay.buy()
    assert await epay.pay(first, txn="TSAME") == [HEARD]
    assert await epay.pay(second, txn="TSAME") == [REJECTED]
    assert await standing(epay, second) == ("pending", ["mismatch"], 0)
    assert await epay.pay(first, txn="TOTHER") == [HEARD]
    assert await standing(epay, first) == ("delivered", ["paid_twice"], 2)
    assert len(await codes_of(epay.shop, first)) == 1


class Eager(EpaySimulator):
    """Calls back before it answers what it was asked."""

    def create(self, asked: Asked) -> Answered:
        answered = super().create(asked)
        self.early = self.pay(asked.form["out_trade_no"])
        return answered


async def test_d10_a_payment_before_our_request_is_answered_is_not_lost(data: Path) -> None:
    async with street(data, Eager) as epay:
        placed = await epay.buy()
        assert isinstance(epay.vendor, Eager)
        assert [(h.status, h.body) for h in epay.vendor.early] == [HEARD]
        assert await standing(epay, placed) == ("delivered", [], 1)


async def test_d11_paid_too_late_with_nothing_left_is_kept_told_and_on_the_desk(epay: Street) -> None:
    await add_product(epay.shop, "rare", codes=1)
    placed = await order(epay.shop, "rare", gateway=ACCOUNT, method="alipay")
    await epay.shop.db.write(lambda tx: tx.run("UPDATE orders SET expires_at = 1 WHERE order_id = :o", o=placed.order.order_id))
    await checkout.expire(epay.shop, placed.order.order_id, SYSTEM)
    other = await order(epay.shop, "rare", gateway=ACCOUNT, method="alipay")
    assert await epay.pay(other) == [HEARD]
    assert await epay.pay(placed) == [HEARD], "so that the vendor is content"
    assert await standing(epay, placed) == ("expired", ["paid_late"], 1)
    async with httpx.AsyncClient(headers={"accept-language": "en"}) as buyer:
        page = await buyer.get(f"{epay.shop.base_url}/o/{placed.order.order_no}", params={"k": placed.token})
    assert "Your payment arrived after the deadline." in page.text


async def test_d13_probes_among_good_ones_are_refused_and_the_good_ones_are_fine(epay: Street) -> None:
    placed = [await epay.buy() for _ in range(4)]
    said = []
    for each in placed:
        for forge in ("signature", "", "key", ""):
            said += await epay.pay(each, forge=forge)
    assert said == [REJECTED, HEARD, REJECTED, HEARD] * 4
    assert [await standing(epay, each) for each in placed] == [("delivered", [], 1)] * 4


async def test_d14_a_silent_gateway_is_asked(epay: Street) -> None:
    """In the time of a clock that is set: test_silence.py."""
    placed = await epay.buy()
    assert await epay.pay(placed, lose=True) == []
    await epay.shop.db.write(lambda tx: tx.run("UPDATE attempts SET next_query_at = 1"))
    assert await schedule.query_attempts(epay.shop) == 1
    assert await standing(epay, placed) == ("delivered", [], 1)


async def _pour(epay: Street, head: str, *, most: int, is_chunked: bool) -> tuple[int, int]:
    """Send a body without end; the status that cut it off, and how many bytes went."""
    address = urlsplit(epay.shop.base_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(f"POST /pay/{ACCOUNT}/callback HTTP/1.1\r\nhost: {address.netloc}\r\n{head}\r\n\r\n".encode())
    sent, piece = 0, b"x" * 4096
    answered = asyncio.create_task(reader.readline())
    while sent < most and not answered.done():
        try:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
            await writer.drain()
        except ConnectionError:
            break
        sent += len(piece)
        await asyncio.sleep(0)
    line = await asyncio.wait_for(answered, 60)
    writer.close()
    return int(line.split()[1]), sent


async def test_d15_a_body_without_end_is_cut_before_it_is_stored(epay: Street) -> None:
    for head, is_chunked in (("content-length: 104857600", False), ("transfer-encoding: chunked", True)):
        status, sent = await _pour(epay, head, most=4 * 1024 * 1024, is_chunked=is_chunked)
        assert status == 413, head
        assert sent < 2 * 1024 * 1024, head
    assert await epay.shop.db.read(payments.callbacks, 2**62) == []


@pytest.mark.parametrize(
    "body",
    [
        b'<?xml version="1.0"?><!DOCTYPE z [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><xml>&b;</xml>',
        b"\xff\xfe\x00money=12.50",
        b"money=" + b"9" * 60_000,
        b"{" * 5000,
        b"",
    ],
)
async def test_d15_what_no_gateway_sends_is_stored_as_it_came_and_refused(epay: Street, body: bytes) -> None:
    placed = await epay.buy()
    async with httpx.AsyncClient() as stranger:
        answer = await stranger.post(f"{epay.shop.base_url}/pay/{ACCOUNT}/callback", content=body)
    assert (answer.status_code, answer.text) == REJECTED
    assert await standing(epay, placed) == UNTOUCHED
    [kept] = await epay.shop.db.read(payments.callbacks, 2**62)
    assert (kept.body, kept.verdict) == (body, "rejected")


async def test_d15_one_byte_more_than_is_kept_is_refused_whole(epay: Street) -> None:
    async with httpx.AsyncClient() as vendor:
        url = f"{epay.shop.base_url}/pay/{ACCOUNT}/callback"
        over = await vendor.post(url, content=b"x" * (64 * 1024 + 1))
        just = await vendor.post(url, content=b"x" * (64 * 1024))
    assert (over.status_code, just.status_code) == (413, 400)
    assert [len(c.body) for c in await epay.shop.db.read(payments.callbacks, 2**62)] == [64 * 1024]


@pytest.mark.parametrize("mood", ["error", "cuts", "html"])
async def test_c13_a_gateway_that_does_not_answer_leaves_an_order_that_goes_on(epay: Street, mood: str) -> None:
    epay.vendor.mood(mood, "/mapi.php")
    placed = await order(epay.shop, "steam", gateway=ACCOUNT, method="alipay", key="the-same-click")
    assert await epay.status(placed) == "pending"
    epay.vendor.mood("answers", "/mapi.php")
    again = await order(epay.shop, "steam", gateway=ACCOUNT, method="alipay", key="the-same-click")
    assert again.order.order_no == placed.order.order_no
    async with httpx.AsyncClient() as buyer:
        page = await buyer.get(f"{epay.shop.base_url}/o/{placed.order.order_no}", params={"k": placed.token})
    assert page.status_code == 200
    await attempts.change(epay.shop, placed.order, gateway=ACCOUNT, method="alipay", actor=BUYER)
    assert await epay.pay(placed) == [HEARD]
    assert await standing(epay, placed) == ("delivered", [], 1)
    assert sum(p.state == "paid" for p in epay.vendor.payments.values()) == 1


async def test_c13_a_buyer_who_went_away_gives_everything_back(epay: Street) -> None:
    placed = await epay.buy()
    held = "SELECT COUNT(*) FROM codes WHERE status = 'held'"
    assert await epay.shop.db.read(lambda db: db.value(held)) == 1
    await epay.shop.db.write(lambda tx: tx.run("UPDATE orders SET expires_at = 1 WHERE order_id = :o", o=placed.order.order_id))
    assert await schedule.expire_orders(epay.shop) == 1
    assert await standing(epay, placed) == ("expired", [], 0)
    assert await epay.shop.db.read(lambda db: db.value(held)) == 0
