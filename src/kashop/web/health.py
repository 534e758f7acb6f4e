"""What a monitor asks: does the process live, and can the shop sell?"""

import asyncio
from typing import Any

from litestar import Response, get
from litestar.enums import MediaType

from kashop.lib.clock import MINUTE
from kashop.settings.reads import settings
from kashop.web.edge import App, Receive, Scope, Send
from kashop.web.sessions import AnyRequest, shop_of

LATE = 3 * MINUTE
"""A server whose jobs did nothing for so long expires no order and asks no gateway."""

PATIENCE = 5
"""Seconds that the database may take for two small looks: a proxy waits no longer for its answer."""


@get("/healthz", media_type=MediaType.TEXT)
async def healthz() -> str:
    """The process answers."""
    return "ok\n"


@get("/readyz", media_type=MediaType.JSON)
async def readyz(request: AnyRequest) -> Response[dict[str, Any]]:
    """Database, vault and jobs do their work, and the server is not about to end; 503 names what is wrong."""
    shop = shop_of(request)
    is_leaving = request.app.state.leaving.asked()
    checks = {"server": "is leaving" if is_leaving else "", "database": await _database(request), "jobs": _jobs(request)}
    is_ready = not any(checks.values())
    # a sealed shop sells: it is ready, and its deliveries wait
    vault = "sealed" if shop.keyring.is_sealed else "ok"
    said = {"ready": is_ready, "checks": {**{name: problem or "ok" for name, problem in checks.items()}, "vault": vault}}
    return Response(said, status_code=200 if is_ready else 503, headers={"cache-control": "no-store"})


async def _database(request: AnyRequest) -> str:
    db = shop_of(request).db
    try:
        async with asyncio.timeout(PATIENCE):
            if trouble := await db.trouble():
                return trouble
            await db.read(settings)
    except Exception as error:  # noqa: BLE001  # whatever it is, the shop is not ready; the log has the rest
        shop_of(request).log.error("readyz: the database does not answer", error=repr(error))
        return "does not answer"
    return ""


def _jobs(request: AnyRequest) -> str:
    last_run = request.app.state.job_times
    if last_run is None or not last_run:  # this process runs no jobs, or has only just begun
        return ""
    return "late" if shop_of(request).clock.now() > max(last_run.values()) + LATE else ""


class Probes:
    """Of the whole web only what a monitor asks: for a server that does nothing but jobs."""

    def __init__(self, app: App):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in ("/healthz", "/readyz"):
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


route_handlers = [healthz, readyz]
