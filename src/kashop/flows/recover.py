"""After the key file is lost: make a new one with a passphrase or a recovery code, while no server runs.

Always true: nothing is changed unless what was given opens this shop's root key; the database knows the new key before the file
takes its place, so that a crash in between is mended by the next start.
"""

import asyncio

from kashop.audit.writes import record
from kashop.db import Reader, Tx, engine, migrate
from kashop.db.locks import ServerLock
from kashop.flows.vault import Given, WrongSecret
from kashop.lib.actor import Actor
from kashop.lib.clock import SystemClock
from kashop.lib.errors import Conflict
from kashop.settings.config import Config
from kashop.settings.reads import settings
from kashop.shop import require
from kashop.vault import Tampered, keyring, reads, unseal, writes
from kashop.vault.types import RootCopy


def run(config: Config, given: Given, actor: Actor) -> None:
    """Make a new key file for the shop of a data directory. Raises WrongSecret, Conflict, Invalid or Unavailable."""
    require(config)
    if config.unseal_key_file.exists():
        raise Conflict("There is a key file at {path}: move it away first.", path=config.unseal_key_file)
    lock = ServerLock(config.data)
    lock.take(config.url)
    try:
        migrate.apply(config.place)
        asyncio.run(_recover(config, given, actor))
    finally:
        lock.release()


async def _recover(config: Config, given: Given, actor: Actor) -> None:
    db = await engine.open_db(config.place, SystemClock(), readers=1)
    try:
        shop_id, copies = await db.read(_copies, "recovery" if given.recovery else "passphrase")
        root = _root(shop_id, copies, given)
        newer = unseal.next_key_file(config.unseal_key_file)
        newer.unlink(missing_ok=True)
        unseal.create_key_file(newer)
        secret = unseal.read_key_file(newer)
        wraps = {
            "service": keyring.wrap_root(keyring.service_keys(root), secret, shop_id=shop_id, method="service"),
            "keyfile": keyring.wrap_root(root, secret, shop_id=shop_id, method="keyfile"),
        }
        await db.write(_replace, wraps, actor)
        unseal.take_next_key_file(config.unseal_key_file)
    finally:
        await db.close()


def _copies(db: Reader, method: str) -> tuple[str, list[RootCopy]]:
    return settings(db).text("shop.id"), reads.root_copies(db, method)


def _root(shop_id: str, copies: list[RootCopy], given: Given) -> bytes:
    for copy in copies:
        by_code = given.recovery
        secret = unseal.recovery_key(by_code) if by_code else unseal.passphrase_key(given.passphrase, copy.params)
        try:
            return keyring.unwrap_root(copy.wrapped, secret, shop_id=shop_id, method=copy.method)
        except Tampered:
            continue
    raise WrongSecret("This does not unseal the vault.")


def _replace(tx: Tx, wraps: dict[str, bytes], actor: Actor) -> None:
    had_key_file = reads.find_root(tx, "keyfile") is not None
    for method, wrapped in wraps.items():
        if method == "service" or had_key_file:  # a vault that opened by passphrase alone stays so
            writes.replace_root(tx, method=method, params="{}", wrapped=wrapped)
    record(tx, "vault.recovered", actor, ("vault", 0))
