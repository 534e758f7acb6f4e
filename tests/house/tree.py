"""Where the house's tests find things: the tree's files, its plan of floors, its tables.

Always true: read from the tree itself (pyproject.toml, migrations/), never repeated here.
"""

import ast
import re
import subprocess
import tomllib
from functools import cache, lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src" / "kashop"

_ROOM = re.compile(r"^-- room: (\w+)$", re.M)
_TABLE = re.compile(r"^CREATE TABLE (\w+)", re.M)


@cache
def floors() -> dict[str, int]:
    """Every room of the plan and its height; the highest number is the top floor."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    (plan,) = [c["layers"] for c in contracts if c["id"] == "floors"]
    return {room.strip("() "): height for height, layer in enumerate(reversed(plan)) for room in layer.split("|")}


@cache
def owners() -> dict[str, str]:
    """Every table and the room under whose line it stands."""
    return {table: room for path in migrations() for table, room in owned_tables(path.read_text(encoding="utf-8"))}


def migrations() -> list[Path]:
    """Every migration, in order."""
    return sorted((ROOT / "migrations").glob("[0-9]*.sql"))


def owned_tables(script: str) -> list[tuple[str, str]]:
    """The tables of one migration, each with its room. Raises ValueError for a table under no room's line."""
    found = []
    for table in _TABLE.finditer(script):
        rooms = _ROOM.findall(script, 0, table.start())
        if not rooms:
            raise ValueError(f"table {table.group(1)} stands under no `-- room:` line")
        found.append((table.group(1), rooms[-1]))
    return found


@cache
def tracked() -> list[Path]:
    """The files that git keeps or would keep; in a tree without git, every file outside dot folders."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode == 0:
        return sorted({ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()})
    inside = (p for p in ROOT.rglob("*") if p.is_file())
    return sorted(p for p in inside if not any(part.startswith(".venv") or part == ".git" for part in p.parts))


def sources() -> list[Path]:
    """Every Python file of the shop."""
    return sorted(SRC.rglob("*.py"))


@lru_cache(maxsize=4)
def parsed(source: str) -> ast.Module:
    """The tree of a source text, to look at only: many rules ask for the same one after the other."""
    return ast.parse(source)


def short(path: Path) -> str:
    """A path as it is written in a message."""
    return path.relative_to(ROOT).as_posix()
