"""Orders: the list, one with all that happened to it, and what staff may do about it."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.accounts import reads as accounts
from kashop.approvals import reads as approvals
from kashop.approvals.types import Approval
from kashop.audit import reads as audit
from kashop.audit.types import Told
from kashop.db import Reader
from kashop.flows import attempts, checkout, deliver
from kashop.flows import confirm as confirming
from kashop.flows import evidence as evidence_files
from kashop.flows.codes import Asked
from kashop.lib.errors import Conflict, Invalid, NotFound, Refusal
from kashop.orders import reads as orders
from kashop.orders import writes as order_writes
from kashop.orders.rules import PAID
from kashop.orders.types import Line, Order, OrderException
from kashop.payments import reads as payments
from kashop.payments.rows import Attempt, Callback, Evidence, Receipt, Refund
from kashop.web.admin import raw, words
from kashop.web.admin.difference import Difference, compared
from kashop.web.admin.page import Shown, again, answer, cursor, refused_as, row_id, see
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of

PAGE = 50
MOST_FIELDS = 20
"""A line of more is delivered by one field with an entry on each of its lines."""
_SILENT = frozenset({"currency", "receipt", "line", "exception", "status"})
"""Facts of an event that the page shows elsewhere, or that only programs need."""


class About(msgspec.Struct, frozen=True):
    """An order with all that the panel shows of it."""

    order: Order
    lines: list[Line]
    exceptions: list[OrderException]
    attempts: list[Attempt]
    receipts: list[Receipt]
    refunds: list[Refund]
    callbacks: list[Callback]
    timeline: list[Told]
    gateways: dict[int, str]
    staff: dict[str, str]
    evidence: list[Evidence]
    approval: Approval | None


@get("/admin/orders", guards=[Needs("orders.view")])
async def order_list(request: AnyRequest) -> Response[bytes] | Redirect:
    """Orders by state, number (their own, or one of their payments) or contact, newest first."""
    shop, asked = shop_of(request), request.query_params
    subject, status = asked.get("q", "").strip()[:254], asked.get("status", "")
    if subject and (found := await shop.db.read(orders.find, subject.upper())) is not None:
        return see(f"/admin/orders/{found.order_no}")
    before = cursor(request)
    paid_by = await shop.db.read(_of_number, subject) if subject and "before" not in asked else []
    if len(paid_by) == 1:
        return see(f"/admin/orders/{paid_by[0].order_no}")
    if paid_by:
        rows = paid_by
    elif subject:
        rows = await shop.db.read(orders.page_of_contact, subject, before, limit=PAGE + 1)
    elif status in words.ORDER:
        rows = await shop.db.read(orders.page_of_status, status, before, limit=PAGE + 1)
    else:
        rows, status = await shop.db.read(orders.page, before, limit=PAGE + 1), ""
    kept = {k: v for k, v in (("q", subject), ("status", status)) if v}
    older = urlencode({**kept, "before": rows[PAGE - 1].order_id}) if len(rows) > PAGE else ""
    return answer(
        request,
        "orders.html",
        rows=rows[:PAGE],
        subject=subject,
        wanted=status,
        statuses=list(words.ORDER),
        older=older,
        is_first="before" not in asked,
    )


def _of_number(db: Reader, number: str) -> list[Order]:
    """Orders that a number in a vendor's or a bank's list leads to, newest first."""
    return [orders.get(db, order_id) for order_id in payments.orders_of_number(db, number)]


@get("/admin/orders/{order_no:str}", guards=[Needs("orders.view")])
async def order_page(request: AnyRequest, order_no: FromPath[str]) -> Response[bytes]:
    """One order."""
    return await _page(request, order_no)


@post("/admin/orders/{order_no:str}/confirm", guards=[Needs("orders.confirm", step_up=True)])
async def confirm(request: AnyRequest, order_no: FromPath[str]) -> Response[bytes] | Redirect:
    """Vouch that the rest was paid (补单)."""
    form = form_of(request)
    try:
        reference, note = (
            form.text("reference", most=confirming.MOST_REFERENCE, least=1),
            form.text("confirm_note", most=500, least=1),
        )
        gateway, file = form.text("gateway", most=64), form.files.get("evidence")
        form.done()
        word = {"reference": reference, "note": note, "gateway": gateway, "file": file.data if file else None}
        done = await confirming.confirm(shop_of(request), order_no, actor=actor_of(request), **word)  # type: ignore[arg-type]
    except Invalid as refused:
        return await _page(request, order_no, again(request, form, refused), 422)
    except Conflict as refused:
        return await _refused(request, order_no, refused)
    if isinstance(done, Asked):
        return see(f"/admin/approvals/{done.approval_id}", "asked_second")
    return see(f"/admin/orders/{order_no}", "confirmed" if done in PAID else "confirmed_waiting")


@get("/admin/orders/{order_no:str}/evidence/{evidence:str}", guards=[Needs("orders.evidence")])
async def evidence_file(request: AnyRequest, order_no: FromPath[str], evidence: FromPath[str]) -> Response[bytes]:
    """What was handed in to show that a payment arrived: a picture to look at, a PDF only to download."""
    shop = shop_of(request)
    order, found = await shop.db.read(_order, order_no), await shop.db.read(payments.get_evidence, row_id(evidence))
    if found.order_id != order.order_id:
        raise NotFound("There is no such file.")
    is_picture = found.content_type.startswith("image/")
    headers = {
        "content-disposition": f'{"inline" if is_picture else "attachment"}; filename="{order.order_no}-{found.name}"',
        "content-security-policy": "default-src 'none'; sandbox; frame-ancestors 'none'",
        "cache-control": "no-store",
    }
    return Response(await evidence_files.read(shop, found), media_type=found.content_type, headers=headers)


@post("/admin/orders/{order_no:str}/lines/{line:str}/deliver", guards=[Needs("orders.deliver")])
async def deliver_line(request: AnyRequest, order_no: FromPath[str], line: FromPath[str]) -> Response[bytes] | Redirect:
    """Deliver one line by hand: as many entries as were bought."""
    form = form_of(request)
    try:
        if not (line.isascii() and line.isdigit() and len(line) < 19):
            raise NotFound("There is no such page.")
        entries = [form.text(f"content-{n}-text", most=8192, least=1, is_long=True) for n in form.rows("content")]
        if "contents" in form:
            entries = [e for e in form.text("contents", most=200_000, is_long=True).split("\n") if e.strip()]
        form.done()
        await deliver.deliver_by_hand(shop_of(request), order_no, int(line), entries, actor_of(request))
    except Invalid as refused:
        return await _page(request, order_no, again(request, form, refused), 422)
    except Conflict as refused:
        return await _refused(request, order_no, refused)
    return see(f"/admin/orders/{order_no}", "delivered")


@post("/admin/orders/{order_no:str}/cancel", guards=[Needs("orders.cancel")])
async def cancel(request: AnyRequest, order_no: FromPath[str]) -> Response[bytes] | Redirect:
    """End an unpaid order."""
    shop, form = shop_of(request), form_of(request)
    order = await shop.db.read(_order, order_no)
    try:
        reason = form.text("reason", most=300, least=1)
        form.done()
        await checkout.cancel(shop, order, actor_of(request), reason=reason)
    except Invalid as refused:
        return await _page(request, order_no, again(request, form, refused), 422)
    except Conflict as refused:
        return await _refused(request, order_no, refused)
    return see(f"/admin/orders/{order_no}", "cancelled")


@post("/admin/orders/{order_no:str}/query", guards=[Needs("orders.query")])
async def query(request: AnyRequest, order_no: FromPath[str]) -> Redirect:
    """Ask the gateways now what became of an unpaid order."""
    shop = shop_of(request)
    order = await shop.db.read(_order, order_no)
    shop.limits.take("staff query", order.order_no)
    await attempts.query_open(shop, order.order_id, actor_of(request))
    return see(f"/admin/orders/{order_no}", "asked")


@post("/admin/orders/{order_no:str}/note", guards=[Needs("orders.note")])
async def note(request: AnyRequest, order_no: FromPath[str]) -> Response[bytes] | Redirect:
    """Replace the staff's note."""
    shop, form = shop_of(request), form_of(request)
    order = await shop.db.read(_order, order_no)
    try:
        text, was = form.text("note", most=2000, is_long=True), form.text("was", most=2000, is_long=True)
        form.done()
        await shop.db.write(order_writes.set_note, order.order_id, text, actor_of(request), was=was)
    except Invalid as refused:
        return await _page(request, order_no, again(request, form, refused), 422)
    except Conflict as refused:
        now = (await shop.db.read(_order, order_no)).note
        shown = refused_as(request, form, refused)
        return await _page(
            request, order_no, shown, refused.status, compared({"Note for the staff": text}, {"Note for the staff": now})
        )
    return see(f"/admin/orders/{order_no}", "saved")


