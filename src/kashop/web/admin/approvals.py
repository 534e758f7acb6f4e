"""What waits for a second person, what became of it, and doing what was approved.

The doors are open to all of the staff: each sees his own requests and those that he may decide on, and who may decide is looked
up with the decision itself, by the kind of the request.
"""

from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.accounts import reads as accounts
from kashop.accounts.rules import has_stepped_up
from kashop.accounts.types import SignedIn
from kashop.approvals import reads
from kashop.approvals.rules import KINDS
from kashop.approvals.types import Approval
from kashop.flows import codes, confirm, exports, second_person
from kashop.flows.codes import Asked
from kashop.lib.errors import Conflict, Invalid, NotFound
from kashop.orders.rules import PAID
from kashop.web.admin.exports import keep, passphrase_of
from kashop.web.admin.page import Shown, again, answer, cursor, refused_as, row_id, see
from kashop.web.admin.reveal import revealed
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of, signed_in

PAGE = 50


@get("/admin/approvals", guards=[Needs("dashboard.view")])
async def approval_list(request: AnyRequest) -> Response[bytes]:
    """One's own requests, and all that one may decide on, newest first."""
    shop, me = shop_of(request), signed_in(request)
    rows = await shop.db.read(reads.page, cursor(request), limit=PAGE + 1)
    return answer(
        request,
        "approvals.html",
        rows=[row for row in rows[:PAGE] if _may_see(me, row)],
        older=rows[PAGE - 1].approval_id if len(rows) > PAGE else 0,
        names=await _names(request),
        now=shop.clock.now(),
    )


@get("/admin/approvals/{approval:str}", guards=[Needs("dashboard.view")])
async def approval_page(request: AnyRequest, approval: FromPath[str]) -> Response[bytes]:
    """One request."""
    return await _page(request, row_id(approval))


@post("/admin/approvals/{approval:str}/decide", guards=[Needs("dashboard.view", step_up=True)])
async def decide(request: AnyRequest, approval: FromPath[str]) -> Response[bytes] | Redirect:
    """Approve or refuse; a refusal says why."""
    form, approval_id = form_of(request), row_id(approval)
    try:
        answered = form.choice("decision", ("approve", "refuse"))
        note = form.text("note", most=300, least=0 if answered == "approve" else 5)
        form.done()
        decision = {"is_approved": answered == "approve", "note": note}
        await shop_of(request).db.write(second_person.decide, approval_id, actor_of(request), **decision)  # type: ignore[arg-type]
    except Invalid as refused:
        return await _page(request, approval_id, again(request, form, refused), 422)
    except Conflict as refused:
        return await _page(request, approval_id, refused_as(request, form, refused), refused.status)
    return see(f"/admin/approvals/{approval_id}", "approved" if answered == "approve" else "refused")


@post("/admin/approvals/{approval:str}/export", guards=[Needs("codes.export", step_up=True)])
async def run_export(request: AnyRequest, approval: FromPath[str]) -> Response[bytes] | Redirect:
    """Export once what was approved."""
    form, approval_id = form_of(request), row_id(approval)
    try:
        passphrase = passphrase_of(form)
        form.done()
        made = await exports.export_approved(shop_of(request), approval_id, actor_of(request), passphrase=passphrase)
    except Invalid as refused:
        return await _page(request, approval_id, again(request, form, refused), 422)
    except Conflict as refused:
        return await _page(request, approval_id, refused_as(request, form, refused), refused.status)
    return keep(request, made)


@post("/admin/approvals/{approval:str}/reveal", guards=[Needs("codes.reveal", step_up=True)])
async def run_reveal(request: AnyRequest, approval: FromPath[str]) -> Response[bytes]:
    """Reveal once what was approved."""
    approval_id = row_id(approval)
    try:
        seen = await codes.reveal(shop_of(request), [], actor_of(request), reason="", approval_id=approval_id)
    except Conflict as refused:
        return await _page(request, approval_id, refused_as(request, form_of(request), refused), refused.status)
    assert not isinstance(seen, Asked)
    return await revealed(request, seen)


@post("/admin/approvals/{approval:str}/confirm", guards=[Needs("orders.confirm", step_up=True)])
async def run_confirm(request: AnyRequest, approval: FromPath[str]) -> Response[bytes] | Redirect:
    """Confirm by hand, once, the payment that was approved."""
    approval_id = row_id(approval)
    try:
        order_no, status = await confirm.confirm_approved(shop_of(request), approval_id, actor_of(request))
    except Invalid as refused:
        return await _page(request, approval_id, again(request, form_of(request), refused), 422)
    except Conflict as refused:
        return await _page(request, approval_id, refused_as(request, form_of(request), refused), refused.status)
    return see(f"/admin/orders/{order_no}", "confirmed" if status in PAID else "confirmed_waiting")


async def _page(request: AnyRequest, approval_id: int, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    shop, me = shop_of(request), signed_in(request)
    found = await shop.db.read(reads.get, approval_id)
    if not _may_see(me, found):
        raise NotFound("There is no such request.")
    facts: dict[str, Any] = msgspec.json.decode(found.facts)
    return answer(
        request,
        "approval.html",
        status=status,
        form=form or Shown(),
        approval=found,
        stage=found.state(shop.clock.now()),
        why=facts.pop("why", ""),
        facts=facts,
        names=await _names(request),
        is_mine=found.asked_by == f"staff:{me.staff_id}",
        may_decide=me.may(KINDS[found.kind].approve),
        may_act=me.may(KINDS[found.kind].act),
        is_fresh=has_stepped_up(me, shop.clock.now()),
    )


def _may_see(me: SignedIn, approval: Approval) -> bool:
    """Whoever asked, whoever may decide, and whoever may see the audit, where all of it stands too."""
    return approval.asked_by == f"staff:{me.staff_id}" or me.may(KINDS[approval.kind].approve) or me.may("audit.view")


async def _names(request: AnyRequest) -> dict[str, str]:
    return {f"staff:{s.staff_id}": s.email for s in await shop_of(request).db.read(accounts.everyone)}


route_handlers = [approval_list, approval_page, decide, run_export, run_reveal, run_confirm]
