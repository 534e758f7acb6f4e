"""Seal and unseal the vault, and change what unseals it.

Always true: what a code needs is in memory only while the vault is unsealed; sealed, orders are taken and paid, and their
deliveries wait on the desk as `sealed`; the root key travels to a running server only in a box that this process alone can open;
each change of the keys is an event, and none of them holds a secret.
"""

import asyncio
from collections.abc import Callable

import msgspec

from kashop.accounts import reads as accounts
from kashop.audit.writes import record
from kashop.db import Reader, Tx
from kashop.delivery import writes as delivery
from kashop.flows.alarm import sound
from kashop.lib.actor import SYSTEM, Actor
from kashop.lib.errors import Conflict, Denied, Invalid, Unavailable
from kashop.notices.writes import tell
from kashop.orders import reads as orders
from kashop.shop import Shop
from kashop.vault import Sealed, Tampered, keyring, reads, unseal, writes
from kashop.vault.door import Door
from kashop.vault.types import METHODS, Letter, RootCopy, SealState

_SUBJECT = ("vault", 0)
_AT_ONCE = 200
MOST_PASSPHRASES = 5


class WrongSecret(Denied):
    """What was given does not unseal this vault."""

    code = "wrong_secret"


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The vault as staff see it. `methods` are the ways to unseal; `waiting` counts deliveries that wait for it."""

    is_sealed: bool
    state: SealState
    methods: list[RootCopy]
    waiting: int


class Given(msgspec.Struct, frozen=True):
    """What somebody unseals with: a passphrase or recovery code; both empty: the key file."""

    passphrase: str = ""
    recovery: str = ""

    def __repr__(self) -> str:
        return "<Given>"


async def status(shop: Shop) -> Status:
    """How it stands, in this process."""
    return await shop.db.read(_status, is_sealed=shop.keyring.is_sealed)


def _status(db: Reader, *, is_sealed: bool) -> Status:
    return Status(
        is_sealed=is_sealed,
        state=reads.seal_state(db),
        methods=[copy for copy in reads.all_roots(db) if copy.method in METHODS],
        waiting=orders.count_open_of_kind(db, "sealed"),
    )


# --- a server comes up -------------------------------------------------------------------------------------------------


async def start(shop: Shop) -> None:
    """What a server does about the vault when it comes up: it makes its door, and lets deliveries wait if it is sealed."""
    door = Door()
    service = shop.keyring.wrap_service(await asyncio.to_thread(unseal.read_key_file, shop.config.unseal_key_file))
    how = {"is_sealed": shop.keyring.is_sealed, "is_alone": not shop.db.has_nodes}
    door.door_id = await shop.db.write(_start, door.public_key, service, **how)
    shop.door = door


def _start(tx: Tx, public_key: bytes, service: bytes, *, is_sealed: bool, is_alone: bool) -> int:
    if reads.find_root(tx, "service") is None:  # made before the vault could be sealed
        writes.add_root(tx, method="service", params="{}", wrapped=service)
    if is_sealed and writes.mark_sealed(tx, why="start", by=str(SYSTEM)):
        record(tx, "vault.sealed", SYSTEM, _SUBJECT, why="start")
        tell(tx, "vault.sealed", to=accounts.owner_addresses(tx), why="start")
    elif not is_sealed and writes.mark_unsealed(tx):
        record(tx, "vault.unsealed", SYSTEM, _SUBJECT, how="start")
    return writes.open_door(tx, public_key, is_alone=is_alone)


async def watch(shop: Shop) -> int:
    """Do in this process what others asked for: seal, unseal, deliver what waited; how many orders were delivered."""
    door = shop.door
    if door is None:
        return 0
    state, letters = await shop.db.read(_heard, door.door_id)
    for letter in letters:
        root = door.open(letter.box)
        try:
            if root is not None:
                await _take_up(shop, root)
        except Tampered:
            shop.log.critical("a letter to this server held another root key")
    if letters:
        await shop.db.write(writes.drop_letters, door.door_id)
        state = await shop.db.read(reads.seal_state)
    if state.why in ("asked", "alarm") and not shop.keyring.is_sealed:
        shop.keyring.seal()
        shop.log.warning("the vault is sealed", why=state.why)
    return await deliver_waiting(shop) if state.sealed_at is None else 0


def _heard(db: Reader, door_id: int) -> tuple[SealState, list[Letter]]:
    return reads.seal_state(db), reads.letters(db, door_id)


async def _take_up(shop: Shop, root: bytes) -> None:
    shop.keyring.unseal(root)
    shop.keyring.learn(await shop.db.read(reads.data_keys))


# --- seal and unseal ---------------------------------------------------------------------------------------------------


async def seal(shop: Shop, actor: Actor, *, why: str = "asked") -> bool:
    """Forget the vault's keys, here and within seconds in every other process; whether it was unsealed before."""
    won = await shop.db.write(_seal, actor, why)
    shop.keyring.seal()
    return won


