"""`kashop migrate`: bring the database to this program's schema."""

from pathlib import Path

import rich_click as click

from kashop.cli import frame, show
from kashop.db import Place
from kashop.db import migrate as migrations
from kashop.db.locks import ServerLock
from kashop.lib import logs
from kashop.shop import require


@click.command()
@frame.shop_options
@click.option("--check", is_flag=True, help="Only say what is missing; exit 1 when something is.")
@click.pass_context
def migrate(ctx: click.Context, *, data: Path, is_json: bool, check: bool) -> None:
    """Bring the database to this program's schema. The server does this by itself when it starts."""
    config = frame.configured(data)
    logs.configure(config.log_format, "warning")
    require(config)
    todo = migrations.pending(config.place) if check else _applied(config.data, config.place)
    if is_json:
        show.as_json({"pending" if check else "applied": todo})
    else:
        said = "Missing" if check else "Applied"
        show.line(f"{said}: {', '.join(todo)}." if todo else "The schema is up to date.")
    if check and todo:
        ctx.exit(1)


def _applied(data: Path, place: Place) -> list[str]:
    lock = ServerLock(data)
    lock.take()
    try:
        return migrations.apply(place)
    finally:
        lock.release()
