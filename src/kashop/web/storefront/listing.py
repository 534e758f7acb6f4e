"""The home page and the categories."""

from litestar import Response, get
from litestar.params import FromPath

from kashop.catalog.types import Category
from kashop.lib.errors import NotFound
from kashop.shelf.types import Snapshot
from kashop.web.cache import Content
from kashop.web.context import Listing
from kashop.web.pages import LOCALE_PARAMETER, pages_of
from kashop.web.sessions import AnyRequest, shop_of
from kashop.web.storefront.guests import guests_of
from kashop.web.storefront.robots import count_drawn
from kashop.web.storefront.shelves import card_of, category_links, listed, stock_on

TEMPLATE = "listing.html"


@get("/")
async def home(request: AnyRequest) -> Response[bytes]:
    """Every product."""
    return await _listing(request, "")


@get("/c/{slug:str}")
async def category(request: AnyRequest, slug: FromPath[str]) -> Response[bytes]:
    """The products of one category and of those below it."""
    return await _listing(request, slug)


async def _listing(request: AnyRequest, slug: str) -> Response[bytes]:
    shop = shop_of(request)
    snapshot = await shop.shelf.look()
    if not set(request.query_params) - {LOCALE_PARAMETER}:  # what else is asked stands in the page's own addresses
        kept = guests_of(request).answer(request, snapshot, f"/c/{slug}" if slug else "/")
        if kept is not None:
            return kept
    count_drawn(request)
    content = listing_of(snapshot, slug, shop.settings.text("shop.currency"))
    if content is None:
        raise NotFound("There is no such category.")
    return pages_of(request).answer(request, TEMPLATE, content.view)


def listing_of(snapshot: Snapshot, slug: str, currency: str) -> Content | None:
    """The list of a category, without a slug of everything; None when there is no such category."""
    categories, goods = listed(snapshot)
    current = next((c for c in categories if c.slug == slug), None) if slug else None
    if slug and current is None:
        return None
    links = category_links(categories, current)
    wanted = _below(categories, current)
    cards = tuple(
        card_of(
            each,
            stock_on(snapshot, each.product, each.skus),
            currency,
            has_tiers=any(each.tiers.get(sku.sku_id) for sku in each.skus),
        )
        for each in goods
        if current is None or each.product.category_id in wanted
    )
    here = next((each for link in links for each in (link, *link.children) if each.is_current), None)
    return Content(TEMPLATE, Listing(category=here, categories=links, products=cards))


def _below(categories: list[Category], current: Category | None) -> set[int]:
    if current is None:
        return set()
    return {c.category_id for c in categories if current.category_id in (c.category_id, c.parent_id)}
