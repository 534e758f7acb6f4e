"""The one way into every operation: query and body are read strictly before a handler runs.

Always true: a handler of this API carries its Operation; what it takes was checked whole against the Operation's
Structs, so no handler reads raw input, and no operation is left out.
"""

import re
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, TypeVar

import msgspec
from litestar import Response
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from kashop.web.api.check import checked, checked_query
from kashop.web.api.shapes import Nothing
from kashop.web.api.strict import read_json
from kashop.web.direct import whole_body
from kashop.web.errors import Problem, Stopped
from kashop.web.forms import parse_pairs
from kashop.web.sessions import AnyRequest

T = TypeVar("T", bound=msgspec.Struct)

KEY = "operation"
"""Where a handler's `opt` keeps its Operation."""

IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,255}", re.ASCII)
_JSON = re.compile(r'application/json(?:\s*;\s*charset="?utf-?8"?)?\s*', re.IGNORECASE | re.ASCII)
_BEARER = re.compile(r"Bearer +([!-~]{1,200})", re.IGNORECASE | re.ASCII)


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """What the door must know of a handler, and the OpenAPI document of an operation. `refusals` are codes by status.

    `needs_token` is an order's token, `is_suppliers` a supplier's; `upload` is the kind of a body that the handler reads itself.
    """

    name: str
    summary: str
    gives: type[msgspec.Struct] | None
    status: int = 200
    query: type[msgspec.Struct] = Nothing
    body: type[msgspec.Struct] | None = None
    upload: str = ""
    needs_token: bool = False
    is_suppliers: bool = False
    needs_key: bool = False
    takes_proof: bool = False
    refusals: Mapping[int, tuple[str, ...]] = {}


class StrictDoor(ASGIMiddleware):
    """Reads and checks what an operation takes."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Check, then let pass. Raises Stopped and Invalid."""
        operation = scope["route_handler"].opt.get(KEY)
        if operation is not None:
            state: dict[str, Any] = scope["state"]
            state["query"] = checked_query(parse_pairs(scope["query_string"]), operation.query)
            if operation.body is not None:
                body = await whole_body(receive)  # type: ignore[arg-type]
                state["body"] = taken_body(scope, body, operation.body)  # type: ignore[arg-type]
        await next_app(scope, receive, send)


def taken_body(scope: MutableMapping[str, Any], body: bytes, kind: type[T]) -> T:
    """A body as a `kind`. Raises Stopped and Invalid."""
    value = _read(scope, body)
    if b"\\" not in body:  # what an escape can hide is looked for by `checked` alone; of all else it refuses no more than this
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError:
            pass
    return checked(value, kind)


def _read(scope: MutableMapping[str, Any], body: bytes) -> object:
    kinds = [value.decode("latin-1") for name, value in scope["headers"] if name == b"content-type"]
    if not body and len(kinds) < 2:
        return {}
    if len(kinds) != 1 or not _JSON.fullmatch(kinds[0]):
        raise Stopped(Problem(415, "unsupported_media_type", "Send application/json in UTF-8."))
    return read_json(body)


def query_of(request: AnyRequest, kind: type[T]) -> T:
    """The checked query."""
    return _taken(request, "query", kind)


def body_of(request: AnyRequest, kind: type[T]) -> T:
    """The checked body."""
    return _taken(request, "body", kind)


def _taken(request: AnyRequest, name: str, kind: type[T]) -> T:
    taken = request.scope["state"].get(name)
    if not isinstance(taken, kind):
        raise TypeError(f"this operation takes no {kind.__name__}")
    return taken


def idempotency_key(scope: MutableMapping[str, Any]) -> str:
    """The request's key. Raises Stopped (400)."""
    keys: list[str] = [value.decode("latin-1") for name, value in scope["headers"] if name == b"idempotency-key"]
    if not keys:
        raise Stopped(Problem(400, "idempotency_key_missing", "Send an Idempotency-Key, a new random one for each order."))
    if len(keys) > 1 or not IDEMPOTENCY_KEY.fullmatch(keys[0]):
        raise Stopped(Problem(400, "idempotency_key_malformed", "An Idempotency-Key is 1 to 255 visible ASCII characters."))
    return keys[0]


def proof_of(scope: MutableMapping[str, Any]) -> str:
    """The answer to a challenge; empty when there is none."""
    sent: list[bytes] = [value for name, value in scope["headers"] if name == b"kashop-proof"]
    return sent[0][:8192].decode("latin-1") if len(sent) == 1 else ""


def bearer_token(request: AnyRequest) -> str:
    """The order token that was sent. Raises Stopped (401), whatever the order."""
    return order_token(request.scope["headers"])


def order_token(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The same of a request's headers as they came."""
    found = _bearer(headers)
    if found is None:
        way = {"www-authenticate": 'Bearer realm="order"'}
        raise Stopped(Problem(401, "token_missing", "Send the order's token as a Bearer token.", headers=way))
    return found


def supplier_token(request: AnyRequest) -> str:
    """The token that a supplier signed. Raises Stopped (401)."""
    found = _bearer(request.scope["headers"])
    if found is None:
        way = {"www-authenticate": 'Bearer realm="supply"'}
        raise Stopped(Problem(401, "token_missing", "Send a token signed by the supplier's key as a Bearer token.", headers=way))
    return found


def _bearer(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    sent = [value for name, value in headers if name == b"authorization"]
    found = _BEARER.fullmatch(sent[0].decode("latin-1")) if len(sent) == 1 else None
    return found.group(1) if found else None


def said(answer: msgspec.Struct, *, status: int = 200, **headers: str) -> Response[bytes]:
    """An answer, never to be stored on its way. Header names are written with `_` for `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(
        msgspec.json.encode(answer),
        status_code=status,
        media_type="application/json",
        headers={"cache-control": "no-store", **named},
    )
