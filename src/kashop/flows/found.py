"""Found a shop: its directory, database, keys and owner. Each step can be run again after a crash."""

import asyncio
import secrets
from pathlib import Path

import msgspec
from nacl.utils import random

from kashop.accounts import writes as accounts
from kashop.accounts.passwords import Passwords
from kashop.accounts.rules import checked_email, checked_password
from kashop.audit import writes as audit
from kashop.audit.writes import record
from kashop.db import Tx, engine, migrate
from kashop.flows.checkpoint import new_signer
from kashop.lib.actor import CLI
from kashop.lib.clock import Clock, SystemClock
from kashop.lib.errors import Conflict
from kashop.settings import writes as settings
from kashop.settings.config import Config
from kashop.settings.table import checked
from kashop.vault import keyring, unseal
from kashop.vault import reads as vault_reads
from kashop.vault import writes as vault


class Charter(msgspec.Struct, frozen=True, kw_only=True):
    """What a shop is founded with."""

    owner: str
    owner_password: str = ""
    currency: str = "CNY"
    timezone: str = "Asia/Shanghai"
    shop_name: str = "kashop"
    locale: str = "zh_Hans"
    is_practice: bool = False


class Founded(msgspec.Struct, frozen=True):
    """What the founder must know. `made_key` says whether the unseal key is new."""

    key_file: Path
    made_key: bool
    owner: str
    password: str
    """Empty when the founder chose it."""


async def found(config: Config, charter: Charter, *, clock: Clock | None = None) -> Founded:
    """Make a shop in an empty or absent directory. Raises Conflict when one is there, Invalid for what the charter has wrong,
    Unavailable when the database is not fit for one: then nothing was made on this machine."""
    wishes: dict[str, str | bool] = {
        "shop.currency": charter.currency,
        "shop.timezone": charter.timezone,
        "shop.name": charter.shop_name,
        "shop.locale": charter.locale,
        "shop.practice": charter.is_practice,
    }
    for name, value in wishes.items():
        checked(name, value)
    checked_email(charter.owner)
    password = charter.owner_password or secrets.token_urlsafe(12)
    passwords = Passwords.for_staff()
    password_hash = await passwords.hash(checked_password(password, email=charter.owner, field="owner_password"))
    passwords.close()
    if config.database:
        await _require_no_shop(config)
    _make_directory(config.data)
    await asyncio.to_thread(migrate.apply, config.place)
    if config.file.exists():
        config.file.chmod(0o600)
    made_key = unseal.create_key_file(config.unseal_key_file)
    secret = unseal.read_key_file(config.unseal_key_file)
    db = await engine.open_db(config.place, clock or SystemClock(), readers=1)
    try:
        await db.write(_found, charter, wishes, password_hash, secret)
    finally:
        await db.close()
    return Founded(config.unseal_key_file, made_key, charter.owner, "" if charter.owner_password else password)


async def _require_no_shop(config: Config) -> None:
    """Before there is a key of a shop that is not made: the one on a server may be served elsewhere, with its own."""
    await asyncio.to_thread(migrate.apply, config.place)
    db = await engine.open_db(config.place, SystemClock(), readers=1)
    try:
        if await db.read(vault_reads.all_roots):
            raise Conflict(
                "There is a shop in this database already: to serve it here too, put its unseal key at {path} and run "
                "`kashop serve`.",
                code="already_founded",
                path=config.unseal_key_file,
            )
    finally:
        await db.close()


def _make_directory(data: Path) -> None:
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)
    for name in ("uploads", "plugins", "themes", "backups"):
        (data / name).mkdir(exist_ok=True, mode=0o700)


def _found(tx: Tx, charter: Charter, wishes: dict[str, str | bool], password_hash: str, secret: bytes) -> None:
    if vault_reads.all_roots(tx):
        raise Conflict("There is a shop in this directory already.", code="already_founded")
    shop_id = secrets.token_hex(16)
    settings.change(tx, "shop.id", shop_id, CLI)
    for name, value in wishes.items():
        settings.change(tx, name, value, CLI)
    root = random(keyring.KEY_BYTES)
    for method, key in (("service", keyring.service_keys(root)), ("keyfile", root)):
        vault.add_root(tx, method=method, params="{}", wrapped=keyring.wrap_root(key, secret, shop_id=shop_id, method=method))
    accounts.add_staff(tx, charter.owner, "owner", password_hash, CLI)
    audit.add_signer(tx, *new_signer(keyring.Keyring(shop_id, root), shop_id), CLI)
    record(tx, "shop.founded", CLI, ("shop", 0), currency=charter.currency, practice=charter.is_practice)
