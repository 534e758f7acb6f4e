"""The words on the screen: catalogues, the choice of a language, and how money and times are written in it.

Catalogues are .po files read once at start; English is the msgid, so `en` needs none. Places in a
message are `{name}`. A translation is text, never markup: whoever puts it on a page escapes it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from gettext import c2py  # what gettext itself uses to read a Plural-Forms line
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale, negotiate_locale
from babel.messages.pofile import read_po
from babel.numbers import format_currency
from markupsafe import Markup, escape

from kashop.lib.clock import rfc3339
from kashop.lib.errors import FieldError, Refusal
from kashop.lib.money import Money, to_text

DEFAULT_LOCALE = "zh_Hans"
SOURCE_LOCALE = "en"

CORE_LOCALES = Path(__file__).resolve().parent.parent / "locales"

_MAX_HEADER = 256


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


def choose_locale(*, wanted: str, accepted: str, offered: list[str], default: str) -> str:
    """The locale to speak: the visitor's choice, else the browser's (RFC 9110 §12.5.4), else the shop's."""
    if wanted in offered:
        return wanted
    asked = [_widened(tag) for tag in _by_weight(accepted[:_MAX_HEADER])]
    return negotiate_locale(asked, offered, sep="_") or (default if default in offered else offered[0])


def _by_weight(header: str) -> list[str]:
    weighed: list[tuple[float, str]] = []
    for part in header.split(","):
        tag, _, rest = part.strip().partition(";")
        weight = rest.strip().removeprefix("q=")
        try:
            q = float(weight) if weight else 1.0
        except ValueError:
            continue
        if tag and tag != "*" and 0 < q <= 1:
            weighed.append((q, tag.strip()))
    return [tag for _, tag in sorted(weighed, key=lambda pair: -pair[0])]


def _widened(tag: str) -> str:
    """`zh-CN`, `zh-Hant-TW` and `zh` read Simplified Chinese better than English; of others, the language."""
    language = tag.replace("-", "_").partition("_")[0].lower()
    return DEFAULT_LOCALE if language == "zh" else language


@cache
def babel_locale(locale: str) -> Locale:
    """Babel's knowledge of a locale."""
    return Locale.parse(locale)


def money_text(money: Money, locale: str) -> str:
    """`¥19.80` as the locale writes it."""
    return format_currency(Decimal(to_text(money.minor, money.currency)), money.currency, locale=babel_locale(locale))


def time_mark(ms: int, timezone: str) -> Markup:
    """A moment in the shop's time zone, with the zone shown, as a `<time>` element."""
    local = datetime.fromtimestamp(ms / 1000, UTC).astimezone(ZoneInfo(timezone))
    return Markup('<time datetime="{}">{} <span class="zone">{}</span></time>').format(
        rfc3339(ms), local.strftime("%Y-%m-%d %H:%M"), _zone(local)
    )


def _zone(local: datetime) -> str:
    offset = local.utcoffset()
    assert offset is not None
    minutes = int(offset.total_seconds()) // 60
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes >= 0 else '−'}{hours}" + (f":{rest:02}" if rest else "")


def marked(text: str, detail: Mapping[str, object]) -> Markup:
    """A translated message as safe markup: all is escaped but values that are markup already."""
    return escape(text).format(**detail) if detail else escape(text)
