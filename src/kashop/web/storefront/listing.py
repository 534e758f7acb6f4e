"""The home page and the categories."""

from litestar import Response, get
from litestar.params import FromPath

from kashop.catalog.types import Category
from kashop.lib.errors import NotFound
from kashop.web.context import Listing
from kashop.web.pages import pages_of
from kashop.web.sessions import AnyRequest, shop_of
from kashop.web.storefront.shelves import Shelves, card_of, category_links, shelves


@get("/")
async def home(request: AnyRequest) -> Response[bytes]:
    """Every product."""
    found = await shop_of(request).db.read(shelves)
    return _listing(request, found, None)


@get("/c/{slug:str}")
async def category(request: AnyRequest, slug: FromPath[str]) -> Response[bytes]:
    """The products of one category and of those below it."""
    found = await shop_of(request).db.read(shelves)
    current = next((c for c in found.categories if c.slug == slug), None)
    if current is None:
        raise NotFound("There is no such category.")
    return _listing(request, found, current)


def _listing(request: AnyRequest, found: Shelves, current: Category | None) -> Response[bytes]:
    currency = shop_of(request).settings.text("shop.currency")
    links = category_links(found.categories, current)
    wanted = _below(found.categories, current)
    cards = tuple(
        card_of(each.card, each.stock, currency) for each in found.shelves if current is None or each.card.category_id in wanted
    )
    here = next((each for link in links for each in (link, *link.children) if each.is_current), None)
    view = Listing(category=here, categories=links, products=cards)
    return pages_of(request).answer_shared(request, "listing.html", view)


def _below(categories: list[Category], current: Category | None) -> set[int]:
    if current is None:
        return set()
    return {c.category_id for c in categories if current.category_id in (c.category_id, c.parent_id)}
