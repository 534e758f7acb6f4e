"""What a run is to do, and what this machine allows of it. Every bound stands here."""

import math
import os
import resource
import shutil
from pathlib import Path

import msgspec

from kashop.db.locks import ServerLock
from kashop.lib.errors import Unavailable

MOST_BUYERS = 100_000
MOST_SECONDS = 1800
SPARE_FILES = 200
"""File handles of either process that are no buyer's connection."""

MIB = 1024 * 1024
DISK_BASE, DISK_ORDER, DISK_CODE = 96 * MIB, 16 * 1024, 2 * 1024
"""What a copy needs at most: its database with the log beside it, for each order with its payment, for each code."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `paying` is the share of buyers who pay; after `seconds` whoever still waits gives up."""

    product: str = ""
    buyers: int = 10_000
    codes: int = 1_000
    connections: int = 10_000
    paying: float = 0.5
    seconds: int = 180
    gateway_connections: int = 32
    """So many callbacks the pretended vendor has under way at once."""
    with_plugins: bool = True
    is_beside: bool = False
    """Beside a shop at work, with only the processor time that nobody else wants."""


class Neighbour(msgspec.Struct, frozen=True):
    """A server that is at work on this machine."""

    pid: int
    what: str


def fitted(plan: Plan) -> tuple[Plan, str]:
    """The plan within the handles that this process and its children may have open, and a sentence when it had to give in.

    Raises the soft limit as far as the hard one lets it.
    """
    wanted = min(plan.connections, plan.buyers)
    plan = msgspec.structs.replace(plan, connections=wanted)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + plan.gateway_connections + SPARE_FILES
    most = math.inf if hard == resource.RLIM_INFINITY else hard
    granted = int(min(needed, most))
    if soft != resource.RLIM_INFINITY and soft < granted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (granted, hard))
    if granted >= needed:
        return plan, ""
    fewer = granted - plan.gateway_connections - SPARE_FILES
    if fewer < 1:
        raise Unavailable("This process may open only {n} files: raise `ulimit -n`.", n=granted)
    told = (
        f"This process may open {granted} files (`ulimit -n`), so {fewer} of the {plan.buyers} buyers come at once and the "
        "others follow as soon as one is done."
    )
    return msgspec.structs.replace(plan, connections=fewer), told


def folder_for(data: Path) -> Path:
    """Where a copy may stand so that it uses the shop's own disk: beside the data directory, else in it."""
    beside = data.parent
    is_fit = os.access(beside, os.W_OK | os.X_OK) and beside.stat().st_dev == data.stat().st_dev
    return beside if is_fit else data


def check_disk(folder: Path, plan: Plan) -> None:
    """Raises Unavailable when the copy would take more than half of what is free."""
    needed = DISK_BASE + plan.buyers * DISK_ORDER + plan.codes * DISK_CODE
    free = shutil.disk_usage(folder).free
    if needed * 2 > free:
        raise Unavailable(
            "The copy may need {needed} MiB and {folder} has {free} MiB free: make room, or ask for fewer --orders and --codes.",
            needed=needed // MIB,
            folder=folder,
            free=free // MIB,
        )


def neighbours(data: Path) -> list[Neighbour]:
    """Servers at work on this machine: that of this shop first, then whatever else runs as `kashop serve` or `demo`."""
    holder = ServerLock(data).holder()
    found = [Neighbour(holder[0], f"the server of {data}")] if holder else []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:  # it ended, or is somebody else's
            continue
        pid = int(entry.parent.name)
        if pid not in (os.getpid(), holder[0] if holder else 0) and _serves(words):
            found.append(Neighbour(pid, "another kashop server"))
    return found


def _serves(words: list[str]) -> bool:
    """Whether a command line is that of a server: `kashop serve …` or `python -m kashop.cli serve …`."""
    for at, word in enumerate(words[:-1]):
        if Path(word).name == "kashop" or word == "kashop.cli":
            return words[at + 1] in ("serve", "demo")
    return False


def step_aside() -> None:
    """Let this process, and the copy's server that it starts, have only the processor time that nobody else wants."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
