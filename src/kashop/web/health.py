"""What a monitor asks: does the process live, and can the shop sell?"""

from typing import Any

from litestar import Response, get
from litestar.enums import MediaType

from kashop.lib.clock import MINUTE
from kashop.settings.reads import settings
from kashop.web.sessions import AnyRequest, shop_of

LATE = 3 * MINUTE
"""A server whose jobs did nothing for so long expires no order and asks no gateway."""


@get("/healthz", media_type=MediaType.TEXT)
async def healthz() -> str:
    """The process answers."""
    return "ok\n"


@get("/readyz", media_type=MediaType.JSON)
async def readyz(request: AnyRequest) -> Response[dict[str, Any]]:
    """Database, vault and jobs do their work; 503 names what does not."""
    shop = shop_of(request)
    checks = {
        "database": getattr(shop.db, "problem", "") or await _database(request),
        "jobs": _jobs(request),
    }
    is_ready = not any(checks.values())
    # a sealed shop sells: it is ready, and its deliveries wait
    vault = "sealed" if shop.keyring.is_sealed else "ok"
    said = {"ready": is_ready, "checks": {**{name: problem or "ok" for name, problem in checks.items()}, "vault": vault}}
    return Response(said, status_code=200 if is_ready else 503, headers={"cache-control": "no-store"})


async def _database(request: AnyRequest) -> str:
    try:
        await shop_of(request).db.read(settings)
    except Exception as error:  # noqa: BLE001  # whatever it is, the shop is not ready; the log has the rest
        shop_of(request).log.error("readyz: the database does not answer", error=repr(error))
        return "does not answer"
    return ""


def _jobs(request: AnyRequest) -> str:
    last_run = request.app.state.job_times
    if last_run is None or not last_run:  # this process runs no jobs, or has only just begun
        return ""
    return "late" if shop_of(request).clock.now() > max(last_run.values()) + LATE else ""


route_handlers = [healthz, readyz]
