"""The shop as buyers meet it. One page, one file; each parses, asks once, and draws."""

from kashop.shop import Shop
from kashop.web.cache import Content, Inputs
from kashop.web.storefront import checkout, files, listing, lookup, order, order_acts, product, returned, robots, waiting

route_handlers = [
    listing.home,
    listing.category,
    product.product,
    checkout.checkout,
    order.order_page,
    waiting.status,
    waiting.events,
    order_acts.reveal,
    order_acts.codes_file,
    order_acts.check,
    order_acts.cancel,
    order_acts.change,
    lookup.lookup_page,
    lookup.look_up,
    lookup.forget,
    returned.returned,
    files.asset,
    files.favicon,
    files.upload,
    robots.robots_txt,
]
ways = [*checkout.ways, *order.ways]


def content_of(shop: Shop, inputs: Inputs) -> Content | None:
    """What a guest's page shows; None when there is none at that path."""
    kind, _, slug = inputs.path.removeprefix("/").partition("/")
    if kind == "p":
        words = inputs.theme.catalogues[inputs.locale]
        return product.product_of(shop, words, inputs.snapshot, slug, inputs.device)
    if kind == "c" and not slug:
        return None
    return listing.listing_of(inputs.snapshot, slug, inputs.settings.text("shop.currency"))
