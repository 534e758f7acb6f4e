"""What does not agree is opened, told, looked at from our side as well, and closed: by a later statement, or by staff."""

import msgspec

from kashop.accounts import reads as accounts
from kashop.db import Reader, Tx
from kashop.flows import confirm as confirmation
from kashop.flows.reconcile.judging import CHUNK
from kashop.lib.actor import SYSTEM, Actor
from kashop.lib.errors import Conflict, Invalid
from kashop.notices.writes import tell
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.payments import rules as payment_rules
from kashop.payments.differences import reads as differences_reads
from kashop.payments.differences import writes as differences
from kashop.payments.rows import GatewayAccount
from kashop.payments.statements import reads, rules, writes
from kashop.payments.statements.types import Day, Difference, DifferenceDraft, Line, Statement
from kashop.shop import Shop


async def open_all(shop: Shop, day: Day, statement: Statement) -> int:
    """Open what a statement's lines show; how many are new. Payments that are not this shop's are one, for all of them."""
    opened = 0
    for verdict in rules.OPEN_VERDICTS:
        after = 0
        while found := await shop.db.read(_drafts, statement, day, verdict, after):
            after = found[-1][0]
            opened += await shop.db.write(differences.open_differences, [draft for _, draft in found], SYSTEM)
    foreign = await shop.db.read(_foreign, statement, day, is_manual=await _is_manual(shop, day))
    await shop.db.write(differences.open_differences, foreign, SYSTEM)
    return opened


async def _is_manual(shop: Shop, day: Day) -> bool:
    account = await shop.db.read(payments.get_gateway, day.gateway_id)
    return shop.plugins.gateway_types[account.type].is_manual


def _drafts(db: Reader, statement: Statement, day: Day, verdict: str, after: int) -> list[tuple[int, DifferenceDraft]]:
    found = []
    for line in reads.lines(db, statement.statement_id, after=after, verdict=verdict, limit=CHUNK):
        judged = reads.judged(db, line)
        draft = rules.difference_of(judged, gateway_id=day.gateway_id, day=day.day, statement_id=statement.statement_id)
        assert draft is not None  # these verdicts are those that make one
        found.append((line.number, draft))
    return found


def _foreign(db: Reader, statement: Statement, day: Day, *, is_manual: bool) -> list[DifferenceDraft]:
    """One for all payments in a currency that have another system's numbers; on a bank account they are everyday."""
    return [
        DifferenceDraft(
            gateway_id=day.gateway_id,
            day=day.day,
            kind="payments_foreign",
            subject=f"foreign/{day.day}/{each.currency}",
            theirs_minor=each.amount_minor,
            theirs_currency=each.currency,
            detail=msgspec.json.encode({"count": each.count}).decode(),
            seen_in=statement.statement_id,
        )
        for each in reads.sums(db, statement.statement_id)
        if each.verdict == "foreign" and each.kind == "payment" and not is_manual
    ]


def close_and_tell(tx: Tx, account: GatewayAccount, day: Day, statement_id: int, opened: int) -> None:
    """Close what the day's statement settles, look back at the days round it anew, and tell the owners of what is new."""
    differences.close_corrected(tx, day, statement_id)
    differences.close_stated(tx, account.gateway_id)
    writes.look_back_again(tx, account.gateway_id, [day.day, *rules.neighbours(day.day)])
    _tell(tx, account, day, opened)


def _tell(tx: Tx, account: GatewayAccount, day: Day, opened: int) -> None:
    if opened:
        to = accounts.owner_addresses(tx)
        tell(tx, "statement.differences", to=to, account=account.name, day=day.day, count=opened)


async def look_back_due(shop: Shop) -> int:
    """Hold what was recorded on stated days against what was stated, where the time for it has come; how many differences."""
    opened = 0
    for day in await shop.db.read(reads.unlooked_days, limit=100):
        before, after = await shop.db.read(_beside, day)
        if rules.is_looked_back(before, after, ends_at=day.ends_at, now=shop.clock.now()):
            opened += await _look_back(shop, day)
    return opened


