"""Finds every msgid: what Python and the templates would say on a screen.

In Python a msgid is the first argument of a gettext call or of a refusal, the message of a field error, a
label or help text, and any other whole sentence that is no docstring, log line or bug.
"""

import ast
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from jinja2.ext import babel_extract

from kashop.lib import errors
from tests.house.tree import parsed

GETTEXT = {"_", "gettext", "ngettext", "say", "N_"}
SHOWN = {"label", "help", "title", "sentence"}
SENTENCE = re.compile(r"[A-Z][^\n]*\s[^\n]*[.?!]$")
NO_SCREEN = {
    "option",
    "argument",
    "command",
    "group",
    "echo",
    "debug",
    "info",
    "warning",
    "error",
    "critical",
    "exception",
}

_REFUSALS = {n for n, c in vars(errors).items() if isinstance(c, type) and issubclass(c, errors.Refusal)}


def in_python(source: str) -> set[str]:
    """The msgids of a source file."""
    tree = parsed(source)
    silent = {id(node) for quiet in _silent(tree) for node in ast.walk(quiet)}
    found = {text for node in ast.walk(tree) if isinstance(node, ast.Call) for text in _said_by(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            found |= {node.value} if SENTENCE.match(node.value) else set()
    return {text for text in found if re.search(r"[A-Za-z]{2}", re.sub(r"\{\w+\}", "", text))}


def in_template(source: str) -> set[str]:
    """The msgids of a Jinja template."""
    options = {"extensions": "jinja2.ext.i18n", "trimmed": "true", "silent": "false"}
    found = babel_extract(BytesIO(source.encode()), ["_", "gettext", "ngettext"], [], options)
    texts: set[str] = set()
    for _, _, message, _ in found:
        first = message if isinstance(message, str) else (message or (None,))[0]  # None: _(a name)
        texts |= {first} if isinstance(first, str) else set()
    return texts


def in_folder(folder: Path, suffix: str) -> dict[str, Path]:
    """Every msgid below a folder, with one file that says it."""
    read = in_python if suffix == ".py" else in_template
    return {text: path for path in sorted(folder.rglob(f"*{suffix}")) for text in read(path.read_text(encoding="utf-8"))}


def places(text: str) -> set[str]:
    """The `{name}` places of a message."""
    return set(re.findall(r"\{(\w+)\}", text))


def _said_by(call: ast.Call) -> Iterator[str]:
    name = _name(call.func)
    if name in GETTEXT | _REFUSALS:
        yield from _texts(call.args[:1])
    if name in ("FieldError", "of", "refuse", "wrong"):
        yield from _texts(call.args[1:2])
    yield from _texts([k.value for k in call.keywords if k.arg in SHOWN])


def _silent(tree: ast.Module) -> Iterator[ast.AST]:
    """What no visitor reads: docstrings, log lines, the terminal's help, and what is said of a bug."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant()) | ast.Assert() | ast.keyword(arg="description"):
                yield node
            case ast.Call(func=function) if _name(function) in NO_SCREEN:
                yield node
            case ast.Raise(exc=ast.Call(func=function)) if _name(function) not in {*_REFUSALS, "of"}:
                yield node


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _texts(nodes: list[ast.expr]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.IfExp):
            yield from _texts([node.body, node.orelse])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