async def _refused(request: AnyRequest, order_no: str, refused: Refusal) -> Response[bytes]:
    return await _page(request, order_no, refused_as(request, form_of(request), refused), refused.status)


async def _page(
    request: AnyRequest, order_no: str, form: Shown | None = None, status: int = 200, difference: Sequence[Difference] = ()
) -> Response[bytes]:
    shop = shop_of(request)
    about = await shop.db.read(_about, order_no)
    return answer(
        request,
        "order.html",
        status=status,
        form=form or Shown(),
        difference=difference,
        about=about,
        fields={line.line_id: msgspec.json.decode(line.fields, type=dict[str, str]) for line in about.lines},
        happened=[
            (told, _who(told, about.staff), facts(told.payload), _currency(told.payload) or about.order.currency)
            for told in reversed(about.timeline)
        ],
        received=[(callback, raw.readable(callback)) for callback in about.callbacks],
        entries={line.line_id: list(range(line.quantity)) for line in about.lines if line.quantity <= MOST_FIELDS},
        is_payable=about.order.status in ("pending", "expired", "cancelled"),
        tried_at=list(dict.fromkeys(about.gateways.get(a.gateway_id, "") for a in reversed(about.attempts))),
        needs_second=await _needs_second(request, about.order),
    )


async def _needs_second(request: AnyRequest, order: Order) -> str:
    """Why whoever looks may not confirm the payment alone; '' where nothing stands against it."""
    shop = shop_of(request)
    bounds, due = confirming.Bounds.of(shop.settings), order.total_minor - order.kept_minor
    return await shop.db.read(confirming.needs_second, bounds, actor_of(request), due)


