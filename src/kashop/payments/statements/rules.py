"""When a statement is due, what a line of it is, and which difference that makes. Pure.

`judge` gives every line one verdict and every receipt or refund to at most one line, so that both sides' sums can be read off.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import msgspec

from kashop.lib.clock import DAY, HOUR
from kashop.payments.statements.types import (
    Day,
    DifferenceDraft,
    Judged,
    Known,
    Line,
    OurAttempt,
    OurReceipt,
    OurRefund,
    StoredLine,
)

VERDICTS = (
    "matched",  # a receipt or refund of ours, of the same amount
    "found",  # a payment that the shop learnt of by this statement
    "differs",  # ours, of another amount, currency, order or state
    "twice",  # stated before
    "proposed",  # probably of this attempt: staff say whether
    "unknown",  # ours by its number or its order, and not recorded
    "foreign",  # of the same merchant, and not of this shop
    "elsewhere",  # of another account of this shop
)
"""What a line may be."""

DIFFERENCES = (
    "no_statement",
    *("payment_unknown", "payment_unconfirmed", "payment_differs", "payment_twice", "payments_foreign"),
    *("refund_unknown", "refund_differs", "refund_twice"),
    *("receipt_missing", "refund_missing"),
)
OF_LINES = DIFFERENCES[1:9]
"""Those that a line shows; a corrected statement without that line closes them."""

READY_HOUR = 10
RETRY = HOUR
GIVE_UP = 7 * DAY
MOST_DAYS_BACK = 62
FIRST_DAYS_BACK = 7
EDGE = DAY
"""How far beyond a day's ends what was recorded may be stated in it, and the other way round."""
LOOK_BACK = 2 * DAY
"""How long after a day's end its receipts wait for the statement of the next day."""

_OURS = re.compile(r"A[0-9]{6}[0-9A-HJKMNP-TV-Z]{14}")
_OUR_REFUND = re.compile(r"R[0-9]{6}[0-9A-HJKMNP-TV-Z]{10,20}")
_NAME = re.compile(r"[0-9A-Z][0-9A-Z-]{4,}[0-9A-Z]")


class Bounds(msgspec.Struct, frozen=True):
    """A day in milliseconds UTC, and when its statement can be there."""

    day: str
    begins_at: int
    ends_at: int
    ready_at: int


def bounds(day: dt.date, zone: str) -> Bounds:
    """A day as a vendor of that time zone counts it."""
    at = ZoneInfo(zone)
    begins = dt.datetime.combine(day, dt.time(), at)
    ends = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), at)
    ready = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(READY_HOUR), at)
    return Bounds(day.isoformat(), *(int(moment.timestamp() * 1000) for moment in (begins, ends, ready)))


def day_of(ms: int, zone: str) -> dt.date:
    """The day on which something happened, as a vendor of that time zone counts days."""
    return dt.datetime.fromtimestamp(ms / 1000, ZoneInfo(zone)).date()


def wanted_days(now: int, zone: str, *, newest: str | None, since: int) -> list[Bounds]:
    """The days of an account that are over and were not planned yet: after the `newest` planned one, or at first the last week;
    none from before the account was made."""
    yesterday = day_of(now, zone) - dt.timedelta(days=1)
    first = day_of(since, zone)
    if newest is None:
        first = max(first, yesterday - dt.timedelta(days=FIRST_DAYS_BACK - 1))
    else:
        first = max(first, dt.date.fromisoformat(newest) + dt.timedelta(days=1))
    first = max(first, yesterday - dt.timedelta(days=MOST_DAYS_BACK - 1))
    return [bounds(first + dt.timedelta(days=n), zone) for n in range((yesterday - first).days + 1)]


def digest(lines: Iterable[Line]) -> bytes:
    """What a statement says, whatever the order of its lines."""
    total = 0
    for line in lines:
        told = msgspec.json.encode(msgspec.structs.replace(line, number=0))
        total += int.from_bytes(hashlib.blake2b(told, digest_size=32).digest())
    return (total % (1 << 256)).to_bytes(32)


