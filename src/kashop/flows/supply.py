"""Suppliers' sealed batches come in, and are opened (docs/decisions/0016).

Always true: what a stranger sends is read no further than its first lines and leaves no row; what a supplier sends is checked
before it is stored, stored as ciphertext, checked again when it is opened, and opened in memory only; nobody is told more
than counts.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator

import msgspec

from kashop.accounts import reads as accounts
from kashop.db import Reader, Tx
from kashop.flows import restock
from kashop.inventory import reads as inventory
from kashop.lib import ids, logs
from kashop.lib.actor import SYSTEM, Actor
from kashop.lib.clock import HOUR, SECOND
from kashop.lib.errors import Conflict, Denied, Invalid, NotFound, TooMany
from kashop.notices.writes import tell
from kashop.risk import one_client
from kashop.shop import Shop
from kashop.supply import reads, sealedbatch, writes
from kashop.supply.sealedbatch import MOST_DRIFT, BatchRefused, Head
from kashop.supply.types import Allowed, Counts, ImportKey, SealedBatch, SealedContent, Supplier, SupplierKey
from kashop.vault import Sealed, Tampered, boxes

log = logs.get_logger("kashop.supply")

MOST_OPEN, MOST_OPEN_BYTES = 50, 64 * 1024 * 1024
"""How much of one supplier's may wait."""
MOST_UPLOADS = 2
"""How many contents are in memory at a time."""
OPEN_AT_ONCE = 5000
"""Batches of up to so many rows are opened before the answer; larger ones by the job."""
CALL_DRIFT = HOUR

_SECONDS = re.compile(r"[1-9][0-9]{0,10}", re.ASCII)


class ShopKey(msgspec.Struct, frozen=True):
    """All that a supplier must know to seal."""

    shop: str
    supplier: Supplier
    key: ImportKey
    allowed: list[Allowed]


async def import_key(shop: Shop) -> ImportKey:
    """The key that batches are sealed for, made at its first use. Raises Sealed while there is none and none can be made."""
    found = await shop.db.read(reads.current_import_key)
    return found or await _new_import_key(shop, SYSTEM, only_first=True)


async def rotate_import_key(shop: Shop, actor: Actor) -> ImportKey:
    """Seal for a fresh key from now on; the old one opens what is on its way. Raises Sealed."""
    return await _new_import_key(shop, actor, only_first=False)


async def _new_import_key(shop: Shop, actor: Actor, *, only_first: bool) -> ImportKey:
    private, public = boxes.new_box_key()
    sealed = shop.keyring.seal_in_vault(private, name=_secret_name(sealedbatch.fingerprint(public)))
    return await shop.db.write(writes.add_import_key, public_key=public, sealed=sealed, actor=actor, only_first=only_first)


def _secret_name(key_name: str) -> str:
    return f"supply/import/{key_name}"


async def invite(shop: Shop, supplier_id: int, actor: Actor) -> str:
    """A link by which a supplier registers his key, once, within seven days. Its secret stands behind the `#`: no log sees it."""
    token = ids.token()
    await shop.db.write(writes.invite, supplier_id, ids.digest(token), actor)
    return f"{shop.base_url}/supply#join={token}"


async def join(shop: Shop, token: str, public_key: bytes, proof: bytes, actor: Actor) -> Supplier:
    """Register a key by a link. Raises NotFound, Conflict, or Denied when the sender has not the key's private half."""
    shop.limits.take("supply join", one_client(actor.ip))
    if not boxes.is_signed(public_key, sealedbatch.join_text(token, public_key), proof):
        raise Denied("The proof does not fit the key.", code="wrong_proof")
    supplier = await shop.db.write(_join, ids.digest(token), public_key, actor)
    if supplier is None:
        raise NotFound("This link was used already, or its seven days are over.")
    return supplier


def _join(tx: Tx, join_hash: bytes, public_key: bytes, actor: Actor) -> Supplier | None:
    """Whoever may confirm it is told: a key that nobody expected is a link that went astray."""
    supplier = writes.join(tx, join_hash, public_key, actor)
    if supplier is not None:
        able = [staff.email for staff in accounts.who_may(tx, "suppliers.edit")]
        tell(tx, "supplier.registered", to=able, name=supplier.name)
    return supplier


async def caller(shop: Shop, token: str, ip: str) -> tuple[Supplier, SupplierKey]:
    """Whom a signed token stands for; the key may still wait to be confirmed. Raises Denied, TooMany."""
    shop.limits.take("supply call", one_client(ip))
    found = await shop.db.read(_caller, token, shop.settings.text("shop.id"))
    if found is None:
        raise Denied("No supplier's key fits this.", code="supplier_unknown")
    supplier, key, is_fresh = found
    if not is_fresh:
        raise Denied("The signature is more than an hour old, or the sending device's clock is wrong.", code="stale")
    if supplier.is_disabled:
        raise Denied("The shop takes no batches from this supplier.", code="disabled")
    return supplier, key


