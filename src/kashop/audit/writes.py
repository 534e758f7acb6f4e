"""The only way into the river; the checkpoints on it, and what is erased beside it."""

from typing import Any

import msgspec

from kashop.audit import reads, rules
from kashop.audit.notes import Key
from kashop.audit.types import Head
from kashop.db import Tx
from kashop.lib.actor import Actor
from kashop.lib.ids import random_bytes

ERASED_AT_ONCE = 5000
"""Events whose personal values one unit of work looks through."""

_HEAD = "the end of the chain"
"""Where a transaction keeps what it wrote last: the chain moves on only here."""

_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode


def record(
    tx: Tx,
    name: str,
    actor: Actor,
    subject: tuple[str, int],
    /,
    *,
    reason: str = "",
    personal: dict[str, str] | None = None,
    **payload: Any,
) -> int:
    """Write one fact in the caller's transaction; its seq. `subject` is (kind, id). The payload holds references, never a secret.

    `personal` and the actor's address can be erased later without breaking the chain.
    """
    last = tx.kept.get(_HEAD) or reads.head(tx)  # first, so that personal ids ascend with seq whatever the engine
    known = {**(personal or {}), "ip": actor.ip} if actor.ip else personal
    personal_id, personal_hash = _keep_personal(tx, known) if known else (None, None)
    seq, told = last.seq + 1, _encode(payload).decode()
    whose = (actor.kind, actor.ref, actor.session, actor.request_id)
    commitment = None if personal_hash is None else personal_hash.hex()
    link = rules.hashed(last.hash, seq, tx.now, name, *whose, *subject, commitment, reason, told)
    sql = """INSERT INTO events (seq, at, name, actor_kind, actor_ref, session, request_id, object_kind, object_id, personal_id,
               personal_hash, reason, payload, prev_hash, hash)
             VALUES (:seq, :at, :name, :actor_kind, :actor_ref, :session, :request_id, :object_kind, :object_id, :personal_id,
               :personal_hash, :reason, :payload, :prev_hash, :hash)"""
    who = {"actor_kind": actor.kind, "actor_ref": actor.ref, "session": actor.session, "request_id": actor.request_id}
    what = {"name": name, "object_kind": subject[0], "object_id": subject[1], "reason": reason, "payload": told}
    bound = {"personal_id": personal_id, "personal_hash": personal_hash, "prev_hash": last.hash, "hash": link}
    tx.run(sql, seq=seq, at=tx.now, **who, **what, **bound)
    tx.kept[_HEAD] = Head(seq, link)
    return seq


def _keep_personal(tx: Tx, values: dict[str, str]) -> tuple[int, bytes]:
    salt, value = random_bytes(16), _encode_sorted(values).decode()
    sql = "INSERT INTO event_personal (salt, value) VALUES (:salt, :value) /*+returning personal_id*/"
    return tx.add(sql, salt=salt, value=value), rules.commitment(salt, value)


def erase_personal(tx: Tx, *, before: int, actor: Actor) -> int:
    """Erase the personal values of the oldest events before a moment, and tell it in the chain; how many, 0 when none is left.

    Salt and value go, the row and its hash in the chain stay: nobody can tell what stood there, and the chain is whole.
    """
    through, last = reads.erased_through(tx), reads.last_before(tx, before)
    while through < last:
        first, through = through, min(through + ERASED_AT_ONCE, last)
        sql = """UPDATE event_personal SET salt = :nothing, value = ''
                 WHERE value <> '' AND personal_id IN (SELECT personal_id FROM events
                                                       WHERE seq > :first AND seq <= :through AND personal_id IS NOT NULL)"""
        erased = tx.run(sql, nothing=b"", first=first, through=through)
        if erased:
            record(tx, "personal.erased", actor, ("audit", 0), through=through, values=erased)
            return erased
    return 0


def add_signer(tx: Tx, key: Key, sealed_seed: bytes, actor: Actor) -> None:
    """Sign with this key from now on. The event binds it to the chain."""
    sql = """INSERT INTO audit_signers (name, public_key, sealed_seed, created_at)
             VALUES (:name, :public_key, :sealed_seed, :now)"""
    tx.run(sql, name=key.name, public_key=key.public, sealed_seed=sealed_seed, now=tx.now)
    record(tx, "audit.key_made", actor, ("audit", 0), key=str(key))


def keep_checkpoint(tx: Tx, *, seq: int, head: bytes, at: int, note: str) -> bool:
    """Keep a signed note; whether it is the first on that event."""
    sql = """INSERT INTO audit_checkpoints (seq, hash, at, note) VALUES (:seq, :hash, :at, :note)
             ON CONFLICT (seq) DO NOTHING"""
    return tx.run(sql, seq=seq, hash=head, at=at, note=note) == 1


def mark_pushed(tx: Tx, seq: int, *, by_mail: bool) -> None:
    """Note that a checkpoint was handed to what carries it off the host."""
    sql = "UPDATE audit_checkpoints SET pushed_at = :now, is_mailed = :by_mail WHERE seq = :seq AND pushed_at IS NULL"
    tx.run(sql, seq=seq, now=tx.now, by_mail=int(by_mail))


def acknowledge(tx: Tx, seq: int, *, by: str, at: int) -> bool:
    """Note that something off the host has a checkpoint; whether this is the first that told so."""
    sql = """UPDATE audit_checkpoints SET acknowledged_at = :at, acknowledged_by = :by
             WHERE seq = :seq AND acknowledged_at IS NULL"""
    return tx.run(sql, seq=seq, by=by, at=at) == 1
