"""Which ways to pay are offered for what, what they cost, and who stands behind them when one cannot begin."""

import asyncio

import httpx
import msgspec
import pytest

from kashop.app import make_app
from kashop.catalog import reads as catalog
from kashop.catalog import writes as catalog_writes
from kashop.flows import attempts, gateways, offers
from kashop.flows.offers import Visitor
from kashop.lib.actor import CLI
from kashop.lib.errors import Invalid
from kashop.payments import reads as payments
from kashop.payments.rules import AccountRules
from kashop.payments.types import Begun
from kashop.shop import Shop
from kashop.web.storefront.visitor import device_of
from tests.admin.desk import Desk
from tests.cast import BUYER, TestClock, add_product, let_a_crowd_in, order
from tests.gateways.counter import BEHAVIOURS, COUNTER, add_counter

STAFF = Visitor(is_staff=True)


async def offered(shop: Shop, total: int, slug: str = "steam", visitor: Visitor = offers.NOBODY) -> list[tuple[str, ...]]:
    """Each way on offer: its method and the accounts behind it, the first to be asked at the front."""

    def look(db: object) -> list[offers.Choice]:
        wanted = offers.basket([catalog.find_product(db, slug)], catalog.categories(db), total)  # type: ignore[arg-type, list-item]
        return offers.on_offer(shop, payments.gateways(db), wanted, visitor)  # type: ignore[arg-type]

    return [(c.method, c.gateway, *c.others) for c in await shop.db.read(look)]


async def test_only_what_fits_is_offered(shop: Shop) -> None:
    games = await shop.db.write(catalog_writes.add_category, slug="games", name="Games", parent_id=None, actor=CLI)
    keys = await shop.db.write(catalog_writes.add_category, slug="keys", name="Keys", parent_id=games, actor=CLI)
    await add_product(shop, "steam", codes=3, category_id=keys)
    await add_product(shop, "mail", codes=3)
    await add_counter(shop, "small", AccountRules(most_minor=1000), methods="alipay")
    await add_counter(shop, "large", AccountRules(least_minor=1001, fee="added", fee_bp=10), methods="alipay")
    await add_counter(shop, "shelf", AccountRules(categories=("games",)), methods="wxpay")
    await add_counter(shop, "named", AccountRules(products=("mail",)), methods="transfer")
    await add_counter(shop, "ours", AccountRules(audience="staff", fee="added", fee_bp=1), methods="wxpay")
    assert await offered(shop, 1000) == [("alipay", "small"), ("wxpay", "shelf")]
    assert await offered(shop, 1001) == [("alipay", "large"), ("wxpay", "shelf")]
    assert await offered(shop, 1001, "mail") == [("alipay", "large"), ("transfer", "named")]
    assert ("wxpay", "ours") in await offered(shop, 1001, "mail", STAFF)


async def test_an_account_is_offered_in_its_own_currency(shop: Shop) -> None:
    await add_product(shop, "steam", codes=3)
    await add_counter(shop, "abroad")
    shop.plugins._gateways["counter"] = ("counter", msgspec.structs.replace(COUNTER, currencies=("USD",)))
    assert await offered(shop, 1250) == [], "the type takes USD alone"
    rules = AccountRules(currency="USD", rate="0.1401")
    await gateways.configure(shop, "abroad", type="counter", options={}, actor=CLI, rules=rules)
    assert await offered(shop, 1250) == [("alipay", "abroad")]


async def test_what_does_not_fit_is_refused_on_the_server(shop: Shop) -> None:
    await add_product(shop, "steam", codes=3)
    await add_counter(shop, "small", AccountRules(most_minor=1000))
    await add_counter(shop, "ours", AccountRules(audience="staff"), methods="wxpay")
    await add_counter(shop, "open", methods="transfer")
    for gateway, method, field in (
        ("small", "alipay", "gateway"),
        ("ours", "wxpay", "gateway"),
        ("nobody", "alipay", "gateway"),
        ("open", "alipay", "method"),
    ):
        with pytest.raises(Invalid) as refused:
            await order(shop, "steam", gateway=gateway, method=method)
        assert [e.field for e in refused.value.fields] == [field], gateway
    placed = await order(shop, "steam", gateway="open", method="transfer")
    with pytest.raises(Invalid):
        await attempts.change(shop, placed.order, gateway="small", method="alipay", actor=BUYER)
    with pytest.raises(Invalid):
        await attempts.change(shop, placed.order, gateway="ours", method="wxpay", actor=BUYER)
    changed = await attempts.change(shop, placed.order, gateway="ours", method="wxpay", actor=BUYER, visitor=STAFF)
    assert changed.kind == "redirect"