@dataclass
class Taken:
    """What lines of a statement have been found to be so far: none of it is another line's, too."""

    receipts: set[int] = field(default_factory=set)
    refunds: set[int] = field(default_factory=set)
    attempts: set[int] = field(default_factory=set)
    numbers: set[str] = field(default_factory=set)


def judge(lines: Sequence[Line], known: Known, taken: Taken, *, is_proof: bool) -> list[Judged]:
    """What each line is. `is_proof` when its vendor said it: a file's word about an unknown payment is only a proposal."""
    return [
        _payment(line, known, taken, is_proof=is_proof) if line.kind == "payment" else _refund(line, known, taken)
        for line in lines
    ]


def _payment(line: Line, known: Known, taken: Taken, *, is_proof: bool) -> Judged:
    receipt = _receipt(line, known, taken)
    if receipt is not None:
        return _of_receipt(line, receipt, taken)
    if _is_repeated(line.gateway_txn, taken):
        return Judged(line=line, verdict="twice")
    attempt = known.attempts.get(line.attempt_no)
    if attempt is not None and attempt.gateway_id != known.gateway_id:
        return Judged(line=line, verdict="elsewhere", attempt=attempt)
    if attempt is not None:
        return Judged(line=line, verdict="unknown" if is_proof else "proposed", attempt=attempt)
    if known.is_manual:
        return _transfer(line, known, taken)
    is_foreign = bool(line.attempt_no) and not _OURS.fullmatch(line.attempt_no)
    return Judged(line=line, verdict="foreign" if is_foreign else "unknown")


def _receipt(line: Line, known: Known, taken: Taken) -> OurReceipt | None:
    """By the vendor's number; else one of the attempt that a person vouched for, or that has no number to go by; else, where
    nobody gives numbers, one of the same amount."""
    if line.gateway_txn in known.receipts:
        return known.receipts[line.gateway_txn]
    of_attempt = [
        r
        for r in known.of_attempts.get(line.attempt_no, ())
        if (r.source == "manual" or not line.gateway_txn) and r.receipt_id not in taken.receipts and not r.is_stated
    ]
    if of_attempt:
        return next((r for r in of_attempt if _is_same(line, r)), of_attempt[0])
    loose = [r for r in known.loose_receipts if _is_same(line, r) and r.receipt_id not in taken.receipts]
    named = [r for r in loose if r.gateway_txn.upper() in _names(line)]
    return named[0] if named else loose[0] if len(loose) == 1 else None


def _of_receipt(line: Line, receipt: OurReceipt, taken: Taken) -> Judged:
    if receipt.is_stated or receipt.receipt_id in taken.receipts:
        return Judged(line=line, verdict="twice", receipt=receipt)
    taken.receipts.add(receipt.receipt_id)
    if why_differs(line, receipt=receipt):
        return Judged(line=line, verdict="differs", receipt=receipt)
    return Judged(line=line, verdict="found" if receipt.source == "statement" else "matched", receipt=receipt)


def _transfer(line: Line, known: Known, taken: Taken) -> Judged:
    """Money on a bank account: of the waiting attempt that its text names, else of the only one that waits for its amount."""
    waiting = [a for a in known.waiting if a.attempt_id not in taken.attempts]
    names = _names(line)
    named = [a for a in waiting if names & {a.attempt_no, a.order_no, a.gateway_ref.upper()}]
    equal = [a for a in waiting if (a.amount_minor, a.currency) == (line.amount_minor, line.currency)]
    chosen = named[:1] or (equal if len(equal) == 1 else [])
    if chosen:
        taken.attempts.add(chosen[0].attempt_id)
        return Judged(line=line, verdict="proposed", attempt=chosen[0])
    return Judged(line=line, verdict="unknown" if equal else "foreign")


