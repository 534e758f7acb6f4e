"""A product and its form. The same page is shown again, with what is wrong, when the form could not be taken."""

from functools import lru_cache

import msgspec
from litestar import Response, get
from litestar.params import FromPath

from kashop.catalog.types import BuyerField, Product, Sku
from kashop.flows import offers
from kashop.flows.offers import Visitor
from kashop.lib.errors import NotFound
from kashop.lib.money import Money
from kashop.shelf.types import Goods, Snapshot
from kashop.shop import Shop
from kashop.web.cache import Content
from kashop.web.context import CategoryLink, Form, ProductPage, Question, SkuChoice, TierRow
from kashop.web.drawn import GAP, new_key
from kashop.web.pages import pages_of
from kashop.web.sessions import AnyRequest, shop_of
from kashop.web.storefront.guests import guests_of
from kashop.web.storefront.payments import Till, pay_choices
from kashop.web.storefront.robots import count_drawn
from kashop.web.storefront.seen import seen_prices
from kashop.web.storefront.shelves import card_of, stock_on, visible
from kashop.web.storefront.visitor import visitor_of
from kashop.web.text import Catalogue
from kashop.web.urls import url

TEMPLATE = "product.html"


class OnSale(msgspec.Struct, frozen=True):
    """A visible product, those of its SKUs that are shown, and the moment at which it is."""

    goods: Goods
    snapshot: Snapshot

    @property
    def product(self) -> Product:
        """What the page is about."""
        return self.goods.product

    @property
    def skus(self) -> tuple[Sku, ...]:
        """What may be chosen."""
        return self.goods.skus


def on_sale(snapshot: Snapshot, slug: str) -> OnSale:
    """The visible product of that slug. Raises NotFound."""
    goods = snapshot.listing.goods.get(slug)
    shown = visible(goods) if goods else None
    if shown is None:
        raise NotFound("There is no such product.")
    return OnSale(shown, snapshot)


@get("/p/{slug:str}")
async def product(request: AnyRequest, slug: FromPath[str]) -> Response[bytes]:
    """The product's page with an empty form."""
    shop = shop_of(request)
    shown = on_sale(await shop.shelf.look(), slug)
    visitor = await visitor_of(request)
    if not visitor.is_staff:
        kept = guests_of(request).answer(request, shown.snapshot, f"/p/{slug}")
        if kept is not None:
            return kept
        count_drawn(request)
    return await product_page(request, shown, Form(), key=new_key())


async def product_page(request: AnyRequest, shown: OnSale, form: Form, *, key: str, status: int = 200) -> Response[bytes]:
    """The product's page for this visitor alone, with a form as it was typed."""
    shop, pages = shop_of(request), pages_of(request)
    view = product_view(shop, pages.words(request), shown, await visitor_of(request), form=form, key=key)
    path = url("product", shown.product.slug)
    return pages.answer(request, TEMPLATE, view, status=status, path=path, headers={"cache-control": "no-store"})


def product_of(shop: Shop, words: Catalogue, snapshot: Snapshot, slug: str, device: str) -> Content | None:
    """The page that every guest is shown whose browser runs there; None when there is no such product."""
    try:
        shown = on_sale(snapshot, slug)
    except NotFound:
        return None
    return Content(TEMPLATE, product_view(shop, words, shown, Visitor(device=device), form=Form(), key=GAP))


def product_view(shop: Shop, words: Catalogue, shown: OnSale, visitor: Visitor, *, form: Form, key: str) -> ProductPage:
    """What the page shows."""
    item, skus, currency = shown.product, shown.skus, shop.settings.text("shop.currency")
    on_offer = offers.on_offer(shop, shown.snapshot.listing.accounts, _basket(shown), visitor)
    choices = pay_choices(Till(shop, words, visitor.device), on_offer, chosen=form.values.get("payment", ""))
    return ProductPage(
        product=card_of(shown.goods, stock_on(shown.snapshot, item, skus), currency),
        description=item.description,
        skus=_sku_choices(shown, form.values.get("sku", ""), currency),
        questions=_questions(item.fields),
        payments=choices if any(sku.price_minor for sku in skus) else (),
        contact_type=item.contact_type,
        is_password_required=item.lookup_password == "required",  # noqa: S105  # a word, not a password
        category=_category_link(shown),
        form=form,
        seen=seen_prices(skus, shown.goods.tiers),
        idempotency_key=key,
    )


def _basket(shown: OnSale) -> offers.Basket:
    """An order of this product, which may come to anything from the least of its cheapest SKU to the most of its dearest."""
    prices = {s.sku_id: [s.price_minor, *(t.price_minor for t in shown.goods.tiers.get(s.sku_id, ()))] for s in shown.skus}
    least = min(min(prices[s.sku_id]) * s.min_quantity for s in shown.skus)
    most = max(max(prices[s.sku_id]) * s.max_quantity for s in shown.skus)
    return offers.basket([shown.product], shown.snapshot.listing.categories, least, most)


def _category_link(shown: OnSale) -> CategoryLink | None:
    categories = shown.snapshot.listing.categories
    found = next((c for c in categories if c.category_id == shown.product.category_id and not c.is_hidden), None)
    return CategoryLink(slug=found.slug, name=found.name) if found else None


@lru_cache(maxsize=1024)
def _questions(fields: str) -> tuple[Question, ...]:
    return tuple(
        Question(
            name=q.name,
            label=q.label,
            kind=q.kind,
            help=q.help,
            is_required=q.is_required,
            choices=q.choices,
            max_length=q.max_length,
        )
        for q in msgspec.json.decode(fields, type=list[BuyerField])
    )


def _sku_choices(shown: OnSale, wanted: str, currency: str) -> tuple[SkuChoice, ...]:
    stocks = {s.sku_id: stock_on(shown.snapshot, shown.product, [s]) for s in shown.skus}
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
                for t in shown.goods.tiers.get(sku.sku_id, ())
            ),
            min_quantity=sku.min_quantity,
            max_quantity=sku.max_quantity,
            stock=stocks[sku.sku_id],
            is_chosen=sku is chosen,
        )
        for sku in shown.skus
    )
