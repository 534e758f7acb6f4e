"""Find, reveal, note and void codes: what staff do to the stock, and how a code's text leads to its row.

Always true: `find_pasted` is the one way from a code's text to its row, for every page that asks for one; it goes by the keyed
fingerprint and opens no seal. Before the vault opens a seal for a member of staff, a `code.viewed` event of that very code is
committed, with who and why; if it cannot be written, nothing is opened.
"""

import asyncio
from collections.abc import Iterable
from datetime import date
from typing import Any

import msgspec

from kashop.approvals import reads as approval_reads
from kashop.audit.writes import record
from kashop.catalog import reads as catalog
from kashop.db import Reader, Tx
from kashop.db.queue import Work, does
from kashop.flows import second_person
from kashop.flows.second_person import Bounds, Look
from kashop.flows.vault import alarm
from kashop.inventory import reads as inventory
from kashop.inventory import writes
from kashop.inventory.codelist import reads as codelist
from kashop.inventory.codelist.types import CodeRow, SealedRow, Sought
from kashop.inventory.stockfile import fingerprint_text
from kashop.lib.actor import Actor
from kashop.lib.errors import Conflict, Invalid, NotFound, Unavailable
from kashop.shop import Shop
from kashop.vault import DataKey, Sealed, Tampered
from kashop.vault import reads as vault

MOST_AT_ONCE = 50
"""Codes that one page shows in the clear."""
MOST_VOIDED = 50_000
CHUNK = 500
"""Rows in one transaction: the writer is not kept from selling for longer."""
LEAST_REASON, MOST_REASON = 5, 300
MOST_PASTED = 8192


class Asked(msgspec.Struct, frozen=True):
    """It was not done: it waits for a second person, under this number."""

    approval_id: int


class Seen(msgspec.Struct, frozen=True):
    """A code in the clear: on its way to the member of staff who asked, and nowhere else."""

    code_id: int
    product_id: int
    sku_id: int
    text: str

    def __repr__(self) -> str:
        return f"<Seen {self.code_id}>"


class Recounted(Conflict):
    """The stock changed since it was counted; `now` is the new count. Nothing was done."""

    code = "recounted"

    def __init__(self, now: int):
        super().__init__("The stock has changed meanwhile: now it is {now}. Look again and confirm.", now=now)
        self.now = now


async def find_pasted(shop: Shop, text: str, actor: Actor) -> int | None:
    """The id of the code that reads so, whatever became of it; None if the shop never had it. The search itself is an event.

    Raises Sealed, Invalid for `code`, or TooMany: nobody tries codes out here.
    """
    if not text.strip() or len(text) > MOST_PASTED:
        raise Invalid.of("code", "Paste one whole code.")
    shop.limits.take("code search", str(actor))
    variants = dict.fromkeys((text, text.replace("\r\n", "\n")))  # a browser sends line ends as CR LF
    fingerprints = [shop.keyring.fingerprint(fingerprint_text(t)) for t in variants]
    return await shop.db.write(_find, fingerprints, actor)


def _find(tx: Tx, fingerprints: list[bytes], actor: Actor) -> int | None:
    looks = (inventory.find_code, inventory.find_taken_back)  # what was taken back may have been seen before
    found = next((n for look in looks for f in fingerprints if (n := look(tx, f)) is not None), None)
    record(tx, "code.searched", actor, ("code", found or 0), is_found=found is not None)
    return found


async def reveal(
    shop: Shop, code_ids: list[int], actor: Actor, *, reason: str, approval_id: int | None = None
) -> list[Seen] | Asked:
    """Codes in the clear for a member of staff, or the request that a second person has to approve.

    With `approval_id` the codes and the reason are those that were approved, once. Raises Invalid, Conflict, Denied or Sealed.
    """
    if approval_id is None:
        reason, code_ids = checked_reason(reason), list(dict.fromkeys(code_ids))
        if not 1 <= len(code_ids) <= MOST_AT_ONCE:
            raise Invalid.of("code", "Choose from 1 to {most} codes.", most=MOST_AT_ONCE)
    if shop.keyring.is_sealed:
        raise Sealed
    bounds = Bounds.of(shop.settings)
    done = await shop.db.write(_record_views, code_ids, actor, bounds, reason=reason, approval_id=approval_id)
    if isinstance(done, Asked):
        return done
    seen, tampered = await opened(shop, done)
    if tampered:
        raise Unavailable("A code cannot be read where it stands. The owners have been told.", code="unreadable")
    return seen


def _record_views(
    tx: Tx, code_ids: list[int], actor: Actor, bounds: Bounds, *, reason: str, approval_id: int | None
) -> list[SealedRow] | Asked:
    more: dict[str, Any] = {}
    second_person.check_may(tx, actor, "codes.reveal")
    if approval_id is not None:
        reason = second_person.use(tx, approval_id, "codes.reveal", actor).reason
        code_ids, more = approval_reads.items(tx, approval_id), {"approval": approval_id}
    rows = codelist.sealed(tx, code_ids)
    if len(rows) < len(code_ids):
        raise NotFound("There is no such code.")
    worth = worths(tx, rows)
    look = Look(len(rows), sum(worth), is_file=False)
    verdict = second_person.judge(tx, bounds, actor, look)
    if verdict.needs and approval_id is None:
        facts = {"why": verdict.needs}
        return Asked(second_person.ask(tx, "codes.reveal", code_ids, actor, value=look.value, reason=reason, facts=facts))
    for row, value in zip(rows, worth, strict=True):
        record(tx, "code.viewed", actor, ("code", row.code_id), reason=reason, value=value, **more)
    second_person.tell_unusual(tx, verdict, actor, ("code", rows[0].code_id), look)
    return rows


