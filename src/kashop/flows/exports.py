"""Codes leave the shop as a workbook that only its passphrase opens.

Always true: before the first seal is opened, `export.begun` and one `code.exported` event for each code are committed, and
before a byte leaves, `export.made` with the file's digest; if any of them cannot be written, no file is made. The clear workbook
exists in memory alone, at most 50,000 codes and 32 MiB of them at a time.
"""

import asyncio
import hashlib
from dataclasses import replace
from typing import Any

import msgspec

from kashop.approvals import reads as approval_reads
from kashop.audit.writes import record
from kashop.catalog import reads as catalog
from kashop.db import Reader, Tx
from kashop.flows import second_person
from kashop.flows.codes import CHUNK, Asked, Recounted, Seen, checked_reason, opened, worths
from kashop.flows.second_person import Bounds, Look, Verdict
from kashop.flows.workbook import Workbook, checked_passphrase, new_passphrase
from kashop.inventory import writes as inventory
from kashop.inventory.codelist import reads as codelist
from kashop.inventory.codelist.types import CodeRow, SealedRow, Sought
from kashop.lib import ids
from kashop.lib.actor import Actor
from kashop.lib.errors import Conflict, Invalid
from kashop.shop import Shop
from kashop.vault import Sealed

MOST_CODES = 50_000
MOST_BYTES = 32 * 1024 * 1024
_OVERHEAD = 41
"""What a seal adds to a code."""


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """Which codes to export, of one state, the oldest first; `take_out` voids the free ones as they leave."""

    sought: Sought
    most: int
    take_out: bool = False
    reason: str = ""


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What an export would be: how many of those that fit, their worth, and whether it `needs` a second person (and why)."""

    count: int
    fitting: int
    value: int
    needs: str
    can_ask: bool


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A finished export. `passphrase` is empty unless it was made here; `lost` are codes that do not open where they stand."""

    export_id: int
    name: str
    data: bytes
    digest: str
    count: int
    lost: tuple[int, ...]
    gone: int
    passphrase: str

    def __repr__(self) -> str:
        return f"<Made {self.export_id} count={self.count}>"


class _Begun(msgspec.Struct, frozen=True):
    """An export under way: what it takes and why."""

    export_id: int
    code_ids: list[int]
    status: str
    take_out: bool
    reason: str
    facts: dict[str, Any]


async def preview(shop: Shop, wish: Wish, actor: Actor) -> Preview:
    """Count without opening anything. Raises Invalid."""
    _check(wish)
    return await shop.db.read(_preview, wish, actor, Bounds.of(shop.settings))


def _preview(db: Reader, wish: Wish, actor: Actor, bounds: Bounds) -> Preview:
    rows = codelist.oldest(db, wish.sought, limit=wish.most)
    value = sum(worths(db, rows))
    return Preview(
        count=len(rows),
        fitting=codelist.count(db, wish.sought),
        value=value,
        needs=second_person.judge(db, bounds, actor, Look(len(rows), value, is_file=True)).needs,
        can_ask=second_person.can_ask(db, "codes.export", actor),
    )


async def export(shop: Shop, wish: Wish, actor: Actor, *, expected: int, passphrase: str = "") -> Made | Asked:
    """Export codes under a passphrase (one is made when it is empty), or the request that a second person has to approve.

    Raises Invalid, Denied, Sealed, or Recounted when the codes are no longer as many as were `expected`.
    """
    _check(wish)
    wish = msgspec.structs.replace(wish, reason=checked_reason(wish.reason))
    _ready(shop, passphrase)
    rows = await shop.db.read(codelist.oldest, wish.sought, limit=wish.most)
    if not rows:
        raise Invalid.of("count", "No code fits.")
    if len(rows) != expected:
        raise Recounted(len(rows))
    if sum(r.size - _OVERHEAD for r in rows) > MOST_BYTES:
        raise Invalid.of("count", "These codes are too long for one file: export fewer at a time.")
    begun = await shop.db.write(_begin, wish, rows, actor, Bounds.of(shop.settings))
    return begun if isinstance(begun, Asked) else await _make(shop, begun, actor, passphrase)


async def export_approved(shop: Shop, approval_id: int, actor: Actor, *, passphrase: str = "") -> Made:
    """Do once what a second person approved: exactly those codes, without what is no longer in that state.

    Raises Invalid, Sealed, or Conflict when it is not approved, not the actor's own, or done already.
    """
    _ready(shop, passphrase)
    begun = await shop.db.write(_begin_approved, approval_id, actor, Bounds.of(shop.settings))
    return await _make(shop, begun, actor, passphrase)


def _check(wish: Wish) -> None:
    if not wish.sought.status:
        raise Invalid.of("status", "Choose one of the values on offer.")
    if not 1 <= wish.most <= MOST_CODES:
        raise Invalid.of("most", "A number from {least} to {most}.", least=1, most=MOST_CODES)


def _ready(shop: Shop, passphrase: str) -> None:
    if passphrase:
        checked_passphrase(passphrase)
    if shop.keyring.is_sealed:
        raise Sealed


def _begin(tx: Tx, wish: Wish, rows: list[CodeRow], actor: Actor, bounds: Bounds) -> _Begun | Asked:
    second_person.check_may(tx, actor, "codes.export")
    code_ids, look = [r.code_id for r in rows], Look(len(rows), sum(worths(tx, rows)), is_file=True)
    facts = _facts(tx, wish)
    verdict = second_person.judge(tx, bounds, actor, look)
    if verdict.needs:
        facts["why"] = verdict.needs
        asked = second_person.ask(tx, "codes.export", code_ids, actor, value=look.value, reason=wish.reason, facts=facts)
        return Asked(asked)
    begun = _Begun(ids.snowflakes.take()[0], code_ids, wish.sought.status, wish.take_out, wish.reason, facts)
    _record_begin(tx, begun, verdict, actor, look)
    return begun


