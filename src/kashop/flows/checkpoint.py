"""Sign the head of the audit chain, and see that somebody off this host has it.

Always true: the seed that signs is stored only sealed, opens while the vault is sealed, and never leaves this module; a
checkpoint is kept before it is handed on.
"""

from nacl.utils import random

from kashop.accounts import reads as accounts
from kashop.audit import notes, reads, writes
from kashop.audit.notes import Key
from kashop.audit.types import Checkpoint, Head
from kashop.db import Reader, Tx
from kashop.lib.actor import SYSTEM, Actor
from kashop.lib.clock import DAY, MINUTE
from kashop.lib.errors import Conflict
from kashop.notices import writes as notices
from kashop.shop import Shop
from kashop.vault import Keyring

EVERY_EVENTS = 1000
EVERY = 10 * MINUTE
SEED = "audit/signing"
"""The name that the seed is sealed under."""


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
    """Make one if there are 1,000 new events, or some and ten minutes went by; whether one was made."""
    if not await shop.db.read(_is_due):
        return 0
    await make(shop)
    return 1


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
        notices.tell(tx, "audit.checkpoint", to=_owners(tx) if by_mail else (), size=head.seq, note=note)
        writes.mark_pushed(tx, head.seq, by_mail=by_mail)
    kept = reads.find_checkpoint(tx, head.seq)
    assert kept is not None
    return kept


def _owners(db: Reader) -> list[str]:
    return [staff.email for staff in accounts.everyone(db) if staff.role == "owner" and not staff.is_disabled]


def _is_due(db: Reader) -> bool:
    head, newest = reads.head(db), reads.newest_checkpoint(db)
    since = head.seq - (newest.seq if newest else 0)
    return since >= EVERY_EVENTS or (since > 0 and (newest is None or db.now >= newest.at + EVERY))
