"""The OpenAPI 3.1 document, drawn from the handlers themselves.

Always true: an operation is in it because a handler carries it, with the Structs that the door checks by; nothing
in it is fetched from elsewhere.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from kashop import __version__
from kashop.web.api import shapes
from kashop.web.api.door import KEY, Operation
from kashop.web.sessions import AnyRequest, shop_of

PREFIX = "/api/v1"
_REF = "#/components/schemas/{name}"

DESCRIBE = Operation(name="getOpenApi", summary="This document", gives=None)

_ALWAYS: dict[int, tuple[str, ...]] = {
    400: ("malformed",),
    422: ("invalid",),
    503: ("unavailable", "unknown_outcome", "busy"),
}
_OF_BODY: dict[int, tuple[str, ...]] = {
    408: ("too_slow",),
    413: ("too_large",),
    415: ("unsupported_media_type", "unsupported_encoding"),
}
_KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "A new random text, such as a UUID, for each order: the same key and content give the same order again. "
    "A key under 20 characters is known only from the client that sent it.",
    "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
}
_PROOF_PARAMETER = {
    "name": "Kashop-Proof",
    "in": "header",
    "required": False,
    "description": "After a 428 `proof_needed`: what solves its `challenge`, as ALTCHA's libraries and widget give it "
    "(base64 of `{challenge, solution}`). Send it with the same order under the same Idempotency-Key, from the same address. "
    "It serves once, for that product.",
    "schema": {"type": "string", "maxLength": 8192},
}
_SCHEMES = {
    "orderToken": {"type": "http", "scheme": "bearer", "description": "The token that came with the order."},
    "supplierToken": {
        "type": "http",
        "scheme": "bearer",
        "description": "`<supplier>.<seconds>.<signature>`, signed by the supplier's key: see docs/reference/sealed-batch.md.",
    },
}
_PLACES = {
    "batch": {"type": "string", "pattern": "^[0-9a-f]{32}$"},
    "slug": {"type": "string", "pattern": "^[a-z0-9-]{1,64}$"},
    "no": {"type": "string", "pattern": "^[0-9A-Z]{1,32}$"},
}
_ABOUT = (
    "Buy from this shop, or supply it. Money is a decimal text with its currency, times are RFC 3339 UTC, lists go on by opaque "
    "cursors. Unknown fields are refused; prices are the shop's alone."
)


@get("/openapi.json", opt={KEY: DESCRIBE})
async def openapi(request: AnyRequest) -> Response[bytes]:
    """The document."""
    from kashop.web.api import handlers  # they include this one

    body = _document(shop_of(request).base_url, tuple(handlers))
    return Response(body, media_type="application/json", headers={"cache-control": "no-store"})


@lru_cache(maxsize=4)
def _document(base_url: str, handlers: Sequence[HTTPRouteHandler]) -> bytes:
    structs: set[type[msgspec.Struct]] = {shapes.Problem}
    paths: dict[str, dict[str, Any]] = {}
    for handler in handlers:
        operation: Operation = handler.opt[KEY]
        structs |= {s for s in (operation.gives, operation.body) if s is not None}
        path = re.sub(r"{(\w+):\w+}", r"{\1}", PREFIX + next(iter(handler.paths)))
        for method in sorted(handler.http_methods - {"OPTIONS"}):
            paths.setdefault(path, {})[method.lower()] = _operation(operation, path)
    _, components = msgspec.json.schema_components(sorted(structs, key=lambda s: s.__name__), ref_template=_REF)
    document = {
        "openapi": "3.1.0",
        "info": {"title": "kashop", "version": __version__, "description": _ABOUT},
        "servers": [{"url": base_url}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": _SCHEMES,
        },
    }
    return msgspec.json.encode(document)


def _operation(operation: Operation, path: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": _parameters(operation, path),
        "responses": {str(operation.status): _answer(operation), **_refusals(operation)},
        "security": [{name: []} for name in _schemes(operation)],
    }
    if operation.body is not None:
        schema = {"$ref": _REF.format(name=operation.body.__name__)}
        told["requestBody"] = {
            "required": operation.body is not shapes.Nothing,
            "content": {"application/json": {"schema": schema}},
        }
    if operation.upload:
        file = {"schema": {"type": "string", "format": "binary"}}
        told["requestBody"] = {"required": True, "content": {operation.upload: file}}
    return told


def _schemes(operation: Operation) -> list[str]:
    wanted = (("orderToken", operation.needs_token), ("supplierToken", operation.is_suppliers))
    return [name for name, is_needed in wanted if is_needed]


def _parameters(operation: Operation, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": _PLACES[name]} for name in re.findall(r"{(\w+)}", path)
    ]
    _, parts = msgspec.json.schema_components([operation.query], ref_template=_REF)
    for name, schema in parts[operation.query.__name__]["properties"].items():
        found.append({"name": name, "in": "query", "schema": schema})
    found += [_KEY_PARAMETER] if operation.needs_key else []
    return [*found, _PROOF_PARAMETER] if operation.takes_proof else found


def _answer(operation: Operation) -> dict[str, Any]:
    schema = {"$ref": _REF.format(name=operation.gives.__name__)} if operation.gives else {"type": "object"}
    answer: dict[str, Any] = {"description": operation.summary, "content": {"application/json": {"schema": schema}}}
    if operation.needs_key:
        answer["headers"] = {
            "Location": {"description": "Where the order is found.", "schema": {"type": "string"}},
            "Idempotent-Replayed": {"description": "`true` when this key had placed it before.", "schema": {"const": "true"}},
        }
    return answer


def _refusals(operation: Operation) -> dict[str, Any]:
    codes: dict[int, tuple[str, ...]] = {}
    for some in (_ALWAYS, _OF_BODY if operation.body is not None or operation.upload else {}, operation.refusals):
        for status, names in some.items():
            codes[status] = tuple(dict.fromkeys((*codes.get(status, ()), *names)))
    schema = {"$ref": _REF.format(name="Problem")}
    return {
        str(status): {
            "description": "Refused: " + ", ".join(f"`{name}`" for name in names),
            "content": {"application/problem+json": {"schema": schema}},
        }
        for status, names in sorted(codes.items())
    }