def _seal(tx: Tx, actor: Actor, why: str) -> bool:
    if not writes.mark_sealed(tx, why=why, by=str(actor)):
        return False
    record(tx, "vault.sealed", actor, _SUBJECT, why=why)
    tell(tx, "vault.sealed", to=accounts.owner_addresses(tx), why=why)
    return True


async def open_with(shop: Shop, given: Given, actor: Actor) -> int:
    """Unseal, here and in every running server; how many deliveries waited. Raises WrongSecret, Invalid or TooMany."""
    await shop.limits.take_exactly(("unseal", ""))
    root, how = await _root_by(shop, given)
    if root is None:
        await shop.db.write(record, "vault.unseal_failed", actor, _SUBJECT, how=how)
        raise WrongSecret("This does not unseal the vault.")
    await shop.limits.forgive("unseal", "")
    await _take_up(shop, root)
    letters = [(door.door_id, shop.keyring.box_root(door.public_key)) for door in await shop.db.read(reads.doors)]
    await shop.db.write(_unseal, letters, actor, how)
    return await deliver_waiting(shop)


def _unseal(tx: Tx, letters: list[tuple[int, bytes]], actor: Actor, how: str) -> None:
    writes.mark_unsealed(tx)
    for door_id, box in letters:
        writes.write_letter(tx, door_id, box)
    record(tx, "vault.unsealed", actor, _SUBJECT, how=how)


async def _root_by(shop: Shop, given: Given) -> tuple[bytes | None, str]:
    """The root key that a secret opens, and the name of its way."""
    if given.recovery:
        secret = unseal.recovery_key(given.recovery)
        return await _first(shop, "recovery", [(copy, secret) for copy in await shop.db.read(reads.root_copies, "recovery")])
    if given.passphrase:
        copies = await shop.db.read(reads.root_copies, "passphrase")
        secrets = [(copy, await asyncio.to_thread(unseal.passphrase_key, given.passphrase, copy.params)) for copy in copies]
        return await _first(shop, "passphrase", secrets)
    file_key = await asyncio.to_thread(unseal.read_key_file, shop.config.unseal_key_file)
    return await _first(shop, "keyfile", [(copy, file_key) for copy in await shop.db.read(reads.root_copies, "keyfile")])


async def _first(shop: Shop, method: str, tried: list[tuple[RootCopy, bytes]]) -> tuple[bytes | None, str]:
    shop_id = shop.settings.text("shop.id")
    for copy, secret in tried:
        try:
            return keyring.unwrap_root(copy.wrapped, secret, shop_id=shop_id, method=method), method
        except Tampered:
            continue
    return None, method


async def deliver_waiting(shop: Shop) -> int:
    """Deliver what waited for the vault; how many orders."""
    done, after = 0, 0
    while due := await shop.db.read(orders.open_of_kind, "sealed", after, limit=_AT_ONCE):
        for order_id in due:
            try:
                await shop.db.write(delivery.deliver_auto, order_id, SYSTEM)
                done += 1
            except Unavailable:
                raise
            except Exception:  # one that breaks holds up no other; it stays on the desk, and the log is told
                shop.log.exception("an order that waited for the vault could not be delivered", order_id=order_id)
        after = due[-1]
    return done


async def alarm(shop: Shop, code_id: int, where: str) -> None:
    """A code does not open where it stands: tell, put its order on the desk, and seal the vault if the merchant chose so."""
    await shop.db.write(sound, code_id, where, how="reveal")
    await seal_after_alarm(shop, where)


async def seal_after_alarm(shop: Shop, where: str) -> None:
    """What follows an alarm that is written down: seal the vault if the merchant chose so."""
    shop.log.critical("vault alarm", where=where)
    if shop.settings.text("vault.on_alarm") == "seal":
        await seal(shop, SYSTEM, why="alarm")


# --- what unseals it ---------------------------------------------------------------------------------------------------


async def add_passphrase(shop: Shop, passphrase: str, label: str, actor: Actor, *, field: str = "passphrase") -> None:
    """One more passphrase that unseals. Raises Invalid for `field`, Conflict or Sealed."""
    unseal.checked_passphrase(passphrase, field=field)
    params = unseal.new_stretch()
    secret = await asyncio.to_thread(unseal.passphrase_key, passphrase, params)
    wrapped = shop.keyring.wrap_root(secret, method="passphrase")
    await shop.db.write(_add_passphrase, params, wrapped, label, actor)


def _add_passphrase(tx: Tx, params: str, wrapped: bytes, label: str, actor: Actor) -> None:
    if len(reads.root_copies(tx, "passphrase")) >= MOST_PASSPHRASES:
        raise Conflict("There are {most} passphrases already: remove one first.", most=MOST_PASSPHRASES)
    root_id = writes.add_root(tx, method="passphrase", params=params, wrapped=wrapped, label=label)
    record(tx, "vault.method_added", actor, _SUBJECT, method="passphrase", root=root_id)


