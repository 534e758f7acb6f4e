"""What the doctor looks at. Each look gives findings: ok, note (worth knowing) or mend (must be mended)."""

import os
import shutil
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from kashop.audit import reads as audit
from kashop.audit.types import Head
from kashop.catalog import reads as catalog
from kashop.cli.ailments_nodes import of_nodes
from kashop.cli.finding import Finding
from kashop.db import Reader, engine, examine, migrate
from kashop.db.locks import ServerLock
from kashop.flows import gateways
from kashop.inventory import reads as inventory
from kashop.jobs import reads as jobs
from kashop.jobs.schedule import SCHEDULE
from kashop.lib import ids
from kashop.lib.clock import DAY, MINUTE
from kashop.lib.errors import Unavailable
from kashop.notices import reads as notices
from kashop.notices.rules import channels
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.settings.config import Config
from kashop.settings.reads import settings as stored_settings
from kashop.shop import Shop
from kashop.vault import reads as vault
from kashop.web.connections import MOST, most_connections, most_files

LEAST_DISK = 512 * 1024 * 1024
RELEASED = 1_760_000_000  # a clock before this program was written is wrong
JOBS_LATE = 10 * MINUTE
LARGE_LOG = 128 * 1024 * 1024
"""Twice what it grows to unless somebody reads one moment of the file for long (docs/decisions/0037)."""
HELD_SECONDS = 1.0
SETTLED = 60
"""Seconds after its start in which a server's jobs may not have run yet."""


def sqlite_library(config: Config) -> Iterator[Finding]:
    """The library's version against the checkpoint race, and how the file is kept."""
    version = sqlite3.sqlite_version
    if examine.has_checkpoint_race():
        yield Finding(
            "SQLite",
            "note",
            f"{version} can lose commits when two connections checkpoint at once (fixed in 3.51.3, 3.50.7, 3.44.6). Here one "
            "connection writes and checkpoints, under a file lock; let no other program write to the file or checkpoint it.",
        )
    else:
        yield Finding("SQLite", "ok", version)
    kept = examine.settings(config.file)
    if kept.journal_mode == "wal":
        yield Finding(
            "database", "ok", f"{kept.pages * kept.page_size // 1024} KiB, WAL; every commit is synced before it is answered"
        )
    else:
        yield Finding("database", "mend", f"its journal is {kept.journal_mode}, not WAL: `kashop migrate` sets it")


def postgres_server(config: Config) -> Iterator[Finding]:
    """Which server it is, and how it keeps what it was told."""
    server = engine.postgres("postgres_schema").server(config.place)
    yield Finding("PostgreSQL", "ok", f"{server.version}, {server.size // 2**20} MiB")
    if not server.may_write:
        yield Finding("PostgreSQL", "mend", "the shop's role may not change its tables: let it own the database")
    if not server.is_sorting:
        yield Finding("PostgreSQL", "note", "the database does not sort text as a file does: its locale is not C.UTF-8")
    if server.is_standby:
        yield Finding("PostgreSQL", "mend", "a standby, or read only: it takes no orders. Give the address of the primary")
    if server.fsync != "on":
        yield Finding("PostgreSQL", "mend", "fsync is off: a power cut loses orders that were answered. Set fsync = on")
    if server.synchronous_commit in ("off", "local"):
        said = f"synchronous_commit is {server.synchronous_commit}: the shop sets it on for its own changes where it is off"
        yield Finding("PostgreSQL", "note", f"{said}; with `local`, a standby that takes over may lack the newest orders")
    if server.encoding != "UTF8":
        yield Finding("PostgreSQL", "mend", f"the database's encoding is {server.encoding}: make it anew with UTF8")
    if not server.is_encrypted and not server.is_local:
        yield Finding("PostgreSQL", "mend", "the way to it is not encrypted: add ?sslmode=verify-full to the address")
    if server.is_superuser:
        yield Finding("PostgreSQL", "note", "the shop's role is a superuser: give it a role that owns its database and no more")


def schema(config: Config) -> Iterator[Finding]:
    """Whether every migration was applied."""
    todo = migrate.pending(config.place)
    said = f"{', '.join(todo)} missing: `kashop migrate`, or start the server" if todo else "up to date"
    yield Finding("schema", "mend" if todo else "ok", said)


def write_log(config: Config) -> Iterator[Finding]:
    """How large the write-ahead log is, and who keeps it from being written over."""
    now = examine.log_state(config.file)
    if now.size <= LARGE_LOG:
        yield Finding("log", "ok", f"{now.size // 2**20} MiB of changes beside the file")
        return
    time.sleep(HELD_SECONDS)
    still = set(now.readers) & set(examine.log_state(config.file).readers)
    why = (
        f"process {', '.join(map(str, sorted(still)))} reads one moment of the file for long: the log shrinks when that ends"
        if still
        else "nobody holds it any more, and it is cut when it is next written over"
    )
    yield Finding("log", "note", f"{now.size // 2**20} MiB of changes beside the file; {why}")


