"""The only way to tell somebody something, and what becomes of it."""

from collections.abc import Iterable, Sequence

import msgspec

from kashop.db import Tx
from kashop.notices import reads, rules
from kashop.notices.texts import text_of
from kashop.notices.types import Notice, NotSent
from kashop.settings.reads import settings

_LOOKED_AT, _MOST_TOGETHER = 50, 500


def tell(tx: Tx, about: str, /, *, to: Iterable[str] = (), sealed: bytes | None = None, **facts: str | int) -> None:
    """Queue a notice, in the caller's transaction: by mail for each address of `to`, and for what concerns the whole shop over
    the webhook and into the file where they are set up. `notices/texts.py` has a row for each `about`; its text is made from
    `facts` when it is sent. Facts are references and words, never a code, a key or a password.

    What only the reader may see (an invitation's link, a reset token) goes into `sealed`, made before the transaction with
    `notices.rules.sealed_facts(shop.keyring, about, link=…)`. It fills places of the text like a fact, is opened at the moment
    of sending, never leaves by webhook or file, and is dropped when the notice is sent or given up.

        sealed = sealed_facts(shop.keyring, "staff.invited", link=link)
        await shop.db.write(_invite, …, sealed)     # in it: tell(tx, "staff.invited", to=[email], sealed=sealed, by=…, role=…)
    """
    ways = [("mail", address) for address in dict.fromkeys(to)]
    if text_of(about).is_shop_wide:
        ways += [(channel, "") for channel in sorted(rules.channels(settings(tx)) - {"mail"})]
    sql = """INSERT INTO notices (about, channel, recipient, facts, sealed, created_at, next_try_at)
             VALUES (:about, :channel, :recipient, :facts, :sealed, :now, :now)"""
    kept = msgspec.json.encode(facts).decode()
    rows = [
        {
            "about": about,
            "channel": channel,
            "recipient": recipient,
            "facts": kept,
            "sealed": sealed if channel == "mail" else None,
            "now": tx.now,
        }
        for channel, recipient in ways
    ]
    tx.many(sql, rows)


def take(tx: Tx, channel: str) -> list[Notice]:
    """Take what is due next over a channel for oneself: one notice, or mails that go together; empty when nothing is due.

    A lease: who takes and dies is followed by another when it is over. Each taking counts as a try. A mail that comes too soon
    after another of its kind to the same address is put off, to go with those that follow.
    """
    for notice in reads.due(tx, channel, limit=_LOOKED_AT):
        group = [notice]
        if channel == "mail" and notice.sealed is None:
            until = reads.last_sent_at(tx, notice.recipient, notice.about) + rules.GATHER
            group = reads.alike(tx, notice.recipient, notice.about, limit=_MOST_TOGETHER)
            if until > tx.now:
                _put_off(tx, group, until)
                continue
        won = [_leased(n, tx.now) for n in group if n.next_try_at is not None and _lease(tx, n.notice_id, n.next_try_at)]
        if won:
            return won
    return []


def _lease(tx: Tx, notice_id: int, expected: int) -> bool:
    sql = """UPDATE notices SET next_try_at = :until, tries = tries + 1
             WHERE notice_id = :notice_id AND next_try_at = :expected"""
    return tx.run(sql, notice_id=notice_id, expected=expected, until=tx.now + rules.LEASE) == 1


def _leased(notice: Notice, now: int) -> Notice:
    return msgspec.structs.replace(notice, next_try_at=now + rules.LEASE, tries=notice.tries + 1)


def _put_off(tx: Tx, group: Sequence[Notice], until: int) -> None:
    sql = "UPDATE notices SET next_try_at = :until WHERE notice_id = :notice_id AND next_try_at IS NOT NULL"
    tx.many(sql, [{"notice_id": n.notice_id, "until": until} for n in group])


def mark_sent(tx: Tx, notice_ids: Sequence[int]) -> None:
    """They have left; what was sealed in them is dropped."""
    sql = """UPDATE notices SET next_try_at = NULL, sent_at = :now, problem = '', sealed = NULL
             WHERE notice_id = :notice_id AND sent_at IS NULL"""
    tx.many(sql, [{"notice_id": notice_id, "now": tx.now} for notice_id in notice_ids])


def mark_failed(tx: Tx, notice: Notice, why: NotSent) -> bool:
    """A try failed: it is tried again later, or given up; whether it was given up. What is given up keeps no secret."""
    until = None if why.is_final else rules.next_try(notice.tries, tx.now)
    if until is not None and why.wait:
        until = max(until, tx.now + why.wait)
    sql = """UPDATE notices SET next_try_at = :until, problem = :problem,
               sealed = CASE WHEN CAST(:until AS BIGINT) IS NULL THEN NULL ELSE sealed END
             WHERE notice_id = :notice_id AND sent_at IS NULL"""
    tx.run(sql, notice_id=notice.notice_id, until=until, problem=why.problem)
    return until is None


def give_up_unset(tx: Tx, channel: str) -> int:
    """Give up what has waited a day for a channel that is not set up; how many."""
    sql = """UPDATE notices SET next_try_at = NULL, problem = 'not_set_up', sealed = NULL
             WHERE channel = :channel AND next_try_at IS NOT NULL AND created_at < :before"""
    return tx.run(sql, channel=channel, before=tx.now - rules.UNSET_KEEP)


def retry(tx: Tx, notice_id: int) -> bool:
    """Try again now what failed or was given up, from the beginning of the schedule; whether there was such a one. Its name
    outside stays, so that a receiver which had it already knows."""
    sql = """UPDATE notices SET next_try_at = :now, tries = 0, problem = ''
             WHERE notice_id = :notice_id AND sent_at IS NULL AND problem <> ''"""
    return tx.run(sql, notice_id=notice_id, now=tx.now) == 1


def forget(tx: Tx, before: int, *, limit: int) -> int:
    """Drop what was written long ago and waits no more; how many."""
    sql = """DELETE FROM notices WHERE notice_id IN (
               SELECT notice_id FROM notices WHERE created_at < :before AND next_try_at IS NULL LIMIT :limit)"""
    return tx.run(sql, before=before, limit=limit)
