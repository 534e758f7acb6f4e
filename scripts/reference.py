"""Writes docs/reference/ from the program itself: the command line and the settings.

With `--check` it only says whether they are up to date.
"""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from kashop.cli.root import COMMANDS
from kashop.settings.table import SETTINGS

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
NOTE = "<!-- Written by scripts/reference.py (make docs); do not edit. -->"


def main() -> int:
    stale = [name for name, text in pages().items() if _stored(name) != text]
    if "--check" in sys.argv:
        print("\n".join(f"docs/reference/{name} is stale: run `make docs`" for name in stale) or "up to date")
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    return 0


def pages() -> dict[str, str]:
    """Every page of the reference by its file's name."""
    return {"cli.md": "\n".join(_cli()) + "\n", "settings.md": "\n".join(_settings()) + "\n"}


def _stored(name: str) -> str:
    path = FOLDER / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _cli() -> Iterator[str]:
    yield from [NOTE, "", "# Command line", "", "Exit: 0 done, 1 refused or failed (one line says why), 2 wrong usage.", ""]
    for name, sentence in COMMANDS.items():
        command = getattr(importlib.import_module(f"kashop.cli.{name}"), name)
        yield from [f"## kashop {name}", "", sentence, ""]
        yield from _command(f"kashop {name}", command)


def _command(title: str, command: click.Command) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from [f"### {title} {name}", "", *_paragraphs(below.help), ""]
            yield from _command(f"{title} {name}", below)
        return
    context = click.Context(command, info_name=title)
    yield from ["```", " ".join([title, *command.collect_usage_pieces(context)]), "```", ""]
    rows = [record for p in command.params if (record := p.get_help_record(context)) is not None]
    if rows:
        yield from ["| option | what |", "|---|---|"]
        yield from (f"| `{_cell(name)}` | {_cell(text)} |" for name, text in rows)
        yield ""


def _settings() -> Iterator[str]:
    yield from [NOTE, "", "# Settings", "", "`kashop setting list`, or the panel.", ""]
    yield from ["| name | kind | default | what |", "|---|---|---|---|"]
    for s in SETTINGS.values():
        default = f"`{s.default}`" if s.default != "" else ""
        fixed = " Fixed once the shop is made." if s.is_fixed else ""
        yield f"| `{s.name}` | {s.kind} | {default} | {_cell(f'{s.label}. {s.help}{fixed}')} |"


def _paragraphs(text: str | None) -> list[str]:
    return [line.strip() for line in (text or "").split("\b")[0].strip().splitlines()]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
