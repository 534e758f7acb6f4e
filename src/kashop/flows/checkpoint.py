"""Sign the head of the audit chain, and see that somebody off this host has it.

Always true: the seed that signs is stored only sealed, opens while the vault is sealed, and never leaves this module; a
checkpoint is kept before it is handed on.
"""

import msgspec
from nacl.utils import random

from kashop.accounts import reads as accounts
from kashop.audit import notes, reads, writes
from kashop.audit.notes import Key
from kashop.audit.types import Checkpoint, Head
from kashop.db import Reader, Tx
from kashop.lib.actor import SYSTEM, Actor
from kashop.lib.clock import DAY, MINUTE
from kashop.lib.errors import Conflict
from kashop.notices import reads as notice_reads
from kashop.notices import writes as notices
from kashop.shop import Shop
from kashop.vault import Keyring

EVERY_EVENTS = 1000
EVERY = 10 * MINUTE
SEED = "audit/signing"
"""The name that the seed is sealed under."""
ABOUT = "audit.checkpoint"


class _Facts(msgspec.Struct, frozen=True):
    """What a notice of a checkpoint carries."""

    size: int


async def public_key(shop: Shop) -> Key:
    """The key that checks this shop's checkpoints; made now, if there is none yet."""
    key, _ = await _signer(shop)
    return key


async def make(shop: Shop) -> Checkpoint:
    """A checkpoint on the newest event. Raises Conflict when nothing has ever happened."""
    key, seed = await _signer(shop)
    head = await shop.db.read(reads.head)
    if not head.seq:
        raise Conflict("There is no event yet.")
    at = shop.clock.now()
    note = notes.sign(seed, name=key.name, size=head.seq, head=head.hash, at=at)
    return await shop.db.write(_keep, head, at, note)


async def make_due(shop: Shop) -> int:
    """Make one if there are 1,000 new events, or some and ten minutes went by; note what left the host. How much was done."""
    done = int(await shop.db.write(_acknowledge)) if await shop.db.read(_news) else 0
    if not await shop.db.read(_is_due):
        return done
    await make(shop)
    return done + 1


async def forget_personal(shop: Shop) -> int:
    """Erase personal values in the audit that are past their keeping, by whole days; how many."""
    keep, erased = shop.settings.number("audit.keep_personal_days"), 0
    if not keep:
        return 0
    before = (shop.clock.now() - keep * DAY) // DAY * DAY
    while count := await shop.db.write(writes.erase_personal, before=before, actor=SYSTEM):
        erased += count
    return erased


def new_signer(keyring: Keyring, shop_id: str) -> tuple[Key, bytes]:
    """A fresh key, and its seed as it may be stored."""
    seed = random(notes.SEED_BYTES)
    return notes.key_of(seed, f"kashop/{shop_id}"), keyring.seal_settings(seed, name=SEED)


async def _signer(shop: Shop, actor: Actor = SYSTEM) -> tuple[Key, bytes]:
    found = await shop.db.read(reads.signer)
    if found is None:
        key, sealed = new_signer(shop.keyring, shop.settings.text("shop.id"))
        await shop.db.write(_first_signer, key, sealed, actor)
        found = await shop.db.read(reads.signer)
    assert found is not None
    return Key(found.name, found.public_key), shop.keyring.open_settings(found.sealed_seed, name=SEED)


def _first_signer(tx: Tx, key: Key, sealed: bytes, actor: Actor) -> None:
    if reads.signer(tx) is None:
        writes.add_signer(tx, key, sealed, actor)


def _keep(tx: Tx, head: Head, at: int, note: str) -> Checkpoint:
    if writes.keep_checkpoint(tx, seq=head.seq, head=head.hash, at=at, note=note):
        by_mail = at >= reads.last_mailed_at(tx) + DAY
        notices.tell(tx, ABOUT, to=_owners(tx) if by_mail else (), size=head.seq, note=note)
        writes.mark_pushed(tx, head.seq, by_mail=by_mail)
    kept = reads.find_checkpoint(tx, head.seq)
    assert kept is not None
    return kept


def _news(db: Reader) -> tuple[int, str, int] | None:
    """The newest checkpoint that left the host and is not noted yet: up to which event, over which channel, when."""
    sent = notice_reads.last_sent(db, ABOUT)
    if sent is None or sent.sent_at is None:
        return None
    size = msgspec.json.decode(sent.facts, type=_Facts).size
    return (size, sent.channel, sent.sent_at) if size > reads.acknowledged_to(db) else None


def _acknowledge(tx: Tx) -> bool:
    news = _news(tx)
    return news is not None and writes.acknowledge(tx, news[0], by=news[1], at=news[2])


def _owners(db: Reader) -> list[str]:
    return [staff.email for staff in accounts.everyone(db) if staff.role == "owner" and not staff.is_disabled]


def _is_due(db: Reader) -> bool:
    head, newest = reads.head(db), reads.newest_checkpoint(db)
    since = head.seq - (newest.seq if newest else 0)
    return since >= EVERY_EVENTS or (since > 0 and (newest is None or db.now >= newest.at + EVERY))
