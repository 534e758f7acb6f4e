"""Changes of statements and of what their lines are."""

from collections.abc import Iterable, Sequence

import msgspec

from kashop.audit.writes import record
from kashop.db import Tx
from kashop.lib.actor import Actor
from kashop.payments.statements import reads, rules
from kashop.payments.statements.types import Day, Judged, Line, StatementDraft


def plan_days(tx: Tx, gateway_id: int, days: Iterable[rules.Bounds]) -> None:
    """Want the statements of these days, each from when it can be there."""
    for day in days:
        _plan(tx, gateway_id, day, next_try_at=day.ready_at)


def plan_now(tx: Tx, gateway_id: int, day: rules.Bounds) -> Day:
    """Have a row for a day that somebody asks about; the day."""
    _plan(tx, gateway_id, day, next_try_at=None)
    found = reads.find_day(tx, gateway_id, day.day)
    assert found is not None
    return found


def _plan(tx: Tx, gateway_id: int, day: rules.Bounds, *, next_try_at: int | None) -> None:
    sql = """INSERT INTO statement_days (gateway_id, day, begins_at, ends_at, status, next_try_at, give_up_at)
             VALUES (:gateway_id, :day, :begins_at, :ends_at, 'waiting', :next_try_at, :give_up_at)
             ON CONFLICT (gateway_id, day) DO NOTHING"""
    tx.run(
        sql,
        gateway_id=gateway_id,
        day=day.day,
        begins_at=day.begins_at,
        ends_at=day.ends_at,
        next_try_at=next_try_at,
        give_up_at=max(tx.now, day.ready_at) + rules.GIVE_UP,
    )


def take_day(tx: Tx, day: Day) -> bool:
    """Take a due day for asking: whoever moved its time ahead asks; whether that was this call."""
    sql = """UPDATE statement_days SET next_try_at = :next, tries = tries + 1
             WHERE gateway_id = :gateway_id AND day = :day AND next_try_at = :seen AND next_try_at <= :now"""
    key = {"gateway_id": day.gateway_id, "day": day.day, "seen": day.next_try_at}
    return tx.run(sql, next=tx.now + rules.RETRY, now=tx.now, **key) == 1


def note_problem(tx: Tx, day: Day, problem: str) -> bool:
    """A try brought nothing; whether that was the last one."""
    sql = """UPDATE statement_days SET problem = :problem WHERE gateway_id = :gateway_id AND day = :day"""
    tx.run(sql, gateway_id=day.gateway_id, day=day.day, problem=problem[:300])
    sql = """UPDATE statement_days SET status = 'missing', next_try_at = NULL
             WHERE gateway_id = :gateway_id AND day = :day AND status = 'waiting' AND next_try_at IS NOT NULL
               AND give_up_at <= :now"""
    return tx.run(sql, gateway_id=day.gateway_id, day=day.day, now=tx.now) == 1


def begin(tx: Tx, draft: StatementDraft, actor: Actor) -> int | None:
    """A statement comes in; its id, or None when the one that counts says the very same."""
    now_counts = reads.current(tx, draft.gateway_id, draft.day)
    if now_counts is not None and now_counts.digest == draft.digest:
        return None
    sql = """INSERT INTO statements (gateway_id, day, source, digest, file_name, lines, left_out, status, taken_by, taken_at)
             VALUES (:gateway_id, :day, :source, :digest, :file_name, :lines, :left_out, 'coming', :by, :now)
             RETURNING statement_id"""
    return int(tx.value(sql, by=str(actor), now=tx.now, **msgspec.structs.asdict(draft)))


def add_lines(tx: Tx, statement_id: int, lines: Sequence[Line]) -> None:
    """Keep some of a statement's lines, not judged yet."""
    sql = """INSERT INTO statement_lines (statement_id, number, kind, gateway_txn, attempt_no, refund_no, gateway_refund,
               amount_minor, currency, fee_minor, happened_at, reference)
             VALUES (:statement_id, :number, :kind, :gateway_txn, :attempt_no, :refund_no, :gateway_refund, :amount_minor,
               :currency, :fee_minor, :happened_at, :reference)"""
    tx.many(sql, [{"statement_id": statement_id, **msgspec.structs.asdict(line)} for line in lines])


