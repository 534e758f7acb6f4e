"""What somebody with the file can do to an audit. Each crime works on a copy whose triggers are gone, and says what it did.

A crime is a function of the connection and a seeded die. It must truly change something; `tests/audit/test_tampering.py` checks.
"""

import random
import sqlite3
from collections.abc import Callable
from typing import Any

import msgspec

from kashop.audit import notes, rules
from kashop.audit.types import Event

Crime = Callable[[sqlite3.Connection, random.Random], str]

COLUMNS = Event.__struct_fields__
TEXTS = ("", "x", "编辑过", "order.paid", "buyer", "staff", "3", "{}")


def disarmed(con: sqlite3.Connection) -> None:
    """Take the triggers out first, as one who has the file would."""
    for (name,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        con.execute(f"DROP TRIGGER {name}")


def rows(con: sqlite3.Connection) -> list[Event]:
    return [Event(*row) for row in con.execute(f"SELECT {', '.join(COLUMNS)} FROM events ORDER BY seq")]


def store(con: sqlite3.Connection, events: list[Event]) -> None:
    con.execute("DELETE FROM events")
    con.executemany(f"INSERT INTO events VALUES ({', '.join('?' * 15)})", [msgspec.structs.astuple(e) for e in events])


def rehashed(events: list[Event]) -> list[Event]:
    """Numbered and chained anew from the beginning: whole in itself."""
    found, prev = [], rules.GENESIS
    for seq, event in enumerate(events, 1):
        moved = msgspec.structs.replace(event, seq=seq, prev_hash=prev)
        prev = rules.chained(moved)
        found.append(msgspec.structs.replace(moved, hash=prev))
    return found


def other(dice: random.Random, value: Any) -> Any:
    """Another value of the same type."""
    match value:
        case None:
            return dice.choice((1, 10**6))
        case int():
            return value + dice.choice((-1, 1, 1000, -(2**40), 2**40))
        case bytes():
            at = dice.randrange(len(value)) if value else 0
            return value[:at] + bytes([value[at] ^ (1 << dice.randrange(8))]) + value[at + 1 :] if value else b"\0"
        case _:
            return dice.choice([text for text in (*TEXTS, value + " ", value[:-1], value.upper()) if text != value])


def edit_a_column(con: sqlite3.Connection, dice: random.Random) -> str:
    event = dice.choice(rows(con))
    column = dice.choice(COLUMNS)
    value = other(dice, getattr(event, column))
    if column == "personal_hash" and event.personal_hash is None:
        value = b"\x01" * 32
    if column in ("personal_id", "personal_hash") and getattr(event, column) is not None and dice.random() < 0.3:
        value = None
    while column == "seq" and con.execute("SELECT 1 FROM events WHERE seq = ?", (value,)).fetchone():
        value += 100_000
    con.execute(f"UPDATE events SET {column} = ? WHERE seq = ?", (value, event.seq))
    return f"edit {column} of event {event.seq}"


def drop(con: sqlite3.Connection, dice: random.Random) -> str:
    events = rows(con)
    at = dice.randrange(len(events))
    con.execute("DELETE FROM events WHERE seq = ?", (events[at].seq,))
    return f"drop event {events[at].seq}"


def drop_and_close_the_gap(con: sqlite3.Connection, dice: random.Random) -> str:
    events = rows(con)
    at = dice.randrange(len(events) - 1)
    del events[at]
    store(con, [msgspec.structs.replace(e, seq=n) for n, e in enumerate(events, 1)])
    return f"drop event {at + 1} and number the rest anew"


def swap(con: sqlite3.Connection, dice: random.Random) -> str:
    events = rows(con)
    one, two = sorted(dice.sample(range(len(events)), 2))
    events[one], events[two] = (
        msgspec.structs.replace(events[two], seq=one + 1),
        msgspec.structs.replace(events[one], seq=two + 1),
    )
    store(con, events)
    return f"swap events {one + 1} and {two + 1}"


def swap_what_happened(con: sqlite3.Connection, dice: random.Random) -> str:
    """The contents change places, the links stay."""
    events = rows(con)
    one, two = sorted(dice.sample(range(len(events)), 2))
    links = [{name: getattr(events[n], name) for name in ("seq", "prev_hash", "hash")} for n in (one, two)]
    events[one], events[two] = (
        msgspec.structs.replace(events[two], **links[0]),
        msgspec.structs.replace(events[one], **links[1]),
    )
    store(con, events)
    return f"swap what happened in events {one + 1} and {two + 1}"


def forged(events: list[Event], dice: random.Random) -> Event:
    event = dice.choice(events)
    return msgspec.structs.replace(event, name="code.voided", personal_id=None, personal_hash=None, reason="never happened")


def insert(con: sqlite3.Connection, dice: random.Random) -> str:
    events = rows(con)
    at = dice.randrange(len(events))
    events.insert(at, forged(events, dice))
    store(con, [msgspec.structs.replace(e, seq=n) for n, e in enumerate(events, 1)])
    return f"insert an event before {at + 1}"


def duplicate(con: sqlite3.Connection, dice: random.Random) -> str:
    events = rows(con)
    at = dice.randrange(len(events))
    events.insert(at, events[at])
    store(con, [msgspec.structs.replace(e, seq=n) for n, e in enumerate(events, 1)])
    return f"duplicate event {at + 1}"


def truncate(con: sqlite3.Connection, dice: random.Random) -> str:
    """Cleanly: the events, their personal values and the checkpoints on them."""
    events = rows(con)
    kept = dice.randrange(1, len(events))
    _cut(con, kept)
    return f"cut after event {kept}"


def _cut(con: sqlite3.Connection, kept: int) -> None:
    con.execute("DELETE FROM events WHERE seq > ?", (kept,))
    con.execute("DELETE FROM event_personal WHERE personal_id NOT IN (SELECT personal_id FROM events WHERE personal_id > 0)")
    con.execute("DELETE FROM audit_checkpoints WHERE seq > ?", (kept,))


def rewrite(con: sqlite3.Connection, dice: random.Random) -> str:
    """Change one event and hash all that follows anew: whole in itself, but for the stored checkpoints."""
    events = rows(con)
    at = dice.randrange(len(events))
    did = dice.choice(("edit", "drop", "insert"))
    if did == "edit":
        events[at] = msgspec.structs.replace(events[at], reason=events[at].reason + "!", actor_ref="7")
    elif did == "drop":
        gone = events.pop(at)
        con.execute("DELETE FROM event_personal WHERE personal_id = ?", (gone.personal_id,))
    else:
        events.insert(at, forged(events, dice))
    store(con, rehashed(events))
    return f"{did} at event {at + 1} and hash the rest anew"


def rewrite_without_checkpoints(con: sqlite3.Connection, dice: random.Random) -> str:
    said = rewrite(con, dice)
    con.execute("DELETE FROM audit_checkpoints")
    return f"{said}, remove the checkpoints"


def rewrite_and_sign(con: sqlite3.Connection, dice: random.Random) -> str:
    said = rewrite(con, dice)
    return f"{said}, and {sign_anew(con, dice)}"


def sign_anew(con: sqlite3.Connection, dice: random.Random) -> str:
    """Every checkpoint signed by a key of one's own, which takes the place of the shop's."""
    seed = dice.randbytes(32)
    (name,) = con.execute("SELECT name FROM audit_signers").fetchone()
    con.execute("UPDATE audit_signers SET public_key = ?", (notes.key_of(seed, name).public,))
    kept = con.execute("SELECT seq, at FROM audit_checkpoints").fetchall()
    hashes = dict(con.execute("SELECT seq, hash FROM events").fetchall())
    for seq, at in kept:
        if seq not in hashes:
            con.execute("DELETE FROM audit_checkpoints WHERE seq = ?", (seq,))
            continue
        note = notes.sign(seed, name=name, size=seq, head=hashes[seq], at=at)
        con.execute("UPDATE audit_checkpoints SET hash = ?, note = ? WHERE seq = ?", (hashes[seq], note, seq))
    return "sign with another key"


def edit_personal(con: sqlite3.Connection, dice: random.Random) -> str:
    personal_id, salt, value = dice.choice(con.execute("SELECT * FROM event_personal").fetchall())
    column, old = dice.choice((("salt", salt), ("value", value)))
    con.execute(f"UPDATE event_personal SET {column} = ? WHERE personal_id = ?", (other(dice, old), personal_id))
    return f"edit {column} of personal values {personal_id}"


def swap_personal(con: sqlite3.Connection, dice: random.Random) -> str:
    one, two = dice.sample(con.execute("SELECT * FROM event_personal WHERE value <> ''").fetchall(), 2)
    for (personal_id, _, _), (_, salt, value) in ((one, two), (two, one)):
        con.execute("UPDATE event_personal SET salt = ?, value = ? WHERE personal_id = ?", (salt, value, personal_id))
    return f"swap personal values {one[0]} and {two[0]}"


def drop_personal(con: sqlite3.Connection, dice: random.Random) -> str:
    personal_id = dice.choice(con.execute("SELECT personal_id FROM event_personal").fetchall())[0]
    con.execute("DELETE FROM event_personal WHERE personal_id = ?", (personal_id,))
    return f"drop personal values {personal_id}"


def erase_personal_untold(con: sqlite3.Connection, dice: random.Random) -> str:
    personal_id = dice.choice(con.execute("SELECT personal_id FROM event_personal WHERE value <> ''").fetchall())[0]
    con.execute("UPDATE event_personal SET salt = x'', value = '' WHERE personal_id = ?", (personal_id,))
    return f"erase personal values {personal_id} and tell nobody"


def add_personal(con: sqlite3.Connection, dice: random.Random) -> str:
    con.execute("INSERT INTO event_personal (salt, value) VALUES (?, ?)", (dice.randbytes(16), '{"ip":"192.0.2.1"}'))
    return "add personal values that no event has"


def bend_a_pointer(con: sqlite3.Connection, dice: random.Random) -> str:
    """Let an event point at another's personal values, most of them erased ones."""
    seq, personal_id = dice.choice(con.execute("SELECT seq, personal_id FROM events WHERE personal_id > 0").fetchall())
    (to,) = dice.choice(con.execute("SELECT personal_id FROM event_personal WHERE personal_id <> ?", (personal_id,)).fetchall())
    con.execute("UPDATE events SET personal_id = ? WHERE seq = ?", (to, seq))
    return f"let event {seq} point at personal values {to}"


def edit_a_checkpoint(con: sqlite3.Connection, dice: random.Random) -> str:
    seq, digest, at, note = dice.choice(con.execute("SELECT seq, hash, at, note FROM audit_checkpoints").fetchall())
    column, old = dice.choice((("seq", seq), ("hash", digest), ("at", at), ("note", note)))
    value = other(dice, old)
    if column == "note" and dice.random() < 0.7:
        place = dice.randrange(len(note))
        value = note[:place] + chr(ord(note[place]) ^ 1) + note[place + 1 :]
    elif column == "note" and dice.random() < 0.5:
        value = note + notes.sign(dice.randbytes(32), name="kashop/x", size=1, head=digest, at=at).partition("\n\n")[2]
    con.execute(f"UPDATE audit_checkpoints SET {column} = ? WHERE seq = ?", (value, seq))
    return f"edit {column} of the checkpoint on {seq}"


def forge_a_checkpoint(con: sqlite3.Connection, dice: random.Random) -> str:
    (seq, digest) = dice.choice(
        con.execute("SELECT seq, hash FROM events WHERE seq NOT IN (SELECT seq FROM audit_checkpoints)").fetchall()
    )
    (name,) = con.execute("SELECT name FROM audit_signers").fetchone()
    note = notes.sign(dice.randbytes(32), name=name, size=seq, head=digest, at=1_793_505_600_000)
    con.execute("INSERT INTO audit_checkpoints (seq, hash, at, note) VALUES (?, ?, ?, ?)", (seq, digest, 1_793_505_600_000, note))
    return f"forge a checkpoint on {seq}"


CRIMES: tuple[Crime, ...] = (
    edit_a_column,
    edit_a_column,
    edit_a_column,
    drop,
    drop_and_close_the_gap,
    swap,
    swap_what_happened,
    insert,
    duplicate,
    truncate,
    rewrite,
    rewrite_without_checkpoints,
    rewrite_and_sign,
    sign_anew,
    edit_personal,
    swap_personal,
    drop_personal,
    erase_personal_untold,
    add_personal,
    bend_a_pointer,
    edit_a_checkpoint,
    forge_a_checkpoint,
)

UNSEEN_FROM_WITHIN = {"truncate", "rewrite_without_checkpoints", "rewrite_and_sign", "sign_anew"}
"""Crimes that leave a file which is whole in itself: only what was kept elsewhere shows them."""
