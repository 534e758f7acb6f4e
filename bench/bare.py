"""The ceiling: bare Litestar handlers on the same server stack, with the same validation and no database.

`python -m bench.bare --port P --answers FILE`: FILE holds what the shop answered (bench/answers.py). POST of an order (msgspec
validates it; the shop's own answer comes back), GET of a callback (its signature is proved), GET of an order (JSON, the shop's
own bytes), GET of each page (the shop's own bytes, as compressed as the shop sent them), and below `/unchanged` the same pages
for whoever has them: 304.
"""

import argparse
import hmac
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from litestar import Litestar, Request, Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from bench.answers import Answer, Answers, read
from bench.goods import CALLBACK, ORDERS, signature
from kashop.cli.serve import BACKLOG
from kashop.web.api.shapes import NewOrder
from kashop.web.protocol import BoundedProtocol


def make_app(answers: Answers) -> Litestar:
    """The handlers."""
    placed, shown = answers.placed.body, answers.shown.body

    @post(ORDERS)
    async def place(data: NewOrder) -> Response[bytes]:
        return Response(placed, status_code=201, media_type="application/json")

    @get(f"{ORDERS}/{{no:str}}")
    async def show(no: FromPath[str]) -> Response[bytes]:
        return Response(shown, media_type="application/json")

    @get(CALLBACK)
    async def callback(request: Request[Any, Any, Any]) -> Response[bytes]:
        told = dict(parse_qsl(request.scope["query_string"].decode()))
        is_ours = hmac.compare_digest(signature(told), told["sign"])
        return Response(b"success" if is_ours else b"fail", status_code=200 if is_ours else 400, media_type="text/plain")

    pages = [handler for path, answer in answers.pages.items() for handler in (_page(path, answer), _unchanged(path, answer))]
    return Litestar([place, show, callback, *pages], openapi_config=None, logging_config=None)


def _page(path: str, answer: Answer) -> HTTPRouteHandler:
    headers = {name: value for name, value in answer.headers.items() if name in ("content-encoding", "etag", "vary")}

    @get(path)
    async def page() -> Response[bytes]:
        return Response(answer.body, media_type="text/html; charset=utf-8", headers=headers)

    return page


def _unchanged(path: str, answer: Answer) -> HTTPRouteHandler:
    etag = answer.headers.get("etag", '"bench"')

    @get(f"/unchanged{path}")
    async def unchanged(request: Request[Any, Any, Any]) -> Response[bytes]:
        is_known = request.headers.get("if-none-match") == etag
        return Response(b"", status_code=304 if is_known else 412, headers={"etag": etag})

    return unchanged


def main() -> None:
    """Serve until stopped."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--answers", type=Path, required=True)
    given = arguments.parse_args()
    uvicorn.run(  # as `kashop serve` does
        make_app(read(given.answers)),
        host="127.0.0.1",
        port=given.port,
        loop="uvloop",
        http=BoundedProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=20,
        backlog=BACKLOG,
    )


if __name__ == "__main__":
    main()
