"""Renew the data keys while the shop sells (docs/decisions/0011).

`begin` makes every product a newer key; from then on nothing is sealed under an older one. `go_on` walks over all codes in small
steps, opens each under its old key and seals it under the new one, until a whole walk meets none that is left; then the old keys
are destroyed. Each step is one transaction that holds the codes and how far the walk is, so that it may be killed anywhere and
two processes may walk at once.
"""

import asyncio
import time
from collections.abc import Callable

import msgspec

from kashop.audit.writes import record
from kashop.catalog import reads as catalog
from kashop.db import Reader, Tx
from kashop.db.queue import Work, does
from kashop.flows import alarm, vault
from kashop.inventory.seals import reads as seals
from kashop.inventory.seals.types import Resealed, StaleCode, Stretch
from kashop.inventory.seals.writes import reseal
from kashop.lib.actor import SYSTEM, Actor
from kashop.lib.clock import DAY
from kashop.lib.errors import Conflict, NotFound
from kashop.shop import Shop
from kashop.vault import DataKey, Keyring, Sealed, Tampered
from kashop.vault.reads import data_keys
from kashop.vault.rotation import reads, writes
from kashop.vault.rotation.types import Counted, Rotation, Unreadable

MOST_ALARMS = 100
"""Codes of one rotation that each get an alarm of their own; the count goes on."""

WIDEST = 20_000
"""Codes that one look of the walk reads at most, when none of them is left to do."""


class Pace(msgspec.Struct, frozen=True):
    """How the work is cut: codes in a step, codes opened without a rest, and what share of the time may be worked.

    `per_second` bounds the codes sealed in a second; 0: as fast as it goes.
    """

    step: int
    slice: int
    share: float
    per_second: int


BESIDE_SALES = Pace(step=100, slice=10, share=0.4, per_second=2500)
ALONE = Pace(step=2000, slice=2000, share=1.0, per_second=0)


async def begin(shop: Shop, actor: Actor, *, slug: str = "") -> Rotation:
    """Make newer keys for one product, or for all. Raises Conflict while a rotation runs, and when nothing is sealed yet."""
    product_id = await shop.db.read(_product, slug) if slug else None
    counted, total = await shop.db.read(_count, product_id)
    rotation, keys = await shop.db.write(_begin, shop.keyring, product_id, counted, total, actor)
    shop.keyring.learn(keys)
    return rotation


async def begin_when_due(shop: Shop) -> None:
    """Begin a rotation when the setting asks for one every so many days."""
    days = shop.settings.number("vault.rotate_every_days")
    made_at = await shop.db.read(reads.newest_key_made_at) if days else None
    if made_at is not None and made_at + days * DAY <= shop.clock.now():
        try:
            await begin(shop, SYSTEM)
        except Conflict:  # one was begun by hand just now
            return


@does(Work.BACKGROUND)
async def go_on(shop: Shop, pace: Pace, *, seconds: float | None = None, told: Callable[[Rotation], None] | None = None) -> int:
    """Work at the rotation that runs, until it ends or for so many seconds; how many codes were sealed anew.

    Does nothing without one, and stops when the vault is sealed; asked again it goes on.
    """
    walk, until = _Walk(shop, pace), None if seconds is None else time.monotonic() + seconds
    learnt = 0
    while (rotation := await shop.db.read(reads.find_running)) and (until is None or time.monotonic() < until):
        if shop.keyring.is_sealed:
            break
        if learnt != rotation.rotation_id:  # another process may have begun it, and brought products that this one does not know
            shop.keyring.renew(await shop.db.read(data_keys))
            learnt = rotation.rotation_id
        if told is not None:
            told(rotation)
        await walk.step(rotation)
    return walk.done


async def forget_destroyed(shop: Shop) -> None:
    """Drop from memory the keys that another process destroyed at the end of a rotation."""
    if not shop.keyring.is_sealed:
        shop.keyring.renew(await shop.db.read(data_keys))


