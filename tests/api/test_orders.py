"""Buying by script, as the contract says it."""

import httpx
import pytest

from kashop.catalog import reads as catalog
from kashop.catalog import writes as catalog_writes
from kashop.catalog.types import SkuDraft
from kashop.lib.actor import CLI
from kashop.shop import Shop
from tests import beside
from tests.api.conftest import Api, usual
from tests.beside import row_counts
from tests.cast import TestClock, add_epay, add_product, call_back, epay_sign
from tests.hostile.tables import changed


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, str]:
    """The complaints by field of a well-made refusal."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    told = answer.json()
    assert (told["status"], told["code"]) == (status, code)
    assert told["request_id"] == answer.headers["x-request-id"]
    assert {"type", "title", "detail", "errors"} <= told.keys()
    return {e["field"]: e["detail"] for e in told["errors"]}


async def pay(shop: Shop, placed: dict[str, object], money: str) -> None:
    """The gateway's word that an order's newest attempt was paid."""
    fields = {
        "pid": "1001",
        "trade_no": f"T{placed['order_no']}",
        "out_trade_no": placed["payment"]["attempt"],
        "type": "alipay",
        "name": "x",
        "money": money,
        "trade_status": "TRADE_SUCCESS",
    }
    query = httpx.QueryParams({**fields, "sign_type": "MD5", "sign": epay_sign(fields)})
    assert (await call_back(shop, str(query).encode())).body == b"success"


async def test_an_order_is_answered_as_the_contract_says(api: Api) -> None:
    answer = await api.order(expected_total={"amount": "25.00", "currency": "CNY"})
    assert answer.status_code == 201
    placed = answer.json()
    assert placed["status"] == "pending"
    assert placed["exception"] is None
    assert placed["total"] == {"amount": "25.00", "currency": "CNY"}
    assert placed["expires_at"].endswith("Z")
    assert placed["payment"]["kind"] == "redirect"
    assert placed["payment"]["url"].startswith("http://127.0.0.1:9/submit.php?")
    billed = {"amount", "fee", "coin", "coin_amount", "expires_at"}
    assert placed["payment"].keys() == {"attempt", "kind", "url", "qr", "fields"} | billed
    assert answer.headers["location"] == placed["links"]["self"]
    assert placed["links"]["self"] == f"http://shop.example/api/v1/orders/{placed['order_no']}"
    assert placed["links"]["page"] == f"http://shop.example/o/{placed['order_no']}?k={placed['token']}"
    assert answer.headers["cache-control"] == "no-store"
    assert "idempotent-replayed" not in answer.headers


async def test_its_link_opens_the_shop_s_page(api: Api) -> None:
    placed = (await api.order()).json()
    assert (await api.client.get(placed["links"]["page"])).status_code == 200


async def test_an_order_is_shown_to_its_token_without_codes(api: Api, shop: Shop) -> None:
    placed = (await api.order()).json()
    await pay(shop, placed, "25.00")
    answer = await api.of(placed)
    shown = answer.json()
    assert shown == {**{k: v for k, v in placed.items() if k != "token"}, **shown}
    assert shown["status"] == "delivered"
    assert shown["payment"] is None
    assert shown["paid"] == {"amount": "25.00", "currency": "CNY"}
    line = shown["lines"][0]
    assert (line["sku"], line["quantity"], line["delivered"]) == ("steam-50", 2, 2)
    assert (line["unit_price"]["amount"], line["total"]["amount"]) == ("12.50", "25.00")
    assert [(p["gateway"], p["method"], p["status"]) for p in shown["payments"]] == [("epay-main", "alipay", "succeeded")]
    assert "STEAM-50-" not in answer.text


async def test_codes_are_revealed_once_paid_and_each_time_is_written_down(api: Api, shop: Shop) -> None:
    placed = (await api.order()).json()
    problem(await api.of(placed, "reveal"), 409, "not_delivered")
    await pay(shop, placed, "25.00")
    for body in ({}, {"json": {}}):
        answer = await api.of(placed, "reveal", **body)
        assert answer.json() == {"lines": [{"sku": "steam-50", "codes": ["STEAM-50-00000", "STEAM-50-00001"]}]}
        assert answer.headers["cache-control"] == "no-store"
    written = beside.rows(shop.config.place, "SELECT actor_kind, actor_ref, payload FROM events WHERE name = 'code.revealed'")
    assert len(written) >= 2
    assert {(kind, ref) for kind, ref, _ in written} == {("buyer", placed["order_no"])}
    assert all('"api"' in payload for _, _, payload in written)


async def test_reveals_are_limited_as_on_the_page(api: Api, shop: Shop) -> None:
    placed = (await api.order()).json()
    answers = {(await api.of(placed, "reveal")).status_code for _ in range(60)}
    assert answers == {409}
    problem(await api.of(placed, "reveal"), 429, "too_many")


async def test_an_unpaid_order_is_cancelled_once(api: Api, shop: Shop) -> None:
    placed = (await api.order()).json()
    assert (await api.of(placed, "cancel")).json()["status"] == "cancelled"
    problem(await api.of(placed, "cancel"), 409, "not_pending")
    assert (await api.get("/products/steam-50")).json()["skus"][0]["stock"]["count"] == 5


async def test_another_way_to_pay(api: Api) -> None:
    placed = (await api.order()).json()
    answer = await api.of(placed, "attempts", json={"gateway": "epay-main", "method": "wxpay"})
    assert answer.status_code == 201
    changed = answer.json()
    assert changed["payment"]["attempt"] != placed["payment"]["attempt"]
    assert [(p["method"], p["status"]) for p in changed["payments"]] == [("alipay", "closed"), ("wxpay", "open")]
    wrong = await api.of(placed, "attempts", json={"gateway": "nobody", "method": ""})
    assert problem(wrong, 422, "invalid").keys() == {"gateway"}


async def test_a_gateway_that_is_down_leaves_an_order_that_can_be_paid_otherwise(api: Api, shop: Shop) -> None:
    await add_epay(shop, "epay-down", mode="api", methods="qqpay")
    answer = await api.order(gateway="epay-down", method="qqpay")
    assert answer.status_code == 201
    placed = answer.json()
    assert (placed["status"], placed["payment"]) == ("pending", None)
    other = await api.of(placed, "attempts", json={"gateway": "epay-main", "method": "alipay"})
    assert other.json()["payment"]["kind"] == "redirect"


async def test_a_free_order_has_nothing_to_pay_and_is_delivered(api: Api, shop: Shop) -> None:
    await add_product(shop, "gift", codes=1, price=0, is_free=True)
    answer = await api.order(lines=[{"sku": "gift", "quantity": 1}], gateway=None, method=None)
    placed = answer.json()
    assert (answer.status_code, placed["status"], placed["payment"]) == (201, "delivered", None)
    assert (await api.of(placed, "reveal")).json()["lines"][0]["codes"] == ["GIFT-00000"]


async def test_after_its_deadline_an_order_has_no_payment(api: Api, clock: TestClock) -> None:
    placed = (await api.order()).json()
    clock.pass_time(minutes=16)
    assert (await api.of(placed)).json()["payment"] is None
    answer = await api.of(placed, "attempts", json={"gateway": "epay-main", "method": "alipay"})
    problem(answer, 409, "not_pending")


async def test_sold_out_leaves_nothing_behind(api: Api, shop: Shop) -> None:
    before = row_counts(shop.config.place)
    problem(await api.order(lines=[{"sku": "steam-50", "quantity": 6}], key="k"), 409, "sold_out")
    assert changed(before, row_counts(shop.config.place)) == {}
    assert (await api.order(lines=[{"sku": "steam-50", "quantity": 5}], key="k")).status_code == 201


async def test_a_changed_price_is_told_with_the_new_total(api: Api, shop: Shop) -> None:
    shown = usual(expected_total={"amount": "25.00", "currency": "CNY"})
    sku = await shop.db.read(catalog.find_sku, "steam-50")
    draft = SkuDraft(sku_code="steam-50", price_minor=1300, max_quantity=10)
    await shop.db.write(catalog_writes.edit_sku, sku.sku_id, draft, CLI)
    before = row_counts(shop.config.place)
    answer = await api.order(shown)
    problem(answer, 409, "price_changed")
    assert answer.json()["total"] == {"amount": "26.00", "currency": "CNY"}
    assert "25.00" in answer.json()["detail"]
    assert changed(before, row_counts(shop.config.place)) == {}


async def test_a_tier_prices_the_line(api: Api) -> None:
    placed = (await api.order(lines=[{"sku": "steam-50", "quantity": 3}])).json()
    assert placed["total"]["amount"] == "33.00"


@pytest.mark.parametrize("field", ["price", "total", "discount", "status", "paid", "unit_minor", "currency", "coupon"])
async def test_a_client_s_price_or_status_is_refused(api: Api, shop: Shop, field: str) -> None:
    before = row_counts(shop.config.place)
    assert problem(await api.order(**{field: "0.01"}), 422, "invalid").keys() == {field}
    line = {"sku": "steam-50", "quantity": 1, field: 1}
    assert problem(await api.order(lines=[line]), 422, "invalid").keys() == {f"lines.0.{field}"}
    assert changed(before, row_counts(shop.config.place)) == {}


async def test_every_complaint_is_told_by_its_path(api: Api) -> None:
    wrong = await api.order(
        {
            "lines": [{"sku": "steam-50", "quantity": "3"}, {"sku": 5}, "x"],
            "contact": {"type": "pigeon", "value": None},
            "fields": {"a": 1},
            "expected_total": {"amount": 19.8, "currency": "cny"},
            "more": [],
        }
    )
    assert problem(wrong, 422, "invalid").keys() == {
        "lines.0.quantity",
        "lines.1.sku",
        "lines.1.quantity",
        "lines.2",
        "contact.type",
        "contact.value",
        "fields.a",
        "expected_total.amount",
        "expected_total.currency",
        "more",
    }


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"lines": []}, "lines"),
        ({"lines": [{"sku": "nothing", "quantity": 1}]}, "lines.0.sku"),
        ({"lines": [{"sku": "steam-50", "quantity": 11}]}, "lines.0.quantity"),
        ({"lines": [{"sku": "steam-50", "quantity": 1}] * 2}, "lines"),
        ({"contact": None}, "contact.value"),
        ({"contact": {"type": "email", "value": "not an address"}}, "contact.value"),
        ({"contact": {"type": "email", "value": "a@example.com\r\nBcc: b@example.com"}}, "contact.value"),
        ({"lookup_password": "abc"}, "lookup_password"),
        ({"gateway": "nobody"}, "gateway"),
        ({"gateway": None}, "gateway"),
        ({"method": "gold"}, "method"),
        ({"fields": {"colour": "red"}}, "fields.colour"),
        ({"lines": [{"sku": "game-card", "quantity": 1}]}, "fields.server"),
        ({"lines": [{"sku": "game-card", "quantity": 1}], "fields": {"server": "MARS"}}, "fields.server"),
        ({"expected_total": {"amount": "25.001", "currency": "CNY"}}, "expected_total.amount"),
        ({"expected_total": {"amount": "25.00", "currency": "USD"}}, "expected_total.currency"),
    ],
)
async def test_what_the_shop_refuses_is_told_by_its_place_in_the_request(
    api: Api, shop: Shop, over: dict[str, object], field: str
) -> None:
    before = row_counts(shop.config.place)
    assert problem(await api.order(**over), 422, "invalid").keys() == {field}
    assert changed(before, row_counts(shop.config.place)) == {}


async def test_answers_go_with_the_line_that_asks(api: Api) -> None:
    lines = [{"sku": "game-card", "quantity": 1}]
    assert (await api.order(lines=lines, fields={"server": "EU"})).status_code == 201


async def test_other_tokens_and_other_numbers_answer_alike(api: Api) -> None:
    mine, other = (await api.order(lines=[{"sku": "steam-50", "quantity": 1}])).json(), (await api.order()).json()
    seen = set()
    for number, token in [
        (mine["order_no"], other["token"]),
        (mine["order_no"], "x"),
        (mine["order_no"][:-1] + ("Y" if mine["order_no"][-1] == "Z" else "Z"), mine["token"]),
        ("K0", "x"),
    ]:
        for act in ("", "cancel", "reveal"):
            answer = await api.of({"order_no": number, "token": token}, act)
            problem(answer, 404, "not_found")
            told = answer.json()
            seen.add((told["detail"], told["title"], tuple(sorted(answer.headers.keys()))))
    assert len(seen) == 1
    assert (await api.of(mine)).json()["status"] == "pending"


async def test_without_a_token_nobody_learns_whether_the_order_is_there(api: Api) -> None:
    placed = (await api.order()).json()
    told = set()
    for number in (placed["order_no"], "K0"):
        for header in (
            {},
            {"authorization": "Basic eDp5"},
            {"authorization": "Bearer"},
            {"authorization": f"Bearer {'x' * 300}"},
        ):
            answer = await api.get(f"/orders/{number}", headers=header)
            problem(answer, 401, "token_missing")
            assert answer.headers["www-authenticate"].startswith("Bearer")
            told.add(answer.json()["detail"])
    assert len(told) == 1
    query = await api.client.get(f"/api/v1/orders/{placed['order_no']}?k={placed['token']}")
    assert problem(query, 422, "invalid").keys() == {"k"}


async def test_guessing_tokens_is_slowed_but_holds_no_buyer_up(api: Api) -> None:
    placed = (await api.order()).json()
    answers = [await api.of({"order_no": placed["order_no"], "token": f"guess{n}"}) for n in range(80)]
    assert {a.status_code for a in answers[:60]} == {404}
    assert {a.status_code for a in answers[60:]} == {429}
    assert int(answers[-1].headers["retry-after"]) > 0
    problem(answers[-1], 429, "too_many")
    assert (await api.of(placed)).status_code == 200
