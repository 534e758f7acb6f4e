"""A product and its form. The same page is shown again, with what is wrong, when the form could not be taken."""

import secrets

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from kashop.catalog import reads as catalog
from kashop.catalog.types import BuyerField, Category, Product, Sku, Tier
from kashop.db import Reader
from kashop.flows import offers
from kashop.inventory import reads as inventory
from kashop.lib.errors import NotFound
from kashop.lib.money import Money
from kashop.payments import reads as payments
from kashop.payments.rows import GatewayAccount
from kashop.web.context import CategoryLink, Form, PayChoice, ProductPage, Question, SkuChoice, TierRow
from kashop.web.pages import pages_of
from kashop.web.sessions import AnyRequest, shop_of
from kashop.web.storefront.payments import Till, pay_choices
from kashop.web.storefront.seen import seen_prices
from kashop.web.storefront.shelves import CHANNEL, card_of_product, stock_of
from kashop.web.storefront.visitor import visitor_of
from kashop.web.urls import url


class OnSale(msgspec.Struct, frozen=True):
    """A product with all that its page shows."""

    product: Product
    skus: list[Sku]
    tiers: dict[int, list[Tier]]
    free: dict[int, int]
    category: Category | None
    shelves: list[Category]
    accounts: list[GatewayAccount]


def on_sale(db: Reader, slug: str) -> OnSale:
    """The visible product of that slug. Raises NotFound."""
    product = catalog.find_product(db, slug)
    skus = [s for s in catalog.skus(db, product.product_id) if not s.is_hidden] if product else []
    if product is None or product.is_hidden or not skus:
        raise NotFound("There is no such product.")
    shelves = catalog.categories(db)
    category = next((c for c in shelves if c.category_id == product.category_id and not c.is_hidden), None)
    tiers = {sku.sku_id: catalog.tiers(db, sku.sku_id) for sku in skus}
    free = inventory.count_free(db, inventory.pool_of(db, CHANNEL))
    return OnSale(product, skus, tiers, free, category, shelves, payments.gateways(db))


@get("/p/{slug:str}")
async def product(request: AnyRequest, slug: FromPath[str]) -> Response[bytes]:
    """The product's page with an empty form."""
    shown = await shop_of(request).db.read(on_sale, slug)
    return await product_page(request, shown, Form(), key=secrets.token_urlsafe(18))


async def product_page(request: AnyRequest, shown: OnSale, form: Form, *, key: str, status: int = 200) -> Response[bytes]:
    """The product's page with a form as it was typed."""
    shop, pages = shop_of(request), pages_of(request)
    currency = shop.settings.text("shop.currency")
    visitor = await visitor_of(request)
    on_offer = offers.on_offer(shop, shown.accounts, _basket(shown), visitor)
    till = Till(shop, pages.words(request), visitor.device)
    choices = pay_choices(till, on_offer, chosen=form.values.get("payment", ""))
    view = _view(shown, form, choices, currency, key)
    headers = {"cache-control": "no-store"} if status != 200 else None
    path = url("product", shown.product.slug)
    return pages.answer(request, "product.html", view, status=status, path=path, headers=headers)


def _basket(shown: OnSale) -> offers.Basket:
    """An order of this product, which may come to anything from the least of its cheapest SKU to the most of its dearest."""
    prices = {s.sku_id: [s.price_minor, *(t.price_minor for t in shown.tiers[s.sku_id])] for s in shown.skus}
    least = min(min(prices[s.sku_id]) * s.min_quantity for s in shown.skus)
    most = max(max(prices[s.sku_id]) * s.max_quantity for s in shown.skus)
    return offers.basket([shown.product], shown.shelves, least, most)


def _view(shown: OnSale, form: Form, choices: tuple[PayChoice, ...], currency: str, key: str) -> ProductPage:
    item = shown.product
    whole = stock_of(item.delivery, item.stock_display, shown.skus, shown.free)
    questions = msgspec.json.decode(item.fields, type=list[BuyerField])
    return ProductPage(
        product=card_of_product(item, shown.skus, whole, currency),
        description=item.description,
        skus=_sku_choices(shown, form.values.get("sku", ""), currency),
        questions=tuple(
            Question(
                name=q.name,
                label=q.label,
                kind=q.kind,
                help=q.help,
                is_required=q.is_required,
                choices=q.choices,
                max_length=q.max_length,
            )
            for q in questions
        ),
        payments=choices if any(sku.price_minor for sku in shown.skus) else (),
        contact_type=item.contact_type,
        is_password_required=item.lookup_password == "required",  # noqa: S105  # a word, not a password
        category=CategoryLink(slug=shown.category.slug, name=shown.category.name) if shown.category else None,
        form=form,
        seen=seen_prices(shown.skus, shown.tiers),
        idempotency_key=key,
    )


def _sku_choices(shown: OnSale, wanted: str, currency: str) -> tuple[SkuChoice, ...]:
    stocks = {s.sku_id: stock_of(shown.product.delivery, shown.product.stock_display, [s], shown.free) for s in shown.skus}
    buyable = [s for s in shown.skus if stocks[s.sku_id].level != "none"]
    chosen = next((s for s in buyable if s.sku_code == wanted), buyable[0] if buyable else None)
    return tuple(
        SkuChoice(
            sku_code=sku.sku_code,
            name=sku.name,
            price=Money(sku.price_minor, currency),
            tiers=tuple(
                TierRow(
                    min_quantity=t.min_quantity,
                    price=Money(t.price_minor, currency),
                    saved=Money(max(0, sku.price_minor - t.price_minor), currency),
                )
                for t in shown.tiers[sku.sku_id]
            ),
            min_quantity=sku.min_quantity,
            max_quantity=sku.max_quantity,
            stock=stocks[sku.sku_id],
            is_chosen=sku is chosen,
        )
        for sku in shown.skus
    )
