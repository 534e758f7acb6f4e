"""The table of commands, loaded when they are asked for, and the one place where a refusal becomes a line and an exit code."""

import gc
import importlib
import sqlite3
import sys
from pathlib import Path
from typing import Any

import rich_click as click

from kashop.cli import show

COMMANDS = {
    "init": "Make a shop: its directory, database, keys and owner.",
    "serve": "Run a shop: storefront, panel, API and jobs.",
    "demo": "Run a practice shop with goods, codes and a pretend gateway.",
    "product": "What is for sale: add, import, list, edit.",
    "category": "The shelves: add, list.",
    "codes": "The stock: import codes from a file, count, export, void them, list batches; for suppliers: seal.",
    "supplier": "Suppliers who seal codes for this shop: add, list, confirm, disable, key.",
    "gateway": "Ways to be paid: set, list, test, enable, disable.",
    "order": "Orders: show, list, exceptions, confirm, cancel, deliver.",
    "setting": "What the merchant may choose: list, get, set, clear.",
    "notice": "What the shop tells people: list, retry, test, key.",
    "admin": "The staff: create, list, reset-password, unlock, link, disable.",
    "vault": "The keys: status, seal, unseal, rotate, rekey, recover.",
    "audit": "The chain of events: verify, checkpoint, pubkey, head.",
    "check": "Look for anything that must never be: stock, orders, money, seals.",
    "doctor": "Look for anything about this installation that should be mended.",
    "stress": "A flash crowd on a throw-away copy of this shop, and the proof of what came of it.",
    "move": "From the file to PostgreSQL.",
    "migrate": "Bring the database to this program's schema.",
    "version": "Which kashop, Python and SQLite this is.",
}

EPILOGUE = "Start with `kashop demo`, or with `kashop init --data DIR` and `kashop serve --data DIR`."


class Commands(click.RichGroup):
    """Loads a command's module when it is called; the list of commands needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A name and a sentence, for lists and completion."""
        known = COMMANDS.get(cmd_name)
        return click.RichCommand(name=cmd_name, short_help=known, help=known) if known else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The real command."""
        name, stub, rest = super().resolve_command(ctx, args)
        if stub is None or stub.name is None:
            return name, stub, rest
        command: click.Command = getattr(importlib.import_module(f"kashop.cli.{stub.name}"), stub.name)
        gc.freeze()
        gc.enable()
        return name, command, rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run it; a refusal is one line."""
        from kashop.lib.errors import Refusal

        try:
            return super().invoke(ctx)
        except Refusal as refusal:
            show.refused(ctx, refusal)
        except (OSError, sqlite3.Error) as error:
            if isinstance(error, BrokenPipeError):
                raise
            show.failed(ctx, error)
        except Exception as error:
            if not _is_of_postgres(error):
                raise
            show.failed(ctx, error)
        return ctx.exit(1)


@click.command(cls=Commands, epilog=EPILOGUE, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="kashop", message="kashop %(version)s")
@click.pass_context
def kashop(ctx: click.Context) -> None:
    """A shop for digital codes: stock in a vault, one code to one buyer.

    Every command takes --data DIR (or KASHOP_DATA), most take --json. Exit: 0 done, 1 refused or failed, 2 wrong usage.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    for text in sys.argv[1:]:
        if not _is_text(text) and not Path(text).exists():
            raise click.UsageError(f"An argument is not valid UTF-8: {text.encode(errors='backslashreplace').decode()}")


def _is_of_postgres(error: Exception) -> bool:
    """Without loading the driver, which a shop on its file does not need."""
    driver = sys.modules.get("psycopg")
    return driver is not None and isinstance(error, driver.Error)


def _is_text(argument: str) -> bool:
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True