async def opened(shop: Shop, rows: list[SealedRow]) -> tuple[list[Seen], list[int]]:
    """Codes opened, in order, and the ids of those that do not open where they stand, for which the alarm was raised.

    Only after the events of these very codes are committed.
    """
    seen, tampered = await asyncio.to_thread(_open_all, shop, rows)
    if tampered:  # look once more: a new key may have come, and a rotation may have sealed a code anew since it was read
        rows, keys = await shop.db.read(_sealed_now, [row.code_id for row in rows])
        shop.keyring.renew(keys)
        seen, tampered = await asyncio.to_thread(_open_all, shop, rows)
    for code_id, where in tampered.items():
        await alarm(shop, code_id, where)
    return seen, list(tampered)


def _sealed_now(db: Reader, code_ids: list[int]) -> tuple[list[SealedRow], list[DataKey]]:
    return codelist.sealed(db, code_ids), vault.data_keys(db)


def _open_all(shop: Shop, rows: list[SealedRow]) -> tuple[list[Seen], dict[int, str]]:
    seen: list[Seen] = []
    tampered: dict[int, str] = {}
    for row in rows:
        try:
            text = shop.keyring.open_code(row.sealed, product_id=row.product_id, epoch=row.epoch, code_id=row.code_id)
        except Tampered as problem:
            tampered[row.code_id] = str(problem)
            continue
        seen.append(Seen(row.code_id, row.product_id, row.sku_id, text))
    return seen, tampered


async def note_copied(shop: Shop, code_id: int, actor: Actor) -> None:
    """Write down that a code on the screen was put on the clipboard. Raises NotFound."""
    await shop.db.write(_note_copied, code_id, actor)


def _note_copied(tx: Tx, code_id: int, actor: Actor) -> None:
    record(tx, "code.copied", actor, ("code", codelist.get(tx, code_id).code_id))


async def edit(shop: Shop, code_id: int, actor: Actor, *, version: int, cost_minor: int, expires_on: str, note: str) -> None:
    """Change what is noted of a code. Raises Invalid, NotFound, or Conflict when somebody changed it meanwhile."""
    before = await shop.db.read(codelist.get, code_id)
    if expires_on != before.expires_on:  # what came in with a time of day may stay as it is
        expires_on = checked_day(expires_on)
    change: dict[str, Any] = {"version": version, "cost_minor": cost_minor, "expires_on": expires_on, "note": note}
    if not await shop.db.write(writes.edit_code, code_id, actor=actor, **change):
        raise Conflict("Something changed this code meanwhile. Look at it again.", code="changed_meanwhile")


async def void(shop: Shop, code_id: int, actor: Actor, *, reason: str) -> None:
    """Take a free code out of sale for ever. Raises Invalid or Conflict."""
    reason = checked_reason(reason)
    if not await shop.db.write(writes.void, code_id, reason=reason, actor=actor):
        raise Conflict("Only a free code can be voided; this one is held, sold or void.", code="not_free")


@does(Work.BACKGROUND)
async def void_chosen(shop: Shop, sought: Sought, actor: Actor, *, expected: int, reason: str) -> int:
    """Void the free ones among the codes that fit, if they are still as many as were `expected`; how many that were.

    Raises Invalid, or Recounted having voided none. What is sold while it runs stays its order's.
    """
    reason, sought = checked_reason(reason), msgspec.structs.replace(sought, status="free")
    rows = await shop.db.read(codelist.oldest, sought, limit=MOST_VOIDED + 1)
    if not 0 < len(rows) <= MOST_VOIDED:
        raise Invalid.of("count", "From 1 to {most} codes at a time: narrow the list.", most=MOST_VOIDED)
    if len(rows) != expected:
        raise Recounted(len(rows))
    done = 0
    for start in range(0, len(rows), CHUNK):
        done += await shop.db.write(_void_chunk, [r.code_id for r in rows[start : start + CHUNK]], reason, actor)
    return done


def _void_chunk(tx: Tx, code_ids: list[int], reason: str, actor: Actor) -> int:
    return sum(writes.void(tx, code_id, reason=reason, actor=actor) for code_id in code_ids)


def worths(db: Reader, rows: Iterable[SealedRow | CodeRow]) -> list[int]:
    """What each would be missed for, in minor units: its price or its cost, whichever is more."""
    prices: dict[int, int] = {}
    found = []
    for row in rows:
        if row.sku_id not in prices:
            prices[row.sku_id] = catalog.get_sku(db, row.sku_id).price_minor
        found.append(max(prices[row.sku_id], row.cost_minor))
    return found


def checked_reason(text: str) -> str:
    """A reason that says something. Raises Invalid for `reason`."""
    text = text.strip()
    if not LEAST_REASON <= len(text) <= MOST_REASON:
        raise Invalid.of("reason", "Say why: {least} to {most} characters.", least=LEAST_REASON, most=MOST_REASON)
    return text


def checked_day(text: str) -> str:
    """A day as 2026-12-31, or nothing. Raises Invalid for `expires_on`."""
    try:
        return date.fromisoformat(text.strip()).isoformat() if text.strip() else ""
    except ValueError:
        raise Invalid.of("expires_on", "Write a day such as 2026-12-31.") from None
