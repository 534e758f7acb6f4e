"""The Shop: the things that every flow works with. It has no verbs of its own.

Always true: an open Shop has a migrated database and, unless it is sealed, a keyring that opened its own root key.
"""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from kashop.accounts.passwords import Passwords
from kashop.db import Db, Reader, engine, migrate
from kashop.db.locks import ServerLock
from kashop.lib import logs
from kashop.lib.clock import Clock, SystemClock
from kashop.lib.errors import Unavailable
from kashop.payments.failures import Failures
from kashop.payments.types import Gateway
from kashop.plugins.context import context_maker
from kashop.plugins.host import Host
from kashop.risk import Limits, in_valkey
from kashop.risk.captcha import Captcha
from kashop.risk.in_database import InDatabase
from kashop.risk.others import Others
from kashop.risk.pressure import Gauge
from kashop.risk.tally import Tally
from kashop.risk.waiting import Line
from kashop.settings import Settings
from kashop.settings.config import Config
from kashop.settings.nodes.types import Leased
from kashop.settings.reads import settings as stored_settings
from kashop.shelf.memory import Shelf
from kashop.storage import Storage, open_storage
from kashop.vault import Keyring, Tampered, keyring, unseal
from kashop.vault import reads as vault
from kashop.vault.door import Door
from kashop.vault.keyring import service_keys


@dataclass
class Shop:
    """One open shop. `base_url` is where buyers and gateways reach it."""

    config: Config
    clock: Clock
    db: Db
    settings: Settings
    keyring: Keyring
    plugins: Host
    uploads: Storage
    """Pictures of products, and what shows payments."""
    limits: Limits
    failures: Failures
    """Which gateway accounts failed lately."""
    shelf: Shelf
    """What is for sale, in memory."""
    staff_passwords: Passwords
    lookup_passwords: Passwords
    """Checks those of people who look for their orders."""
    order_passwords: Passwords
    """Hashes those of people who order."""
    gateways: dict[tuple[int, int], Gateway] = field(default_factory=dict)
    """Made gateways by (account, version), filled by flows/gateways.py."""
    captchas: dict[str, Captcha] = field(default_factory=dict)
    """Made captchas by name, filled by flows/pressure.py."""
    gauge: Gauge = field(default_factory=Gauge)
    """How hard products are pressed, measured by flows/pressure.py."""
    waiting_line: Line = field(init=False)
    """Where those wait who cannot compute."""
    server_lock: ServerLock | None = None
    door: Door | None = None
    """Where this process is handed the root key, once flows/vault.py has made it."""
    node: Leased | None = None
    """What this server is called among others on its database, once flows/nodes.py has leased a number for it."""
    log: logs.Logger = field(default_factory=lambda: logs.get_logger("kashop"))

    def __post_init__(self) -> None:
        self.waiting_line = Line(self.clock)

        def number(name: str) -> int:
            return self.settings.number(name)  # the settings are replaced as a whole when they change

        self.limits.follow(number)
        if tally := self._tally():
            self.limits.share(Others(tally, self.clock, lambda text: self.keyring.sign("limit", text)))

    def _tally(self) -> Tally | None:
        """What counts for all servers of the shop; None for one that is alone."""
        if self.config.limits:
            return in_valkey.tally(self.config.limits, shop=self.settings.text("shop.id"), clock=self.clock)
        return InDatabase(self.db, self.clock) if self.db.has_nodes else None

    @property
    def base_url(self) -> str:
        """The shop's address, without a slash at its end."""
        return self.config.url

    @classmethod
    async def open(
        cls, config: Config, *, clock: Clock | None = None, is_server: bool = False, safe_mode: bool = False
    ) -> "Shop":
        """Open the shop of a data directory. Raises Unavailable with one line that says what to do.

        A server brings the schema up to date and keeps the others out; a command beside it finds it done.
        """
        lock = _prepared(config, is_server=is_server)
        config = config if is_server else _beside_server(config)
        clock = clock or SystemClock()
        db = await _opened(config, clock, lock)
        try:
            settings, keys = await db.read(_keys, config)
            host = Host.load(config.data, safe_mode=safe_mode)
            host.equip(context_maker(db=db, clock=clock, base_url=config.url))
            uploads = open_storage(config)
        except BaseException:
            await db.close()
            if lock:
                lock.release()
            raise
        return cls(
            config=config,
            clock=clock,
            db=db,
            settings=settings,
            keyring=keys,
            plugins=host,
            uploads=uploads,
            limits=Limits(clock),
            failures=Failures(clock),
            shelf=Shelf(db),
            staff_passwords=Passwords.for_staff(),
            lookup_passwords=Passwords.for_lookup(),
            order_passwords=Passwords.for_orders(),
            server_lock=lock,
        )

    async def close(self) -> None:
        """Let go of everything, the lock last."""
        await self.plugins.stop()
        await self.limits.close()
        self.staff_passwords.close()
        self.lookup_passwords.close()
        self.order_passwords.close()
        await self.db.close()
        if self.server_lock:
            self.server_lock.release()