async def test_a_method_stands_once_for_accounts_that_cost_the_same(shop: Shop) -> None:
    await add_product(shop, "steam", codes=3)
    await add_counter(shop, "one", AccountRules(most_minor=2000), methods="alipay,wxpay")
    await add_counter(shop, "two", AccountRules(fee_bp=60), methods="alipay")
    await add_counter(shop, "dear", AccountRules(fee="added", fee_bp=60), methods="alipay")
    assert await offered(shop, 1250) == [("alipay", "one", "two"), ("wxpay", "one"), ("alipay", "dear")]
    assert await offered(shop, 2001) == [("alipay", "two"), ("alipay", "dear")]


async def test_a_transfer_that_staff_confirm_stands_for_no_gateway(shop: Shop) -> None:
    await add_product(shop, "steam", codes=3)
    await add_counter(shop, "down", mood="refuses")
    payee = {"payee": "Zhang San", "account": "zhang@example.com", "methods": "alipay"}
    rules = AccountRules(spread_minor=99)
    await gateways.configure(shop, "by-hand", type="transfer", options=payee, actor=CLI, rules=rules)
    assert await offered(shop, 1250) == [("alipay", "down"), ("alipay", "by-hand")]
    placed = await order(shop, "steam", gateway="down", method="alipay")
    assert len(await shop.db.read(payments.attempts, placed.order.order_id)) == 1
    changed = await attempts.change(shop, placed.order, gateway="by-hand", method="alipay", actor=BUYER)
    assert (changed.kind, 1250 < changed.amount_minor <= 1349) == ("transfer", True)
    async with browser(shop) as site:
        page = (await site.get(f"/o/{placed.order.order_no}?k={placed.token}")).text
    assert f"<code>{payee['account']}</code>" in page
    assert f'data-copy="{payee["payee"]}"' in page
    assert "Pay exactly this amount, to the last digit" in page
    assert f'class="price">CN¥{changed.amount_minor / 100:.2f}<' in page


async def test_the_next_account_takes_what_the_first_cannot_begin(shop: Shop) -> None:
    await add_product(shop, "steam", codes=3)
    down = await add_counter(shop, "down", mood="refuses")
    vague = await add_counter(shop, "vague", mood="unclear")
    await add_counter(shop, "works")
    placed = await order(shop, "steam", gateway="down", method="alipay")
    assert placed.attempt is not None
    tried = await shop.db.read(payments.attempts, placed.order.order_id)
    names = {a.gateway_id: a.name for a in await shop.db.read(payments.gateways)}
    assert [(names[a.gateway_id], a.status, a.kind) for a in tried] == [
        ("down", "failed", ""), ("vague", "closed", ""), ("works", "open", "redirect"),
    ]  # fmt: skip
    assert placed.attempt.kind == "redirect"
    assert {len(b.intents) for b in (down, vague, BEHAVIOURS["works"])} == {1}


async def test_two_more_are_tried_and_no_third(shop: Shop) -> None:
    await add_product(shop, "steam", codes=3)
    for name in ("a", "b", "c", "d"):
        await add_counter(shop, name, mood="refuses")
    placed = await order(shop, "steam", gateway="a", method="alipay")
    assert placed.order.status == "pending"
    assert placed.attempt is not None
    assert (placed.attempt.status, placed.attempt.kind) == ("failed", "")
    assert [len(BEHAVIOURS[name].intents) for name in ("a", "b", "c", "d")] == [1, 1, 1, 0]


