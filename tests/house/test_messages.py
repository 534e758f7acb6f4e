"""Every message has its Chinese words, with the same places to fill."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from tests.house import tree
from tests.house.messages import in_folder, in_python, in_template, places

CORE = tree.SRC / "locales" / "zh_Hans.po"
THEME = tree.ROOT / "themes" / "default"


@dataclass(frozen=True)
class Told:
    """The Chinese words of one message, and the places that it and its plural have."""

    words: tuple[str, ...]
    places: frozenset[str]


def told(ids: tuple[str, ...], words: tuple[str, ...]) -> Told:
    return Told(words, frozenset(name for text in ids for name in places(text)))


def catalogue(path: Path) -> dict[str, Told]:
    with path.open("rb") as file:
        po = read_po(file, locale="zh_Hans", abort_invalid=True)
    found = {}
    for entry in po:
        if entry.id and not entry.fuzzy:
            ids = entry.id if isinstance(entry.id, (tuple, list)) else (entry.id,)
            words = entry.string if isinstance(entry.string, (tuple, list)) else (entry.string,)
            found[ids[0]] = told(tuple(ids), tuple(words))
    return found


def missing(said: Iterable[str], known: Mapping[str, Told]) -> list[str]:
    """Messages without words, or whose words have other places to fill."""
    nothing = Told((), frozenset())
    untold = [f"not translated: {m!r}" for m in said if not (w := known.get(m, nothing).words) or not all(w)]
    wrong = [f"other places: {m!r} {w!r}" for m, t in known.items() for w in t.words if not places(w) <= t.places]
    return untold + wrong


ENGLISH = ("cli/", "plugins/kit/", "web/api/openapi.py")
"""What developers and administrators read: the terminal, the authors' kit, the API's own description."""


def from_the_core() -> dict[str, Path]:
    python = in_folder(tree.SRC, ".py")
    shown = {k: v for k, v in python.items() if not v.relative_to(tree.SRC).as_posix().startswith(ENGLISH)}
    return {**shown, **in_folder(tree.SRC / "web", ".html"), **in_folder(tree.SRC / "stress", ".html")}


def test_all_that_kashop_says_is_translated() -> None:
    said = from_the_core()
    assert len(said) > 100
    found = missing(said, catalogue(CORE))
    assert not found, "\n".join(found)


def test_all_that_the_default_theme_says_is_translated() -> None:
    said = in_folder(THEME, ".html")
    assert len(said) > 30
    found = missing(said, {**catalogue(CORE), **catalogue(THEME / "locales" / "zh_Hans.po")})
    assert not found, "\n".join(found)


def test_a_missing_or_wrong_translation_is_seen() -> None:
    known = {
        "Sold out.": told(("Sold out.",), ("卖完了。",)),
        "{count} left": told(("{count} left",), ("还剩 {number} 件",)),
        "One code": told(("One code", "{n} codes"), ("{n} 条卡密",)),
        "Empty": told(("Empty",), ("",)),
    }
    found = "\n".join(missing(["Sold out.", "One code", "Empty", "New words"], known))
    assert "'New words'" in found
    assert "'Empty'" in found
    assert "other places: '{count} left'" in found
    assert "Sold out" not in found
    assert "One code" not in found


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("x = _('Pay now')", {"Pay now"}),
        ("raise NotFound('There is no such order.')", {"There is no such order."}),
        ("raise Invalid.of('name', 'Too long')", {"Too long"}),
        ("FieldError('name', 'A name is needed')", {"A name is needed"}),
        ("Setting(name='shop.name', label='Shop name')", {"Shop name"}),
        ("WORDS = {'kind': 'Choose one of these.'}", {"Choose one of these."}),
        ("'''A docstring that is a sentence.'''", set()),
        ("log.error('The disk is full now.')", set()),
        ("raise ValueError('This is a bug.')", set()),
        ("key = 'order.paid'", set()),
        ("Meta(description='A sentence of the API.')", set()),
    ],
)
def test_what_python_says_is_found(source: str, said: set[str]) -> None:
    assert in_python(source) == said


def test_what_a_template_says_is_found() -> None:
    source = "{{ _('Pay') }} {% trans %} Look up {% endtrans %} {{ ngettext('{n} code', '{n} codes', n) }}"
    assert in_template(source) == {"Pay", "Look up", "{n} code"}
