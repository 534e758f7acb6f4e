"""One import at work: the rows are read twice, in small steps on a thread, and shelved in chunks.

The first reading proves the file to its end, counts, and finds repeats; nothing is stored before. The second judges each row
against the stock and, unless it is a dry run, seals the good ones under the product's newest key and shelves them.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import msgspec

from kashop.db import Reader, Tx
from kashop.flows.restock.notes import REASON_OF, SAMPLES, Notes, mask
from kashop.flows.restock.pace import REST, STEP, Chunk
from kashop.flows.restock.types import REFUSE, Lot, Progress, Sample
from kashop.inventory import reads, stockfile, writes
from kashop.inventory.stockfile.repeats import Repeats
from kashop.inventory.types import Added, SealedCode
from kashop.lib import ids, money
from kashop.lib.errors import Conflict, Invalid
from kashop.shop import Shop
from kashop.vault import DataKey, OldEpoch
from kashop.vault import reads as vault_reads
from kashop.vault import writes as vault

Rows = Callable[[], Iterable[tuple[int, stockfile.Row]]]
"""Begins anew at the first row each time; with each row, the number of its file."""


class Cancelled(Conflict):
    """Whoever began this let it go."""

    code = "cancelled"


class _Prepared(msgspec.Struct, frozen=True):
    """A good row, fingerprinted; its code leaves with the chunk."""

    file: int
    number: int
    code: str
    fingerprint: bytes
    cost_minor: int
    expires: str

    def __repr__(self) -> str:
        return f"<row {self.number}>"


class Run:
    """Reads `rows` for one product. `cost_minor` and `lot.expires` are of each code, where its row does not say."""

    def __init__(self, shop: Shop, lot: Lot, rows: Rows, *, product_id: int, cost_minor: int, progress: Progress):
        self._shop = shop
        self._lot = lot
        self._rows = rows
        self._product_id = product_id
        self._cost = cost_minor
        self._currency = shop.settings.text("shop.currency")
        self._repeats = Repeats()
        self._key: DataKey | None = None
        self._progress = progress
        self._is_looking = True
        self._chunk = Chunk()
        self.notes = Notes()

    async def prove(self) -> None:
        """Read to the end and keep nothing but counts. Raises Invalid for the file, or for a row when rows may not be bad."""
        reading = iter(self._rows())
        self._enter("reading")
        found = [0, 0]
        while read := await asyncio.to_thread(self._prove_some, reading, found):
            self._progress.rows += read
            self._refuse_cancelled()
        await asyncio.to_thread(self._repeats.settle)
        self._progress.total = self._progress.rows
        self._refuse_rows(found[0], found[1])

    def _prove_some(self, reading: Iterator[tuple[int, stockfile.Row]], found: list[int]) -> int:
        read = 0
        for _, row in islice(reading, STEP):
            read += 1
            if self._problem(row)[0] is not None:
                found[0] += 1
                found[1] = found[1] or row.number
            else:
                self._repeats.note(self._fingerprint(row))
        return read

    def _refuse_rows(self, bad: int, first: int) -> None:
        if bad and self._lot.bad_rows == REFUSE:
            raise Invalid.of(
                "bad_rows", "{count} rows are bad, the first is row {row}: nothing was imported.", count=bad, row=first
            )

    async def count(self) -> None:
        """What storing would do."""
        reading = self._begin("judging")
        while chunk := await asyncio.to_thread(self._prepare, reading):
            known = await self._shop.db.read(_known, [p.fingerprint for p in chunk])
            self._tell_known(chunk, known)
            self.notes.counts["new"] += len(chunk) - len(known)
            self._step()

    async def store(self, batch_id: int) -> bool:
        """Seal and shelve, chunk by chunk; whether it came to the end, and was not stopped."""
        reading, shelving = self._begin("storing"), None
        await self._take_newest_key()
        try:
            while chunk := await asyncio.to_thread(self._prepare, reading):
                known = await self._looked_up(chunk)
                self._tell_known(chunk, known)
                fresh = [p for p in chunk if p.fingerprint not in known]
                sealed = await self._sealed(fresh)
                if shelving is not None:
                    await shelving
                shelving = asyncio.create_task(self._shelve(batch_id, fresh, sealed, self.notes.read, len(known)))
                self._refuse_cancelled()
            if shelving is not None:
                await shelving
        except (writes.BatchStopped, Cancelled):
            return False
        finally:
            if shelving is not None:
                await asyncio.gather(shelving, return_exceptions=True)
        return True

    async def _looked_up(self, chunk: list[_Prepared]) -> dict[bytes, str]:
        """Look before sealing while the stock has had codes of this file; else the shelf itself will say."""
        if not self._is_looking:
            return {}
        known = await self._shop.db.read(_known, [p.fingerprint for p in chunk])
        self._is_looking = bool(known)
        return known

    def _begin(self, phase: str) -> Iterator[tuple[int, stockfile.Row]]:
        self.notes = Notes()
        self._repeats.restart()
        self._enter(phase)
        return iter(self._rows())

    def _enter(self, phase: str) -> None:
        self._progress.phase, self._progress.rows = phase, 0
        self._progress.began[phase] = self._shop.clock.now()

    async def _shelve(self, batch_id: int, chunk: list[_Prepared], sealed: list[SealedCode], read: int, known: int) -> None:
        added = await self._added(batch_id, chunk, sealed, read, known)
        self.notes.counts["new"] += added.count
        self._tell_known(chunk, added.known)
        self._is_looking = self._is_looking or bool(added.known)
        self._step(read)

    async def _added(
        self, batch_id: int, chunk: list[_Prepared], sealed: list[SealedCode], read: int, known: int, *, tries: int = 5
    ) -> Added:
        try:
            added, seconds = await self._shop.db.write(_timed, batch_id, sealed, rows_read=read, known=known)
        except OldEpoch:
            if not tries:
                raise
        else:
            self._chunk.took(len(sealed), seconds)
            if self._shop.db.is_shared:  # by the shop that sells: its commits wait for ours, and find no lane there
                await asyncio.sleep(REST * seconds)
            return added
        await self._take_newest_key()
        sealed = await self._sealed(chunk)
        return await self._added(batch_id, chunk, sealed, read, known, tries=tries - 1)

    async def _take_newest_key(self) -> None:
        key = await self._shop.db.read(vault_reads.find_data_key, self._product_id)
        if key is None:
            key = await self._shop.db.write(vault.ensure_data_key, self._shop.keyring, self._product_id)
        self._shop.keyring.learn([key])
        self._key = key

    def _prepare(self, reading: Iterator[tuple[int, stockfile.Row]]) -> list[_Prepared]:
        """The next good rows; what is not good is noted."""
        chunk: list[_Prepared] = []
        size = self._chunk.size  # which the chunk that is shelved meanwhile may change
        for file, row in reading:
            self.notes.read += 1
            problem, cost = self._problem(row)
            if len(self.notes.samples) < SAMPLES:
                self._add_sample(file, row, problem)
            if problem is not None:
                self.notes.bad += 1
                self.notes.reject(file, row.number, problem)
                continue
            if row.warning:
                self.notes.warnings[row.warning] += 1
            fingerprint = self._fingerprint(row)
            if self._repeats.is_repeat(fingerprint):
                self.notes.reject(file, row.number, "duplicate_in_file")
                continue
            chunk.append(_Prepared(file, row.number, row.code, fingerprint, cost, row.expires or ""))
            if len(chunk) >= size:
                break
        return chunk

    def _problem(self, row: stockfile.Row) -> tuple[str | None, int]:
        """Why a row cannot be stock, and what it cost."""
        if row.problem is None and row.cost is not None:
            try:
                return None, money.parse(row.cost, self._currency)
            except Invalid:
                return "bad_cost", self._cost
        return row.problem, self._cost

    def _fingerprint(self, row: stockfile.Row) -> bytes:
        return self._shop.keyring.fingerprint(stockfile.fingerprint_text(row.code))

    def _add_sample(self, file: int, row: stockfile.Row, problem: str | None) -> None:
        sample = Sample(row.number, mask(row.code), problem or "new", row.warning or "", row.cost or "", row.expires or "", file)
        self.notes.samples.append(sample)

    async def _sealed(self, chunk: list[_Prepared]) -> list[SealedCode]:
        assert self._key is not None
        if not self._shop.keyring.knows(self._key.product_id, self._key.epoch):
            await self._take_newest_key()
        try:
            return await asyncio.to_thread(self._seal_all, chunk, self._key)
        except OldEpoch:  # destroyed at the end of a rotation, between the two
            await self._take_newest_key()
            return await asyncio.to_thread(self._seal_all, chunk, self._key)

    def _seal_all(self, chunk: list[_Prepared], key: DataKey) -> list[SealedCode]:
        seal, place = self._shop.keyring.seal_code, {"product_id": key.product_id, "epoch": key.epoch}
        return [
            SealedCode(
                code_id=code_id,
                epoch=key.epoch,
                sealed=seal(p.code, code_id=code_id, **place),
                fingerprint=p.fingerprint,
                cost_minor=p.cost_minor,
                expires_on=p.expires,
            )
            for code_id, p in zip(ids.snowflakes.take(len(chunk)), chunk, strict=True)
        ]

    def _tell_known(self, chunk: list[_Prepared], known: dict[bytes, str]) -> None:
        if known:
            for p in chunk:
                if p.fingerprint in known:
                    self.notes.reject(p.file, p.number, REASON_OF[known[p.fingerprint]])

    def _step(self, read: int | None = None) -> None:
        self._progress.rows = self.notes.read if read is None else read
        self._refuse_cancelled()

    def _refuse_cancelled(self) -> None:
        if self._progress.is_cancelled:
            raise Cancelled("This was let go.")


def _timed(tx: Tx, batch_id: int, sealed: list[SealedCode], *, rows_read: int, known: int) -> tuple[Added, float]:
    """Shelve them; how long the writer was at it."""
    started = time.perf_counter()
    added = writes.add_codes(tx, batch_id, sealed, rows_read=rows_read, known=known)
    return added, time.perf_counter() - started


def _known(db: Reader, fingerprints: list[bytes]) -> dict[bytes, str]:
    return {code.fingerprint: code.status for code in reads.known_codes(db, fingerprints)}
