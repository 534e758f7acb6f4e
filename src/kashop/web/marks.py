"""Markup that is made here and not in a template: Markdown and QR codes.

Always true: what comes out is safe to put on a page; Markdown may hold no raw HTML, no script,
and only the shop's own pictures.
"""

from functools import cache, lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

import nh3
from markupsafe import Markup, escape

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_TEXT = {"a", "blockquote", "br", "code", "del", "em", "hr", "img", "p", "pre", "s", "strong"}
_BLOCKS = {"h1", "h2", "h3", "h4", "li", "ol", "ul", "table", "tbody", "td", "th", "thead", "tr"}

_ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt", "title"}, "ol": {"start"}}


@lru_cache(maxsize=512)
def markdown(text: str) -> Markup:
    """Markdown as safe HTML."""
    html = _markdown().render(text)
    return Markup(  # noqa: S704  # nh3 has cleaned it
        nh3.clean(
            html,
            tags=_TEXT | _BLOCKS,
            attributes=_ATTRIBUTES,
            attribute_filter=_own_pictures,
            url_schemes={"http", "https", "mailto"},
            link_rel="noopener noreferrer nofollow",
        )
    )


@cache
def _markdown() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # not at start (decision 0038)

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def _own_pictures(tag: str, attribute: str, value: str) -> str | None:
    if tag == "img" and attribute == "src" and not value.startswith("/uploads/"):
        return None
    return value


def exact(text: str) -> Markup:
    """A code as markup from which a browser reads back every character: a bare carriage return would become a line end."""
    return escape(text).replace("\r", Markup("&#13;"))


@lru_cache(maxsize=256)
def qr_svg(text: str) -> Markup:
    """A QR code as inline SVG in the size of its box; always dark on white, so that every phone reads it."""
    return secret_qr_svg(text)


def secret_qr_svg(text: str) -> Markup:
    """The same for what must not be remembered."""
    import segno

    out = BytesIO()
    segno.make_qr(text, error="m").save(
        out, kind="svg", xmldecl=False, svgns=False, border=4, omitsize=True, dark="#000", light="#fff",
        svgclass="qr", lineclass=None,
    )  # fmt: skip
    return Markup(out.getvalue().decode())  # noqa: S704  # segno writes paths and numbers only
