"""`kashop order refund`: money back to the buyer, by the same rules as in the panel."""

from pathlib import Path
from typing import Any

import rich_click as click

from kashop.cli import frame, show
from kashop.flows import refunds
from kashop.flows.codes import Asked
from kashop.flows.refunds import Left, Wish
from kashop.lib import money
from kashop.lib.errors import Conflict, Invalid, Refusal
from kashop.payments.rows import Refund
from kashop.shop import Shop


class _Waits(Refusal):
    """It waits for a second person."""

    code = "second_person_needed"


@click.command("refund")
@click.argument("order_no", metavar="NO")
@frame.shop_options
@click.option("--amount", default="", help="In the payment's currency. Without it: all that is left of the payment.")
@click.option("--payment", default="", metavar="TXN", help="Which payment, if there are several; `order show` lists them.")
@click.option("--reason", default="", help="Stands in the order's history; the gateway may show it. Not with --approved.")
@click.option("--recorded", is_flag=True, help="It went back by hand: only write it down.")
@click.option("--reference", default="", help="With --recorded: how it went back.")
@click.option("--approved", type=int, metavar="ID", help="Do what a second person approved, once.")
def refund(*, data: Path, is_json: bool, order_no: str, approved: int | None, **given: Any) -> None:
    """Send money of an order back through its gateway, or write down that it went back.

    Above the setting payments.second_person_above a second person has to approve it in the panel first.

    Example: kashop order refund K261101… --amount 5.00 --reason "wrong region"
    """

    async def work(shop: Shop) -> Refund:
        if approved is not None:
            return await refunds.refund_approved(shop, approved, frame.actor())
        wish = _wish(await refunds.left(shop, order_no), given)
        done = await refunds.refund(shop, order_no, wish, frame.actor())
        if isinstance(done, Asked):
            raise _Waits(
                "This needs a second person. Request {number} waits under Approvals in the panel; when somebody has approved it, "
                "run the command again with --approved {number}.",
                number=done.approval_id,
            )
        return done

    done = frame.run(data, work)
    if done.status == "failed":
        raise Conflict("The gateway refused the refund: {problem}", code="refund_failed", problem=done.problem or "-")
    amount = show.amount(done.amount_minor, done.currency)
    if is_json:
        show.as_json({"order_no": order_no, "refund_no": done.refund_no, "status": done.status, "amount": amount})
        return
    how = "went back" if done.status == "done" else "is on its way back; its gateway is asked again by itself"
    show.line(f"{amount['amount']} {amount['currency']} of {order_no} {how} ({done.refund_no}).")


def _wish(found: list[Left], given: dict[str, Any]) -> Wish:
    named = [each for each in found if given["payment"] in ("", each.receipt.gateway_txn)]
    if given["payment"] and not named:
        known = ", ".join(each.receipt.gateway_txn for each in found) or "-"
        raise Invalid.of("payment", "This order has no payment {txn}; it has: {known}.", txn=given["payment"], known=known)
    currencies = {each.receipt.currency for each in named}
    amount = None
    if given["amount"]:
        if len(currencies) != 1:
            raise Invalid.of("payment", "Say which payment with --payment: they are in different currencies.")
        amount = money.parse(given["amount"], currencies.pop(), field="amount")
    return Wish(
        receipt_id=named[0].receipt.receipt_id if given["payment"] else None,
        amount_minor=amount,
        reason=given["reason"],
        is_recorded=given["recorded"],
        reference=given["reference"],
    )
