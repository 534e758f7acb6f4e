"""The shop as buyers meet it. One page, one file; each parses, asks once, and draws."""

from kashop.web.storefront import checkout, files, listing, lookup, order, order_acts, product, returned, waiting

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
    files.upload,
]