def _caller(db: Reader, token: str, shop_id: str) -> tuple[Supplier, SupplierKey, bool] | None:
    ref, _, rest = token.partition(".")
    seconds, _, signature = rest.partition(".")
    supplier = reads.find_by_ref(db, ref)
    if supplier is None or not _SECONDS.fullmatch(seconds):
        return None
    try:
        raw = sealedbatch.unbase64(signature, boxes.SIGNATURE_BYTES)
    except ValueError:
        return None
    key = reads.signer(db, supplier.supplier_id, sealedbatch.call_text(shop_id, ref, int(seconds)), raw)
    return None if key is None else (supplier, key, abs(int(seconds) * SECOND - db.now) <= CALL_DRIFT)


async def shop_key(shop: Shop, supplier: Supplier) -> ShopKey:
    """What a supplier needs to seal. Raises Sealed."""
    key = await import_key(shop)
    return ShopKey(shop.settings.text("shop.id"), supplier, key, await shop.db.read(reads.allowed, supplier.supplier_id))


async def receive(
    shop: Shop, chunks: AsyncIterator[bytes], *, ip: str = "", request_id: str = "", by: Actor | None = None
) -> SealedBatch:
    """Take a sealed batch, and open it at once where that may be. `by` is staff who bring a supplier's file.

    Raises BatchRefused, TooMany, Unavailable; nothing was stored then.
    """
    incoming = _Incoming(chunks)
    head: Head | None = None
    verdict = reads.Verdict(why="malformed")
    try:
        head = sealedbatch.parse_head(await incoming.head())
        verdict = await shop.db.read(reads.judge, head, shop=shop.settings.text("shop.id"))
        if verdict.why:
            raise BatchRefused(verdict.why)
        _allow(shop, verdict)
        actor = Actor("supplier", str(_id(verdict)), ip, request_id=request_id)
        body = await _content(incoming, head)
        made = await shop.db.write(_keep, head, body, by or actor, shop_id=shop.settings.text("shop.id"))
    except BatchRefused as refused:
        await _note(shop, verdict, head, refused.why, by or Actor("anonymous", "", ip, request_id=request_id))
        raise
    if head.manifest.count <= OPEN_AT_ONCE or by is not None:
        await open_batch(shop, made)
    return await shop.db.read(reads.get_batch, made)


def _keep(tx: Tx, head: Head, body: bytes, actor: Actor, *, shop_id: str) -> int:
    """Judged anew where it is kept: its supplier or key may have been shut out while the content came in. Raises BatchRefused."""
    verdict = reads.judge(tx, head, shop=shop_id)
    if verdict.why:
        raise BatchRefused(verdict.why)
    made = writes.receive(tx, verdict, head, body, actor)
    if made is None:
        raise BatchRefused("replayed")
    return made


class _Incoming:
    """A request's bytes: the first lines, then the content, no more of either than is asked for."""

    def __init__(self, chunks: AsyncIterator[bytes]):
        self._chunks = chunks
        self._kept = bytearray()

    async def head(self) -> bytes:
        """The three lines. Raises BatchRefused."""
        while (length := sealedbatch.head_length(bytes(self._kept[: sealedbatch.MOST_HEAD + 1]))) is None:
            chunk = await anext(self._chunks, b"")
            if not chunk:
                raise BatchRefused("malformed")
            self._kept += chunk
        head = bytes(self._kept[:length])
        del self._kept[:length]
        return head

    async def content(self, length: int) -> bytes:
        """Exactly so many bytes, then the end. Raises BatchRefused."""
        while len(self._kept) <= length:
            chunk = await anext(self._chunks, b"")
            if not chunk:
                break
            self._kept += chunk
        if len(self._kept) != length:
            raise BatchRefused("size")
        return bytes(self._kept)


_uploads = 0


async def _content(incoming: _Incoming, head: Head) -> bytes:
    global _uploads  # noqa: PLW0603  # one process, one loop: a count of what is in memory
    if _uploads >= MOST_UPLOADS:
        raise TooMany("Another batch is just being received. Please wait {seconds} seconds.", retry_after=5, seconds=5)
    _uploads += 1
    try:
        body = await incoming.content(head.manifest.body_bytes)
    finally:
        _uploads -= 1
    await asyncio.to_thread(sealedbatch.check_body, head.manifest, body)
    return body


def _id(verdict: reads.Verdict) -> int:
    return verdict.supplier.supplier_id if verdict.supplier is not None else 0


def _allow(shop: Shop, verdict: reads.Verdict) -> None:
    shop.limits.take("supply batch", str(_id(verdict)))
    if verdict.load.batches >= MOST_OPEN or verdict.load.size >= MOST_OPEN_BYTES:
        raise TooMany("Too many of your batches wait. Please wait until the shop has dealt with them.", retry_after=600)


