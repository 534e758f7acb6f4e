"""A server of the release before goes on with a newer database: what a migration takes away, no released program may still need.

What only adds is a new table, an index, a column that fills itself. Whatever else stands under a line that says since which
release nobody needs it: `-- unneeded since 0.2.0`. That release has to be out before the migration is.
"""

import re

import pytest

from kashop.db import dialect
from tests.house import tree

FIRST = "0034"
"""Migrations before this one were never released apart from each other."""

_SINCE = re.compile(r"^-- unneeded since (\d+\.\d+\.\d+)$", re.M)
_TAKES = (
    (re.compile(r"\bDROP (TABLE|COLUMN|VIEW|FUNCTION)\b", re.I), "takes away"),
    (re.compile(r"\bRENAME\b", re.I), "renames"),
    (re.compile(r"\bALTER COLUMN \w+ (TYPE|SET NOT NULL|DROP DEFAULT)\b", re.I), "narrows"),
    (re.compile(r"\bADD CONSTRAINT\b|\bADD (CHECK|UNIQUE|FOREIGN KEY|PRIMARY KEY)\b", re.I), "forbids"),
    (re.compile(r"\bADD COLUMN (?!.*\bDEFAULT\b)[^;]*\bNOT NULL\b", re.I | re.S), "demands"),
)
_TABLE = re.compile(r"\bCREATE TABLE (\w+)", re.I)
_UPON = re.compile(r"\bCREATE (?:UNIQUE INDEX|(?:CONSTRAINT )?TRIGGER)\b.*?\bON (\w+)", re.I | re.S)


def released(changelog: str) -> set[str]:
    """Versions that are out: those with a day."""
    return set(re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}$", changelog, re.M))


def complaints(script: str, out: set[str]) -> list[str]:
    """What a migration does that a server of the release before could stumble over."""
    found, made = [], set(_TABLE.findall(script))
    for statement in dialect.statements(script, "postgres"):
        since = _SINCE.search(statement)
        if since is not None and since.group(1) in out:
            continue
        bare = "\n".join(line for line in statement.splitlines() if not line.startswith("--"))
        found += [f"{what}: {bare.strip()}" for pattern, what in _TAKES if pattern.search(bare)]
        if (upon := _UPON.search(bare)) is not None and upon.group(1) not in made:
            found.append(f"forbids: {bare.strip()}")
    return found


def test_every_migration_only_adds_or_says_why_it_may_take() -> None:
    out = released((tree.ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    broken = {path.name: complaints(path.read_text(encoding="utf-8"), out) for path in tree.migrations() if path.name >= FIRST}
    assert not {name: what for name, what in broken.items() if what}


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("DROP TABLE orders;", "takes away"),
        ("ALTER TABLE orders DROP COLUMN note;", "takes away"),
        ("ALTER TABLE orders RENAME COLUMN note TO remark;", "renames"),
        ("ALTER TABLE orders ADD COLUMN more BIGINT NOT NULL;", "demands"),
        ("ALTER TABLE orders ALTER COLUMN note SET NOT NULL;", "narrows"),
        ("ALTER TABLE orders ADD CONSTRAINT one CHECK (units > 0);", "forbids"),
        ("CREATE UNIQUE INDEX once ON orders (note);", "forbids"),
        ("-- unneeded since 0.9.0\nDROP TABLE orders;", "takes away"),
    ],
)
def test_what_an_older_server_would_stumble_over_is_seen(sql: str, what: str) -> None:
    assert [each.partition(":")[0] for each in complaints(sql, {"0.1.0"})] == [what]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE more (a TEXT PRIMARY KEY);\nCREATE UNIQUE INDEX more_b ON more (a);",
        "ALTER TABLE orders ADD COLUMN more BIGINT NOT NULL DEFAULT 0;",
        "ALTER TABLE orders ADD COLUMN more TEXT;",
        "CREATE INDEX orders_more ON orders (note);\nDROP INDEX orders_less;",
        "-- unneeded since 0.1.0\nDROP TABLE orders;",
        "-- only: sqlite\nDROP TABLE orders;",
    ],
)
def test_what_only_adds_is_let_alone(sql: str) -> None:
    assert complaints(sql, {"0.1.0"}) == []