class _Walk:
    """The steps of one `go_on`."""

    def __init__(self, shop: Shop, pace: Pace):
        self._shop, self._pace = shop, pace
        self._window = pace.step
        self.done = 0

    async def step(self, rotation: Rotation) -> None:
        """See to the next codes, or end the walk. Leaves the keys of an ended rotation forgotten."""
        started = time.monotonic()
        stretch = await self._shop.db.read(
            seals.stale_codes,
            rotation.cursor,
            product_id=rotation.product_id,
            window=self._window,
            limit=self._pace.step,
        )
        if stretch.end is None:
            await self._turn(rotation)
            return
        self._window = self._pace.step if stretch.codes else min(self._window * 4, WIDEST)
        try:
            resealed, unreadable = await asyncio.to_thread(self._sealed_anew, stretch)
            done, sounded = await self._shop.db.write(_store, rotation, stretch.end, resealed, unreadable)
        except (_Overtaken, Sealed):
            return
        self.done += done
        if sounded:
            await vault.seal_after_alarm(self._shop, sounded)
        await self._rest(started, len(stretch.codes))

    async def _turn(self, rotation: Rotation) -> None:
        """At the end of a walk: walk again if it met anything, else end the rotation."""
        if rotation.found:
            await self._shop.db.write(writes.walk_again, rotation)
            return
        counted = await self._shop.db.read(seals.count_all)
        if await self._shop.db.write(_end, rotation, counted):
            self._shop.keyring.renew(await self._shop.db.read(data_keys))

    def _sealed_anew(self, stretch: Stretch) -> tuple[list[Resealed], list[tuple[Unreadable, str]]]:
        """In a thread of its own, with rests between the slices: whoever holds the interpreter keeps the sales waiting."""
        resealed: list[Resealed] = []
        unreadable: list[tuple[Unreadable, str]] = []
        size, share = self._pace.slice, self._pace.share
        for first in range(0, len(stretch.codes), size):
            started = time.monotonic()
            for code in stretch.codes[first : first + size]:
                try:
                    resealed.append(_sealed_anew(self._shop.keyring, code))
                except Tampered as tampered:
                    unreadable.append((Unreadable(code.code_id, code.product_id, code.home_id, code.epoch), str(tampered)))
            if share < 1:
                time.sleep((time.monotonic() - started) * (1 / share - 1))
        return resealed, unreadable

    async def _rest(self, started: float, codes: int) -> None:
        pace, spent = self._pace, time.monotonic() - started
        if pace.per_second:
            await asyncio.sleep(max(0.0, codes / pace.per_second - spent))
        for _ in range(50 if pace.share < 1 else 0):  # let the sales go first, a tenth of a second at most
            if not self._shop.db.waiting:
                break
            await asyncio.sleep(0.002)


class _Overtaken(Exception):
    """Another process has seen to these codes meanwhile."""


def _sealed_anew(keyring: Keyring, code: StaleCode) -> Resealed:
    if code.newest is None:
        raise Tampered(f"product {code.product_id}: no data key")
    text = keyring.open_code(code.sealed, product_id=code.product_id, epoch=code.epoch, code_id=code.code_id)
    sealed = keyring.seal_code(text, product_id=code.product_id, epoch=code.newest, code_id=code.code_id)
    return Resealed(code.code_id, code.epoch, code.sealed, code.newest, sealed)


def _product(db: Reader, slug: str) -> int:
    product = catalog.find_product(db, slug)
    if product is None:
        raise NotFound("There is no product {slug}.", slug=slug)
    return product.product_id


def _count(db: Reader, product_id: int | None) -> tuple[Counted, int]:
    counted = seals.count_all(db)
    return counted, counted.codes if product_id is None else seals.count_of_product(db, product_id)


def _begin(
    tx: Tx, keyring: Keyring, product_id: int | None, counted: Counted, total: int, actor: Actor
) -> tuple[Rotation, list[DataKey]]:
    running = reads.find_running(tx)
    if running is not None:
        raise Conflict(
            "A rotation is under way: {done} of {total} codes are done.",
            code="rotating",
            done=running.done,
            total=running.total,
        )
    if not reads.newest_keys(tx, product_id):
        raise Conflict("Nothing is sealed there yet: there is no key to renew.", code="nothing_sealed")
    keys = writes.begin(tx, keyring, product_id, counted, total=total, by=str(actor))
    rotation = reads.find_running(tx)
    assert rotation is not None
    subject = ("rotation", rotation.rotation_id)
    record(tx, "rotation.begun", actor, subject, product=product_id, keys=len(keys), codes=counted.codes)
    return rotation, keys


def _store(
    tx: Tx, rotation: Rotation, to: int, resealed: list[Resealed], unreadable: list[tuple[Unreadable, str]]
) -> tuple[int, str]:
    """One step, whole or not at all: how many codes were sealed anew, and where an alarm was sounded. Raises _Overtaken."""
    sounded, done = "", reseal(tx, resealed)
    if not writes.advance(tx, rotation, to, found=len(resealed), done=done):
        raise _Overtaken
    for code, where in unreadable:
        is_new = writes.note_unreadable(tx, rotation, code)
        if is_new and reads.count_unreadable(tx, rotation.rotation_id, rotation.sweep) <= MOST_ALARMS:
            alarm.sound(tx, code.code_id, where, how="rotation")
            sounded = sounded or where
    return done, sounded


def _end(tx: Tx, rotation: Rotation, counted: Counted) -> bool:
    """Destroy the old keys, if the walk still stands at its end; whether it did."""
    first = next(iter(reads.unreadable(tx, rotation.rotation_id, rotation.sweep, limit=1)), None)
    witness = f"code {first.code_id} of product {first.product_id}, epoch {first.epoch}: does not open" if first else ""
    if not writes.end(tx, rotation, counted, witness=witness):
        return False
    ended = reads.find_newest(tx)
    assert ended is not None
    record(
        tx,
        "vault.rotated",
        SYSTEM,
        ("rotation", ended.rotation_id),
        status=ended.status,
        done=ended.done,
        unreadable=ended.unreadable,
        witness=ended.witness,
        codes_before=ended.codes_before,
        codes_after=ended.codes_after,
        fingerprints_before=ended.fingerprints_before,
        fingerprints_after=ended.fingerprints_after,
        keys_before=ended.keys_before,
        keys_after=ended.keys_after,
    )
    return True
