"""Whether a statement's rows come in one order only, so that both engines, and two nodes of one, take the same first few and do
their work in the same turn: SQLite breaks a tie by the place in its file, PostgreSQL as it happens to read.

A row has one place when what it is sorted by, together with what a condition fixes, names one row of every table it is made of:
by their keys, and by what is joined to them.
"""

import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from tests.house.statements import plain

Column = tuple[str, str]
"""The name of a table within a statement, and a column of it."""

_TABLE = re.compile(
    r"\b(?:FROM|JOIN)\s+(\w+)(?:\s+(?:AS\s+)?(?!(?:ON|WHERE|JOIN|LEFT|CROSS|ORDER|GROUP|LIMIT|UNION)\b)(\w+))?", re.I
)
_SORTED = re.compile(r"\bORDER BY (.*?)(?: LIMIT | ON CONFLICT |$)")
_GROUPED = re.compile(r"\bGROUP BY (.*?)(?: HAVING | ORDER BY | LIMIT |$)")
_SELECTED = re.compile(r"\bSELECT (?:DISTINCT )?(.*?) FROM ")
_FIXED = re.compile(r"((?:\w+\.)?\w+) = (?::\w+|CAST\(:|''|\d)")
_JOINED = re.compile(r"((?:\w+\.)?[a-z]\w*) = ((?:\w+\.)?[a-z]\w*)")
_EITHER = re.compile(r"\([^()]*(?:\([^()]*\)[^()]*)*\bOR\b[^()]*(?:\([^()]*\)[^()]*)*\)")


@dataclass(frozen=True)
class Keys:
    """What a database says of its tables: their columns, and the sets of columns of which no two rows have the same."""

    columns: dict[str, set[str]]
    unique: dict[str, list[frozenset[str]]]


def keys_of(con: sqlite3.Connection) -> Keys:
    """The keys of every table; a unique index of some rows only is none."""
    found = Keys({}, {})
    for (table,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        rows = con.execute(f"PRAGMA table_info({table})").fetchall()
        found.columns[table] = {row[1] for row in rows}
        found.unique[table] = [frozenset(row[1] for row in rows if row[5])]
        for _, index, is_unique, _, is_partial in con.execute(f"PRAGMA index_list({table})").fetchall():
            if is_unique and not is_partial:
                found.unique[table].append(frozenset(row[2] for row in con.execute(f"PRAGMA index_info({index})")))
    return found


def loose(keys: Keys, sql: str) -> list[str]:
    """The looks within a statement that are sorted or cut short, and whose rows may come in more than one order."""
    return [text for text in _selects(" ".join(plain(sql).split())) if not _is_total(keys, text)]


def _selects(text: str) -> Iterator[str]:
    """Every SELECT by itself: what stands in brackets within another is cut out of that."""
    begins, outer, last = [], [], 0
    for at, letter in enumerate(text):
        if letter == "(":
            begins.append(at)
        elif letter == ")" and begins:
            begin = begins.pop()
            if re.match(r"\s*(?:SELECT|WITH)\b", text[begin + 1 : at]) and not any(_opens(text, b) for b in begins):
                yield from _selects(text[begin + 1 : at])
                outer.append(text[last : begin + 1])
                last = at
    yield "".join(outer) + text[last:]


def _opens(text: str, begin: int) -> bool:
    return re.match(r"\s*(?:SELECT|WITH)\b", text[begin + 1 :]) is not None


def _is_total(keys: Keys, text: str) -> bool:
    found = _SORTED.search(text)
    by = _names(found.group(1)) if found else []
    if found is None and " LIMIT " not in text:
        return True
    return all(_is_one_row(keys, arm, by) for arm in re.split(r"\bUNION(?: ALL)?\b", text))


def _is_one_row(keys: Keys, arm: str, by: list[str]) -> bool:
    tables = {alias or table: table for table, alias in _TABLE.findall(arm)}
    conditions = _EITHER.sub("()", arm.partition(" FROM ")[2])
    if " OR " in conditions:
        conditions = ""
    fixed = {column for name in by + _FIXED.findall(conditions) for column in _resolve(keys, tables, name)}
    joined = [(_resolve(keys, tables, a), _resolve(keys, tables, b)) for a, b in _JOINED.findall(conditions)]
    known = _closure(keys, tables, fixed, [(a[0], b[0]) for a, b in joined if len(a) == len(b) == 1])
    shown = _GROUPED.search(arm) or _SELECTED.search(arm)
    names = _names(shown.group(1)) if shown else []
    is_alike = bool(names) and all(set(_resolve(keys, tables, name)) & known for name in names)
    return is_alike or (
        bool(tables) and all((alias, c) in known for alias, t in tables.items() for c in keys.columns.get(t, {""}))
    )


def _closure(keys: Keys, tables: dict[str, str], fixed: set[Column], joined: list[tuple[Column, Column]]) -> set[Column]:
    """What is fixed by what is: columns that are equal to one, and all of a row whose key is."""
    known, before = set(fixed), -1
    while len(known) != before:
        before = len(known)
        for a, b in joined:
            known |= {a, b} if {a, b} & known else set()
        for alias, table in tables.items():
            if any(all((alias, column) in known for column in key) for key in keys.unique.get(table, []) if key):
                known |= {(alias, column) for column in keys.columns[table]}
    return known


def _resolve(keys: Keys, tables: dict[str, str], name: str) -> list[Column]:
    """The columns that a name may stand for; none for one that the statement makes."""
    alias, _, column = name.rpartition(".")
    among = [alias] if alias else list(tables)
    return [(each, column) for each in among if column in keys.columns.get(tables.get(each, ""), ())]


def _names(listed: str) -> list[str]:
    """The parts of a list, without directions and names; brackets hold together."""
    depth, cuts = 0, [-1]
    for at, letter in enumerate(listed):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and not depth:
            cuts.append(at)
    parts = [listed[a + 1 : b].strip() for a, b in pairwise([*cuts, len(listed)])]
    return [re.sub(r" (?:ASC|DESC|AS \w+)$", "", part) for part in parts]
