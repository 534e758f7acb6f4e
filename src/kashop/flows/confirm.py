"""Manual confirmation (补单): a person vouches for money that no gateway told of.

Always true: what a person vouches for settles as a proved notice would, once for each number of a payment; what it rests on (the
number, how it is known, the file that shows it) is in the audit before anything is delivered; above the merchant's bounds nobody
below the owner vouches alone.
"""

from typing import Any

import msgspec

from kashop.accounts import reads as accounts
from kashop.approvals import reads as approval_reads
from kashop.audit import reads as audit
from kashop.audit.writes import record
from kashop.db import Reader, Tx
from kashop.db.queue import Work, does
from kashop.flows import evidence, second_person, settle, unfit
from kashop.flows.codes import Asked
from kashop.lib.actor import Actor
from kashop.lib.clock import DAY
from kashop.lib.errors import Conflict, Denied, Invalid, NotFound
from kashop.orders import reads as orders_reads
from kashop.orders import rules as order_rules
from kashop.orders import writes as orders
from kashop.orders.types import Order
from kashop.payments import reads, rules, writes
from kashop.payments.rows import Attempt, EvidenceDraft
from kashop.payments.types import Notice
from kashop.settings import Settings
from kashop.shop import Shop

KIND = "orders.confirm"
MOST_REFERENCE = 128
"""A transaction of Solana has 88 letters."""


class Word(msgspec.Struct, frozen=True):
    """What somebody vouches for: the payment's number at the account `gateway` ('' for that of the newest attempt), and how it
    is known."""

    reference: str
    note: str
    gateway: str = ""


class Bounds(msgspec.Struct, frozen=True):
    """What anybody below the owner may confirm alone: in one order, and within 24 hours; 0 switches a bound off."""

    most: int
    per_day: int

    @classmethod
    def of(cls, settings: Settings) -> "Bounds":
        """As the settings say."""
        return cls(settings.number("orders.confirm_alone_most"), settings.number("orders.confirm_alone_per_day"))


@does(Work.MONEY)
async def confirm(
    shop: Shop, order_no: str, *, reference: str, note: str, actor: Actor, gateway: str = "", file: bytes | None = None
) -> str | Asked:
    """A person vouches that the rest of an order was paid; the order's state then, or the request that a second person decides.

    Raises Invalid by field (reference, note, gateway, evidence), Conflict, NotFound, Denied where nobody else may approve.
    """
    word = _checked(Word(reference.strip(), note.strip(), gateway))
    shown = await evidence.keep(shop, file) if file else None
    try:
        return await shop.db.write(_confirm, order_no, word, shown, Bounds.of(shop.settings), actor)
    except (Invalid, Conflict, NotFound, Denied):  # of any other outcome it is not known that nothing was written
        if shown is not None:
            await evidence.drop(shop, shown)
        raise


@does(Work.MONEY)
async def confirm_approved(shop: Shop, approval_id: int, actor: Actor) -> tuple[str, str]:
    """Vouch, as a second person approved, for exactly what was asked for; the order's number and its state then.

    Raises Conflict when it is not approved, or when the order owes another amount by now; Denied for who may confirm no longer.
    """
    return await shop.db.write(_confirm_approved, approval_id, actor)


def needs_second(db: Reader, bounds: Bounds, actor: Actor, due_minor: int) -> str:
    """Why somebody may not vouch for that much alone: confirm_amount or confirm_day; '' when nothing stands against it."""
    staff = accounts.find(db, int(actor.ref)) if actor.kind == "staff" and actor.ref.isdigit() else None
    if actor.kind != "staff" or (staff is not None and staff.role == "owner"):
        return ""
    if bounds.most and due_minor > bounds.most:
        return "confirm_amount"
    acts = [msgspec.json.decode(act.payload) for act in audit.acts_since(db, _EVENT, actor.kind, actor.ref, db.now - DAY)]
    alone = sum(int(said.get("amount", 0)) for said in acts if not said.get("approval"))
    return "confirm_day" if bounds.per_day and alone + due_minor > bounds.per_day else ""


_EVENT = "payment.confirmed"


def _checked(word: Word) -> Word:
    if not 0 < len(word.reference) <= MOST_REFERENCE:
        raise Invalid.of("reference", "Write the payment's number: 1 to 128 characters.")
    if not word.note:
        raise Invalid.of("note", "Say how you know that it was paid.")
    return word