def _begin_approved(tx: Tx, approval_id: int, actor: Actor, bounds: Bounds) -> _Begun:
    approval = second_person.use(tx, approval_id, "codes.export", actor)
    code_ids, facts = approval_reads.items(tx, approval_id), msgspec.json.decode(approval.facts)
    facts = {**{k: v for k, v in facts.items() if k != "why"}, "approval": approval_id}
    look = Look(len(code_ids), approval.value_minor, is_file=True)
    verdict = second_person.judge(tx, bounds, actor, look)
    begun = _Begun(ids.snowflakes.take()[0], code_ids, facts["status"], bool(facts["take_out"]), approval.reason, facts)
    _record_begin(tx, begun, verdict, actor, look)
    return begun


def _record_begin(tx: Tx, begun: _Begun, verdict: Verdict, actor: Actor, look: Look) -> None:
    subject = ("export", begun.export_id)
    record(tx, "export.begun", actor, subject, reason=begun.reason, count=look.count, value=look.value, **begun.facts)
    second_person.tell_unusual(tx, verdict, actor, subject, look)


def _facts(db: Reader, wish: Wish) -> dict[str, Any]:
    """The filter in words that a second person and the audit can read."""
    sought = wish.sought
    said: dict[str, Any] = {}
    if sought.product_id is not None:
        said["product"] = catalog.get_product(db, sought.product_id).slug
    if sought.sku_id is not None:
        said["sku"] = catalog.get_sku(db, sought.sku_id).sku_code
    for name, value in (("batch", sought.batch_id), ("pool", sought.pool_id)):
        if value is not None:
            said[name] = str(value)
    if sought.expires != Sought().expires:
        said["expires"] = " … ".join(sought.expires)
    return {**said, "status": sought.status, "most": wish.most, "take_out": wish.take_out}


async def _make(shop: Shop, begun: _Begun, actor: Actor, passphrase: str) -> Made:
    """Write down each code, then open them, then seal the file: in this order."""
    taken: list[int] = []
    for start in range(0, len(begun.code_ids), CHUNK):
        taken += await shop.db.write(_take, begun, begun.code_ids[start : start + CHUNK], actor)
    if not taken:
        raise Conflict("None of these codes is in that state any longer.", code="none_left")
    book, lost = Workbook(), []
    for start in range(0, len(taken), CHUNK):
        rows, names = await shop.db.read(_named, taken[start : start + CHUNK])
        seen, unreadable = await opened(shop, rows)
        await asyncio.to_thread(_write, book, rows, seen, names)
        lost += unreadable
    key = passphrase or new_passphrase()
    data = await asyncio.to_thread(book.sealed, key)
    digest, count = hashlib.blake2b(data, digest_size=32).hexdigest(), len(taken) - len(lost)
    facts = {**begun.facts, "count": count, "digest": digest, "bytes": len(data), "lost": [str(n) for n in lost]}
    await shop.db.write(_record_made, begun, facts, actor)
    return Made(
        export_id=begun.export_id,
        name=f"kashop-{count}-{begun.export_id}.xlsx",
        data=data,
        digest=digest,
        count=count,
        lost=tuple(lost),
        gone=len(begun.code_ids) - len(taken),
        passphrase="" if passphrase else key,
    )


def _take(tx: Tx, begun: _Begun, code_ids: list[int], actor: Actor) -> list[int]:
    """Write down that these leave, and take them out of sale if asked; those still in the state that was asked for."""
    by, taken = replace(actor, ip=""), []  # the address stands once, at export.begun
    for row in codelist.sealed(tx, code_ids):
        if row.status != begun.status:
            continue
        if begun.take_out and row.status == "free":
            inventory.void(tx, row.code_id, reason=begun.reason, actor=by)
        record(tx, "code.exported", by, ("code", row.code_id), reason=begun.reason, export=str(begun.export_id))
        taken.append(row.code_id)
    return taken


def _record_made(tx: Tx, begun: _Begun, facts: dict[str, Any], actor: Actor) -> None:
    record(tx, "export.made", actor, ("export", begun.export_id), reason=begun.reason, **facts)


async def note_fetched(shop: Shop, made: Made, actor: Actor) -> None:
    """Write down that a finished file is about to leave by the panel."""
    await shop.db.write(_note_fetched, made, actor)


def _note_fetched(tx: Tx, made: Made, actor: Actor) -> None:
    record(tx, "export.fetched", actor, ("export", made.export_id), digest=made.digest)


class _Names(msgspec.Struct, frozen=True):
    """What products and SKUs (by SKU) and batches are called."""

    skus: dict[int, tuple[str, str]]
    batches: dict[int, str]


def _named(db: Reader, code_ids: list[int]) -> tuple[list[SealedRow], _Names]:
    rows, skus = codelist.sealed(db, code_ids), {}
    for sku_id in {r.sku_id for r in rows}:
        sku = catalog.get_sku(db, sku_id)
        skus[sku_id] = (catalog.get_product(db, sku.product_id).slug, sku.sku_code)
    return rows, _Names(skus, codelist.batch_names(db, {r.batch_id for r in rows}))


def _write(book: Workbook, rows: list[SealedRow], seen: list[Seen], names: _Names) -> None:
    texts = {s.code_id: s.text for s in seen}
    for row in rows:
        if row.code_id in texts:
            product, sku = names.skus[row.sku_id]
            place = (str(row.code_id), product, sku, names.batches[row.batch_id], row.expires_on)
            book.write((*place, texts[row.code_id]))