def disk(config: Config) -> Iterator[Finding]:
    """Room left."""
    free = shutil.disk_usage(config.data).free
    said = f"{free // 2**20} MiB free where the data is"
    yield Finding("disk", "ok", said) if free >= LEAST_DISK else Finding("disk", "mend", f"only {said}: make room")


def permissions(config: Config) -> Iterator[Finding]:
    """Who else may read the data and the key."""
    key = config.unseal_key_file
    file = () if config.database else ((config.file, 0o077, "chmod 600"),)
    paths = ((config.data, 0o077, "chmod 700"), *file, (key, 0o277, "chmod 400"))
    for path, forbidden, cure in paths:
        if not path.exists():
            yield Finding("permissions", "mend", f"{path} is missing: put it back, or say where it is")
        elif stat.S_IMODE(path.stat().st_mode) & forbidden:
            yield Finding("permissions", "mend", f"{path} may be read or changed by others: {cure} {path}")
    if all(p.exists() and not stat.S_IMODE(p.stat().st_mode) & mask for p, mask, _ in paths):
        yield Finding("permissions", "ok", "data, database and key are their owner's alone")
    if config.data.stat().st_uid != os.geteuid():
        yield Finding("user", "note", f"the data belongs to user {config.data.stat().st_uid}: run kashop as that user")
    if key.exists() and key.stat().st_dev == config.data.stat().st_dev:
        yield Finding(
            "unseal key", "note", f"{key} is on the same disk as the data: it protects a stolen copy, not a stolen disk"
        )


def address(config: Config) -> Iterator[Finding]:
    """Where buyers and gateways reach the shop."""
    url = urlsplit(config.base_url)
    if not config.base_url:
        yield Finding(
            "address", "note", "base_url is not set: gateways are told " + config.url + ", which only this machine can reach"
        )
    elif url.scheme != "https" and url.hostname not in ("localhost", "127.0.0.1", "::1"):
        yield Finding("address", "mend", f"{config.base_url} is not https: put a proxy with a certificate before the shop")
    else:
        yield Finding("address", "ok", config.base_url)


def clock(_config: Config) -> Iterator[Finding]:
    """Whether the machine's clock can be right."""
    now = time.time()
    if now < RELEASED:
        yield Finding("clock", "mend", "the machine's clock is years behind: set it")
    else:
        yield Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now)))


def files(_config: Config) -> Iterator[Finding]:
    """How many connections a server could have at once, started as this command was."""
    most = most_connections(most_files())
    if most < MOST:
        said = f"enough for {most} connections at once; for {MOST} let it open more (`ulimit -Hn`, LimitNOFILE=65536)"
        yield Finding("open files", "note", said)
    else:
        yield Finding("open files", "ok", f"enough for {most} connections at once")


def server(config: Config) -> Iterator[Finding]:
    """Whether one runs."""
    holder = ServerLock(config.data).holder()
    said = f"runs as process {holder[0]} at {holder[1]}" if holder else "does not run: `kashop serve`"
    yield Finding("server", "ok" if holder else "note", said)


def mend(config: Config) -> None:
    """Close data and key to others, and bring the schema up to date. Raises Unavailable while a server runs on an old schema."""
    for path, mode in ((config.data, 0o700), (config.file, 0o600), (config.unseal_key_file, 0o400)):
        if path.exists():
            path.chmod(mode)
    if migrate.pending(config.place):
        lock = ServerLock(config.data)
        lock.take()
        try:
            migrate.apply(config.place)
        finally:
            lock.release()


def without_shop(config: Config) -> tuple[Callable[[Config], Iterator[Finding]], ...]:
    """What is looked at before the shop is opened."""
    engines = (postgres_server,) if config.database else (sqlite_library, write_log)
    return (*engines, schema, disk, permissions, address, clock, files, server)


async def of_shop(shop: Shop, *, online: bool) -> list[Finding]:
    """What an open shop tells."""
    lock = shop.config.data / "kashop.lock"
    is_served = ServerLock(shop.config.data).holder() is not None and lock.stat().st_mtime < time.time() - SETTLED
    found = list(await shop.db.read(_in_rows, is_served, shop.settings.flag("shop.practice")))
    found += _plugins(shop)
    found += await _uploads(shop, online=online)
    found += [finding async for finding in of_nodes(shop)]
    for account in await shop.db.read(payments.gateways):
        if account.type not in shop.plugins.gateway_types and account.is_enabled:
            found.append(Finding(f"gateway {account.name}", "mend", f"the plugin of its type {account.type} is not loaded"))
        elif account.is_enabled and online:
            for f in await gateways.test(shop, account.name):
                found.append(Finding(f"gateway {account.name}", "ok" if f.is_ok else "mend", f"{f.subject} {f.advice}".strip()))
    return found