def require(config: Config) -> None:
    """Raises Unavailable, saying what to do, unless there is a shop in the data directory, or where it says that it is."""
    if not config.database and config.moved_file.exists():
        raise Unavailable("This shop moved to PostgreSQL: set KASHOP_DATABASE, or KASHOP_DATABASE_FILE, to its address.")
    if not engine.exists(config.place):
        raise Unavailable("There is no shop in {data}: make one with `kashop init --data {data}`.", data=config.data)


async def _opened(config: Config, clock: Clock, lock: ServerLock | None) -> Db:
    try:
        return await engine.open_db(config.place, clock)
    except BaseException:
        if lock:
            lock.release()
        raise


def _prepared(config: Config, *, is_server: bool) -> ServerLock | None:
    require(config)
    if not is_server:
        if todo := migrate.pending(config.place):
            raise Unavailable(
                "The database lacks {names}: run `kashop migrate --data {data}`.",
                names=", ".join(todo),
                data=config.data,
            )
        return None
    lock = ServerLock(config.data)
    lock.take(config.url)
    try:
        migrate.apply(config.place)
    except BaseException:
        lock.release()
        raise
    return lock


def _beside_server(config: Config) -> Config:
    """A command beside a server speaks of the address at which that one answers."""
    holder = None if config.base_url else ServerLock(config.data).holder()
    return msgspec.structs.replace(config, base_url=holder[1]) if holder else config


def _keys(db: Reader, config: Config) -> tuple[Settings, Keyring]:
    """The settings, and a keyring that is unsealed if the vault may be and a secret for it is at hand."""
    settings = stored_settings(db)
    shop_id = settings.text("shop.id")
    if not shop_id:
        raise Unavailable("This shop was never finished: run `kashop init --data {data}`.", data=config.data)
    service, root = _by_key_file(db, config, shop_id)
    keys = Keyring(shop_id, service=service or service_keys(root or b""))
    if vault.seal_state(db).why not in ("asked", "alarm"):
        root = root or _by_passphrase(db, config, shop_id)
        if root is not None:
            keys.unseal(root)
            keys.learn(vault.data_keys(db))
    return settings, keys


def _by_key_file(db: Reader, config: Config, shop_id: str) -> tuple[bytes | None, bytes | None]:
    """The service keys and the root key, as far as the key file opens them: at least one of them."""
    copies = {copy.method: copy for copy in (vault.find_root(db, "service"), vault.find_root(db, "keyfile")) if copy}
    if not copies:
        raise Unavailable("This shop was never finished: run `kashop init --data {data}`.", data=config.data)

    def opened(secret: bytes) -> tuple[bytes | None, bytes | None]:
        found = {m: keyring.unwrap_root(c.wrapped, secret, shop_id=shop_id, method=m) for m, c in copies.items()}
        return found.get("service"), found.get("keyfile")

    path = Path(config.unseal_key_file)
    try:
        return opened(unseal.read_key_file(path))
    except Tampered:
        newer = unseal.next_key_file(path)
    if newer.exists():  # a rekey that died between the database and the file
        try:
            found = opened(unseal.read_key_file(newer))
        except Tampered:
            pass
        else:
            unseal.take_next_key_file(path)
            return found
    raise Unavailable("The unseal key {path} does not open this shop: it is another shop's key.", path=path)


def _by_passphrase(db: Reader, config: Config, shop_id: str) -> bytes | None:
    """The root key by the passphrase that the process was started with, if it was."""
    copies = vault.root_copies(db, "passphrase") if config.unseal_passphrase else []
    for copy in copies:
        try:
            secret = unseal.passphrase_key(config.unseal_passphrase, copy.params)
            return keyring.unwrap_root(copy.wrapped, secret, shop_id=shop_id, method="passphrase")
        except Tampered:
            continue
    if copies:
        raise Unavailable("The passphrase that this process was given does not unseal the vault.")
    return None
