"""The panel's stylesheet and pictures: addressed by their content, so kept for ever; the log-in page needs them too."""

from litestar import Response, get
from litestar.params import FromPath

from kashop.lib.errors import NotFound
from kashop.web.admin.page import panel_of
from kashop.web.answers import response
from kashop.web.sessions import AnyRequest


@get("/admin/assets/{digest:str}/{name:path}")
async def asset(request: AnyRequest, digest: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """One file."""
    found = panel_of(request).assets.find(request.scope["path"], dict(request.scope["headers"]))
    if found is None:
        raise NotFound("There is no such page.")
    return response(found)


route_handlers = [asset]
