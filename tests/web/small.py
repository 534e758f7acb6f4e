"""A small application inside the real edge, with the real error answers: to see what reaches a handler and what leaves."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
from litestar import Litestar, get, post
from litestar.params import FromPath

from kashop.lib.errors import Invalid, SoldOut, TooMany
from kashop.web.edge import Edge, EdgeRules
from kashop.web.errors import Errors
from kashop.web.forms import read_form
from kashop.web.sessions import AnyRequest, client_ip

SECRET = "SELECT password FROM /etc/secret"


@get("/")
async def home(request: AnyRequest) -> dict[str, Any]:
    """What the handler was told."""
    return {"ip": client_ip(request), "scheme": request.url.scheme, "path": request.scope["path"]}


@get("/bug")
async def bug() -> None:
    """A bug."""
    raise RuntimeError(SECRET)


@get("/deep")
async def deep() -> None:
    """What a client's nesting provokes."""
    raise RecursionError(SECRET)


@get(["/no/{kind:str}", "/api/no/{kind:str}"])
async def no(kind: FromPath[str]) -> None:
    """Every way to say no."""
    if kind == "sold_out":
        raise SoldOut("Sold out: fewer are left than you asked for.")
    if kind == "too_many":
        raise TooMany("Too many tries. Please wait {seconds} seconds.", retry_after=7, seconds=7)
    raise Invalid.of("contact", "This is not an e-mail address.")


@post(["/form", "/api/form", "/pay/x/callback"], status_code=200)
async def form(request: AnyRequest) -> dict[str, Any]:
    """The fields as read."""
    read = await read_form(request, max_fields=50)
    files = {name: [f.name, len(f.data)] for name, f in read.files.items()}
    return {"fields": {name: read.many(name) for name in read.names()}, "files": files}


def client(rules: EdgeRules | None = None, *, ip: str = "203.0.113.9", host: str = "shop.example") -> httpx.AsyncClient:
    """A browser at the small application."""
    errors = Errors(lambda scope: "en")
    app = Litestar(
        [home, bug, deep, no, form],
        exception_handlers={Exception: errors.handle},
        openapi_config=None,
        logging_config=None,
        request_max_body_size=None,
    )
    edge = Edge(app, rules or EdgeRules.of("http://shop.example"), errors.answer)
    transport = httpx.ASGITransport(app=edge, client=(ip, 4711))
    return httpx.AsyncClient(transport=transport, base_url=f"http://{host}")


async def pieces(*parts: bytes) -> AsyncIterator[bytes]:
    """A body that comes in pieces, without a length."""
    for part in parts:
        yield part
