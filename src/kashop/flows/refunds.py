"""Send money back (退款): by its gateway under one stable number, or written down when it went back by hand.

Always true: the refund is written down before its gateway hears of it; an answer that is not clear is queried, and asked for
again only when the vendor knows nothing of it, with the same number; who sends back much needs a second person.
"""

from typing import Any, cast

import msgspec

from kashop.approvals import reads as approvals
from kashop.db import Reader, Tx
from kashop.db.queue import Work, does
from kashop.flows import attempts, gateways, second_person, settle
from kashop.flows.attempts import Tried
from kashop.flows.codes import Asked
from kashop.lib import money
from kashop.lib.actor import SYSTEM, Actor
from kashop.lib.clock import DAY
from kashop.lib.errors import Conflict, Invalid, NotFound
from kashop.orders import reads as orders
from kashop.payments import reads
from kashop.payments.refunding import reads as refunding
from kashop.payments.refunding import rules, writes
from kashop.payments.refunding.types import RefundDraft
from kashop.payments.rows import GatewayAccount, Receipt, Refund
from kashop.payments.types import GatewayFailed, RefundAsk, Refunds, RefundWord
from kashop.shop import Shop


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is to go back: of which receipt (None: the only one that anything is left of), how much in its currency (None: all
    that is left), and why. A recorded one went back by hand, and `reference` says how.
    """

    receipt_id: int | None = None
    amount_minor: int | None = None
    reason: str
    is_recorded: bool = False
    reference: str = ""


class Left(msgspec.Struct, frozen=True):
    """A receipt with what is left of it to go back, and whether its gateway refunds any amount, whole payments or none."""

    receipt: Receipt
    account: GatewayAccount
    left_minor: int
    ability: str


@does(Work.MONEY)
async def refund(shop: Shop, order_no: str, wish: Wish, actor: Actor) -> Refund | Asked:
    """Send money of an order back; the refund as it then stands, or the request that a second person has to approve.

    Raises NotFound, Invalid by field, Denied.
    """
    reason = wish.reason.strip()
    if not reason:
        raise Invalid.of("reason", "Say why.")
    of = _chosen(await left(shop, order_no), wish)
    draft = RefundDraft(
        amount_minor=of.left_minor if wish.amount_minor is None else wish.amount_minor,
        reason=reason[:300],
        way="recorded" if wish.is_recorded else "gateway",
        reference=wish.reference.strip(),
    )
    _check(of, draft)
    bound = shop.settings.number("payments.second_person_above")
    opened = await shop.db.write(_open, order_no, of.receipt.receipt_id, draft, bound, actor)
    return opened if isinstance(opened, Asked) else await _sent(shop, opened)


@does(Work.MONEY)
async def refund_approved(shop: Shop, approval_id: int, actor: Actor) -> Refund:
    """Do once what a second person approved. Raises Conflict when it is not approved, not the actor's own, or done already."""
    return await _sent(shop, await shop.db.write(_open_approved, approval_id, actor))


async def left(shop: Shop, order_no: str) -> list[Left]:
    """An order's receipts with what is left of each. Raises NotFound."""
    abilities = {name: kind.refunds for name, kind in shop.plugins.gateway_types.items()}
    return await shop.db.read(left_of, order_no, abilities)


def left_of(db: Reader, order_no: str, abilities: dict[str, str]) -> list[Left]:
    """The same as a look; `abilities` are those of the gateway types."""
    order = orders.find(db, order_no)
    if order is None:
        raise NotFound("There is no order {order_no}.", order_no=order_no)
    found = []
    for receipt in reads.receipts(db, order.order_id):
        account = reads.get_gateway(db, receipt.gateway_id)
        rest = rules.rest(receipt, refunding.of_receipt(db, receipt.receipt_id))
        found.append(Left(receipt, account, rest, abilities.get(account.type, "none")))
    return found


def _chosen(found: list[Left], wish: Wish) -> Left:
    if wish.receipt_id is not None:
        found = [each for each in found if each.receipt.receipt_id == wish.receipt_id]
    elif len(found) > 1:
        found = [each for each in found if each.left_minor]
    if not found:
        raise Invalid.of("receipt", "This order has no such payment to send back.")
    if len(found) > 1:
        known = ", ".join(each.receipt.gateway_txn for each in found)
        raise Invalid.of("receipt", "This order was paid several times. Say which payment: {known}.", known=known)
    return found[0]


def _check(of: Left, draft: RefundDraft) -> None:
    """Whether a gateway can do it, or how it was done is said. Raises Invalid by field."""
    if draft.way == "recorded":
        if not 0 < len(draft.reference) <= 200:
            raise Invalid.of("reference", "Write how the money went back: 1 to 200 characters.")
    elif of.ability == "none":
        raise Invalid.of("way", "This gateway cannot send money back: pay it back yourself, and record how.")
    elif of.ability == "whole" and draft.amount_minor != of.receipt.amount_minor:
        raise Invalid.of("amount", "This gateway sends back whole payments only: send back all of it, or record it.")


