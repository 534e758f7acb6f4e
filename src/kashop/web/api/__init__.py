"""The public JSON API under /api/v1: one Router, and one strict door before all of it."""

from litestar import Router

from kashop.web.api import openapi, orders, products, supply
from kashop.web.api.door import StrictDoor

handlers = [
    products.products,
    products.product,
    orders.place,
    orders.show,
    orders.reveal,
    orders.cancel,
    orders.pay_otherwise,
    supply.register,
    supply.shop_key,
    supply.send,
    supply.batches,
    supply.batch,
    openapi.openapi,
]

route_handlers = [Router(path=openapi.PREFIX, route_handlers=[*handlers], middleware=[StrictDoor()])]
ways = orders.ways
