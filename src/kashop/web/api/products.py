"""What is for sale, as a buyer may see it: hidden products and hidden SKUs do not exist here."""

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from kashop.catalog import reads as catalog
from kashop.catalog import types as goods
from kashop.db import Reader
from kashop.flows import offers
from kashop.inventory import reads as inventory
from kashop.lib.errors import Invalid, NotFound
from kashop.payments import reads as payments
from kashop.payments.rows import GatewayAccount
from kashop.shop import Shop
from kashop.web.api import shapes
from kashop.web.api.door import KEY, Operation, query_of, said
from kashop.web.api.shapes import Amount
from kashop.web.sessions import AnyRequest, shop_of
from kashop.web.storefront.payments import percent
from kashop.web.storefront.shelves import stock_of
from kashop.web.urls import url

CHANNEL = "api"
_CURSOR = re.compile(r"(-?[0-9]{1,18}):([0-9]{1,18})", re.ASCII)

LIST = Operation(
    name="listProducts",
    summary="List what is for sale",
    gives=shapes.Products,
    query=shapes.ListQuery,
)
SHOW = Operation(
    name="getProduct",
    summary="Show one product with all that an order of it needs",
    gives=shapes.Product,
    refusals={404: ("not_found",)},
)


class _Found(msgspec.Struct, frozen=True):
    product: goods.Product
    category: str | None
    skus: tuple[tuple[goods.Sku, tuple[goods.Tier, ...]], ...]
    """Those that are not hidden, with their tiers."""
    free: dict[int, int]
    shelves: list[goods.Category] = []
    accounts: list[GatewayAccount] = []


@get("/products", opt={KEY: LIST})
async def products(request: AnyRequest) -> Response[bytes]:
    """One page of the list."""
    shop, query = shop_of(request), query_of(request, shapes.ListQuery)
    found, last = await shop.db.read(_page, _after(query.cursor), query.limit)
    listed = tuple(shapes.ListedProduct(**_shown(shop, one)) for one in found)
    return said(shapes.Products(products=listed, next_cursor=_cursor(last) if last else None))


@get("/products/{slug:str}", opt={KEY: SHOW})
async def product(request: AnyRequest, slug: FromPath[str]) -> Response[bytes]:
    """One product."""
    shop = shop_of(request)
    found = await shop.db.read(_one, slug)
    asked = msgspec.json.decode(found.product.fields, type=list[goods.BuyerField])
    answer = shapes.Product(
        **_shown(shop, found),
        description=found.product.description,
        contact_type=found.product.contact_type,  # type: ignore[arg-type]
        lookup_password=found.product.lookup_password,  # type: ignore[arg-type]
        fields=tuple(shapes.Field(**msgspec.structs.asdict(field)) for field in asked),
        payments=tuple(_payable(shop, found)),
    )
    return said(answer)


def _payable(shop: Shop, found: _Found) -> Iterator[shapes.PayChoice]:
    """The ways to pay that some order of this product may take."""
    currency = shop.settings.text("shop.currency")
    least = min(min([s.price_minor, *(t.price_minor for t in tiers)]) * s.min_quantity for s, tiers in found.skus)
    most = max(max([s.price_minor, *(t.price_minor for t in tiers)]) * s.max_quantity for s, tiers in found.skus)
    wanted = offers.basket([found.product], found.shelves, least, most)
    for choice in offers.on_offer(shop, found.accounts, wanted, offers.NOBODY):
        terms = choice.terms
        is_added = terms.fee == "added"
        yield shapes.PayChoice(
            gateway=choice.gateway,
            method=choice.method,
            label=choice.account_label or choice.label,
            fee_percent=percent(terms.fee_bp if is_added else 0),
            fee_fixed=Amount.of(terms.fee_fixed_minor if is_added else 0, currency),
            least=Amount.of(terms.least_minor, currency) if terms.least_minor else None,
            most=Amount.of(terms.most_minor, currency) if terms.most_minor else None,
            currency=terms.currency or currency,
        )


def _page(db: Reader, after: tuple[int, int], limit: int) -> tuple[list[_Found], goods.Product | None]:
    """Listed products after a place, and the last one looked at when more follow."""
    read = catalog.page(db, after, limit=limit + 1)
    categories = catalog.categories(db)
    hidden = {c.category_id for c in categories if c.is_hidden}
    hidden |= {c.category_id for c in categories if c.parent_id in hidden}
    free = inventory.count_free(db, inventory.pool_of(db, CHANNEL))
    found = [_found(db, p, categories, free) for p in read[:limit] if p.category_id not in hidden]
    return [one for one in found if one.skus], read[limit - 1] if len(read) > limit else None


def _one(db: Reader, slug: str) -> _Found:
    product = catalog.find_product(db, slug)
    if product is not None and not product.is_hidden:
        free = inventory.count_free(db, inventory.pool_of(db, CHANNEL))
        shelves = catalog.categories(db)
        found = _found(db, product, shelves, free)
        if found.skus:
            return msgspec.structs.replace(found, shelves=shelves, accounts=payments.gateways(db))
    raise NotFound("There is no such product.")


def _found(db: Reader, product: goods.Product, categories: list[goods.Category], free: dict[int, int]) -> _Found:
    category = next((c.slug for c in categories if c.category_id == product.category_id and not c.is_hidden), None)
    skus = tuple((s, tuple(catalog.tiers(db, s.sku_id))) for s in catalog.skus(db, product.product_id) if not s.is_hidden)
    return _Found(product, category, skus, free)


def _shown(shop: Shop, found: _Found) -> dict[str, Any]:
    product, currency = found.product, shop.settings.text("shop.currency")
    return {
        "slug": product.slug,
        "name": product.name,
        "summary": product.summary,
        "category": found.category,
        "image": shop.base_url + url("upload", product.image) if product.image else None,
        "delivery": product.delivery,
        "skus": tuple(
            shapes.Sku(
                sku=sku.sku_code,
                name=sku.name,
                price=Amount.of(sku.price_minor, currency),
                tiers=tuple(shapes.Tier(min_quantity=t.min_quantity, price=Amount.of(t.price_minor, currency)) for t in tiers),
                min_quantity=sku.min_quantity,
                max_quantity=sku.max_quantity,
                stock=_stock(product, sku, found.free),
            )
            for sku, tiers in found.skus
        ),
        "links": shapes.ProductLinks(
            page=shop.base_url + url("product", product.slug),
            self=f"{shop.base_url}/api/v1/products/{product.slug}",
        ),
    }


def _stock(product: goods.Product, sku: goods.Sku, free: dict[int, int]) -> shapes.Stock:
    told = stock_of(product.delivery, product.stock_display, [sku], free)
    return shapes.Stock(level=told.level or None, count=told.count)  # type: ignore[arg-type]


def _cursor(last: goods.Product) -> str:
    return base64.urlsafe_b64encode(f"{last.position}:{last.product_id}".encode()).decode()


def _after(cursor: str) -> tuple[int, int]:
    """What a cursor stands for. Raises Invalid."""
    if not cursor:
        return -(10**9), 0
    try:
        found = _CURSOR.fullmatch(base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii"))
    except (binascii.Error, ValueError):
        found = None
    if found is None:
        raise Invalid.of("cursor", "This cursor is not one of ours.")
    return int(found[1]), int(found[2])
