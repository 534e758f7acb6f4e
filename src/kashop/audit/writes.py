"""The only way into the river."""

import os
from typing import Any

import msgspec

from kashop.audit import reads, rules
from kashop.audit.types import Event
from kashop.db import Tx
from kashop.lib.actor import Actor


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
    known = {**(personal or {}), **({"ip": actor.ip} if actor.ip else {})}
    personal_id, personal_hash = _keep_personal(tx, known) if known else (None, None)
    last = reads.head(tx)
    event = Event(
        seq=last.seq + 1,
        at=tx.now,
        name=name,
        actor_kind=actor.kind,
        actor_ref=actor.ref,
        session=actor.session,
        request_id=actor.request_id,
        object_kind=subject[0],
        object_id=subject[1],
        personal_id=personal_id,
        personal_hash=personal_hash,
        reason=reason,
        payload=msgspec.json.encode(payload).decode(),
        prev_hash=last.hash,
        hash=b"",
    )
    _insert(tx, msgspec.structs.replace(event, hash=rules.chained(event)))
    return event.seq


def _keep_personal(tx: Tx, values: dict[str, str]) -> tuple[int, bytes]:
    salt, value = os.urandom(16), msgspec.json.encode(values, order="sorted").decode()
    sql = "INSERT INTO event_personal (salt, value) VALUES (:salt, :value) RETURNING personal_id"
    return int(tx.value(sql, salt=salt, value=value)), rules.commitment(salt, value)


def _insert(tx: Tx, event: Event) -> None:
    sql = """INSERT INTO events (seq, at, name, actor_kind, actor_ref, session, request_id, object_kind, object_id, personal_id,
               personal_hash, reason, payload, prev_hash, hash)
             VALUES (:seq, :at, :name, :actor_kind, :actor_ref, :session, :request_id, :object_kind, :object_id, :personal_id,
               :personal_hash, :reason, :payload, :prev_hash, :hash)"""
    tx.run(sql, **msgspec.structs.asdict(event))
