"""Read the chain from its first event to its last (I-32).

Always true: memory does not grow with the chain; no key of the shop is needed; what is found first is told with its seq.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from kashop.audit import notes, rules
from kashop.audit.chain.types import Erasure, Fact, Link
from kashop.audit.notes import Key, Note
from kashop.audit.types import Checkpoint, Flaw, Head, Signer, Verdict
from kashop.db import Reader

CHUNK = 2000


def verify(
    db: Reader,
    *,
    keys: Sequence[Key] = (),
    outside: Sequence[Note] = (),
    has_checkpoints: bool = True,
    told: Callable[[int], object] = bool,
) -> Verdict:
    """Read everything and compare it with itself, with the stored checkpoints, and with what is kept elsewhere.

    `keys` from elsewhere are the only ones believed; without any, those stored beside the chain are. The chain must pass
    through every note of `outside`. `has_checkpoints` is false for a file from before they were made. `told` hears how far it is.
    """
    is_told = bool(keys)
    keys = keys or (_own_keys(db) if has_checkpoints else ())
    walk = _Walk(_erased_through(db))
    marks = heapq.merge(_stored(db, keys) if has_checkpoints else (), _given(outside, keys), key=lambda mark: mark.seq)
    flaw = walk.along(_links(db, told), marks) or walk.beside(count_personal(db))
    if flaw is None and is_told and not walk.stored and not outside:
        flaw = Flaw(0, "a key was given, and there is no checkpoint that it could have signed")
    return Verdict(
        head=walk.head,
        flaw=flaw,
        personal=walk.personal,
        erased=walk.erased,
        stored=walk.stored,
        outside=walk.outside,
        signed_to=walk.signed_to,
    )


class _Mark(msgspec.Struct, frozen=True):
    """What a checkpoint says of the chain, or what is wrong with the checkpoint itself."""

    seq: int
    hash: bytes
    is_outside: bool
    problem: str = ""


class _Walk:
    """Walks along the links and past the marks."""

    def __init__(self, erased_through: int):
        self.head = Head(0, rules.GENESIS)
        self.personal = self.erased = self.stored = self.outside = self.signed_to = 0
        self._erased_through = erased_through
        self._personal_id = 0

    def along(self, links: Iterable[Link], marks: Iterator[_Mark]) -> Flaw | None:
        """The first flaw of events and marks."""
        mark = next(marks, None)
        seq, prev = 0, rules.GENESIS
        for link in links:
            seq += 1
            if problem := _problem(link, seq, prev) or (link.personal_id is not None and self._personal(link)) or "":
                return Flaw(min(seq, link.seq), problem)
            prev = link.hash
            while mark is not None and mark.seq <= seq:
                if problem := mark.problem or ("" if mark.seq == seq and mark.hash == prev else _OTHER):
                    self.head = Head(seq, prev)
                    return Flaw(mark.seq, problem)
                self._passed(mark)
                mark = next(marks, None)
        self.head = Head(seq, prev)
        if mark is not None:
            return Flaw(seq + 1, mark.problem or "is missing: a checkpoint attests more events than there are")
        return None

    def beside(self, rows: int) -> Flaw | None:
        """Whether there are more personal values than events that point at some."""
        if rows != self.personal:
            return Flaw(0, "there are personal values that no event has")
        return None

    def _personal(self, link: Link) -> str:
        assert link.personal_id is not None
        if link.personal_hash is None or link.salt is None or link.value is None:
            return "its personal values are gone"
        if link.personal_id <= self._personal_id:
            return "it points at another event's personal values"
        self._personal_id = link.personal_id
        self.personal += 1
        if not link.salt and not link.value:
            self.erased += 1
            return "" if link.seq <= self._erased_through else "its personal values were erased, and no event tells of it"
        is_own = rules.commitment(link.salt, link.value) == link.personal_hash
        return "" if is_own else "its personal values were changed"

    def _passed(self, mark: _Mark) -> None:
        self.signed_to = max(self.signed_to, mark.seq)
        self.outside += mark.is_outside
        self.stored += not mark.is_outside


_OTHER = "the chain does not pass through a checkpoint: it was rewritten"


def _problem(link: Link, seq: int, prev: bytes) -> str:
    if link.seq != seq:
        return "is missing" if link.seq > seq else "stands outside the chain"
    try:
        is_chained = link.prev_hash == prev and rules.chained(link) == link.hash
    except (TypeError, ValueError, AttributeError):
        return "is no event"
    if not is_chained:
        return "does not follow from the one before it: changed, removed or inserted"
    return (
        ""
        if (link.personal_id is None) == (link.personal_hash is None)
        else "points at no personal values, or at some that it has not"
    )


def _links(db: Reader, told: Callable[[int], object]) -> Iterator[Link]:
    sql = """SELECT e.seq, e.at, e.name, e.actor_kind, e.actor_ref, e.session, e.request_id, e.object_kind, e.object_id,
               e.personal_id, e.personal_hash, e.reason, e.payload, e.prev_hash, e.hash, p.salt, p.value
             FROM events e LEFT JOIN event_personal p ON p.personal_id = e.personal_id
             WHERE e.seq > :after ORDER BY e.seq LIMIT :limit"""
    after = -(2**62)
    while links := db.all(sql, Link, after=after, limit=CHUNK):
        yield from links
        after = links[-1].seq
        told(after)


def _stored(db: Reader, keys: Sequence[Key]) -> Iterator[_Mark]:
    sql = """SELECT seq, hash, at, note, pushed_at, acknowledged_at, acknowledged_by FROM audit_checkpoints
             WHERE seq > :after ORDER BY seq LIMIT :limit"""
    after = -(2**62)
    while rows := db.all(sql, Checkpoint, after=after, limit=CHUNK):
        for row in rows:
            found = notes.find_notes(row.note)
            is_whole = len(found) == 1 and found[0].text == row.note and found[0].signatures.count("\n") == 1
            if not is_whole or (found[0].size, found[0].hash, found[0].at) != (row.seq, row.hash, row.at):
                yield _Mark(row.seq, row.hash, False, "the stored checkpoint was changed")
            elif not any(found[0].is_signed_by(key) for key in keys):
                yield _Mark(row.seq, row.hash, False, "the stored checkpoint is not signed by the key")
            else:
                yield _Mark(row.seq, row.hash, False)
        after = rows[-1].seq


def _given(outside: Sequence[Note], keys: Sequence[Key]) -> list[_Mark]:
    return [
        _Mark(
            n.size, n.hash, True, "" if any(n.is_signed_by(k) for k in keys) else "the given checkpoint is not signed by the key"
        )
        for n in sorted(outside, key=lambda note: note.size)
    ]


def _own_keys(db: Reader) -> list[Key]:
    sql = "SELECT name, public_key, sealed_seed FROM audit_signers ORDER BY signer_id"
    return [Key(signer.name, signer.public_key) for signer in db.all(sql, Signer)]


def _erased_through(db: Reader) -> int:
    """Up to which event personal values may be gone; the events that say so are part of the chain."""
    sql = "SELECT seq, payload FROM events WHERE name = 'personal.erased' ORDER BY seq DESC LIMIT 1"
    newest = db.one(sql, Fact)
    try:
        return msgspec.json.decode(newest.payload, type=Erasure).through if newest else 0
    except msgspec.DecodeError:
        return 0


def count_personal(db: Reader) -> int:
    """How many rows of personal values there are, erased ones too."""
    return int(db.value("SELECT count(*) FROM event_personal"))
