"""Changes of the risk room: proofs, each of which serves once; tries and places in the line over all servers."""

import math
from collections.abc import Sequence

from kashop.db import Tx
from kashop.lib.clock import SECOND
from kashop.risk import reads
from kashop.risk.tally import Try
from kashop.risk.waiting import OPEN_FOR, WORTH, Turn, behind


def spend(tx: Tx, mark: bytes, until: int) -> bool:
    """Take a proof; whether it was not taken before."""
    sql = "INSERT INTO spent_proofs (proof_hash, until) VALUES (:mark, :until) ON CONFLICT (proof_hash) DO NOTHING"
    return tx.run(sql, mark=mark, until=until) == 1


def forget_spent(tx: Tx, *, limit: int) -> int:
    """Drop proofs that would have lapsed by themselves; how many."""
    sql = """DELETE FROM spent_proofs WHERE proof_hash IN (
               SELECT proof_hash FROM spent_proofs WHERE until < :now ORDER BY until LIMIT :limit)"""
    return tx.run(sql, now=tx.now, limit=limit)


def tell_tries(tx: Tx, node: str, tries: str) -> None:
    """Keep what a server counted for the others."""
    sql = "INSERT INTO told_tries (node, told_at, tries) VALUES (:node, :now, :tries)"
    tx.run(sql, node=node, now=tx.now, tries=tries)


def take_tries(tx: Tx, tries: Sequence[Try]) -> tuple[int, int] | None:
    """Count one try of each in turn, up to the first that is over its limit; which that is, and until when."""
    for place, each in enumerate(tries):
        # a clock that was set back must keep nobody out for long
        held = reads.tries_of(tx, each.subject, since=tx.now - each.window, before=tx.now + each.window)
        if held.count >= each.most:
            return place, held.oldest + each.window
        sql = """INSERT INTO tries (subject, tried_at, count, until) VALUES (:subject, :now, 1, :until)
                 ON CONFLICT (subject, tried_at) DO UPDATE SET count = tries.count + 1"""
        tx.run(sql, subject=each.subject, now=tx.now, until=tx.now + each.window)
    return None


def forgive_tries(tx: Tx, subject: str) -> None:
    """Forget a subject's tries."""
    tx.run("DELETE FROM tries WHERE subject = :subject", subject=subject)


def forget_tries(tx: Tx, *, told_before: int, limit: int) -> int:
    """Drop what no window reaches back to; how many rows."""
    sql = """DELETE FROM told_tries WHERE told_id IN (
               SELECT told_id FROM told_tries WHERE told_at < :told_before ORDER BY told_at, told_id LIMIT :limit)"""
    gone = tx.run(sql, told_before=told_before, limit=limit)
    sql = """DELETE FROM tries WHERE subject IN (SELECT subject FROM tries WHERE until < :now
                 ORDER BY until, subject, tried_at LIMIT :limit)
               AND until < :now"""
    gone += tx.run(sql, now=tx.now, limit=limit)
    sql = """DELETE FROM waiting_turns WHERE client IN (
               SELECT client FROM waiting_turns WHERE until < :now ORDER BY until, client LIMIT :limit)"""
    return gone + tx.run(sql, now=tx.now, limit=limit)


def take_place(tx: Tx, client: str, seconds: float) -> Turn | None:
    """The client's place in the line of all servers for so much work, as `Line.turn` gives it; None: the line is full."""
    known = reads.find_place(tx, client)
    if known is not None and known.work_ms * WORTH >= seconds * SECOND:
        return Turn(known.work_ms / SECOND, known.opens_at, known.until)
    turn = behind(reads.end_of_line(tx) - OPEN_FOR, tx.now, seconds)
    if turn is not None:
        sql = """INSERT INTO waiting_turns (client, work_ms, opens_at, until) VALUES (:client, :work_ms, :opens_at, :until)
                 ON CONFLICT (client) DO UPDATE SET work_ms = excluded.work_ms, opens_at = excluded.opens_at,
                   until = excluded.until"""
        tx.run(sql, client=client, work_ms=math.ceil(seconds * SECOND), opens_at=turn.opens_at, until=turn.until)
    return turn


def leave_place(tx: Tx, client: str) -> None:
    """The client took his turn; the line goes on behind him."""
    tx.run("DELETE FROM waiting_turns WHERE client = :client", client=client)
