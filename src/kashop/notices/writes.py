"""The only way to tell somebody something."""

from collections.abc import Iterable

import msgspec

from kashop.db import Tx


def tell(tx: Tx, about: str, /, *, to: Iterable[str] = (), **facts: str | int) -> None:
    """Queue a notice by mail for each address, in the caller's transaction. The text is made from `facts` when it is sent."""
    sql = """INSERT INTO notices (about, channel, recipient, facts, created_at, next_try_at)
             VALUES (:about, 'mail', :recipient, :facts, :now, :now)"""
    kept = msgspec.json.encode(facts).decode()
    tx.many(sql, [{"about": about, "recipient": address, "facts": kept, "now": tx.now} for address in to])
