"""The panel's stylesheet and pictures: addressed by their content, so kept for ever; the log-in page needs them too."""

from litestar import Response, get
from litestar.params import FromPath

from kashop.lib.errors import NotFound
from kashop.web.admin.page import panel_of
from kashop.web.sessions import AnyRequest


@get("/admin/assets/{digest:str}/{name:path}")
async def asset(request: AnyRequest, digest: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """One file."""
    found = panel_of(request).assets.files.get(str(name).removeprefix("/"))
    if found is None or found.digest != digest:
        raise NotFound("There is no such page.")
    headers = {"cache-control": "public, max-age=31536000, immutable", "vary": "Accept-Encoding"}
    if found.gzipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.gzipped, media_type=found.content_type, headers={**headers, "content-encoding": "gzip"})
    return Response(found.body, media_type=found.content_type, headers=headers)


route_handlers = [asset]
