"""The ceiling: bare Litestar handlers on the same server stack, with the same validation and no database.

`python -m bench.bare --port P --order FILE --page FILE`: POST of an order (msgspec validates it; the shop's own answer comes
back), GET of a callback (its signature is proved), GET of a page (the shop's own bytes come back).
"""

import argparse
import hmac
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from litestar import Litestar, Request, Response, get, post

from bench.goods import CALLBACK, ORDERS, PAGE, signature
from kashop.web.api.shapes import NewOrder
from kashop.web.protocol import BoundedProtocol


def make_app(order: bytes, page: bytes) -> Litestar:
    """The three handlers. `order` and `page` are what the shop answered."""

    @post(ORDERS)
    async def place(data: NewOrder) -> Response[bytes]:
        return Response(order, status_code=201, media_type="application/json")

    @get(CALLBACK)
    async def callback(request: Request[Any, Any, Any]) -> Response[bytes]:
        told = dict(parse_qsl(request.scope["query_string"].decode()))
        is_ours = hmac.compare_digest(signature(told), told["sign"])
        return Response(b"success" if is_ours else b"fail", status_code=200 if is_ours else 400, media_type="text/plain")

    @get(PAGE)
    async def product() -> Response[bytes]:
        return Response(page, media_type="text/html; charset=utf-8")

    return Litestar([place, callback, product], openapi_config=None, logging_config=None)


def main() -> None:
    """Serve until stopped."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--port", type=int, required=True)
    arguments.add_argument("--order", type=Path, required=True)
    arguments.add_argument("--page", type=Path, required=True)
    given = arguments.parse_args()
    uvicorn.run(  # as `kashop serve` does
        make_app(given.order.read_bytes(), given.page.read_bytes()),
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
        backlog=2048,
    )


if __name__ == "__main__":
    main()
