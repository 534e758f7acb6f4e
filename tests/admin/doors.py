"""The doors of the whole app: what each is, what its guard wants, and what knocking at it says."""

import re
from typing import Any

import httpx
from litestar.routes import HTTPRoute

from kashop.web.edge import Edge
from tests.admin.desk import Desk

Door = tuple[str, str]
JSON = {"accept": "application/json"}


def handlers(app: Edge) -> dict[Door, Any]:
    """The handler of every method and path that the program knows, the framework's own OPTIONS and HEAD aside."""
    found = {}
    for route in app._app.routes:  # type: ignore[attr-defined]
        if isinstance(route, HTTPRoute):
            path = re.sub(r":\w+}", "}", route.path_format)
            found |= {(str(m), path): h for h in route.route_handlers for m in h.http_methods if m != "OPTIONS"}
    return found


def needs(handler: Any) -> tuple[str, bool]:
    """The permission that a handler's guard wants, and whether it wants a proof."""
    for guard in handler.resolve_guards():
        if hasattr(guard, "permission"):
            return guard.permission, guard.step_up
    return "", False


def path_of(door: str) -> str:
    return re.sub(r"{\w+}", "1", door)


def code_of(answer: httpx.Response) -> str:
    return answer.json()["code"] if "problem+json" in answer.headers.get("content-type", "") else ""


async def refusal(desk: Desk, method: str, path: str, *, csrf: str | None = None) -> str:
    """The code of a refusal; `passed` when the guard let the request through."""
    if method == "GET":
        answer = await desk.get(path, headers=JSON)
    else:
        answer = await desk.post(path, {}, csrf=csrf, headers=JSON)
    assert answer.status_code < 500, (method, path, answer.status_code)
    code = code_of(answer)
    return code if code in ("login_required", "denied", "stale_page", "step_up_required") else "passed"