async def test_a_gateway_that_hangs_is_not_waited_for(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "TRY_SECONDS", 0.5)
    await add_product(shop, "steam", codes=3)
    await add_counter(shop, "hangs", mood="hangs")
    await add_counter(shop, "works")
    placed = await asyncio.wait_for(order(shop, "steam", gateway="hangs", method="alipay"), 30)
    assert placed.attempt is not None
    assert placed.attempt.kind == "redirect"


async def test_an_account_that_fails_again_and_again_stands_behind_for_a_while(shop: Shop, clock: TestClock) -> None:
    await let_a_crowd_in(shop)
    await add_product(shop, "steam", codes=9)
    down = await add_counter(shop, "down", mood="refuses")
    await add_counter(shop, "works")
    for _ in range(3):
        await order(shop, "steam", gateway="down", method="alipay")
    assert await offered(shop, 1250) == [("alipay", "works", "down")]
    await order(shop, "steam", gateway="down", method="alipay")
    assert len(down.intents) == 3, "the one that works is asked first, whichever the page named"
    BEHAVIOURS["works"].mood, down.mood = "refuses", "begins"
    placed = await order(shop, "steam", gateway="works", method="alipay")
    assert placed.attempt is not None
    assert placed.attempt.kind == "redirect", "behind the others, and still there"
    assert await offered(shop, 1250) == [("alipay", "down", "works")], "it works again"
    down.mood = "refuses"
    for _ in range(3):
        await order(shop, "steam", gateway="down", method="alipay")
    clock.pass_time(minutes=6)
    assert await offered(shop, 1250) == [("alipay", "down", "works")], "it has rested"


def browser(shop: Shop, **headers: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=make_app(shop, is_strict=True), client=("203.0.113.7", 50000))
    return httpx.AsyncClient(transport=transport, base_url="http://shop.example", headers={"accept-language": "en", **headers})


async def test_the_fee_is_shown_before_it_is_paid(shop: Shop) -> None:
    await add_product(shop, "steam", codes=9)
    await add_counter(shop, "free", methods="wxpay")
    await add_counter(shop, "dear", AccountRules(fee="added", fee_bp=200, fee_fixed_minor=10, least_minor=1000), methods="alipay")
    async with browser(shop) as site:
        page = (await site.get("/p/steam")).text
        assert "fee 2% + CN¥0.10 · from CN¥10.00 on" in page
        answer = await site.get("/p/steam", headers={"accept-language": "zh-CN"})
        assert "手续费 2% + ¥0.10 · 满 ¥10.00 可用" in answer.text
        told = {p["gateway"]: p for p in (await site.get("/api/v1/products/steam")).json()["payments"]}
        assert told["dear"]["fee_percent"] == "2"
        assert told["dear"]["fee_fixed"] == {"amount": "0.10", "currency": "CNY"}
        assert (told["dear"]["least"], told["dear"]["most"]) == ({"amount": "10.00", "currency": "CNY"}, None)
        placed = await order(shop, "steam", gateway="free", method="wxpay")
        cashier = (await site.get(f"/o/{placed.order.order_no}?k={placed.token}")).text
        assert "fee CN¥0.35" in cashier, "of the choice that is not taken yet"
        await attempts.change(shop, placed.order, gateway="dear", method="alipay", actor=BUYER)
        cashier = (await site.get(f"/o/{placed.order.order_no}?k={placed.token}")).text
        assert '<span class="price">CN¥12.85</span>' in cashier
        assert "Payment fee</dt><dd>CN¥0.35" in cashier
        secret = {"authorization": f"Bearer {placed.token}"}
        payment = (await site.get(f"/api/v1/orders/{placed.order.order_no}", headers=secret)).json()["payment"]
        assert (payment["amount"], payment["fee"]) == (
            {"amount": "12.85", "currency": "CNY"}, {"amount": "0.35", "currency": "CNY"},
        )  # fmt: skip


