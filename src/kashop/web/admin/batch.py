"""One import afterwards, or from another tab or process: its counts and rows left out; edited, stopped, taken back."""

import asyncio
import zlib
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.accounts import reads as accounts
from kashop.catalog import reads as catalog
from kashop.db import Reader
from kashop.flows import restock
from kashop.flows.restock import Lot
from kashop.inventory import reads as inventory
from kashop.inventory.types import Batch
from kashop.lib import money
from kashop.lib.errors import Conflict, Invalid, NotFound
from kashop.web.admin.pace import Pace, is_interrupted
from kashop.web.admin.page import Shown, again, answer, refused_as, row_id, see
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of

MOST_SHOWN = 100
_MOMENT = 1.2
_undoing: set["asyncio.Task[int]"] = set()
"""Keeps a long undo alive beside the request that began it."""


@get("/admin/codes/batches/{batch:str}", guards=[Needs("stock.view")])
async def batch_page(request: AnyRequest, batch: FromPath[str]) -> Response[bytes]:
    """What became of it."""
    return await _page(request, row_id(batch), Shown())


@get("/admin/codes/batches/{batch:str}/rejects", guards=[Needs("stock.view")])
async def rejects(request: AnyRequest, batch: FromPath[str]) -> Response[bytes]:
    """Which rows were left out and why, as CSV. Never a code."""
    found = await shop_of(request).db.read(inventory.find_rejects, row_id(batch))
    if found is None:
        raise NotFound("No row of this import was left out.")
    headers = {"content-disposition": f'attachment; filename="rejects-{row_id(batch)}.csv"'}
    return Response(b"\xef\xbb\xbf" + zlib.decompress(found.content), media_type="text/csv; charset=utf-8", headers=headers)


@post("/admin/codes/batches/{batch:str}", guards=[Needs("codes.edit")])
async def edit(request: AnyRequest, batch: FromPath[str]) -> Response[bytes] | Redirect:
    """Change what is noted of it."""
    form, batch_id = form_of(request), row_id(batch)
    try:
        lot = Lot(
            product="",
            batch=form.text("batch", most=80, least=1),
            supplier=form.text("supplier", most=80),
            cost=form.text("cost", most=20),
            expires=form.text("expires", most=10),
            note=form.text("note", most=300),
        )
        form.done()
        await restock.edit(shop_of(request), batch_id, lot, actor_of(request))
    except Invalid as refused:
        return await _page(request, batch_id, again(request, form, refused), refused.status)
    return see(f"/admin/codes/batches/{batch_id}", "saved")


@post("/admin/codes/batches/{batch:str}/stop", guards=[Needs("codes.import")])
async def stop(request: AnyRequest, batch: FromPath[str]) -> Redirect:
    """Let it take no more codes, whoever brings them."""
    stopped = await restock.stop(shop_of(request), row_id(batch), actor_of(request))
    return see(f"/admin/codes/batches/{row_id(batch)}", "import_stopped" if stopped else "")


@post("/admin/codes/batches/{batch:str}/undo", guards=[Needs("codes.void", step_up=True)])
async def undo(request: AnyRequest, batch: FromPath[str]) -> Response[bytes] | Redirect:
    """Take it back while nothing of it is held or sold."""
    form, batch_id = form_of(request), row_id(batch)
    reason = form.text("reason", most=300)
    task = asyncio.create_task(restock.undo(shop_of(request), batch_id, actor_of(request), reason=reason))
    _undoing.add(task)
    task.add_done_callback(_undoing.discard)
    done, _ = await asyncio.wait([task], timeout=_MOMENT)
    try:
        for ended in done:
            ended.result()
    except Invalid as refused:
        return await _page(request, batch_id, again(request, form, refused), refused.status)
    except Conflict as refused:
        return await _page(request, batch_id, refused_as(request, form, refused), refused.status)
    return see(f"/admin/codes/batches/{batch_id}", "undone" if done else "")


async def _page(request: AnyRequest, batch_id: int, form: Shown, status: int = 200) -> Response[bytes]:
    shop = shop_of(request)
    batch = await shop.db.read(inventory.get_batch, batch_id)
    currency = shop.settings.text("shop.currency")
    context: dict[str, Any] = await shop.db.read(_told, batch)
    return answer(
        request,
        "batch.html",
        status=status,
        form=form,
        batch=batch,
        pace=Pace.of_batch(batch),
        is_interrupted=is_interrupted(batch, shop.clock.now()),
        cost=money.to_text(batch.cost_minor, currency) if batch.cost_minor else "",
        **context,
    )


def _told(db: Reader, batch: Batch) -> dict[str, Any]:
    kept = inventory.find_rejects(db, batch.batch_id)
    lines = zlib.decompressobj().decompress(kept.content, 64 * 1024).decode(errors="ignore") if kept else ""
    kind, _, ref = batch.created_by.partition(":")
    staff = accounts.find(db, int(ref)) if kind == "staff" and ref.isdigit() else None
    return {
        "product": catalog.get_product(db, batch.product_id),
        "sku": catalog.get_sku(db, batch.sku_id),
        "pool": next((p for p in inventory.pools(db) if p.pool_id == batch.pool_id), None),
        "counts": inventory.batch_counts(db, batch.batch_id),
        "listed": kept.listed if kept else 0,
        "rejects": [tuple(line.rsplit(",", 2)) for line in lines.split("\r\n")[1 : MOST_SHOWN + 1] if line.count(",") > 1],
        "who_kind": kind,
        "who": staff.email if staff is not None else "",
    }


route_handlers = [batch_page, rejects, edit, stop, undo]
