"""The shape rules: lengths, docstrings, first arguments, names, texts that must not stand in the tree.

Pure functions of a source text, so that each can be shown to fail on a bad example.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.house.tree import parsed

MAX_FUNCTION = 40
MAX_FILE = 400
VAGUE = {"utils", "services", "core", "common", "helpers", "managers", "misc"}

# Written in pieces, so that this file does not hold what it looks for.
_HOSTS = [
    "py" + "pi.org",
    "python" + "hosted.org",
    "npm" + "js.org",
    "npm" + "js.com",
    "deb." + "debian.org",
    "proxy." + "golang.org",
]
_PLACES = ["work", "root", "home/[a-z]+", "tmp"]
HOST = re.compile("|".join(re.escape(host) for host in _HOSTS))
PLACE = re.compile(rf"(?<![\w.$}}*\]-])/(?:{'|'.join(_PLACES)})/\w")
FAR = re.compile(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//|url\(\s*["']?(?:https?:)?//|@import\s+["'](?:https?:)?//""")


def long_parts(source: str, file: str) -> Iterator[str]:
    """Files and functions beyond the limits."""
    lines = source.count("\n") + 1
    if lines > MAX_FILE + 1:
        yield f"{file} has {lines} lines"
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION:
                yield f"{file}:{node.lineno} {node.name} has {length} lines"


def undocumented(source: str, file: str) -> Iterator[str]:
    """Modules, and public functions and classes at the top of a module, without a sentence of promise."""
    tree = parsed(source)
    if tree.body and not ast.get_docstring(tree):
        yield f"{file}:1 the module has no docstring"
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        if node.name[0] != "_" and not ast.get_docstring(node):
            yield f"{file}:{node.lineno} {node.name} has no docstring"


def wrong_first_arguments(source: str, file: str) -> Iterator[str]:
    """The first argument tells the room: `db: Reader` looks, `tx: Tx` changes, both plain `def`."""
    name = PurePosixPath(file).name
    for node in parsed(source).body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        arguments = node.args.posonlyargs + node.args.args
        first = arguments[0] if arguments else None
        unit = ast.unparse(first.annotation) if first is not None and first.annotation else ""
        if unit in ("Reader", "Tx") and isinstance(node, ast.AsyncFunctionDef):
            yield f"{file}:{node.lineno} {node.name} takes a {unit} and is async"
        wanted = {"reads.py": "Reader", "writes.py": "Tx"}.get(name)
        if wanted and node.name[0] != "_" and unit != wanted:
            yield f"{file}:{node.lineno} {node.name} stands in {name} and does not take a {wanted} first"
        if first is not None and {"Reader": "db", "Tx": "tx", "Shop": "shop"}.get(unit, first.arg) != first.arg:
            yield f"{file}:{node.lineno} {node.name} calls its {unit} {first.arg!r}"


def swallowed(source: str, file: str) -> Iterator[str]:
    """Handlers that catch everything and do nothing."""
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.ExceptHandler):
            catches_all = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
            if catches_all and all(isinstance(s, ast.Pass) or _is_ellipsis(s) for s in node.body):
                yield f"{file}:{node.lineno} swallows every exception"


def borrowed(source: str, file: str) -> Iterator[str]:
    """Imports of a bundled plugin beyond `kashop.plugins.api` and its own folder: a stranger has no more."""
    path = PurePosixPath(file)
    if "bundled" not in path.parts or path.parent.name == "bundled":
        return
    own = "kashop.bundled." + path.parts[path.parts.index("bundled") + 1]
    for node in ast.walk(parsed(source)):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{a.name}" for a in node.names]
        for name in names:
            allowed = any(f"{name}.".startswith(f"{root}.") for root in (own, "kashop.plugins.api"))
            if name.startswith("kashop") and not allowed:
                yield f"{file}:{node.lineno} borrows {name}, which a stranger's plugin could not"


def _is_ellipsis(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def misplaced_text(text: str, file: str) -> Iterator[str]:
    """Lines that name a package registry's host or a place of one machine."""
    for number, line in enumerate(text.splitlines(), 1):
        if HOST.search(line):
            yield f"{file}:{number} names a package registry's host"
        if PLACE.search(line):
            yield f"{file}:{number} names a place of one machine: {line.strip()[:80]}"


def far_assets(text: str, file: str) -> Iterator[str]:
    """Lines of a page or stylesheet that make the browser fetch from elsewhere (a plain link is no asset)."""
    for number, line in enumerate(text.splitlines(), 1):
        for found in FAR.finditer(line):
            if not re.search(r"<a\b[^>]*$", line[: found.start()]):
                yield f"{file}:{number} fetches from elsewhere: {line.strip()[:80]}"


def vague_names(file: str) -> Iterator[str]:
    """Folders and modules that say nothing about what is in them."""
    for part in PurePosixPath(file).with_suffix("").parts:
        if part in VAGUE:
            yield f"{file} stands under a name that says nothing: {part}"
