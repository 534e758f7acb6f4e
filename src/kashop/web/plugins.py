"""The pages that plugins bring, under `/x/<plugin>/`. They are told nothing of sessions or cookies."""

from typing import Any, cast

from litestar import Response, route
from litestar.enums import HttpMethod
from litestar.params import FromPath

from kashop.plugins.types import PageRequest
from kashop.web.errors import Problem, Stopped
from kashop.web.forms import parse_pairs, read_form
from kashop.web.pages import Pages
from kashop.web.sessions import AnyRequest, client_ip, shop_of

_OURS = frozenset({"set-cookie", "content-length", "transfer-encoding", "connection"})
"""Headers that a plugin's page may not set."""


@route("/x/{plugin:str}/{rest:path}", http_method=[HttpMethod.GET, HttpMethod.POST])
async def plugin_page(request: AnyRequest, plugin: FromPath[str], rest: FromPath[str]) -> Response[bytes]:
    """Ask the plugin."""
    shop = shop_of(request)
    form = await read_form(request, max_fields=200) if request.method == "POST" else None
    asked = PageRequest(
        method=str(request.method),
        path=str(rest).removeprefix("/"),
        query=dict(parse_pairs(request.scope["query_string"], max_fields=100)),
        form={name: form.raw(name) for name in form.names()} if form else {},
        base_url=shop.base_url,
        locale=cast(Pages, request.app.state.pages).locale(cast(Any, request.scope)),
        client_ip=client_ip(request),
    )
    said = await shop.plugins.answer(plugin, asked)
    if said.status >= 400 and not said.body:
        raise Stopped(Problem(said.status, "plugin_page", "There is no such page." if said.status < 500 else _FAILED))
    headers = {k.lower(): v for k, v in said.headers.items() if k.lower() not in _OURS}
    kind = headers.pop("content-type", "text/html; charset=utf-8")
    return Response(said.body, status_code=said.status, media_type=kind, headers=headers)


_FAILED = "This page's plugin failed. The shop has a note of it."

route_handlers = [plugin_page]
