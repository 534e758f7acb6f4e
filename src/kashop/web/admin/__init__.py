"""The panel: what staff see and do, one page a file. Every handler names the permission that it needs."""

from litestar.types import ControllerRouterHandler

from kashop.web.admin import (
    account,
    assets,
    categories,
    codes,
    dashboard,
    exceptions,
    factors,
    forgot,
    gateways,
    jobs,
    login,
    notices,
    orders,
    products,
    settings,
    staff,
    step_up,
    stock,
    suppliers,
    vault,
)

_PAGES = (
    assets,
    login,
    forgot,
    account,
    factors,
    step_up,
    dashboard,
    orders,
    exceptions,
    products,
    categories,
    codes,
    stock,
    suppliers,
    gateways,
    settings,
    notices,
    staff,
    vault,
    jobs,
)
route_handlers: list[ControllerRouterHandler] = [handler for page in _PAGES for handler in page.route_handlers]
