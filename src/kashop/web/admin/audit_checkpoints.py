"""Checkpoints of the audit: what was signed, what has left the host, the key that checks it, and a check of the whole chain."""

from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.audit import reads
from kashop.audit.search import reads as search
from kashop.audit.search.types import Found, Wish
from kashop.audit.types import Checkpoint, Head
from kashop.db import Reader
from kashop.flows import checkpoint, verify
from kashop.lib.errors import NotFound
from kashop.web.admin import told
from kashop.web.admin.page import answer, cursor, row_id, see
from kashop.web.guards import Needs
from kashop.web.sessions import AnyRequest, actor_of, shop_of

PAGE = 30


class About(msgspec.Struct, frozen=True):
    """The state of the chain. `last` is the newest check, `flaw` what it found."""

    head: Head
    outside: int
    rows: list[Checkpoint]
    last: told.Row | None
    flaw: str
    events: int


@get("/admin/audit/checkpoints", guards=[Needs("audit.view")])
async def checkpoints(request: AnyRequest) -> Response[bytes]:
    """The notes, the newest first."""
    shop = shop_of(request)
    key = await checkpoint.public_key(shop)
    about = await shop.db.read(_look, cursor(request))
    return answer(
        request,
        "audit_checkpoints.html",
        about=about,
        rows=about.rows[:PAGE],
        older=about.rows[PAGE - 1].seq if len(about.rows) > PAGE else 0,
        is_first="before" not in request.query_params,
        key=key,
    )


@get("/admin/audit/checkpoints/{seq:str}", guards=[Needs("audit.view")])
async def note(request: AnyRequest, seq: FromPath[str]) -> Response[bytes]:
    """One note, to keep elsewhere."""
    found = await shop_of(request).db.read(reads.find_checkpoint, row_id(seq))
    if found is None:
        raise NotFound("There is no such page.")
    return _file(found.note, f"checkpoint-{found.seq}.txt")


@get("/admin/audit/key", guards=[Needs("audit.view")])
async def public_key(request: AnyRequest) -> Response[bytes]:
    """The key that checks them, to keep elsewhere."""
    return _file(f"{await checkpoint.public_key(shop_of(request))}\n", "audit.pub")


@post("/admin/audit/checkpoints", guards=[Needs("audit.view")])
async def sign_now(request: AnyRequest) -> Redirect:
    """Sign the newest event now."""
    shop = shop_of(request)
    shop.limits.take("audit checkpoint", "")
    await checkpoint.make(shop)
    return see("/admin/audit/checkpoints", "signed")


@post("/admin/audit/verify", guards=[Needs("audit.view")])
async def verify_now(request: AnyRequest) -> Redirect:
    """Read the whole chain now, beside the shop's work."""
    shop = shop_of(request)
    shop.limits.take("audit verify", "")
    await verify.verify_now(shop, actor_of(request))
    return see("/admin/audit/checkpoints", "verified")


def _look(db: Reader, before: int) -> About:
    newest = search.find(db, Wish(names=("audit.verified",)), limit=1)
    result = _result(newest[0]) if newest else {}
    return About(
        head=reads.head(db),
        outside=reads.acknowledged_to(db),
        rows=reads.checkpoints(db, before, limit=PAGE + 1),
        last=told.rows(db, newest)[0] if newest else None,
        flaw=str(result.get("problem", "")),
        events=int(result.get("events", 0)),
    )


def _result(event: Found) -> dict[str, Any]:
    return msgspec.json.decode(event.payload, type=dict[str, Any])


def _file(text: str, name: str) -> Response[bytes]:
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(text.encode(), media_type="text/plain; charset=utf-8", headers=headers)


route_handlers = [checkpoints, note, public_key, sign_now, verify_now]
