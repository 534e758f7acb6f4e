"""The catalogues of words: .po files read once at start; English is the msgid, so `en` needs none.

Places in a message are `{name}`. A translation is text, never markup: whoever puts it on a page escapes it. Pages and
notices speak from here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from gettext import c2py  # what gettext itself uses to read a Plural-Forms line
from pathlib import Path

from babel.messages.pofile import read_po

from kashop.lib.errors import FieldError, Refusal

DEFAULT_LOCALE = "zh_Hans"
SOURCE_LOCALE = "en"

CORE_LOCALES = Path(__file__).resolve().parent.parent / "locales"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The messages of one locale; a msgid that is missing is its own translation."""

    locale: str
    messages: Mapping[str, str]
    plurals: Mapping[str, tuple[str, ...]]
    plural_of: Callable[[int], int]

    def gettext(self, message: str) -> str:
        """The translation of a msgid."""
        return self.messages.get(message) or message

    def ngettext(self, one: str, many: str, n: int) -> str:
        """The translation that fits `n` things."""
        forms = self.plurals.get(one)
        if forms:
            return forms[self.plural_of(n)] or many
        return one if n == 1 else many

    def say(self, message: str, detail: Mapping[str, object] | None = None) -> str:
        """The translation with its `{name}` places filled; a place without a value stays as it is written."""
        return self.gettext(message).format_map(_Filled(detail or {}))

    def refusal(self, refusal: Refusal) -> str:
        """What the shop says when it says no."""
        return self.say(refusal.message, refusal.detail)

    def field_error(self, error: FieldError) -> str:
        """One complaint about one field."""
        return self.say(error.message, dict(error.params))

    def over(self, below: "Catalogue") -> "Catalogue":
        """This catalogue where it has words, `below` where it has none."""
        return Catalogue(
            self.locale,
            {**below.messages, **self.messages},
            {**below.plurals, **self.plurals},
            self.plural_of if self.plurals else below.plural_of,
        )


class _Filled(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


def read_catalogues(folder: Path) -> dict[str, Catalogue]:
    """Every `<locale>.po` of a folder, and English."""
    found = {SOURCE_LOCALE: Catalogue(SOURCE_LOCALE, {}, {}, lambda n: int(n != 1))}
    for path in sorted(folder.glob("*.po")):
        found[path.stem] = _read(path)
    return found


def _read(path: Path) -> Catalogue:
    with path.open("rb") as file:
        po = read_po(file, locale=path.stem, abort_invalid=True)
    messages: dict[str, str] = {}
    plurals: dict[str, tuple[str, ...]] = {}
    for entry in po:
        if not entry.id or entry.fuzzy or not entry.string:
            continue
        if isinstance(entry.id, (tuple, list)):
            forms = entry.string if isinstance(entry.string, (tuple, list)) else (entry.string,)
            plurals[entry.id[0]] = tuple(forms)
        else:
            messages[entry.id] = str(entry.string)
    return Catalogue(path.stem, messages, plurals, c2py(po.plural_expr))


@cache
def core_catalogues() -> dict[str, Catalogue]:
    """The catalogues of kashop itself, by locale."""
    return read_catalogues(CORE_LOCALES)


def translations(locale: str) -> Catalogue:
    """The core catalogue of a locale, English when there is none."""
    found = core_catalogues()
    return found.get(locale) or found[SOURCE_LOCALE]
