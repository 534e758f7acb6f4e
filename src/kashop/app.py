"""The wiring: the only place where all rooms meet. Opens the Shop, builds the web round it, runs plugins and jobs."""

import copy
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from litestar import Litestar, Request, Response
from litestar.datastructures import State

from kashop.flows import nodes, vault
from kashop.jobs import reads as jobs
from kashop.jobs.presence import GONE, Presence
from kashop.jobs.runner import Runner
from kashop.jobs.schedule import SCHEDULE
from kashop.lib import logs
from kashop.lib.clock import Clock
from kashop.settings.config import Config
from kashop.shop import Shop
from kashop.web import admin, api, callbacks, health, plugins, storefront, supply
from kashop.web.admin.page import Panel
from kashop.web.admin.ready import Ready
from kashop.web.admin.wizards import Wizards
from kashop.web.admission import Admission
from kashop.web.direct import DirectWays
from kashop.web.edge import Edge, EdgeRules
from kashop.web.errors import Errors
from kashop.web.kept import KeptForms
from kashop.web.leaving import Leaving
from kashop.web.live import Live
from kashop.web.pages import Pages
from kashop.web.storefront.busy import BusyPage
from kashop.web.storefront.guests import Guests
from kashop.web.supply.page import SupplierPage


@dataclass(slots=True)
class Running:
    """A shop at work. `app` is the ASGI application for a server."""

    shop: Shop
    app: Edge
    runner: Runner
    live: Live
    presence: Presence
    leaving: Leaving


@asynccontextmanager
async def running(
    config: Config,
    *,
    clock: Clock | None = None,
    with_web: bool = True,
    with_jobs: bool = True,
    safe_mode: bool = False,
    is_strict: bool = False,
) -> AsyncIterator[Running]:
    """Open the shop of a data directory as its server, start what runs beside the web, and put all down at the end.

    `is_strict` makes a name that a template misspells an error: for tests and theme authors.
    """
    logs.configure(config.log_format, config.log_level)
    shop = await Shop.open(config, clock=clock, is_server=True, safe_mode=safe_mode)
    runner, live, leaving = Runner(shop, with_jobs=with_jobs), Live(shop), Leaving()
    does = " ".join(what for what, it_does in (("web", with_web), ("jobs", with_jobs)) if it_does)
    presence = Presence(shop, runner.node, does=does)
    try:
        await vault.start(shop)
        await nodes.start(shop)
        await shop.plugins.start()
        runner.start()
        await presence.start()
        app = make_app(shop, runner=runner, live=live, leaving=leaving, is_strict=is_strict)
        yield Running(shop, app, runner, live, presence, leaving)
    finally:
        live.close()
        await nodes.stop(shop)
        await runner.stop()
        await presence.stop()
        await shop.close()


def make_app(
    shop: Shop,
    *,
    runner: Runner | None = None,
    live: Live | None = None,
    leaving: Leaving | None = None,
    is_strict: bool = False,
) -> Edge:
    """The web of an open shop."""
    pages = Pages(shop, is_strict=is_strict)
    panel = Panel(shop, pages, is_strict=is_strict)
    errors = Errors(pages.locale, (panel.error, pages.error))
    guests = Guests(shop, pages, storefront.content_of)
    things: dict[str, Any] = {
        "shop": shop,
        "errors": errors,
        "pages": pages,
        "guests": guests,
        "panel": panel,
        "supplier_page": SupplierPage(shop, pages, is_strict=is_strict),
        "wizards": Wizards(shop.clock, shop.config.data / "spool"),
        "statement_files": Wizards(shop.clock, shop.config.data / "spool"),
        "kept_forms": KeptForms(shop.clock),
        "live": live or Live(shop),
        "leaving": leaving or Leaving(),
        "ready": Ready(shop.clock),
        "job_times": runner.last_run if runner is not None else None,
        "job_runs": jobs.last_runs,
        "job_names": [(job.name, job.every) for job in SCHEDULE],
        "nodes": jobs.nodes if shop.db.has_nodes else None,
        "node_gone": GONE,
    }
    app = copy.copy(_routed())
    app.state = State(things)
    rules = EdgeRules.of(shop.base_url, shop.config.trusted_proxies, (shop.config.host,), is_nameless=not shop.config.base_url)
    direct = DirectWays(app, shop, (*callbacks.ways, *api.ways, *storefront.ways))
    return Edge(app, rules, errors.answer, ready=guests.find, admission=Admission(direct, shop, BusyPage(pages)))


@cache
def _routed() -> Litestar:
    """Every door, routed once for the process, which takes a fifth of a second: handlers find their shop by `app.state`."""
    doors = (health, callbacks, plugins, admin, storefront, supply, api)
    return Litestar(
        route_handlers=[handler for door in doors for handler in door.route_handlers],
        exception_handlers={Exception: _refuse},
        openapi_config=None,
        request_max_body_size=None,  # the edge measures, before anything is read
        logging_config=None,
    )


def _refuse(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    errors: Errors = request.app.state.errors
    return errors.handle(request, error)
