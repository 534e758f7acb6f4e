"""Finds every SQL statement in a source file, and says which house rules it breaks.

A statement is the first argument of `.one .all .value .values .run .add .many` on a Reader or a Tx. `check` is a
pure function of a source text, so that each rule can be shown to fail on a bad example.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath

from tests.house.tree import parsed

METHODS = {"one", "all", "value", "values", "run", "add", "many"}
UNITS = {"Reader": "db", "Tx": "tx"}
SEES_ALL = {"analytics"}

Bound = Mapping[str, list[tuple[int, str | None]]]

_CHANGED = re.compile(r"\b(?:INSERT\s+INTO|(?<!DO )(?<!FOR )UPDATE|DELETE\s+FROM)\s+(\w+)", re.I)
_LOOKED = re.compile(r"(?<!DELETE )\b(?:FROM|JOIN)\s+(\w+)", re.I)
_CTE = re.compile(r"(?:\bWITH\s+(?:RECURSIVE\s+)?|,\s*)(\w+)(?:\s*\([^()]*\))?\s+AS\s+(?:MATERIALIZED\s+)?\(", re.I)
_VERB = re.compile(r"\s*(\w+)")
_BEYOND = re.compile(
    r"\bINSERT\s+OR\b|\bREPLACE\s+INTO\b|\bgroup_concat\b|\bdate\s*\(|\bdatetime\s*\(|\bstrftime\s*\(|\bifnull\s*\("
    r"|\biif\s*\(|\bjson_\w+\s*\(|\bPRAGMA\b|\bGLOB\b|\?|\bmax\s*\([^()]*,|\bmin\s*\([^()]*,|::",
    re.I,
)
_LONE = re.compile(r"(?<![\w(])(?:SELECT\s+:\w+|:\w+\s+IS\s+(?:NOT\s+)?NULL)", re.I)
_SQL_TEXT = re.compile(
    r"\s*(?:SELECT\s.+\sFROM\s|INSERT\s+INTO\s+\w+\s*\(|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s+\w+|CREATE\s+(?:TABLE|INDEX)\s)",
    re.S,
)


@dataclass(frozen=True)
class Statement:
    """One statement where it is run; `sql` is None when it is not a literal."""

    file: str
    line: int
    room: str
    function: str
    unit: str
    sql: str | None
    method: str = ""

    @property
    def at(self) -> str:
        """Where, for a message."""
        return f"{self.file}:{self.line}"

    @property
    def is_hot(self) -> bool:
        """Marked as one that every sale waits for."""
        return self.sql is not None and "/*hot*/" in self.sql


@lru_cache(maxsize=2000)
def find(source: str, file: str) -> list[Statement]:
    """Every statement of a source file; `file` is its path from the top of the tree."""
    tree = parsed(source)
    constants = _literals(tree.body)
    found = []
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            found += list(_in_function(function, constants, file))
    return sorted(found, key=lambda s: s.line)


def check(source: str, file: str, *, owners: Mapping[str, str], floors: Mapping[str, int]) -> list[str]:
    """Every broken rule, one line each."""
    path = PurePosixPath(file)
    broken = []
    for s in find(source, file):
        if path.name not in ("reads.py", "writes.py"):
            broken.append(f"{s.at} runs SQL outside reads.py and writes.py")
        elif s.sql is None:
            broken.append(f"{s.at} runs a statement that is not a literal")
        else:
            broken += [f"{s.at} {problem}" for problem in _problems(s, s.sql, path.name, owners=owners, floors=floors)]
    return broken + _strays(source, path)


def room_of(file: str) -> str:
    """The room a file stands in: the folder or module under src/kashop."""
    parts = PurePosixPath(file).parts
    return PurePosixPath(parts[parts.index("kashop") + 1]).stem if "kashop" in parts else ""


def plain(sql: str) -> str:
    """A statement without comments and without what stands in quotes."""
    return re.sub(r"'(?:[^']|'')*'", "''", re.sub(r"/\*.*?\*/|--[^\n]*", " ", sql, flags=re.S))


def changed_tables(sql: str) -> set[str]:
    """The tables a statement changes."""
    return set(_CHANGED.findall(plain(sql)))


def looked_tables(sql: str) -> set[str]:
    """The tables a statement reads, its own WITH names aside."""
    text = plain(sql)
    return set(_LOOKED.findall(text)) - set(_CTE.findall(text))


def _problems(s: Statement, sql: str, name: str, *, owners: Mapping[str, str], floors: Mapping[str, int]) -> Iterator[str]:
    changed, looked = changed_tables(sql), looked_tables(sql)
    for table in sorted((changed | looked) - owners.keys()):
        yield f"names {table}, which no migration makes"
    for table in sorted(changed & owners.keys()):
        if owners[table] != s.room:
            yield f"changes {table}, which belongs to {owners[table]}"
    for table in sorted(looked & owners.keys()):
        if not _may_look(s.room, owners[table], floors):
            yield f"looks at {table} of {owners[table]}, which is not on its floor or below"
    if name == "reads.py" and (changed or s.unit != "Reader"):
        yield "changes something in reads.py" if changed else "stands in reads.py and wants a Tx"
    if name == "writes.py" and s.unit != "Tx":
        yield "is a look (db: Reader) in writes.py"
    if not changed and _first_word(sql) not in ("SELECT", "WITH"):
        yield "is neither a look nor a change"
    yield from _beyond_both_engines(plain(sql))


def _beyond_both_engines(sql: str) -> Iterator[str]:
    for found in _BEYOND.findall(sql):
        yield f"uses {found.strip()!r}, which both engines do not share"
    for found in _LONE.findall(sql):
        # In INSERT … SELECT :x the column gives the type; test_sql_engines.py asks PostgreSQL itself.
        if not (_first_word(sql) == "INSERT" and found.upper().startswith("SELECT")):
            yield f"has a lone parameter without CAST: {found.strip()!r}"


def _may_look(room: str, owner: str, floors: Mapping[str, int]) -> bool:
    return room == owner or room in SEES_ALL or floors.get(owner, 99) < floors.get(room, -1)


def _first_word(sql: str) -> str:
    found = _VERB.match(plain(sql))
    return found.group(1).upper() if found else ""


def _in_function(function: ast.FunctionDef | ast.AsyncFunctionDef, constants: Bound, file: str) -> Iterator[Statement]:
    arguments = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    units = {a.arg: unit for a in arguments if (unit := _annotation(a)) in UNITS}
    local = _literals(function.body)
    unused = {(name, line): text for name, found in local.items() for line, text in found}
    last = None
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr=method), args=[first, *_]):
                if method in METHODS and (name in units or name in UNITS.values()):
                    unit = units.get(name) or ("Tx" if name == "tx" else "Reader")
                    for line, sql in _resolve(first, local, constants):
                        unused.pop((first.id if isinstance(first, ast.Name) else "", line), None)
                        last = Statement(file, node.lineno, room_of(file), function.name, unit, sql, method)
                        yield last
    # A literal that one branch binds and a later one binds again is run as well.
    if last is not None:
        for (_, line), text in unused.items():
            if text is not None and _SQL_TEXT.match(text):
                yield Statement(file, line, last.room, last.function, last.unit, text, last.method)


def _annotation(argument: ast.arg) -> str:
    return ast.unparse(argument.annotation).strip("'\"") if argument.annotation else ""


def _literals(body: list[ast.stmt]) -> Bound:
    """Every name that is assigned: the line of each assignment, and its literal or None."""
    bound: dict[str, list[tuple[int, str | None]]] = {}
    for node in (n for statement in body for n in ast.walk(statement)):
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    value = None if isinstance(node, ast.AugAssign) else _text(node.value)
                    bound.setdefault(target.id, []).append((node.lineno, value))
    return bound


def _resolve(node: ast.expr, local: Bound, constants: Bound) -> list[tuple[int, str | None]]:
    """The texts an argument stands for: a literal, a choice of two, or a name bound to literals only."""
    if isinstance(node, ast.IfExp):
        return _resolve(node.body, local, constants) + _resolve(node.orelse, local, constants)
    if not isinstance(node, ast.Name):
        return [(node.lineno, _text(node))]
    found = local.get(node.id, [])
    if found:
        before = [pair for pair in found if pair[0] < node.lineno]
        return [max(before)] if before and all(text is not None for _, text in found) else [(node.lineno, None)]
    outside = constants.get(node.id, [])
    return outside if len(outside) == 1 else [(node.lineno, None)]


def _text(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _strays(source: str, path: PurePosixPath) -> list[str]:
    """SQL that stands in a string outside the rooms and the database."""
    if path.name in ("reads.py", "writes.py") or room_of(path.as_posix()) == "db":
        return []
    return [
        f"{path}:{node.lineno} holds SQL outside the rooms"
        for node in ast.walk(parsed(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _SQL_TEXT.match(node.value)
    ]