def _open(tx: Tx, order_no: str, receipt_id: int, draft: RefundDraft, bound: int, actor: Actor) -> Refund | Asked:
    second_person.check_may(tx, actor, "orders.refund")
    receipt = refunding.get_receipt(tx, receipt_id)
    alone = refunding.asked_alone(tx, str(actor), tx.now - DAY)
    if not bound or alone + draft.amount_minor <= bound:
        return writes.ask(tx, receipt, draft, actor)
    writes.refuse_more_than_rest(tx, receipt, draft.amount_minor)
    amount = f"{money.to_text(draft.amount_minor, receipt.currency)} {receipt.currency}"
    facts: dict[str, Any] = {"order": order_no, "amount": amount, "payment": receipt.gateway_txn, "way": draft.way}
    if draft.reference:
        facts["reference"] = draft.reference
    items = [receipt_id, draft.amount_minor]
    worth = {"value": draft.amount_minor, "reason": draft.reason, "facts": {**facts, "why": "refund"}}
    return Asked(second_person.ask(tx, "orders.refund", items, actor, **worth))  # type: ignore[arg-type]


def _open_approved(tx: Tx, approval_id: int, actor: Actor) -> Refund:
    used = second_person.use(tx, approval_id, "orders.refund", actor)
    receipt_id, amount = approvals.items(tx, approval_id)
    facts: dict[str, str] = msgspec.json.decode(used.facts)
    draft = RefundDraft(
        amount_minor=amount,
        reason=used.reason,
        way=facts["way"],
        reference=facts.get("reference", ""),
        approval_id=approval_id,
    )
    try:
        return writes.ask(tx, refunding.get_receipt(tx, receipt_id), draft, actor)
    except Invalid as refused:  # less is left than when it was asked
        raise Conflict(
            "Less of this payment is left to go back than was approved. Ask again.", code="changed_meanwhile"
        ) from refused


async def _sent(shop: Shop, refund: Refund) -> Refund:
    if refund.way == "gateway":
        await go_on(shop, refund.refund_id)
    return await shop.db.read(refunding.get, refund.refund_id)


@does(Work.MONEY)
async def go_on(shop: Shop, refund_id: int) -> bool:
    """Ask the gateway of a due refund, unless another node took it; whether it was asked."""
    taken = await shop.db.write(writes.take, refund_id)
    if taken is None:
        return False
    tried, ask = await shop.db.read(_about, shop, taken)
    actor = Actor("gateway", tried.account.name)
    try:
        word = await _word(cast(Refunds, gateways.made(shop, tried.account)), ask, is_first=taken.tries == 0)
    except (GatewayFailed, NotFound) as failed:
        problem = failed.problem if isinstance(failed, GatewayFailed) else failed.text()
        shop.log.warning("refund is not settled yet", gateway=tried.account.name, refund=taken.refund_no, problem=problem)
        await shop.db.write(writes.keep_problem, taken, problem, SYSTEM)
        return True
    await shop.db.write(_hear, taken, word, actor)
    return True


async def _word(gateway: Refunds, ask: RefundAsk, *, is_first: bool) -> RefundWord:
    """What the vendor says of a refund. Only what it does not know is asked for: new, or again with its number."""
    known = None if is_first else await gateway.query_refund(ask)
    if known is not None:
        return known
    try:
        return await gateway.refund(ask)
    except GatewayFailed as failed:
        if failed.is_unclear:
            raise
        return RefundWord(state="failed", refund_no=ask.refund_no, problem=failed.problem)


def _about(db: Reader, shop: Shop, refund: Refund) -> tuple[Tried, RefundAsk]:
    receipt = refunding.get_receipt(db, refund.receipt_id)
    tried = attempts.tried(db, receipt.attempt_id)
    others = [r for r in refunding.of_receipt(db, receipt.receipt_id) if r.refund_id != refund.refund_id]
    ask = RefundAsk(
        refund_no=refund.refund_no,
        payment=attempts.intent_of(shop, tried, SYSTEM),
        gateway_txn=receipt.gateway_txn,
        captured_minor=receipt.amount_minor,
        refunded_minor=receipt.amount_minor - rules.rest(receipt, others),
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        reason=refund.reason,
        asked_at=refund.created_at,
    )
    return tried, ask


def _hear(tx: Tx, refund: Refund, word: RefundWord, actor: Actor) -> None:
    # an answer to our own question is about our own number, whatever else it repeats; its amount was ours
    told = msgspec.structs.replace(word, refund_no=refund.refund_no)
    writes.hear(tx, refund.refund_id, told, actor)
    settle.reconsider(tx, refund.order_id, actor)