def _order(db: Reader, order_no: str) -> Order:
    order = orders.find(db, order_no)
    if order is None:
        raise NotFound("There is no order {order_no}.", order_no=order_no)
    return order


def _about(db: Reader, order_no: str) -> About:
    order = _order(db, order_no)
    return About(
        order=order,
        lines=orders.lines(db, order.order_id),
        exceptions=orders.exceptions(db, order.order_id),
        attempts=payments.attempts(db, order.order_id),
        receipts=payments.receipts(db, order.order_id),
        refunds=payments.refunds(db, order.order_id),
        callbacks=payments.callbacks_of_order(db, order.order_id),
        timeline=audit.timeline(db, "order", order.order_id),
        gateways={g.gateway_id: g.name for g in payments.gateways(db)},
        staff={str(s.staff_id): s.email for s in accounts.everyone(db)},
        evidence=payments.evidence(db, order.order_id),
        approval=approvals.newest_of(db, confirming.KIND, order.order_id),
    )


def _who(told: Told, staff: dict[str, str]) -> str:
    return staff.get(told.actor_ref, told.actor_ref) if told.actor_kind == "staff" else told.actor_ref


def facts(payload: str) -> list[tuple[str, str | int]]:
    """An event's facts as (name, value). Payloads hold references only; a list of codes' ids is told as its length."""
    known: dict[str, Any] = msgspec.json.decode(payload)
    return [(k, _short(v)) for k, v in known.items() if k not in _SILENT and v not in ("", None, [])]


def _currency(payload: str) -> str:
    """What an event's amount is in, where it says so: money may come in another currency than the order's."""
    return str(msgspec.json.decode(payload).get("currency", ""))


def _short(value: Any) -> str | int:
    if isinstance(value, list):
        return len(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else str(value)


route_handlers = [order_list, order_page, confirm, evidence_file, deliver_line, cancel, query, note]
