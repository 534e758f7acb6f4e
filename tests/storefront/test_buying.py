"""Buying by plain forms: what a browser without JavaScript can do, and what it is told when something is wrong."""

import io
import re
from html import unescape

import httpx
import pytest

from kashop.catalog import reads as catalog
from kashop.catalog import writes
from kashop.catalog.types import BuyerField, SkuDraft
from kashop.flows import restock
from kashop.flows.checkout import placed as placed_order
from kashop.lib.actor import CLI
from kashop.orders import writes as orders
from kashop.payments import writes as payments
from kashop.payments.types import Begun
from kashop.shop import Shop
from tests.cast import TestClock, add_epay, add_product, call_back, epay_notice
from tests.storefront.asking import shows

HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')


def hidden(page: str) -> dict[str, str]:
    return {name: unescape(value) for name, value in HIDDEN.findall(page)}


async def filled(site: httpx.AsyncClient, slug: str, **typed: str) -> dict[str, str]:
    """The form of a product's page with a buyer's words in it."""
    page = await site.get(f"/p/{slug}")
    assert page.status_code == 200, page.text
    form = page.text[page.text.index("<form") :]
    return {
        **hidden(form),
        "quantity": "1",
        "contact": "buyer@example.com",
        "payment": "epay-main:alipay",
        **typed,
    }


async def ordered(site: httpx.AsyncClient, slug: str, **typed: str) -> str:
    """The path and query of a new order's page."""
    answer = await site.post("/checkout", data=await filled(site, slug, **typed))
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


async def pay(shop: Shop, place: str, money: str) -> None:
    order_no, _ = parts(place)
    order_id = await shop.db.read(lambda db: db.value("SELECT order_id FROM orders WHERE order_no = :no", no=order_no))
    placed = await placed_order(shop, order_id)
    answer = await call_back(shop, epay_notice(placed, money=money, txn="T" + order_no))
    assert answer.body == b"success"


def parts(place: str) -> tuple[str, str]:
    found = re.fullmatch(r"/o/([0-9A-Z]+)\?k=([\w-]+)", place)
    assert found
    return found[1], found[2]


async def count_orders(shop: Shop) -> int:
    return int(await shop.db.read(lambda db: db.value("SELECT COUNT(*) FROM orders")))


async def reveals(shop: Shop) -> int:
    return int(await shop.db.read(lambda db: db.value("SELECT COUNT(*) FROM events WHERE name = 'code.revealed'")))


@pytest.fixture
async def stocked(shop: Shop) -> Shop:
    await add_epay(shop)
    await add_product(shop, "steam", codes=5, tiers=((3, 1100),), description="**粗体**", instructions="怎么用")
    return shop


async def test_from_the_list_to_the_code(site: httpx.AsyncClient, stocked: Shop) -> None:
    home = await site.get("/")
    assert "商品 steam" in home.text
    assert "库存 5" in home.text
    place = await ordered(site, "steam", quantity="3", lookup_password="swordfish")
    order_no, token = parts(place)
    cashier = await site.get(place)
    assert "¥33.00" in cashier.text
    assert "no-store" in cashier.headers["cache-control"]
    waiting = await site.get(f"/o/{order_no}/status?k={token}", headers={"hx-request": "true"})
    assert (waiting.status_code, "hx-redirect" in waiting.headers) == (204, False)
    await pay(stocked, place, "33.00")
    moved = await site.get(f"/o/{order_no}/status?k={token}", headers={"hx-request": "true"})
    assert moved.headers["hx-redirect"] == place
    page = await site.get(place)
    assert "STEAM-0000" not in page.text
    assert "显示卡密" in page.text
    assert await reveals(stocked) == 0
    shown = await site.post(f"/o/{order_no}/reveal", data={"k": token})
    assert all(f'<pre class="code">STEAM-0000{n}</pre>' in shown.text for n in range(3))
    assert "怎么用" in shown.text
    assert "no-store" in shown.headers["cache-control"]
    assert await reveals(stocked) == 3
    saved = await site.post(f"/o/{order_no}/codes.txt", data={"k": token})
    assert saved.content == b"STEAM-00000\nSTEAM-00001\nSTEAM-00002\n"
    assert saved.headers["content-disposition"] == f'attachment; filename="{order_no}.txt"'
    assert await reveals(stocked) == 6


