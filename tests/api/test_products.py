"""The catalogue as a script sees it."""

import pytest

from kashop.catalog import reads as catalog
from kashop.catalog import writes as catalog_writes
from kashop.catalog.types import ProductDraft, SkuDraft
from kashop.lib.actor import CLI
from kashop.shop import Shop
from tests.api.conftest import Api
from tests.api.test_orders import problem
from tests.cast import add_product


async def test_a_product_has_all_that_an_order_needs(api: Api) -> None:
    answer = await api.get("/products/steam-50")
    told = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert told["name"] == "商品 steam-50"
    assert told["delivery"] == "auto"
    assert told["contact_type"] == "any"
    assert told["lookup_password"] == "optional"
    assert told["links"]["page"] == "http://shop.example/p/steam-50"
    assert told["skus"] == [
        {
            "sku": "steam-50",
            "name": "",
            "price": {"amount": "12.50", "currency": "CNY"},
            "tiers": [{"min_quantity": 3, "price": {"amount": "11.00", "currency": "CNY"}}],
            "min_quantity": 1,
            "max_quantity": 10,
            "stock": {"level": "few", "count": 5},
        }
    ]
    assert {"gateway": "epay-main", "method": "alipay"}.items() <= told["payments"][0].items()
    assert (await api.get("/products/game-card")).json()["fields"] == [
        {
            "name": "server",
            "label": "Server",
            "kind": "select",
            "is_required": True,
            "help": "",
            "pattern": "",
            "choices": ["EU", "US"],
            "max_length": 200,
        }
    ]


@pytest.mark.parametrize(
    ("display", "codes", "stock"),
    [
        ("exact", 20, {"level": "plenty", "count": 20}),
        ("exact", 3, {"level": "few", "count": 3}),
        ("level", 20, {"level": "plenty", "count": None}),
        ("level", 3, {"level": "few", "count": None}),
        ("hidden", 20, {"level": None, "count": None}),
        ("hidden", 0, {"level": "none", "count": None}),
    ],
)
async def test_the_stock_is_told_as_the_product_wants(
    api: Api, shop: Shop, display: str, codes: int, stock: dict[str, object]
) -> None:
    await add_product(shop, "shown", codes=codes, stock_display=display)
    assert (await api.get("/products/shown")).json()["skus"][0]["stock"] == stock


async def test_what_is_hidden_does_not_exist(api: Api, shop: Shop) -> None:
    await add_product(shop, "secret", codes=3, is_hidden=True)
    skus = [SkuDraft(sku_code="seen", price_minor=100), SkuDraft(sku_code="unseen", price_minor=100, is_hidden=True)]
    await shop.db.write(catalog_writes.add_product, ProductDraft(slug="half", name="Half"), skus, CLI)
    problem(await api.get("/products/secret"), 404, "not_found")
    problem(await api.get("/products/nothing"), 404, "not_found")
    assert [s["sku"] for s in (await api.get("/products/half")).json()["skus"]] == ["seen"]
    assert "secret" not in (await api.get("/products")).text
    for sku in ("secret", "unseen"):
        answer = await api.order(lines=[{"sku": sku, "quantity": 1}])
        assert problem(answer, 422, "invalid").keys() == {"lines.0.sku"}


async def test_the_list_goes_on_by_cursor(api: Api, shop: Shop) -> None:
    for n in range(4):
        await add_product(shop, f"more-{n}", position=n % 2)
    seen, cursor, pages = [], "", 0
    while True:
        told = (await api.get("/products", params={"limit": 2, "cursor": cursor})).json()
        seen += [p["slug"] for p in told["products"]]
        pages += 1
        if told["next_cursor"] is None:
            break
        cursor = told["next_cursor"]
    everything = [p.slug for p in await shop.db.read(catalog.page, (-(10**9), 0), limit=100)]
    assert (seen, pages) == (everything, 4)
    whole = (await api.get("/products")).json()
    assert [p["slug"] for p in whole["products"]] == everything
    assert whole["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.0", "limit"),
        ("limit=1e1", "limit"),
        ("limit=true", "limit"),
        ("limit=", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("limit=9223372036854775808", "limit"),
        ("limit=%EF%BC%91", "limit"),
        ("cursor=x", "cursor"),
        ("cursor=%E4%B8%AD", "cursor"),
        ("cursor=MDoxOyBEUk9QIFRBQkxF", "cursor"),
        ("cursor=" + "A" * 101, "cursor"),
        ("limit=1&limit=2", "limit"),
        ("page=2", "page"),
    ],
)
async def test_a_wrong_query_is_told_by_field(api: Api, query: str, field: str) -> None:
    assert problem(await api.client.get(f"/api/v1/products?{query}"), 422, "invalid").keys() == {field}
