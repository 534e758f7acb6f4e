"""`kashop version`."""

import platform
import sqlite3

import rich_click as click

from kashop import __version__
from kashop.cli import show


@click.command()
@click.option("--json", "is_json", is_flag=True, help="Answer in JSON.")
def version(is_json: bool) -> None:
    """Which kashop, Python and SQLite this is."""
    known = {"kashop": __version__, "python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    if is_json:
        show.as_json(known)
    else:
        for name, number in known.items():
            show.line(f"{name} {number}")
