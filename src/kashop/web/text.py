"""The words on the screen: catalogues, the choice of a language, and how money and times are written in it.

The catalogues themselves stand in `lib/catalogue.py`, since notices speak from them too.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from babel import Locale, negotiate_locale
from babel.numbers import format_currency
from markupsafe import Markup, escape

from kashop.lib.catalogue import (
    CORE_LOCALES,
    DEFAULT_LOCALE,
    SOURCE_LOCALE,
    Catalogue,
    core_catalogues,
    read_catalogues,
    translations,
)
from kashop.lib.clock import rfc3339
from kashop.lib.money import Money, to_text

__all__ = [
    "CORE_LOCALES",
    "DEFAULT_LOCALE",
    "SOURCE_LOCALE",
    "Catalogue",
    "babel_locale",
    "choose_locale",
    "core_catalogues",
    "marked",
    "money_text",
    "read_catalogues",
    "time_mark",
    "translations",
]

_MAX_HEADER = 256


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


@lru_cache(maxsize=4096)
def money_text(money: Money, locale: str) -> str:
    """`¥19.80` as the locale writes it."""
    return format_currency(Decimal(to_text(money.minor, money.currency)), money.currency, locale=babel_locale(locale))


def time_mark(ms: int, timezone: str, *, is_exact: bool = False) -> Markup:
    """A moment in the shop's time zone, with the zone shown, as a `<time>` element; to the second when it is to be exact."""
    local = datetime.fromtimestamp(ms / 1000, ZoneInfo(timezone))
    told = local.isoformat(" ")[: 19 if is_exact else 16]
    return Markup(f'<time datetime="{rfc3339(ms)}">{told} <span class="zone">{_zone(local)}</span></time>')  # noqa: S704 - figures


def _zone(local: datetime) -> str:
    offset = local.utcoffset()
    assert offset is not None
    minutes = int(offset.total_seconds()) // 60
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes >= 0 else '−'}{hours}" + (f":{rest:02}" if rest else "")


def marked(text: str, detail: Mapping[str, object]) -> Markup:
    """A translated message as safe markup: all is escaped but values that are markup already."""
    said = escape(text)
    # what is put into plain text is escaped already: Markup's own `format` would do it place by place, twenty times as slowly
    return Markup(str(said).format_map({name: escape(value) for name, value in detail.items()})) if detail else said  # noqa: S704