def _confirm(tx: Tx, order_no: str, word: Word, shown: EvidenceDraft | None, bounds: Bounds, actor: Actor) -> str | Asked:
    order, attempt = _payable(tx, order_no, word.gateway)
    missing = max(order.total_minor - unfit.free(tx, order), 0)
    _check_unknown(tx, order, attempt, word.reference)
    evidence_id = writes.add_evidence(tx, order.order_id, shown, actor) if shown else 0
    why = needs_second(tx, bounds, actor, missing)
    if not why:
        return _vouch(tx, order, attempt, word, actor, evidence=evidence_id)
    account = reads.get_gateway(tx, attempt.gateway_id)
    facts: dict[str, Any] = {"order": order.order_no, "reference": word.reference, "gateway": account.name, "why": why}
    if evidence_id:
        facts["evidence"] = evidence_id
    return Asked(second_person.ask(tx, KIND, [order.order_id], actor, value=missing, reason=word.note, facts=facts))


def _confirm_approved(tx: Tx, approval_id: int, actor: Actor) -> tuple[str, str]:
    used = second_person.use(tx, approval_id, KIND, actor)
    facts: dict[str, Any] = msgspec.json.decode(used.facts)
    order, attempt = _payable(tx, facts["order"], facts["gateway"])
    if approval_reads.items(tx, approval_id) != [order.order_id] or order.total_minor - unfit.free(tx, order) != used.value_minor:
        raise Conflict("The order owes another amount by now than was approved. Ask again.", code="changed_meanwhile")
    _check_unknown(tx, order, attempt, facts["reference"])
    word = Word(facts["reference"], used.reason, facts["gateway"])
    return order.order_no, _vouch(tx, order, attempt, word, actor, evidence=facts.get("evidence", 0), approval=approval_id)


def _payable(tx: Tx, order_no: str, gateway: str) -> tuple[Order, Attempt]:
    """An order that may be confirmed, and the attempt that is said to have been paid."""
    order = orders_reads.find(tx, order_no)
    if order is None:
        raise NotFound("There is no order {order_no}.", order_no=order_no)
    if order.status in order_rules.PAID:
        raise Conflict("This order is already paid.", code="already_paid")
    attempts = reads.attempts(tx, order.order_id)
    if not attempts:
        raise Conflict("This order never had a payment to confirm.", code="no_attempt")
    if gateway:
        account = reads.find_gateway(tx, gateway)
        attempts = [a for a in attempts if account is not None and a.gateway_id == account.gateway_id]
        if not attempts:
            raise Invalid.of("gateway", "No payment of this order was begun there.")
    return order, attempts[-1]


def _check_unknown(tx: Tx, order: Order, attempt: Attempt, reference: str) -> None:
    known = reads.find_receipt(tx, attempt.gateway_id, reference)
    if known is None or unfit.free(tx, order) >= order.total_minor:
        return
    if known.order_id == order.order_id and not known.counted_minor:
        raise Invalid.of(
            "reference",
            "This payment is recorded and was not counted, because it does not fit. Refund it, or accept it under a number "
            "of your own, such as {number}-A.",
            number=reference[:62],
        )
    raise Invalid.of("reference", "This payment was already counted.")


def _vouch(tx: Tx, order: Order, attempt: Attempt, word: Word, actor: Actor, *, evidence: int, approval: int = 0) -> str:
    missing = max(order.total_minor - unfit.free(tx, order), 0)
    record(
        tx,
        "payment.confirmed",
        actor,
        ("order", order.order_id),
        reason=word.note,
        amount=missing,
        currency=order.currency,
        txn=word.reference,
        gateway=attempt.gateway_id,
        evidence=evidence or None,
        digest=reads.get_evidence(tx, evidence).digest if evidence else "",
        approval=approval or None,
    )
    if missing:
        _credit(tx, attempt, missing, word.reference, actor)
    return _deliver(tx, orders_reads.get(tx, order.order_id), word.note, actor)


def _credit(tx: Tx, attempt: Attempt, missing: int, reference: str, actor: Actor) -> None:
    notice = Notice(
        state="paid",
        attempt_no=attempt.attempt_no,
        gateway_txn=reference,
        amount_minor=rules.asked_for(attempt, missing),
        currency=attempt.currency,
    )
    if writes.credit(tx, attempt, notice, source="manual", callback_id=None, actor=actor).verdict != "new":
        raise Invalid.of("reference", "This payment was already counted.")


def _deliver(tx: Tx, order: Order, note: str, actor: Actor) -> str:
    if order.status != "pending" and not settle.hold_again(tx, order):
        orders.open_exception(tx, order.order_id, "paid_late", actor, status=order.status)
        return order.status
    settle.pay(tx, order, actor)
    orders.close_exceptions(tx, order.order_id, ("paid_late", "paid_partly", "gateway_unclear"), actor, reason=note)
    return orders_reads.get(tx, order.order_id).status
