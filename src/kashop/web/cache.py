"""Whole pages that every guest who asks alike is given, as bytes.

Always true: what such a page shows is made of its Inputs alone, and it is given out only while every one of them still holds;
no cookie, session, order or form is among them, so nothing personal can be on it; no more than `most_bytes` are kept, the
longest unused goes first. All of it runs on the event loop without waiting: a page that a thousand ask for at once is drawn once.
"""

from collections import OrderedDict
from collections.abc import Callable

import msgspec

from kashop.settings import Settings
from kashop.shelf.types import Snapshot
from kashop.web.drawn import Drawn
from kashop.web.themes import Theme

MOST_BYTES = 24 * 1024 * 1024
_BESIDE = 4096
"""About what a page's view takes of memory beside its bytes."""


class Inputs(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """All that a guest's page is made of. Whoever puts something more on such a page adds it here."""

    path: str
    locale: str
    """By `?lang=`, the visitor's cookie, his browser or the shop, in this order."""
    device: str
    """The app whose browser asks, where the page tells of it; else empty."""
    snapshot: Snapshot
    """Catalogue, prices, gateway accounts and stock at one moment."""
    settings: Settings
    """The shop's name, announcement, support, practice mark, currency, time zone and language. Replaced whole by a change."""
    theme: Theme
    """Templates, words and the addresses of assets."""
    templates: int
    """The state of the theme's template files."""
    resting: frozenset[int]
    """Gateway accounts that failed lately and stand behind the others."""

    @property
    def asked(self) -> tuple[str, str, str]:
        """What the request says."""
        return self.path, self.locale, self.device

    def holds(self, now: "Inputs") -> bool:
        """Whether all is still the same, for a page that was asked for alike."""
        return self.snapshot is now.snapshot and self.resting == now.resting and self.looks_alike(now)

    def looks_alike(self, now: "Inputs") -> bool:
        """Whether the same content would still be drawn in the same way."""
        return self.settings is now.settings and self.theme is now.theme and self.templates == now.templates


class Content(msgspec.Struct, frozen=True):
    """What is drawn: a template, and all that it shows beside what every page of the shop shows."""

    template: str
    view: msgspec.Struct


class _Kept(msgspec.Struct):
    inputs: Inputs
    content: Content
    page: Drawn


class Cache:
    """The pages that are kept. `look` finds a page's content by its inputs, None when there is no such page; `draw` makes it."""

    def __init__(
        self,
        look: Callable[[Inputs], Content | None],
        draw: Callable[[Inputs, Content], Drawn],
        *,
        most_bytes: int = MOST_BYTES,
    ):
        self._look = look
        self._draw = draw
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[str, str, str], _Kept] = OrderedDict()
        self.bytes = 0

    def find(self, now: Inputs) -> Drawn | None:
        """The page as it is now; None when there is none. One whose content did not change with the shop is not drawn anew."""
        asked = now.asked
        kept = self._kept.get(asked)
        if kept is not None and kept.inputs.holds(now):
            self._kept.move_to_end(asked)
            return kept.page
        content = self._look(now)
        if content is None:
            self._forget(asked)
            return None
        if kept is not None and kept.content == content and kept.inputs.looks_alike(now):
            kept.inputs = now
            self._kept.move_to_end(asked)
            return kept.page
        page = self._draw(now, content)
        self._keep(asked, _Kept(now, content, page))
        return page

    def _keep(self, asked: tuple[str, str, str], new: _Kept) -> None:
        self._forget(asked)
        if not new.page.is_shareable:
            return
        self._kept[asked] = new
        self.bytes += new.page.size + _BESIDE
        while self.bytes > self._most_bytes:
            self._forget(next(iter(self._kept)))

    def _forget(self, asked: tuple[str, str, str]) -> None:
        gone = self._kept.pop(asked, None)
        if gone is not None:
            self.bytes -= gone.page.size + _BESIDE