async def _uploads(shop: Shop, *, online: bool) -> list[Finding]:
    """Where uploaded files lie; online, whether one can be kept there, and whether every picture on sale is there."""
    place = shop.config.uploads or str(shop.config.data / "uploads")
    if not online:
        return [Finding("uploads", "ok", f"in {place} (--online tries it)")]
    probe = f"doctor-{ids.random_text(16)}.txt"
    try:
        await shop.uploads.put(probe, probe.encode())
        is_kept = await shop.uploads.get(probe) == probe.encode()
        await shop.uploads.delete(probe)
        names = {product.image for product in await shop.db.read(catalog.products) if product.image}
        missing = [name for name in sorted(names) if await shop.uploads.get(name) is None]
    except Unavailable as problem:
        return [Finding("uploads", "mend", f"{place}: {problem.text()}")]
    if not is_kept:
        return [Finding("uploads", "mend", f"{place} did not give back what it was given")]
    if missing:
        return [Finding("uploads", "mend", f"{place} lacks {len(missing)} pictures of products, {missing[0]} first: copy them")]
    return [Finding("uploads", "ok", f"kept in {place}, with every product's picture")]


def _in_rows(db: Reader, is_served: bool, is_practice: bool) -> list[Finding]:
    return [
        *_vault(db),
        *_jobs(db, is_served),
        *_waiting(db),
        *_notices(db),
        *_audit(audit.head(db), db, is_practice=is_practice),
    ]


def _vault(db: Reader) -> Iterator[Finding]:
    methods = {copy.method for copy in vault.all_roots(db)}
    state = vault.seal_state(db)
    if state.sealed_at is not None:
        waiting = orders.count_open_of_kind(db, "sealed")
        yield Finding("vault", "note", f"sealed ({state.why}); {waiting} deliveries wait: `kashop vault unseal`")
    if "recovery" not in methods:
        yield Finding("vault", "note", "there is no recovery code: a lost key is a lost stock. `kashop vault recovery`")
    if "keyfile" in methods and "passphrase" not in methods:
        yield Finding("vault", "ok", "opens by the key file: keep a second copy of it away from this machine")


def _jobs(db: Reader, is_served: bool) -> Iterator[Finding]:
    runs = {run.job: run for run in jobs.last_runs(db)}
    for run in runs.values():
        if run.problem:
            yield Finding(f"job {run.job}", "mend", f"failed: {run.problem}")
    late = [
        job.name for job in SCHEDULE if job.name not in runs or runs[job.name].started_at < db.now - JOBS_LATE - job.every * 1000
    ]
    if is_served and late:
        yield Finding("jobs", "mend", f"not noted for ten minutes while the server runs: {', '.join(late)}")
    elif is_served:
        yield Finding("jobs", "ok", "all ran lately")


def _waiting(db: Reader) -> Iterator[Finding]:
    unread = payments.unread_callbacks(db, db.now - 2 * MINUTE, limit=1000)
    if unread:
        yield Finding("callbacks", "mend", f"{len(unread)} were stored and never read: start the server, it reads them")
    desk = orders.desk(db, limit=1000)
    if desk:
        yield Finding("desk", "note", f"{len(desk)} orders wait for a person: `kashop order exceptions`")
    importing = [b for b in inventory.batches(db) if b.status == "importing" and b.created_at < db.now - DAY // 24]
    if importing:
        names = ", ".join(f"{b.name} (batch {b.batch_id})" for b in importing[:5])
        yield Finding("imports", "note", f"interrupted: {names}. Import the same file again: only the rest is added")
    if not any(g.is_enabled for g in payments.gateways(db)):
        yield Finding("gateways", "note", "none is enabled: nobody can pay. `kashop gateway types`")


def _notices(db: Reader) -> Iterator[Finding]:
    if "mail" not in channels(stored_settings(db)):
        yield Finding(
            "mail", "note", "is not set up: nobody is told of alarms. `kashop setting set mail.host …`, mail.from and more"
        )
    lost, failing = notices.count_given_up(db, db.now - 7 * DAY), notices.count_failing(db)
    if lost:
        yield Finding("notices", "mend", f"{lost} were given up within seven days: `kashop notice list` says why")
    elif failing:
        yield Finding("notices", "note", f"{failing} fail and are tried again: `kashop notice list` says why")


def _audit(head: Head, db: Reader, *, is_practice: bool) -> Iterator[Finding]:
    newest = audit.page(db, head.seq - 1, limit=1)
    if newest and newest[0].at > db.now + 5 * MINUTE:
        yield Finding("clock", "mend", "the newest event is in the future: the machine's clock was set back")
    outside = audit.acknowledged_to(db)
    waits_since = audit.moment_of(db, outside + 1)
    if waits_since is not None and waits_since < db.now - DAY:
        yield Finding(
            "audit",
            "note" if is_practice else "mend",
            f"{head.seq} events, and for over a day nothing off this host has had a checkpoint (the last: event {outside}): "
            "who owns this host could cut or rewrite them unseen. Set up mail, a webhook or a file for notices, or keep what "
            "`kashop audit checkpoint` prints",
        )
    else:
        yield Finding("audit", "ok", f"{head.seq} events, vouched for off this host up to event {outside}")


def _plugins(shop: Shop) -> Iterator[Finding]:
    wrong = [p for p in shop.plugins.plugins if p.problem]
    for plugin in wrong:
        yield Finding(f"plugin {plugin.id}", "mend", f"is off: {plugin.problem}")
    if not wrong:
        yield Finding("plugins", "ok", ", ".join(p.id for p in shop.plugins.plugins))
