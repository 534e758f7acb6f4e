"""Changes of differences: opened once, on the desk by their order, closed with a reason."""

from collections.abc import Sequence

import msgspec

from kashop.audit.writes import record
from kashop.db import Tx
from kashop.lib.actor import SYSTEM, Actor
from kashop.lib.errors import Conflict
from kashop.orders import reads as orders_reads
from kashop.orders import writes as orders
from kashop.payments.differences import reads
from kashop.payments.statements import writes as statements
from kashop.payments.statements.types import Day, DifferenceDraft, Same

CORRECTED = "the statement that counts now does not show this"
MEANWHILE = "the shop has recorded it meanwhile"
STATED = "a statement has it now"
BY_ITSELF = (CORRECTED, MEANWHILE, STATED)
"""Reasons by which differences close without a person."""


def open_differences(tx: Tx, drafts: Sequence[DifferenceDraft], actor: Actor) -> int:
    """Open what is not open yet and was not closed by somebody who saw the same; how many are new."""
    return sum(_open(tx, draft, actor) for draft in drafts)


def _open(tx: Tx, draft: DifferenceDraft, actor: Actor) -> bool:
    known = reads.same(tx, draft)
    still_open = [each for each in known if each.closed_at is None]
    if still_open:
        sql = """UPDATE differences SET seen_in = :seen_in, line_id = :line_id, day = :day, ours_minor = :ours_minor,
                   theirs_minor = :theirs_minor,
                   ours_currency = :ours_currency, theirs_currency = :theirs_currency, detail = :detail
                 WHERE difference_id = :difference_id AND closed_at IS NULL"""
        kept = ("seen_in", "line_id", "day", "ours_minor", "theirs_minor", "ours_currency", "theirs_currency", "detail")
        tx.run(sql, difference_id=still_open[0].difference_id, **{name: getattr(draft, name) for name in kept})
        return False
    if any(_was_settled(each, draft) for each in known):
        return False
    sql = """INSERT INTO differences (gateway_id, day, kind, subject, order_id, attempt_id, receipt_id, refund_id, ours_minor,
               ours_currency, theirs_minor, theirs_currency, detail, seen_in, line_id, opened_at)
             VALUES (:gateway_id, :day, :kind, :subject, :order_id, :attempt_id, :receipt_id, :refund_id, :ours_minor,
               :ours_currency, :theirs_minor, :theirs_currency, :detail, :seen_in, :line_id, :now)
             RETURNING difference_id"""
    difference_id = int(tx.value(sql, now=tx.now, **msgspec.structs.asdict(draft)))
    about = ("order", draft.order_id) if draft.order_id else ("gateway", draft.gateway_id)
    record(tx, "difference.opened", actor, about, difference=difference_id, what=draft.kind, day=draft.day)
    if draft.order_id is not None:
        orders.open_exception(tx, draft.order_id, "statement", actor, difference=difference_id, what=draft.kind, day=draft.day)
    return True


def _was_settled(known: Same, draft: DifferenceDraft) -> bool:
    """Whether a person closed the very same, so that it is not asked again."""
    is_same = (known.ours_minor, known.theirs_minor) == (draft.ours_minor, draft.theirs_minor)
    return is_same and known.reason not in BY_ITSELF


def close(tx: Tx, difference_id: int, actor: Actor, *, reason: str) -> bool:
    """Close a difference, saying why; whether it was open. Its order leaves the desk when nothing else of it is open."""
    sql = """UPDATE differences SET closed_at = :now, closed_by = :by, reason = :reason
             WHERE difference_id = :difference_id AND closed_at IS NULL"""
    if not tx.run(sql, difference_id=difference_id, now=tx.now, by=str(actor), reason=reason):
        return False
    closed = reads.get_difference(tx, difference_id)
    about = ("order", closed.order_id) if closed.order_id else ("gateway", closed.gateway_id)
    record(tx, "difference.closed", actor, about, reason=reason, difference=difference_id)
    if closed.order_id is not None and not reads.has_open(tx, closed.order_id):
        orders.close_exceptions(tx, closed.order_id, ("statement",), actor, reason=reason)
    return True


def close_by_hand(tx: Tx, difference_id: int, actor: Actor, *, reason: str) -> None:
    """Staff close a difference. Raises NotFound, or Conflict when somebody did already."""
    reads.get_difference(tx, difference_id)
    if not close(tx, difference_id, actor, reason=reason):
        raise Conflict("Somebody else has closed this difference already.", code="closed_meanwhile")


def take_on(tx: Tx, difference_id: int, actor: Actor) -> None:
    """Somebody sees to a difference from now on."""
    reads.get_difference(tx, difference_id)
    sql = "UPDATE differences SET owner = :owner WHERE difference_id = :difference_id AND closed_at IS NULL"
    if tx.run(sql, owner=str(actor), difference_id=difference_id):
        record(tx, "difference.taken_on", actor, ("difference", difference_id))


def close_corrected(tx: Tx, day: Day, statement_id: int) -> int:
    """Close what earlier statements of a day showed and this one does not, and that there was none; how many."""
    return sum(close(tx, each, SYSTEM, reason=CORRECTED) for each in reads.not_seen(tx, day, statement_id))


def close_stated(tx: Tx, gateway_id: int) -> int:
    """Close what was missing in statements and has come in one; how many."""
    return sum(close(tx, each, SYSTEM, reason=STATED) for each in reads.stated_meanwhile(tx, gateway_id))


def follow(tx: Tx, *, limit: int) -> int:
    """Close what was settled elsewhere: payments that were recorded meanwhile, and orders whose entry on the desk was closed;
    how many."""
    done = 0
    for each in reads.recorded_meanwhile(tx, limit=limit):
        statements.match(tx, each.line_id, each.receipt_id, is_same=bool(each.is_same))
        done += close(tx, each.difference_id, SYSTEM, reason=MEANWHILE)
    for difference_id in reads.off_the_desk(tx, limit=limit):
        order_id = reads.get_difference(tx, difference_id).order_id
        assert order_id is not None  # it is on the desk by its order
        closed = [e for e in orders_reads.exceptions(tx, order_id) if e.kind == "statement" and e.closed_at is not None]
        done += close(tx, difference_id, SYSTEM, reason=closed[-1].reason or MEANWHILE)
    return done
