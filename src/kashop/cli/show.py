"""How a command answers: tables and lines for people, JSON for scripts, refusals on stderr."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import rich_click as click

if TYPE_CHECKING:
    from kashop.lib.errors import Refusal

JSON = "kashop.json"
"""Under which the context remembers that JSON was asked for."""


def as_json(value: object) -> None:
    """One JSON document on stdout."""
    import msgspec

    plain = msgspec.to_builtins(value, enc_hook=str)
    click.echo(json.dumps(plain, ensure_ascii=False, indent=2))


def line(text: str = "") -> None:
    """One line on stdout, without what would steer a terminal."""
    click.echo(clean(text))


def aside(text: str) -> None:
    """One line on stderr: for people, and not part of the answer."""
    click.echo(clean(text), err=True)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "Nothing.") -> None:
    """Columns that line up, Chinese too; whole when the output goes into a pipe."""
    from rich.console import Console
    from rich.table import Table

    out = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for column in columns:
        is_number = column.startswith(">")
        out.add_column(column.removeprefix(">"), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        out.add_row(*(clean("" if cell is None else str(cell)) for cell in row))
    if not out.row_count:
        line(empty)
        return
    is_terminal = sys.stdout.isatty()
    Console(width=None if is_terminal else 1000, markup=False, emoji=False, highlight=False).print(out)


def clean(text: str) -> str:
    """Text with control characters made visible, so that a name cannot move the cursor."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def when(ms: int | None, timezone: str) -> str:
    """A moment in the shop's time zone."""
    return "" if ms is None else datetime.fromtimestamp(ms / 1000, ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M:%S")


def amount(minor: int, currency: str) -> dict[str, str]:
    """Money as the API writes it."""
    from kashop.lib.money import to_text

    return {"amount": to_text(minor, currency), "currency": currency}


def refused(ctx: click.Context, refusal: "Refusal") -> None:
    """A refusal, on stderr: one line, or JSON when that was asked for."""
    errors = [{"field": e.field, "message": e.text()} for e in refusal.fields]
    _complain(ctx, refusal.code, refusal.text(), errors)


def failed(ctx: click.Context, error: Exception) -> None:
    """What the machine refused: a file, a disk, a lock."""
    _complain(ctx, "failed", _words(error), [])


def _words(error: Exception) -> str:
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror or error}"
    return f"the database says: {(str(error).splitlines() or ['nothing'])[0]}"  # further lines may quote what a row holds


def _complain(ctx: click.Context, code: str, message: str, errors: list[dict[str, str]]) -> None:
    if ctx.meta.get(JSON):
        answer: dict[str, Any] = {"error": {"code": code, "message": message, "errors": errors}}
        click.echo(json.dumps(answer, ensure_ascii=False, indent=2), err=True)
    else:
        click.echo(f"kashop: {clean(' '.join(message.split()))}", err=True)
