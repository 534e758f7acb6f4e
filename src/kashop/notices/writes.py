"""The only way to tell somebody something, and what becomes of it."""

from collections.abc import Iterable, Sequence

import msgspec

from kashop.db import Tx
from kashop.notices import rules
from kashop.notices.texts import text_of
from kashop.settings.reads import settings


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


def lease(tx: Tx, notice_id: int, *, expected: int) -> bool:
    """Take a due notice for oneself; whether it was won. Each taking counts as a try."""
    sql = """UPDATE notices SET next_try_at = :until, tries = tries + 1
             WHERE notice_id = :notice_id AND next_try_at = :expected"""
    return tx.run(sql, notice_id=notice_id, expected=expected, until=tx.now + rules.LEASE) == 1


def postpone(tx: Tx, notice_ids: Sequence[int], until: int) -> None:
    """Let notices wait, without counting a try."""
    sql = "UPDATE notices SET next_try_at = :until WHERE notice_id = :notice_id AND next_try_at IS NOT NULL"
    tx.many(sql, [{"notice_id": notice_id, "until": until} for notice_id in notice_ids])


def mark_sent(tx: Tx, notice_ids: Sequence[int]) -> None:
    """They have left; what was sealed in them is dropped."""
    sql = """UPDATE notices SET next_try_at = NULL, sent_at = :now, problem = '', sealed = NULL
             WHERE notice_id = :notice_id AND sent_at IS NULL"""
    tx.many(sql, [{"notice_id": notice_id, "now": tx.now} for notice_id in notice_ids])


def mark_failed(tx: Tx, notice_id: int, *, tries: int, problem: str, is_final: bool = False) -> bool:
    """A try failed: it is tried again later, or given up; whether it was given up. What is given up keeps no secret."""
    until = None if is_final else rules.next_try(tries, tx.now)
    sql = """UPDATE notices SET next_try_at = :until, problem = :problem,
               sealed = CASE WHEN CAST(:until AS BIGINT) IS NULL THEN NULL ELSE sealed END
             WHERE notice_id = :notice_id AND sent_at IS NULL"""
    tx.run(sql, notice_id=notice_id, until=until, problem=problem[:300])
    return until is None


def give_up_unset(tx: Tx, channel: str) -> int:
    """Give up what has waited a day for a channel that is not set up; how many."""
    sql = """UPDATE notices SET next_try_at = NULL, problem = 'not_set_up', sealed = NULL
             WHERE channel = :channel AND next_try_at IS NOT NULL AND created_at < :before"""
    return tx.run(sql, channel=channel, before=tx.now - rules.UNSET_KEEP)


def retry(tx: Tx, notice_id: int) -> bool:
    """Try again now what failed or was given up, from the beginning of the schedule; whether there was such a one."""
    sql = """UPDATE notices SET next_try_at = :now, tries = 0, problem = ''
             WHERE notice_id = :notice_id AND sent_at IS NULL AND problem <> ''"""
    return tx.run(sql, notice_id=notice_id, now=tx.now) == 1


def forget(tx: Tx, before: int, *, limit: int) -> int:
    """Drop what was written long ago and waits no more; how many."""
    sql = """DELETE FROM notices WHERE notice_id IN (
               SELECT notice_id FROM notices WHERE created_at < :before AND next_try_at IS NULL LIMIT :limit)"""
    return tx.run(sql, before=before, limit=limit)