async def test_a_double_click_makes_one_order_and_a_changed_form_another(site: httpx.AsyncClient, stocked: Shop) -> None:
    form = await filled(site, "steam")
    first, second = await site.post("/checkout", data=form), await site.post("/checkout", data=form)
    assert first.headers["location"] == second.headers["location"]
    changed = await site.post("/checkout", data={**form, "quantity": "2"})
    assert changed.headers["location"] != first.headers["location"]
    assert await count_orders(stocked) == 2


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"quantity": "0"}, "quantity"),
        ({"quantity": "-1"}, "quantity"),
        ({"quantity": "1.5"}, "quantity"),
        ({"quantity": "1e3"}, "quantity"),
        ({"quantity": "９"}, "quantity"),
        ({"quantity": "101"}, "quantity"),
        ({"quantity": str(2**63)}, "quantity"),
        ({"quantity": ""}, "quantity"),
        ({"contact": ""}, "contact"),
        ({"contact": "x" * 300}, "contact"),
        ({"contact": "a\x07b"}, "contact"),
        ({"lookup_password": "abc"}, "lookup_password"),
        ({"lookup_password": "x" * 100_000}, "lookup_password"),
        ({"payment": ""}, "payment"),
        ({"payment": "epay-main:cash"}, "payment"),
        ({"payment": "nobody:alipay"}, "payment"),
        ({"sku": "other"}, "sku"),
        ({"field_colour": "red"}, "field_colour"),
    ],
)
async def test_what_is_wrong_is_told_by_its_field(
    site: httpx.AsyncClient, stocked: Shop, typed: dict[str, str], field: str
) -> None:
    form = await filled(site, "steam", **{"contact": "kept@example.com", **typed})
    answer = await site.post("/checkout", data=form)
    assert answer.status_code == 422
    assert 'id="complaints"' in answer.text
    if field in ("quantity", "contact", "lookup_password", "payment"):
        assert f'id="error-{field}"' in answer.text
    if "contact" not in typed:
        assert "kept@example.com" in answer.text
    assert hidden(answer.text)["idempotency_key"] == form["idempotency_key"]
    assert await count_orders(stocked) == 0


async def test_every_complaint_at_once_and_no_password_comes_back(site: httpx.AsyncClient, stocked: Shop) -> None:
    answer = await site.post("/checkout", data=await filled(site, "steam", quantity="500", contact="", lookup_password="abc"))
    assert all(f'id="error-{name}"' in answer.text for name in ("quantity", "contact", "lookup_password"))
    assert 'value="abc"' not in answer.text


async def test_a_clients_price_and_state_mean_nothing(site: httpx.AsyncClient, stocked: Shop) -> None:
    place = await ordered(site, "steam", price="1", total="1", discount="99", status="paid", paid="1")
    assert "¥12.50" in (await site.get(place)).text


async def test_sold_out_in_words(site: httpx.AsyncClient, stocked: Shop) -> None:
    answer = await site.post("/checkout", data=await filled(site, "steam", quantity="6"))
    assert answer.status_code == 409
    assert "库存不足" in answer.text
    assert 'href="/p/steam"' in answer.text
    assert await count_orders(stocked) == 0


async def test_a_changed_price_shows_both(site: httpx.AsyncClient, stocked: Shop) -> None:
    form = await filled(site, "steam", quantity="3")
    sku = await stocked.db.read(catalog.find_sku, "steam")
    assert sku is not None
    draft = SkuDraft(sku_code="steam", price_minor=1400, tiers=((3, 1300),))
    await stocked.db.write(writes.edit_sku, sku.sku_id, draft, CLI)
    answer = await site.post("/checkout", data=form)
    assert answer.status_code == 409
    assert "¥33.00" in answer.text
    assert "¥39.00" in answer.text
    assert await count_orders(stocked) == 0


async def test_questions_are_asked_and_answered(site: httpx.AsyncClient, stocked: Shop) -> None:
    fields = (
        BuyerField(name="account", label="充值账号", kind="number"),
        BuyerField(name="zone", label="大区", kind="select", choices=("一区", "二区")),
    )
    await add_product(stocked, "topup", delivery="manual", fields=fields, contact_type="none")
    wrong = await site.post("/checkout", data=await filled(site, "topup", contact="", field_account="abc"))
    assert wrong.status_code == 422
    assert 'id="error-field_account"' in wrong.text
    assert 'id="error-field_zone"' in wrong.text
    assert 'value="abc"' in wrong.text
    place = await ordered(site, "topup", contact="", field_account="10001", field_zone="二区")
    await pay(stocked, place, "12.50")
    page = await site.get(place)
    assert "等待人工发货" in page.text
    assert "充值账号：10001" in page.text
    assert "显示卡密" not in page.text