async def use_key_file(shop: Shop, actor: Actor) -> None:
    """Let the key file unseal by itself at every start. Raises Sealed."""
    secret = await asyncio.to_thread(unseal.read_key_file, shop.config.unseal_key_file)
    wrapped = shop.keyring.wrap_root(secret, method="keyfile")
    await shop.db.write(_replace, "keyfile", wrapped, actor)


async def make_recovery(shop: Shop, actor: Actor) -> str:
    """A recovery code, to be printed and locked away; the one before is void. Raises Sealed."""
    code = unseal.new_recovery_code()
    wrapped = shop.keyring.wrap_root(unseal.recovery_key(code), method="recovery")
    await shop.db.write(_replace, "recovery", wrapped, actor)
    return code


def _replace(tx: Tx, method: str, wrapped: bytes, actor: Actor) -> None:
    writes.replace_root(tx, method=method, params="{}", wrapped=wrapped)
    record(tx, "vault.method_added", actor, _SUBJECT, method=method)


async def drop_method(shop: Shop, root_id: int, actor: Actor) -> None:
    """Take away a way to unseal. Raises Conflict when nothing but a recovery code would be left, Sealed while sealed."""
    if shop.keyring.is_sealed:
        raise Sealed
    await shop.db.write(_drop_method, root_id, actor)


def _drop_method(tx: Tx, root_id: int, actor: Actor) -> None:
    copies = {copy.root_id: copy for copy in reads.all_roots(tx) if copy.method in METHODS}
    gone = copies.pop(root_id, None)
    if gone is None:
        raise Conflict("There is no such way to unseal any more.")
    if not any(copy.method in ("keyfile", "passphrase") for copy in copies.values()):
        raise Conflict("Add another way to unseal first: without one the vault could not be opened again.", code="last_method")
    writes.drop_root(tx, root_id)
    record(tx, "vault.method_removed", actor, _SUBJECT, method=gone.method, root=root_id)


async def rekey(shop: Shop, actor: Actor, *, passphrase: str = "") -> str:
    """Wrap the keys anew: a new key file, a new recovery code (returned), and the passphrase given or none.

    Old key files, passphrases and recovery codes open the database no more. Raises Invalid, Conflict or Sealed.
    """
    with unseal.changing_key_file(shop.config.unseal_key_file):
        copies = {copy.method: copy for copy in await shop.db.read(reads.all_roots)}
        if "keyfile" not in copies and not passphrase:
            raise Invalid.of("passphrase", "This vault opens by passphrase: give the new one.")
        await asyncio.to_thread(unseal.settle_key_file, shop.config.unseal_key_file, _opener(shop, copies))
        return await _rekey_all(shop, actor, passphrase, by_file="keyfile" in copies)


def _opener(shop: Shop, copies: dict[str, RootCopy]) -> Callable[[bytes], bool]:
    """Whether a key file's secret is the one that the database knows."""
    shop_id, known = shop.settings.text("shop.id"), [copies[m] for m in ("service", "keyfile") if m in copies]

    def opens(secret: bytes) -> bool:
        try:
            return [keyring.unwrap_root(c.wrapped, secret, shop_id=shop_id, method=c.method) for c in known] != []
        except Tampered:
            return False

    return opens


async def _rekey_all(shop: Shop, actor: Actor, passphrase: str, *, by_file: bool) -> str:
    path = shop.config.unseal_key_file
    newer = unseal.next_key_file(path)
    await asyncio.to_thread(newer.unlink, missing_ok=True)
    await asyncio.to_thread(unseal.create_key_file, newer)
    secret, code = unseal.read_key_file(newer), unseal.new_recovery_code()
    wraps = [("service", "{}", shop.keyring.wrap_service(secret))]
    if by_file:
        wraps.append(("keyfile", "{}", shop.keyring.wrap_root(secret, method="keyfile")))
    if passphrase:
        params = unseal.new_stretch()
        stretched = await asyncio.to_thread(unseal.passphrase_key, unseal.checked_passphrase(passphrase), params)
        wraps.append(("passphrase", params, shop.keyring.wrap_root(stretched, method="passphrase")))
    wraps.append(("recovery", "{}", shop.keyring.wrap_root(unseal.recovery_key(code), method="recovery")))
    await shop.db.write(_rekey, wraps, actor)
    await asyncio.to_thread(unseal.take_next_key_file, path)
    return code


def _rekey(tx: Tx, wraps: list[tuple[str, str, bytes]], actor: Actor) -> None:
    before = [copy.method for copy in reads.all_roots(tx)]
    for copy in reads.all_roots(tx):
        writes.drop_root(tx, copy.root_id)
    for method, params, wrapped in wraps:
        writes.add_root(tx, method=method, params=params, wrapped=wrapped)
    record(tx, "vault.rekeyed", actor, _SUBJECT, before=before, after=[method for method, _, _ in wraps])