def _names(line: Line) -> set[str]:
    """The words of a line that can be numbers: of an order, an attempt, a transfer."""
    return set(_NAME.findall(f"{line.reference} {line.attempt_no} {line.gateway_txn}".upper()))


def _refund(line: Line, known: Known, taken: Taken) -> Judged:
    refund = known.refunds.get(line.refund_no) or known.vendor_refunds.get(line.gateway_refund)
    if refund is None and known.is_manual:
        refund = _recorded(line, known, taken)
    receipt = known.receipts.get(line.gateway_txn)
    if refund is not None:
        if refund.is_stated or refund.refund_id in taken.refunds:
            return Judged(line=line, verdict="twice", refund=refund, receipt=receipt)
        taken.refunds.add(refund.refund_id)
        verdict = "differs" if why_differs(line, refund=refund) else "matched"
        return Judged(line=line, verdict=verdict, refund=refund, receipt=receipt)
    if _is_repeated(line.refund_no or line.gateway_refund, taken):
        return Judged(line=line, verdict="twice", receipt=receipt)
    is_ours = receipt is not None or line.attempt_no in known.attempts or bool(_OUR_REFUND.fullmatch(line.refund_no))
    return Judged(
        line=line, verdict="unknown" if is_ours else "foreign", receipt=receipt, attempt=known.attempts.get(line.attempt_no)
    )


def _recorded(line: Line, known: Known, taken: Taken) -> OurRefund | None:
    loose = [r for r in known.loose_refunds if r.refund_id not in taken.refunds and _is_same(line, r)]
    named = [r for r in loose if _names(line) & set(_NAME.findall(f"{r.reference} {r.refund_no}".upper()))]
    return named[0] if named else loose[0] if len(loose) == 1 else None


def _is_repeated(number: str, taken: Taken) -> bool:
    is_known = bool(number) and number in taken.numbers
    taken.numbers.add(number)
    return is_known


def _is_same(line: Line, ours: OurReceipt | OurRefund) -> bool:
    return (line.amount_minor, line.currency) == (ours.amount_minor, ours.currency)


def why_differs(line: Line, *, receipt: OurReceipt | None = None, refund: OurRefund | None = None) -> str:
    """In what a line is not what we recorded: currency, amount, order or state; nothing when it agrees."""
    ours = refund or receipt
    assert ours is not None
    if line.currency != ours.currency:
        return "currency"
    if line.amount_minor != ours.amount_minor:
        return "amount"
    if refund is not None:
        return "state" if refund.status == "failed" else ""
    assert receipt is not None
    is_other = bool(line.attempt_no) and line.attempt_no != receipt.attempt_no and receipt.source != "manual"
    return "order" if is_other and _OURS.fullmatch(line.attempt_no) else ""


_KIND_OF = {
    ("payment", "differs"): "payment_differs",
    ("payment", "twice"): "payment_twice",
    ("payment", "unknown"): "payment_unknown",
    ("payment", "proposed"): "payment_unconfirmed",
    ("refund", "differs"): "refund_differs",
    ("refund", "twice"): "refund_twice",
    ("refund", "unknown"): "refund_unknown",
}
OPEN_VERDICTS = ("differs", "twice", "unknown", "proposed")
"""What makes a difference for each line."""


def difference_of(judged: Judged, *, gateway_id: int, day: str, statement_id: int) -> DifferenceDraft | None:
    """The difference that a line makes, if it makes one."""
    kind = _KIND_OF.get((judged.line.kind, judged.verdict))
    if kind is None:
        return None
    line, receipt, refund, attempt = judged.line, judged.receipt, judged.refund, judged.attempt
    ours = refund if line.kind == "refund" else receipt
    about = ours or receipt or attempt
    why = why_differs(line, receipt=receipt, refund=refund) if ours and judged.verdict == "differs" else ""
    told = {
        "txn": line.gateway_txn,
        "number": line.refund_no or line.gateway_refund or line.attempt_no,
        "at": line.happened_at,
        "why": why,
        "reference": line.reference[:200],
    }
    return DifferenceDraft(
        gateway_id=gateway_id,
        day=day,
        kind=kind,
        subject=_subject(judged),
        order_id=about.order_id if about else None,
        attempt_id=attempt.attempt_id if attempt else None,
        receipt_id=receipt.receipt_id if receipt else None,
        refund_id=refund.refund_id if refund else None,
        ours_minor=ours.amount_minor if ours else None,
        ours_currency=ours.currency if ours else "",
        theirs_minor=line.amount_minor,
        theirs_currency=line.currency,
        detail=msgspec.json.encode({name: value for name, value in told.items() if value}).decode(),
        seen_in=statement_id,
        line_id=line.line_id if isinstance(line, StoredLine) else None,
    )


