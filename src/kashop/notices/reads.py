"""Looks at notices."""

from kashop.db import Reader
from kashop.notices.types import Notice


def due(db: Reader, channel: str, *, limit: int) -> list[Notice]:
    """What is to be tried now over a channel, the longest due first."""
    sql = """SELECT notice_id, about, channel, recipient, facts, created_at, next_try_at, tries, sent_at, problem, sealed
             FROM notices WHERE next_try_at <= :now AND channel = :channel ORDER BY next_try_at, notice_id LIMIT :limit"""
    return db.all(sql, Notice, now=db.now, channel=channel, limit=limit)


def has_due(db: Reader, channel: str) -> bool:
    """Whether anything is to be tried now over a channel."""
    sql = "SELECT notice_id FROM notices WHERE next_try_at <= :now AND channel = :channel LIMIT 1"
    return db.value(sql, now=db.now, channel=channel) is not None


def alike(db: Reader, recipient: str, about: str, *, limit: int) -> list[Notice]:
    """Waiting mails of one kind to one address without secrets, that are due, the oldest first."""
    sql = """SELECT notice_id, about, channel, recipient, facts, created_at, next_try_at, tries, sent_at, problem, sealed
             FROM notices WHERE next_try_at <= :now AND channel = 'mail' AND recipient = :recipient AND about = :about
               AND sealed IS NULL
             ORDER BY notice_id LIMIT :limit"""
    return db.all(sql, Notice, now=db.now, recipient=recipient, about=about, limit=limit)


def last_sent_at(db: Reader, recipient: str, about: str) -> int:
    """When an address was last told of something by mail; 0: never."""
    sql = """SELECT max(sent_at) FROM notices
             WHERE recipient = :recipient AND about = :about AND channel = 'mail' AND sent_at IS NOT NULL"""
    return int(db.value(sql, recipient=recipient, about=about) or 0)


def last_sent(db: Reader, about: str, /) -> Notice | None:
    """The newest notice of a kind that left the shop over any channel: what is known to stand off the host."""
    sql = """SELECT notice_id, about, channel, recipient, facts, created_at, next_try_at, tries, sent_at, problem, sealed
             FROM notices WHERE about = :about AND sent_at IS NOT NULL ORDER BY created_at DESC, notice_id DESC LIMIT 1"""
    return db.one(sql, Notice, about=about)


def page(db: Reader, before: int, *, limit: int) -> list[Notice]:
    """Notices older than `before` (an id), the newest first."""
    sql = """SELECT notice_id, about, channel, recipient, facts, created_at, next_try_at, tries, sent_at, problem, sealed
             FROM notices WHERE notice_id < :before ORDER BY notice_id DESC LIMIT :limit"""
    return db.all(sql, Notice, before=before, limit=limit)


def find(db: Reader, notice_id: int) -> Notice | None:
    """A notice."""
    sql = """SELECT notice_id, about, channel, recipient, facts, created_at, next_try_at, tries, sent_at, problem, sealed
             FROM notices WHERE notice_id = :notice_id"""
    return db.one(sql, Notice, notice_id=notice_id)


def count_given_up(db: Reader, since: int) -> int:
    """How many were given up that were written since; not those whose channel was never set up."""
    sql = """SELECT count(*) FROM notices WHERE created_at >= :since AND next_try_at IS NULL AND sent_at IS NULL
               AND problem <> 'not_set_up'"""
    return int(db.value(sql, since=since))


def count_waiting(db: Reader, channel: str) -> int:
    """How many have not left yet over a channel."""
    sql = "SELECT count(*) FROM notices WHERE next_try_at IS NOT NULL AND channel = :channel"
    return int(db.value(sql, channel=channel))


def count_failing(db: Reader) -> int:
    """How many failed at least once and will be tried again."""
    return int(db.value("SELECT count(*) FROM notices WHERE next_try_at IS NOT NULL AND tries > 0 AND problem <> ''"))