def _beside(db: Reader, day: Day) -> tuple[str, str]:
    before, after = (reads.find_day(db, day.gateway_id, each) for each in rules.neighbours(day.day))
    return before.status if before else "", after.status if after else ""


async def _look_back(shop: Shop, day: Day) -> int:
    opened = after = 0
    while receipts := await shop.db.read(reads.unstated_receipts, day, after=after, limit=CHUNK):
        after = receipts[-1].receipt_id
        drafts = [rules.missing_receipt(day, receipt) for receipt in receipts]
        opened += await shop.db.write(differences.open_differences, drafts, SYSTEM)
    account = await shop.db.read(payments.get_gateway, day.gateway_id)
    kind = shop.plugins.gateway_types.get(account.type)
    if kind is None or kind.states_refunds:  # a vendor that lists payments alone says nothing about refunds
        opened += await _look_for_refunds(shop, day)
    await shop.db.write(_looked_back, account, day, opened)
    return opened


async def _look_for_refunds(shop: Shop, day: Day) -> int:
    opened = after = 0
    while refunds := await shop.db.read(reads.unstated_refunds, day, after=after, limit=CHUNK):
        after = refunds[-1].refund_id
        drafts = [rules.missing_refund(day, refund) for refund in refunds]
        opened += await shop.db.write(differences.open_differences, drafts, SYSTEM)
    return opened


def _looked_back(tx: Tx, account: GatewayAccount, day: Day, opened: int) -> None:
    writes.looked_back(tx, day)
    _tell(tx, account, day, opened)


async def close(shop: Shop, difference_id: int, actor: Actor, *, reason: str) -> None:
    """Staff close a difference. Raises Invalid for `reason`, NotFound, Conflict when it was closed meanwhile."""
    if not reason.strip():
        raise Invalid.of("reason", "Say why.")
    await shop.db.write(differences.close_by_hand, difference_id, actor, reason=reason.strip()[:300])


async def take_on(shop: Shop, difference_id: int, actor: Actor) -> None:
    """Somebody sees to a difference from now on. Raises NotFound."""
    await shop.db.write(differences.take_on, difference_id, actor)


async def confirm(shop: Shop, difference_id: int, actor: Actor) -> str:
    """Staff say that a proposed payment is of its order: it is confirmed (补单) within their bounds; the order's state then, or
    `asked` when a second person has to approve.

    Raises Conflict when it is none any more, or when its amount is not what the order owes.
    """
    difference, line = await shop.db.read(_proposal, difference_id)
    assert difference.order_no is not None  # a proposal has one
    reference = line.gateway_txn or rules.subject_of(line).partition("/")[2]
    note = f"statement of {difference.account}, {difference.day}: {line.reference}"[:300].rstrip(": ")
    state = await confirmation.confirm(
        shop, difference.order_no, reference=reference[:64], note=note, actor=actor, gateway=difference.account
    )
    await shop.db.write(differences.follow, limit=200)
    return state if isinstance(state, str) else "asked"


def _proposal(db: Reader, difference_id: int) -> tuple[Difference, Line]:
    difference = differences_reads.get_difference(db, difference_id)
    line = differences_reads.find_line(db, difference)
    is_open = difference.closed_at is None and difference.kind == "payment_unconfirmed"
    if not is_open or line is None or difference.attempt_id is None or difference.order_id is None:
        raise Conflict("There is nothing to confirm here any more.", code="changed_meanwhile")
    attempt = payments.get_attempt(db, difference.attempt_id)
    order = orders.get(db, difference.order_id)
    owed = payment_rules.asked_for(attempt, max(order.total_minor - order.paid_minor, 0))
    if (line.amount_minor, line.currency) != (owed, attempt.currency):
        raise Conflict("The amount is not what the order owes: settle it on the order's page.", code="other_amount")
    return difference, line