async def _note(shop: Shop, verdict: reads.Verdict, head: Head | None, why: str, actor: Actor) -> None:
    """Refusals are audited where they tell something: in a known supplier's name, and not without end."""
    tell = log.warning if actor.ip else log.info  # at the terminal, the refusal itself is told
    tell("sealed batch refused", why=why, supplier=_id(verdict), is_proved=verdict.is_proved, ip=actor.ip)
    if verdict.supplier is None or head is None:
        if actor.kind == "anonymous":
            shop.limits.take("supply stranger", one_client(actor.ip))
        return
    scope = "supply refusal proved" if verdict.is_proved else "supply refusal"
    try:
        shop.limits.take(scope, str(_id(verdict)))
    except TooMany:
        return  # the log has it
    named = Actor("supplier", str(_id(verdict)), actor.ip, request_id=actor.request_id)
    by = named if verdict.is_proved and actor.kind == "anonymous" else actor
    batch_no = head.manifest.batch
    await shop.db.write(writes.note_refusal, _id(verdict), why, by, is_proved=verdict.is_proved, batch_no=batch_no)


async def accept(shop: Shop, sealed_batch_id: int, actor: Actor) -> SealedBatch:
    """Staff let a held batch in: it is opened now, or by the job. Raises Conflict."""
    await shop.db.write(writes.accept, sealed_batch_id, actor)
    batch = await shop.db.read(reads.get_batch, sealed_batch_id)
    if batch.count <= OPEN_AT_ONCE:
        await open_batch(shop, sealed_batch_id)
    return await shop.db.read(reads.get_batch, sealed_batch_id)


async def open_due(shop: Shop) -> int:
    """Open what waits, unless the vault is sealed; how many."""
    if shop.keyring.is_sealed:
        return 0
    done = 0
    for sealed_batch_id in await shop.db.read(reads.due, limit=20):
        done += await open_batch(shop, sealed_batch_id)
    return done


async def forget_keys(shop: Shop) -> int:
    """Drop import keys for which no batch can come any more."""
    return await shop.db.write(writes.drop_import_keys, shop.clock.now() - 2 * MOST_DRIFT, SYSTEM)


async def open_batch(shop: Shop, sealed_batch_id: int) -> bool:
    """Open one waiting batch and shelve its codes; whether it was this call that did. Sealed, it goes on waiting."""
    if shop.keyring.is_sealed or not await shop.db.write(writes.claim, sealed_batch_id):
        return False
    content = await shop.db.read(reads.get_content, sealed_batch_id)
    if content is None:
        return False
    actor = Actor("supplier", str(content.supplier_id))
    try:
        codes = await asyncio.to_thread(_opened, shop, content)
        counts = await _shelve(shop, content, codes, actor)
    except Sealed:
        await shop.db.write(writes.give_back, sealed_batch_id)
        return False
    except Tampered:  # the import key's own row was changed: the batch waits for somebody to look
        log.exception("the import key does not open", key=content.import_key_name)
        return False
    except BatchRefused as refused:
        log.warning("sealed batch refused when opened", why=refused.why, sealed_batch=sealed_batch_id)
        await shop.db.write(writes.refuse, sealed_batch_id, refused.why, SYSTEM)
        return False
    return await shop.db.write(writes.finish, sealed_batch_id, counts, actor)


def _opened(shop: Shop, content: SealedContent) -> list[str]:
    """The codes, after all that was checked at the door: the database may have been changed meanwhile."""
    manifest = sealedbatch.read_manifest(content.manifest)
    if not boxes.is_signed(content.public_key, sealedbatch.signed_text(content.manifest), content.signature):
        raise BatchRefused("supplier")
    if content.key_status not in ("confirmed", "retired"):
        raise BatchRefused("unconfirmed")
    named = (manifest.shop, manifest.product, manifest.sku, manifest.batch, manifest.import_key)
    kept = (shop.settings.text("shop.id"), content.slug, content.sku_code, content.batch_no, content.import_key_name)
    if named != kept:
        raise BatchRefused("product")
    sealedbatch.check_body(manifest, content.body)
    if content.import_key is None:
        raise BatchRefused("key")
    private = shop.keyring.open_in_vault(content.import_key, name=_secret_name(content.import_key_name))
    try:
        plain = boxes.open_box(private, content.body)
    except Tampered:
        raise BatchRefused("unreadable") from None
    return sealedbatch.read_rows(manifest, plain)


async def _shelve(shop: Shop, content: SealedContent, codes: list[str], actor: Actor) -> Counts:
    """Put the codes on the shelf; an opening that was cut short before counts with this one."""
    lot = restock.Lot(
        product=content.slug,
        sku=content.sku_code,
        batch=f"{content.supplier_name} {content.batch_no[:12]}",
        supplier=content.supplier_name,
    )
    digest = hashlib.sha512(content.body).digest()
    try:
        report = await restock.import_rows(shop, lot, codes, actor, name=content.batch_no, digest=digest)
    except (Invalid, Conflict, NotFound):  # the product is no more, or is delivered by hand now
        raise BatchRefused("product") from None
    added = await shop.db.read(inventory.count_imported, digest)
    return Counts(report.batch_id, added, len(codes) - added - report.bad, report.bad)
