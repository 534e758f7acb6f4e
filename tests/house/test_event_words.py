"""Every event that a room records can be read by people: it has a word, its thing has one, and its facts have theirs."""

import ast
from collections.abc import Iterator
from functools import cache

from kashop.web.admin import desk_words, event_words, words
from tests.house import tree
from tests.house.tree import parsed

COMPOSED = {
    "approval": ("approved", "rejected", "withdrawn"),
    "order": ("expired", "cancelled", "refunded", "delivering", "delivered"),
}
"""Names that are put together from a state: `f"order.{status}"`."""


def recorded(source: str) -> Iterator[tuple[str, set[str]]]:
    """Each recorded event: its name as a literal, and the names of its facts."""
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Call) and _is_record(node.func):
            facts = {k.arg for k in node.keywords if k.arg and k.arg not in ("reason", "personal")}
            for argument in node.args[1:2]:
                for name in _names(argument):
                    yield name, facts


def _is_record(function: ast.expr) -> bool:
    return (isinstance(function, ast.Name) and function.id == "record") or (
        isinstance(function, ast.Attribute) and function.attr == "record"
    )


def _names(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(name)):
            yield name
        case ast.IfExp(body=one, orelse=other):
            yield from _names(one)
            yield from _names(other)
        case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]):
            yield from (f"{start}{state}" for state in COMPOSED[start.rstrip(".")])


@cache
def everything() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for path in tree.sources():
        for name, facts in recorded(path.read_text(encoding="utf-8")):
            found.setdefault(name, set()).update(facts)
    return found


def test_every_event_has_its_word_and_its_group() -> None:
    found = everything()
    assert len(found) > 50
    nameless = sorted(name for name in found if words.word("event", name) == name)
    assert not nameless, f"give them words in web/admin/event_words.py: {nameless}"
    grouped = {name for group in event_words.GROUPS for name in event_words.names_of(group)}
    assert not found.keys() - grouped, "give them a group in web/admin/event_words.py"


def test_every_reason_of_a_callback_has_its_word() -> None:
    """What a gateway of the box, or the shop, finds wrong with a callback is said in words in the inbox."""
    reasons = {reason for path in tree.sources() for reason in rejections(path.read_text(encoding="utf-8"))}
    assert len(reasons) > 8
    assert not sorted(reasons - desk_words.CALLBACK_REASON.keys()), "give them words in web/admin/desk_words.py"


def rejections(source: str) -> Iterator[str]:
    """The literal reasons of `Rejected("…")` and of the inbox's own refusals."""
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("Rejected", "_Refused"):
            yield from (a.value for a in node.args[-1:] if isinstance(a, ast.Constant) and isinstance(a.value, str))


def test_every_fact_of_an_event_has_its_word() -> None:
    facts = {(name, fact) for name, found in everything().items() for fact in found - event_words.SILENT}
    nameless = sorted(pair for pair in facts if pair[1] not in event_words.FACTS and pair[1] not in {"codes", "count"})
    assert not nameless, f"give them words in web/admin/event_words.py: {nameless}"


def test_every_thing_has_its_word() -> None:
    sources = [path.read_text(encoding="utf-8") for path in tree.sources()]
    things = {thing for source in sources for thing in subjects(source)}
    assert len(things) > 10
    assert not things - event_words.THINGS.keys(), "give them words in web/admin/event_words.py"


def subjects(source: str) -> Iterator[str]:
    """The kinds of things to which something is recorded as done."""
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Call) and _is_record(node.func):
            for argument in node.args[3:4]:
                if isinstance(argument, ast.Tuple) and isinstance(argument.elts[0], ast.Constant):
                    yield str(argument.elts[0].value)


def test_what_is_recorded_is_found() -> None:
    source = "record(tx, 'a.done', who, ('a', 1), reason='x', n=1)\naudit.record(tx, 'b.on' if x else 'b.off', who, ('b', 1))"
    assert list(recorded(source)) == [("a.done", {"n"}), ("b.on", set()), ("b.off", set())]
    assert list(subjects(source)) == ["a", "b"]