def _subject(judged: Judged) -> str:
    """By our own number where it is ours: two lines may confuse their numbers, and each is told."""
    if judged.verdict == "differs" and judged.refund is not None:
        return f"refund/{judged.refund.refund_no}"
    if judged.verdict == "differs" and judged.receipt is not None:
        return f"payment/{judged.receipt.gateway_txn}"
    return subject_of(judged.line, is_twice=judged.verdict == "twice")


def subject_of(line: Line, *, is_twice: bool = False) -> str:
    """What a line's difference is about: the same for the same payment in every statement."""
    number = line.gateway_txn if line.kind == "payment" else line.refund_no or line.gateway_refund
    if not number:
        told = msgspec.json.encode((line.attempt_no, line.amount_minor, line.currency, line.happened_at, line.reference))
        number = "~" + hashlib.blake2b(told, digest_size=8).hexdigest()
    return f"{line.kind}/{number}" + (f"#{line.number}" if is_twice else "")


def is_looked_back(before: str, after: str, *, ends_at: int, now: int) -> bool:
    """Whether what we recorded on a stated day may be held against its vendor's word: no neighbour (`waiting`, `stated`,
    `missing` or nothing) is still to come, and the next is stated or has had its time."""
    if "waiting" in (before, after):
        return False
    return after == "stated" or now >= ends_at + LOOK_BACK


def best(attempts: Sequence[OurAttempt]) -> list[OurAttempt]:
    """The attempts that may wait for a transfer: of each order the newest."""
    newest: dict[int, OurAttempt] = {}
    for attempt in attempts:
        if attempt.order_id not in newest or newest[attempt.order_id].attempt_id < attempt.attempt_id:
            newest[attempt.order_id] = attempt
    return list(newest.values())


def neighbours(day: str) -> tuple[str, str]:
    """The days before and after one."""
    at, one = dt.date.fromisoformat(day), dt.timedelta(days=1)
    return (at - one).isoformat(), (at + one).isoformat()


def missing_receipt(day: Day, receipt: OurReceipt) -> DifferenceDraft:
    """The difference of money that we recorded and its vendor does not state."""
    told = {"txn": receipt.gateway_txn, "number": receipt.attempt_no, "source": receipt.source}
    return DifferenceDraft(
        gateway_id=day.gateway_id,
        day=day.day,
        kind="receipt_missing",
        subject=f"receipt/{receipt.receipt_id}",
        order_id=receipt.order_id,
        receipt_id=receipt.receipt_id,
        ours_minor=receipt.amount_minor,
        ours_currency=receipt.currency,
        detail=msgspec.json.encode(told).decode(),
    )


def missing_refund(day: Day, refund: OurRefund) -> DifferenceDraft:
    """The difference of a refund that we recorded and its vendor does not state."""
    return DifferenceDraft(
        gateway_id=day.gateway_id,
        day=day.day,
        kind="refund_missing",
        subject=f"our-refund/{refund.refund_id}",
        order_id=refund.order_id,
        refund_id=refund.refund_id,
        ours_minor=refund.amount_minor,
        ours_currency=refund.currency,
        detail=msgspec.json.encode({"number": refund.refund_no}).decode(),
    )