def keep_verdicts(tx: Tx, statement_id: int, judged: Sequence[Judged]) -> None:
    """Write down what lines are."""
    sql = """UPDATE statement_lines SET verdict = :verdict, receipt_id = :receipt_id, refund_id = :refund_id,
               attempt_id = :attempt_id
             WHERE statement_id = :statement_id AND number = :number"""
    tx.many(
        sql,
        [
            {
                "statement_id": statement_id,
                "number": each.line.number,
                "verdict": each.verdict,
                "receipt_id": each.receipt.receipt_id if each.receipt else None,
                "refund_id": each.refund.refund_id if each.refund else None,
                "attempt_id": each.attempt.attempt_id if each.attempt else None,
            }
            for each in judged
        ],
    )


def make_current(tx: Tx, statement_id: int, draft: StatementDraft, actor: Actor) -> bool:
    """From now on this statement counts for its day; False when a newer one does already."""
    sql = """SELECT 1 FROM statements WHERE gateway_id = :gateway_id AND day = :day AND status = 'current'
               AND statement_id > :statement_id"""
    key = {"gateway_id": draft.gateway_id, "day": draft.day}
    if tx.value(sql, statement_id=statement_id, **key) is not None:
        return False
    sql = """UPDATE statements SET status = 'replaced' WHERE gateway_id = :gateway_id AND day = :day
               AND statement_id < :statement_id AND status <> 'replaced'"""
    tx.run(sql, statement_id=statement_id, **key)
    tx.run("UPDATE statements SET status = 'current' WHERE statement_id = :statement_id", statement_id=statement_id)
    sql = """UPDATE statement_days SET status = 'stated', next_try_at = NULL, problem = '', looked_back_at = NULL
             WHERE gateway_id = :gateway_id AND day = :day"""
    tx.run(sql, **key)
    record(
        tx,
        "statement.taken",
        actor,
        ("gateway", draft.gateway_id),
        day=draft.day,
        source=draft.source,
        count=draft.lines,
        statement=statement_id,
    )
    return True


def look_back_again(tx: Tx, gateway_id: int, days: Sequence[str]) -> None:
    """What was recorded on these days is to be held against the statements anew."""
    sql = """UPDATE statement_days SET looked_back_at = NULL
             WHERE gateway_id = :gateway_id AND day = :day AND status = 'stated'"""
    tx.many(sql, [{"gateway_id": gateway_id, "day": day} for day in days])


def looked_back(tx: Tx, day: Day) -> None:
    """What was recorded on a day has been held against what was stated."""
    sql = "UPDATE statement_days SET looked_back_at = :now WHERE gateway_id = :gateway_id AND day = :day"
    tx.run(sql, gateway_id=day.gateway_id, day=day.day, now=tx.now)


def drop_replaced(tx: Tx, *, limit: int) -> int:
    """Drop lines of statements that count no more; how many."""
    sql = """DELETE FROM statement_lines WHERE line_id IN (
               SELECT l.line_id FROM statements s JOIN statement_lines l ON l.statement_id = s.statement_id
               WHERE s.status = 'replaced' LIMIT :limit)"""
    return tx.run(sql, limit=limit)


def match(tx: Tx, line_id: int, receipt_id: int, *, is_same: bool) -> None:
    """A line is of a receipt that came after it was judged."""
    sql = "UPDATE statement_lines SET verdict = :verdict, receipt_id = :receipt_id WHERE line_id = :line_id"
    tx.run(sql, line_id=line_id, receipt_id=receipt_id, verdict="matched" if is_same else "differs")


def forget_account(tx: Tx, gateway_id: int) -> None:
    """Drop what was stated of an account that nobody was ever paid by."""
    tx.run("DELETE FROM differences WHERE gateway_id = :gateway_id", gateway_id=gateway_id)
    sql = """DELETE FROM statement_lines WHERE statement_id IN (SELECT statement_id FROM statements
             WHERE gateway_id = :gateway_id)"""
    tx.run(sql, gateway_id=gateway_id)
    tx.run("DELETE FROM statements WHERE gateway_id = :gateway_id", gateway_id=gateway_id)
    tx.run("DELETE FROM statement_days WHERE gateway_id = :gateway_id", gateway_id=gateway_id)