async def test_nothing_of_an_order_without_its_token(site: httpx.AsyncClient, stocked: Shop) -> None:
    place = await ordered(site, "steam")
    order_no, token = parts(place)
    await pay(stocked, place, "12.50")
    unknown = (await site.get("/o/K000000XXXXXXXXXXXXXX?k=" + token)).text
    for bad in ("", "k=", "k=" + token[:-1], "k=" + token + "x", "k=" + "x" * 500, "k=" + token.swapcase()):
        answer = await site.get(f"/o/{order_no}?{bad}")
        assert answer.status_code == 404
        assert order_no not in re.sub(r'href="[^"]*"', "", answer.text)
        assert re.sub(r"[0-9a-f]{16}|href=\S+", "", answer.text) == re.sub(r"[0-9a-f]{16}|href=\S+", "", unknown)
    for act in ("reveal", "codes.txt", "cancel", "attempts", "check"):
        assert (await site.post(f"/o/{order_no}/{act}", data={"k": "x"})).status_code == 404
        assert (await site.get(f"/o/{order_no}/{act}?k={token}")).status_code == 405
    assert (await site.get(f"/o/{order_no}/status?k=x")).status_code == 404
    assert await reveals(stocked) == 0


async def test_cancel_gives_back_and_cannot_undo_a_payment(site: httpx.AsyncClient, stocked: Shop) -> None:
    place = await ordered(site, "steam", quantity="5")
    order_no, token = parts(place)
    await shows(site, "/", "已售罄")
    assert (await site.post(f"/o/{order_no}/cancel", data={"k": token})).headers["location"] == place
    assert "订单已取消" in (await site.get(place)).text
    await shows(site, "/", "库存 5")
    paid = await ordered(site, "steam")
    await pay(stocked, paid, "12.50")
    order_no, token = parts(paid)
    await site.post(f"/o/{order_no}/cancel", data={"k": token})
    assert "已发货" in (await site.get(paid)).text


async def test_pay_another_way(site: httpx.AsyncClient, stocked: Shop) -> None:
    place = await ordered(site, "steam")
    order_no, token = parts(place)
    assert "支付宝" in (await site.get(place)).text
    changed = await site.post(f"/o/{order_no}/attempts", data={"k": token, "payment": "epay-main:wxpay"})
    assert changed.headers["location"] == place
    assert re.search(r'class="pay-name">.*微信支付', (await site.get(place)).text)
    wrong = await site.post(f"/o/{order_no}/attempts", data={"k": token, "payment": "epay-main:cash"})
    assert wrong.status_code == 422


async def test_the_deadline(site: httpx.AsyncClient, stocked: Shop, clock: TestClock) -> None:
    place = await ordered(site, "steam")
    assert 'data-countdown="900"' in (await site.get(place)).text
    clock.pass_time(minutes=5, seconds=1)
    assert 'data-countdown="599"' in (await site.get(place)).text
    clock.pass_time(minutes=11)
    page = await site.get(place)
    assert "付款时间已过" in page.text
    assert "去支付" not in page.text


async def test_part_of_the_money(site: httpx.AsyncClient, stocked: Shop) -> None:
    place = await ordered(site, "steam")
    await pay(stocked, place, "5.00")
    page = (await site.get(place)).text
    assert "已收到 ¥5.00（共 ¥12.50）" in page
    assert '<span class="price">¥7.50</span>' in page


async def test_nothing_to_pay_nothing_to_ask(site: httpx.AsyncClient, stocked: Shop) -> None:
    await add_product(stocked, "gift", codes=1, price=0, is_free=True)
    assert '<span class="price">免费</span>' in (await site.get("/")).text
    assert 'name="payment"' not in (await site.get("/p/gift")).text
    place = await ordered(site, "gift", payment="")
    assert "已发货" in (await site.get(place)).text


