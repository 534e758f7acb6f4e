"""The exceptions desk: what a person has to settle, oldest first; each entry tells its story and offers what may help."""

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
from kashop.flows import confirm, desk
from kashop.inventory import reads as inventory
from kashop.lib.clock import DAY, HOUR, MINUTE
from kashop.lib.errors import Conflict, Invalid, Refusal
from kashop.orders import reads, writes
from kashop.orders.rules import EXCEPTIONS
from kashop.orders.types import DeskFilter, ExceptionNote, Line, Order, OrderException
from kashop.payments import reads as payments
from kashop.payments.differences import reads as differences
from kashop.payments.rows import Attempt, Receipt, Refund
from kashop.payments.statements.types import Difference
from kashop.web.admin.contact import Letter, letter
from kashop.web.admin.orders import facts
from kashop.web.admin.page import Shown, again, answer, refused_as, row_id, see
from kashop.web.forms import Form
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of, signed_in

PAGE = 20
AGES = {"hour": HOUR, "day": DAY, "three": 3 * DAY}
"""At least so old, by the short word in the address."""
_TELLS = frozenset({"missing", "over", "txn", "why", "late", "status", "amount"})
"""Details that the story tells in words."""


class Short(msgspec.Struct, frozen=True):
    """A line that waits for codes: so many to deliver, so many held for it, so many on the shelf."""

    line: Line
    wanted: int
    held: int
    free: int


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the desk with what its story is told from."""

    entry: OrderException
    order: Order
    detail: dict[str, Any]
    more: list[tuple[str, str | int]]
    shorts: list[Short]
    attempts: list[Attempt]
    receipts: list[Receipt]
    refunds: list[Refund]
    notes: list[ExceptionNote]
    remedies: tuple[str, ...]
    approval: Approval | None
    timeline: list[Told]
    age: tuple[int, str]


class Around(msgspec.Struct, frozen=True):
    """What every entry on a page shares."""

    staff: dict[str, str]
    workers: list[tuple[str, str]]
    gateways: dict[int, str]


@get("/admin/exceptions", guards=[Needs("exceptions.view")])
async def desk_page(request: AnyRequest) -> Response[bytes]:
    """What is open: all of it, or of one kind, one owner, one age."""
    shop, asked, me = shop_of(request), request.query_params, f"staff:{signed_in(request).staff_id}"
    kept = {k: v for k in ("kind", "owner", "age") if (v := asked.get(k, ""))}
    sought = _sought(kept, me, shop.clock.now())
    cases, after = await shop.db.read(_page_of, sought, _cursor(asked.get("after", "")))
    return answer(
        request,
        "exceptions.html",
        cases=cases,
        stated=await _stated(request) if not kept else [],
        wanted={"kind": "", "owner": "", "age": "", **kept},
        link=lambda **other: "/admin/exceptions" + _query({**kept, **other}),
        counts=await shop.db.read(reads.desk_counts),
        mine=await shop.db.read(reads.count_desk, me),
        unowned=await shop.db.read(reads.count_desk, ""),
        ages=list(AGES),
        newer=after and "/admin/exceptions" + _query({**kept, "after": after}),
        me=signed_in(request),
        my=me,
        around=await shop.db.read(_around),
    )


async def _stated(request: AnyRequest) -> list[Difference]:
    """Differences with statements that are of no order, for who may see them."""
    if not signed_in(request).may("statements.view"):
        return []
    return await shop_of(request).db.read(differences.open_differences, limit=10, without_order=True)


@get("/admin/exceptions/{exception:str}", guards=[Needs("exceptions.view")])
async def entry_page(request: AnyRequest, exception: FromPath[str]) -> Response[bytes]:
    """One entry: its story, what may help, who has it, what was written down."""
    return await _entry(request, row_id(exception))


@post("/admin/exceptions/{exception:str}/owner", guards=[Needs("exceptions.work")])
async def set_owner(request: AnyRequest, exception: FromPath[str]) -> Response[bytes] | Redirect:
    """Take it on, hand it over, let go of it."""
    shop, form, exception_id = shop_of(request), form_of(request), row_id(exception)
    try:
        workers = [ref for ref, _ in (await shop.db.read(_around)).workers]
        owner = form.choice("to", ["", *workers])
        was = _seen(form)
        form.done()
        await shop.db.write(writes.set_owner, exception_id, owner, actor_of(request), was=was or "")
    except (Invalid, Conflict) as refused:
        return await _refused(request, exception_id, refused)
    me = f"staff:{signed_in(request).staff_id}"
    return see(f"/admin/exceptions/{exception_id}", {"": "let_go_of", me: "taken_on"}.get(owner, "handed_over"))


@post("/admin/exceptions/{exception:str}/notes", guards=[Needs("exceptions.work")])
async def add_note(request: AnyRequest, exception: FromPath[str]) -> Response[bytes] | Redirect:
    """Write something down."""
    form, exception_id = form_of(request), row_id(exception)
    try:
        text = form.text("note", most=2000, least=1, is_long=True)
        form.done()
    except Invalid as refused:
        return await _refused(request, exception_id, refused)
    await shop_of(request).db.write(writes.add_exception_note, exception_id, text, actor_of(request))
    return see(f"/admin/exceptions/{exception_id}", "saved")


@post("/admin/exceptions/{exception:str}/deliver", guards=[Needs("orders.deliver")])
async def deliver(request: AnyRequest, exception: FromPath[str]) -> Response[bytes] | Redirect:
    """Deliver now, held again from stock if need be."""
    form, exception_id = form_of(request), row_id(exception)
    try:
        tried = await desk.deliver_now(shop_of(request), exception_id, actor_of(request), owner=_seen(form))
    except Conflict as refused:
        return await _refused(request, exception_id, refused)
    said = {"": "delivered" if tried.status == "delivered" else "by_hand", "sealed": "waits_for_vault"}
    return see(f"/admin/exceptions/{exception_id}", said.get(tried.waits_for, "still_short"))


@post("/admin/exceptions/{exception:str}/ask", guards=[Needs("orders.query")])
async def ask(request: AnyRequest, exception: FromPath[str]) -> Response[bytes] | Redirect:
    """Ask the gateways now what became of its payments."""
    shop, exception_id = shop_of(request), row_id(exception)
    shop.limits.take("staff query", f"desk {exception_id}")
    try:
        words = await desk.ask_gateways(shop, exception_id, actor_of(request))
    except Invalid as refused:
        return await _refused(request, exception_id, refused)
    known = next((word for word in ("paid", "pending", "closed", "failed") if word in words), "unknown")
    return see(f"/admin/exceptions/{exception_id}", f"gateway_{known}")


@post("/admin/exceptions/{exception:str}/close", guards=[Needs("exceptions.close")])
async def close(request: AnyRequest, exception: FromPath[str]) -> Response[bytes] | Redirect:
    """Take it off the desk, saying why."""
    form, exception_id = form_of(request), row_id(exception)
    try:
        reason = form.text(f"reason-{exception_id}", most=300, least=1)
        form.done()
        done = {"reason": reason, "owner": _seen(form)}
        if not await shop_of(request).db.write(writes.close_by_hand, exception_id, actor_of(request), **done):  # type: ignore[arg-type]
            raise Conflict("Somebody else has closed this exception already.", code="closed_already")
    except (Invalid, Conflict) as refused:
        return await _refused(request, exception_id, refused)
    return see("/admin/exceptions", "closed")


def _seen(form: Form) -> str | None:
    """Whose entry it was on the page that was posted; None where the page did not say."""
    return form.raw("seen")[:64] if "seen" in form else None


async def _refused(request: AnyRequest, exception_id: int, refused: Refusal) -> Response[bytes]:
    form = form_of(request)
    shown = again(request, form, refused) if isinstance(refused, Invalid) else refused_as(request, form, refused)
    return await _entry(request, exception_id, shown, refused.status)


async def _entry(request: AnyRequest, exception_id: int, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    shop = shop_of(request)
    case = await shop.db.read(_case, exception_id)
    return answer(
        request,
        "exception.html",
        status=status,
        form=form or Shown(),
        case=case,
        letter=_letter(request, case),
        my=f"staff:{signed_in(request).staff_id}",
        around=await shop.db.read(_around),
    )


def _letter(request: AnyRequest, case: Case) -> Letter | None:
    shop = shop_of(request)
    if not case.order.contact:
        return None
    name, locale = shop.settings.text("shop.name"), shop.settings.text("shop.locale")
    return letter(case.order, case.entry.kind, shop_name=name, base_url=shop.base_url, locale=locale)


def _sought(kept: dict[str, str], me: str, now: int) -> DeskFilter:
    kind, owner, age = kept.get("kind"), kept.get("owner"), kept.get("age", "")
    return DeskFilter(
        kind=kind if kind in EXCEPTIONS else None,
        owner={"mine": me, "nobody": ""}.get(owner or ""),
        opened_before=now - AGES[age] if age in AGES else None,
    )


def _cursor(text: str) -> tuple[int, int]:
    at, _, number = text.partition("-")
    is_good = all(part.isascii() and part.isdigit() and len(part) <= 18 for part in (at, number))
    return (int(at), int(number)) if is_good else (0, 0)


def _query(kept: dict[str, str]) -> str:
    asked = urlencode({k: v for k, v in kept.items() if v})
    return f"?{asked}" if asked else ""


def _page_of(db: Reader, sought: DeskFilter, after: tuple[int, int]) -> tuple[list[Case], str]:
    rows = reads.desk_page(db, sought, after, limit=PAGE + 1)
    last = rows[PAGE - 1] if len(rows) > PAGE else None
    return [_case(db, row.exception_id) for row in rows[:PAGE]], f"{last.opened_at}-{last.exception_id}" if last else ""


def _case(db: Reader, exception_id: int) -> Case:
    entry = reads.get_exception(db, exception_id)
    order = reads.get(db, entry.order_id)
    return Case(
        entry=entry,
        order=order,
        detail=msgspec.json.decode(entry.detail, type=dict[str, Any]),
        more=[(name, value) for name, value in facts(entry.detail) if name not in _TELLS],
        shorts=[] if order.status in ("delivered", "refunded") else _shorts(db, order),
        attempts=payments.attempts(db, order.order_id)[-3:],
        receipts=payments.receipts(db, order.order_id),
        refunds=payments.refunds(db, order.order_id),
        notes=reads.exception_notes(db, exception_id),
        remedies=() if entry.closed_at else desk.remedies(db, exception_id),
        approval=approvals.newest_of(db, confirm.KIND, order.order_id),
        timeline=[told for told in audit.timeline(db, "order", order.order_id) if told.at >= entry.opened_at],
        age=_age((entry.closed_at or db.now) - entry.opened_at),
    )


def _shorts(db: Reader, order: Order) -> list[Short]:
    free = inventory.count_free(db, order.pool_id)
    lines = [line for line in reads.lines(db, order.order_id) if line.delivery == "auto" and line.delivered < line.quantity]
    return [
        Short(line, line.quantity - line.delivered, inventory.count_held(db, line.line_id), free.get(line.sku_id, 0))
        for line in lines
    ]


def _age(ms: int) -> tuple[int, str]:
    """How long, in the unit that says most: so many minutes, hours or days."""
    for unit, size in (("days", DAY), ("hours", HOUR)):
        if ms >= size:
            return ms // size, unit
    return max(ms, 0) // MINUTE, "minutes"


def _around(db: Reader) -> Around:
    everyone = accounts.everyone(db)
    able = accounts.who_may(db, "exceptions.work")
    return Around(
        staff={f"staff:{s.staff_id}": s.email for s in everyone},
        workers=[(f"staff:{s.staff_id}", s.email) for s in able],
        gateways={g.gateway_id: g.name for g in payments.gateways(db)},
    )


route_handlers = [desk_page, entry_page, set_owner, add_note, deliver, ask, close]
