"""The panel: what staff see and do, one page a file. Every handler names the permission that it needs."""

from litestar.types import ControllerRouterHandler

from kashop.web.admin import assets, login

route_handlers: list[ControllerRouterHandler] = [
    *assets.route_handlers,
    *login.route_handlers,
]
