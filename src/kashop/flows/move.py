"""From the file of one machine to PostgreSQL, while no server runs.

Always true: the old shop is fenced only when the new one was shown to hold the same rows and a whole chain of events; a move that
dies is begun again, or finished by calling it again.
"""

import msgspec

from kashop.db import engine, migrate, moving
from kashop.db.locks import ServerLock
from kashop.flows.verify import read_chain
from kashop.lib.errors import Conflict
from kashop.settings.config import Config
from kashop.shop import require


class Moved(msgspec.Struct, frozen=True):
    """What was moved: rows by table, and events that the chain was read through."""

    rows: dict[str, int]
    events: int


def move(config: Config, address: str, told: moving.Told) -> Moved:
    """Copy the shop of a data directory to an empty database, prove it, and fence the file. Raises Conflict, Unavailable."""
    if config.database:
        raise Conflict("This shop is on PostgreSQL already.", code="moved")
    require(config)
    lock = ServerLock(config.data)
    lock.take(config.url)
    try:
        migrate.apply(config.file)
        if not engine.exists(address) or not _was_copied(config, address):
            moving.copy(config.file, address, told)
        rows = moving.compare(config.file, address)
        verdict = read_chain(address)
        if verdict.flaw is not None:
            raise Conflict("The chain of events is broken: {problem}. Nothing was fenced.", problem=verdict.flaw)
        config.file.rename(config.moved_file)
        return Moved(rows, verdict.head.seq)
    finally:
        lock.release()


def _was_copied(config: Config, address: str) -> bool:
    """Whether an earlier call came as far as its copy."""
    try:
        moving.compare(config.file, address)
    except moving.Differs:
        return False
    return True