async def test_look_up(site: httpx.AsyncClient, stocked: Shop) -> None:
    place = await ordered(site, "steam", lookup_password="swordfish")
    order_no, _ = parts(place)
    bare = await ordered(site, "steam")
    stranger = httpx.AsyncClient(transport=site._transport, base_url="http://shop.example")
    for query in (order_no, order_no.lower(), f" {order_no} ", "buyer@example.com"):
        found = await stranger.post("/lookup", data={"query": query, "password": "swordfish"})
        assert found.status_code == 200
        assert unescape(found.text).count(place) == 1
    misses = [
        await stranger.post("/lookup", data={"query": query, "password": password})
        for query, password in [
            (order_no, "wrong"), ("K000000XXXXXXXXXXXXXX", "swordfish"), (parts(bare)[0], "swordfish"), ("x@example.com", "0"),
        ]
    ]  # fmt: skip
    texts = {re.sub(r'value="[^"]*"', "", miss.text) for miss in misses}
    assert {miss.status_code for miss in misses} == {404}
    assert len(texts) == 1
    for empty in ({"query": order_no}, {"query": order_no, "password": ""}, {"query": "", "password": "x"}, {}):
        answer = await stranger.post("/lookup", data=empty)
        assert answer.status_code == 422
        assert place not in unescape(answer.text)


async def test_a_browser_knows_its_own_orders(site: httpx.AsyncClient, stocked: Shop) -> None:
    place = await ordered(site, "steam")
    assert place in unescape((await site.get("/lookup")).text)
    cookie = next(c for c in site.cookies.jar if c.name == "kashop_orders")
    assert cookie.has_nonstandard_attr("HttpOnly")
    forged = parts(place)[0] + ":" + "x" * 32
    stranger = httpx.AsyncClient(transport=site._transport, base_url="http://shop.example", cookies={"kashop_orders": forged})
    assert place not in unescape((await stranger.get("/lookup")).text)
    await site.post("/lookup/forget")
    assert place not in unescape((await site.get("/lookup")).text)


async def test_the_way_back_from_the_gateway(site: httpx.AsyncClient, stocked: Shop) -> None:
    place = await ordered(site, "steam")
    back = await site.get("/pay/epay-main/return?trade_status=TRADE_SUCCESS&money=12.50&sign=lie")
    assert back.headers["location"] == place
    assert "显示卡密" not in (await site.get(place)).text
    stranger = httpx.AsyncClient(transport=site._transport, base_url="http://shop.example")
    assert (await stranger.get(f"/pay/epay-main/return?out_trade_no={parts(place)[0]}")).headers["location"] == "/lookup"
    assert (await stranger.get("/pay/nobody/return")).headers["location"] == "/lookup"


async def test_a_code_is_read_back_character_by_character(site: httpx.AsyncClient, stocked: Shop) -> None:
    await add_product(stocked, "odd")
    odd = '{"code":"<b>&\\"\'\\r\\nA㐂 =1+1"}'
    source = restock.Source(file=io.BytesIO(odd.encode()), name="odd.jsonl", product="odd")
    await restock.import_codes(stocked, source, CLI)
    place = await ordered(site, "odd")
    order_no, token = parts(place)
    await pay(stocked, place, "12.50")
    page = (await site.post(f"/o/{order_no}/reveal", data={"k": token})).text
    assert '<pre class="code">&lt;b&gt;&amp;&#34;&#39;&#13;\nA㐂 =1+1</pre>' in page
    assert 'data-copy="&lt;b&gt;&amp;&#34;&#39;&#13;\nA㐂 =1+1"' in page
    saved = await site.post(f"/o/{order_no}/codes.txt", data={"k": token})
    assert saved.content == "<b>&\"'\r\nA㐂 =1+1\n".encode()


async def test_a_form_for_a_gateway_may_go_there_alone(site: httpx.AsyncClient, stocked: Shop) -> None:
    place = await ordered(site, "steam")
    begun = Begun(kind="form", url="https://pay.example/submit.php", fields={"pid": "1001", "sign": '"<&'})
    attempt_id = await stocked.db.read(lambda db: db.value("SELECT attempt_id FROM attempts"))
    await stocked.db.write(payments.keep_begun, attempt_id, begun)
    page = await site.get(place)
    assert 'action="https://pay.example/submit.php"' in page.text
    assert hidden(page.text)["sign"] == '"<&'
    assert page.headers["content-security-policy"].endswith("form-action 'self' https://pay.example")


async def test_money_that_does_not_fit_is_not_asked_for_again(site: httpx.AsyncClient, stocked: Shop) -> None:
    place = await ordered(site, "steam")
    order_id = await stocked.db.read(lambda db: db.value("SELECT order_id FROM orders"))
    await stocked.db.write(orders.open_exception, order_id, "mismatch", CLI)
    page = (await site.get(place)).text
    assert "客服正在处理此订单" in page
    assert "去支付" not in page
