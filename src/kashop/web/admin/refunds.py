"""Send money of an order back: which payment, how much, by its gateway or by hand."""

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.db import Reader
from kashop.flows import refunds, unfit
from kashop.flows.codes import Asked
from kashop.flows.refunds import Left, Wish
from kashop.lib.errors import Conflict, Invalid, NotFound
from kashop.orders import reads as orders
from kashop.orders.types import Order
from kashop.payments import reads as payments
from kashop.payments.refunding import rules
from kashop.payments.rows import Refund
from kashop.web.admin.page import Shown, again, answer, refused_as, row_id, see
from kashop.web.forms import Form
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of

PAID = ("paid", "delivering", "delivered")


class About(msgspec.Struct, frozen=True):
    """An order with its payments, the one that is chosen among those with anything left, and how much of it is proposed."""

    order: Order
    payments: list[Left]
    refunds: list[Refund]
    chosen: Left | None
    proposed: int


@get("/admin/orders/{order_no:str}/refund", guards=[Needs("orders.refund")])
async def refund_page(request: AnyRequest, order_no: FromPath[str]) -> Response[bytes]:
    """What can go back, and the form to send it."""
    return await _page(request, order_no, request.query_params.get("receipt", ""))


@post("/admin/orders/{order_no:str}/refund", guards=[Needs("orders.refund", step_up=True)])
async def refund(request: AnyRequest, order_no: FromPath[str]) -> Response[bytes] | Redirect:
    """Send it back, or ask a second person where the amount needs one."""
    shop, form = shop_of(request), form_of(request)
    receipt = form.text("receipt", most=18, least=1)
    about = await _about(request, order_no, receipt)
    try:
        if about.chosen is None:
            raise Conflict("Nothing of this payment is left to go back.", code="nothing_left")
        done = await refunds.refund(shop, order_no, _wish(form, about.chosen), actor_of(request))
    except Invalid as refused:
        return await _page(request, order_no, receipt, again(request, form, refused), 422)
    except Conflict as refused:
        return await _page(request, order_no, receipt, refused_as(request, form, refused), refused.status)
    if isinstance(done, Asked):
        return see(f"/admin/approvals/{done.approval_id}", "asked_second")
    return see(f"/admin/orders/{order_no}", f"refund_{done.status}")


@post("/admin/approvals/{approval:str}/refund", guards=[Needs("orders.refund", step_up=True)])
async def run_refund(request: AnyRequest, approval: FromPath[str]) -> Redirect:
    """Send back once what was approved."""
    shop = shop_of(request)
    done = await refunds.refund_approved(shop, row_id(approval), actor_of(request))
    order = await shop.db.read(orders.get, done.order_id)
    return see(f"/admin/orders/{order.order_no}", f"refund_{done.status}")


def _wish(form: Form, chosen: Left) -> Wish:
    amount = form.amount("amount", chosen.receipt.currency)
    reason = form.text("reason", most=300, least=1)
    way = form.choice("way", ("gateway", "recorded"))
    reference = form.text("reference", most=200, least=1 if way == "recorded" else 0)
    form.done()
    return Wish(
        receipt_id=chosen.receipt.receipt_id,
        amount_minor=amount,
        reason=reason,
        is_recorded=way == "recorded",
        reference=reference,
    )


async def _page(
    request: AnyRequest, order_no: str, receipt: str, form: Shown | None = None, status: int = 200
) -> Response[bytes]:
    about = await _about(request, order_no, receipt)
    bound = shop_of(request).settings.number("payments.second_person_above")
    return answer(request, "refund.html", status=status, form=form or Shown(), about=about, bound=bound)


async def _about(request: AnyRequest, order_no: str, receipt: str) -> About:
    shop = shop_of(request)
    abilities = {name: kind.refunds for name, kind in shop.plugins.gateway_types.items()}
    return await shop.db.read(_look, order_no, abilities, receipt)


def _look(db: Reader, order_no: str, abilities: dict[str, str], receipt: str) -> About:
    order = orders.find(db, order_no)
    if order is None:
        raise NotFound("There is no order {order_no}.", order_no=order_no)
    found = refunds.left_of(db, order_no, abilities)
    having = [each for each in found if each.left_minor]
    fitting = [each for each in having if str(each.receipt.receipt_id) == receipt]
    chosen = fitting[0] if fitting else having[0] if len(having) == 1 and not receipt else None
    proposed = _proposed(db, order, chosen) if chosen else 0
    return About(order, found, payments.refunds(db, order.order_id), chosen, proposed)


def _proposed(db: Reader, order: Order, chosen: Left) -> int:
    """The surplus of a paid order if it has any, else all that is left."""
    over = unfit.free(db, order) - order.total_minor if order.status in PAID else 0
    surplus = min(chosen.left_minor, rules.amount_of(chosen.receipt, over)) if over > 0 else 0
    return surplus if surplus and chosen.ability != "whole" else chosen.left_minor


route_handlers = [refund_page, refund, run_refund]
