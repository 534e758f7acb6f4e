"""Files that pages refer to: the theme's assets, for ever the same at one address, and product images."""

import re

from litestar import Response, get
from litestar.params import FromPath

from kashop.lib.errors import NotFound
from kashop.web.answers import has, response
from kashop.web.assets import FOR_EVER
from kashop.web.pages import pages_of
from kashop.web.sessions import AnyRequest, shop_of

IMAGES = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif"}

ICONS = ("favicon.ico", "mark.svg")
"""A theme's own icon, else its mark."""
_DAY = b"public, max-age=86400"

_IMAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}\.(png|jpg|jpeg|webp|gif)", re.ASCII)


@get("/t/{theme:str}/{digest:str}/{path:path}")
async def asset(request: AnyRequest, theme: FromPath[str], digest: FromPath[str], path: FromPath[str]) -> Response[bytes]:
    """A theme's file. An address of an earlier version gets today's content, and is not to be kept."""
    found = pages_of(request).theme.assets.find(request.scope["path"], dict(request.scope["headers"]))
    if found is None:
        raise NotFound("There is no such file.")
    return response(found)


@get("/favicon.ico")
async def favicon(request: AnyRequest) -> Response[bytes]:
    """The shop's icon, for pages that name none: browsers ask here by themselves. A theme without one has no error to tell."""
    files = pages_of(request).theme.assets.files
    icon = next((files[name] for name in ICONS if name in files), None)
    if icon is None:
        return Response(b"", status_code=204, media_type="image/x-icon", headers={"cache-control": _DAY.decode()})
    status, headers, body = icon.answer(dict(request.scope["headers"]), is_current=False)
    return response((status, [(n, _DAY if n == b"cache-control" else v) for n, v in headers], body))


@get("/uploads/{name:str}")
async def upload(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """A product's image; its name is made by us and never used twice."""
    known = _IMAGE_NAME.fullmatch(name)
    if known and has(dict(request.scope["headers"]), name.encode()):
        return Response(b"", status_code=304, media_type=IMAGES[known.group(1)], headers=_headers(name))
    body = await shop_of(request).uploads.get(name) if known else None
    if known is None or body is None:
        raise NotFound("There is no such file.")
    return Response(body, media_type=IMAGES[known.group(1)], headers=_headers(name))


def _headers(name: str) -> dict[str, str]:
    return {
        "cache-control": FOR_EVER,
        "etag": f'"{name}"',
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    }
