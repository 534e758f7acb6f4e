"""`kashop move`: from the file to PostgreSQL."""

from pathlib import Path

import msgspec
import rich_click as click

from kashop.cli import frame, show
from kashop.flows.move import move as move_shop
from kashop.lib import logs
from kashop.lib.errors import Invalid
from kashop.settings.config import check_address


@click.command()
@frame.shop_options
@click.option("--to", "address", metavar="ADDRESS", help="postgresql://user@host/name: an empty database.")
@click.option(
    "--to-file",
    "address_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file that holds the address: with a password in it, it is then on no command line.",
)
def move(*, data: Path, is_json: bool, address: str | None, address_file: Path | None) -> None:
    """Move the shop from its file to PostgreSQL, and fence the file.

    Stop the server first. Every row is copied in one transaction and read back on both sides, and the chain of events is read
    through, before the file is renamed to kashop.db.moved; from then on KASHOP_DATABASE says where the shop is. A move that was
    interrupted is called again.

    Example: kashop move --data /srv/shop --to-file /etc/kashop/database
    """
    if (address is None) == (address_file is None):
        raise click.UsageError("Give one of --to and --to-file.")
    wanted = address or (address_file.read_text(encoding="utf-8").strip() if address_file else "")
    try:
        check_address(wanted)
    except Invalid as refused:
        raise click.UsageError(refused.text()) from None
    config = frame.configured(data)
    logs.configure(config.log_format, "warning")
    moved = move_shop(config, wanted, lambda table, rows: None if is_json or not rows else show.line(f"  {rows:>9}  {table}"))
    if is_json:
        show.as_json(msgspec.to_builtins(moved))
        return
    show.line(f"{sum(moved.rows.values())} rows are the same on both sides, and {moved.events} events follow each other.")
    show.line(f"The file is {config.moved_file} now. Start the server with KASHOP_DATABASE, or KASHOP_DATABASE_FILE, set.")