async def test_staff_try_an_account_that_nobody_else_sees(shop: Shop) -> None:
    await add_product(shop, "steam", codes=9)
    await add_counter(shop, "open", methods="wxpay")
    await add_counter(shop, "ours", AccountRules(audience="staff"), methods="alipay")
    desk = Desk(make_app(shop, is_strict=True))
    assert "ours:alipay" not in (await desk.get("/p/steam")).text
    assert (await desk.log_in()).status_code == 303
    page = await desk.get("/p/steam")
    assert "ours:alipay" in page.text
    mark = desk.http.cookies["kashop_here"]
    async with browser(shop, cookie=f"kashop_here={mark[:-1]}{'A' if mark[-1] != 'A' else 'B'}") as forger:
        assert "ours:alipay" not in (await forger.get("/p/steam")).text
    assert (await desk.post("/admin/logout")).status_code == 303
    async with browser(shop, cookie=f"kashop_here={mark}") as former:
        assert "ours:alipay" not in (await former.get("/p/steam")).text, "it holds as long as the session"


ANDROID = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126 Mobile Safari/537.36"


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/130.0 Safari/537.36", "desktop"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1", "phone"),
        (f"{ANDROID} MicroMessenger/8.0.49(0x2800315A)", "wechat"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0) AppleWebKit/605 Mobile/15E148 AlipayClient/10.6.0", "alipay"),
        (f"{ANDROID} MQQBrowser/6.2 TBS/046 V1_AND_SQ_9.0.0 QQ/9.0.0.1", "qq"),
        (f"{ANDROID} MQQBrowser/15.2", "phone"),
        ("", "desktop"),
    ],
)
def test_where_a_browser_runs(agent: str, device: str) -> None:
    assert device_of(agent) == device


async def test_the_device_reaches_the_gateway(shop: Shop) -> None:
    await add_product(shop, "steam", codes=9)
    does = await add_counter(shop, "open", methods="alipay,wxpay", begun=Begun(kind="qr", qr="weixin://x", url="weixin://x"))
    async with browser(shop, **{"user-agent": "Mozilla/5.0 (Linux; Android 14) MicroMessenger/8.0"}) as site:
        page = (await site.get("/p/steam")).text
        assert page.index("open:wxpay") < page.index("open:alipay"), "what WeChat does not open stands last"
        body = msgspec.json.encode(
            {"lines": [{"sku": "steam", "quantity": 1}], "contact": {"type": "email", "value": "a@example.com"},
             "gateway": "open", "method": "alipay", "device": "phone"}
        )  # fmt: skip
        headers = {"idempotency-key": "k" * 30, "content-type": "application/json"}
        placed = (await site.post("/api/v1/orders", content=body, headers=headers)).json()
        assert does.intents[-1].device == "phone"
        cashier = (await site.get(placed["links"]["page"])).text
        assert "This cannot be paid inside WeChat." in cashier
        form = {"k": placed["token"], "payment": "open:wxpay"}
        await site.post(f"/o/{placed['order_no']}/attempts", data=form)
        assert does.intents[-1].device == "wechat"
        assert "This cannot be paid inside WeChat." not in (await site.get(placed["links"]["page"])).text


async def test_a_code_that_the_vendor_lets_lapse_is_begun_again(shop: Shop, clock: TestClock) -> None:
    await add_product(shop, "steam", codes=9)
    begun = Begun(kind="qr", qr="weixin://x", expires_at=clock.now() + 120_000)
    does = await add_counter(shop, "open", methods="wxpay", begun=begun)
    placed = await order(shop, "steam", gateway="open", method="wxpay")
    place = f"/o/{placed.order.order_no}?k={placed.token}"
    async with browser(shop) as site:
        assert 'data-countdown="120"' in (await site.get(place)).text, "the vendor's deadline is the nearer one"
        clock.pass_time(minutes=3)
        lapsed = (await site.get(place)).text
        assert "weixin://x" not in lapsed
        assert 'class="qr"' not in lapsed
        assert 'name="payment" value="open:wxpay"' in lapsed
        does.begun = Begun(kind="qr", qr="weixin://y")
        await site.post(f"/o/{placed.order.order_no}/attempts", data={"k": placed.token, "payment": "open:wxpay"})
        assert 'data-countdown="720"' in (await site.get(place)).text
