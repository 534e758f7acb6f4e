"""Two servers of one shop behind a proxy, and what of them is looked at."""

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import beside
from tests.nodes.proxy import proxied
from tests.serving import Served, kashop


@dataclass(frozen=True)
class Pair:
    """A shop that servers share. It answers the questions of `tests/crash/test_burst.py` for all of them together."""

    address: str
    folders: tuple[Path, Path]
    port: int = 0
    """The proxy's."""

    @property
    def data(self) -> Path:
        """One of its folders."""
        return self.folders[1]

    @property
    def place(self) -> str:
        """Where the database is."""
        return self.address

    def count(self, sql: str, **values: object) -> int:
        """One number from the database."""
        return int(self.value(sql, **values))

    def value(self, sql: str, **values: object) -> Any:
        """The first column of the first row."""
        return beside.value(self.address, sql, **values)

    def check(self) -> None:
        """`kashop check --all`, beside the servers: nothing is broken."""
        kashop("check", "--all", "--data", self.data)

    def server(self, which: int, *arguments: str, tree: Path | None = None, **environ: str) -> Served:
        """One of its servers, not started, that ends at once unless it is told otherwise; it believes this machine's proxy about
        who its buyers are."""
        more = {"KASHOP_TRUSTED_PROXIES": "127.0.0.1", "KASHOP_LOG_FORMAT": "json", **environ}
        named = ("--node", self.folders[which].name, *(arguments or ("--drain", "0")))
        return Served(self.folders[which], tree=tree, arguments=named, **more)


@contextmanager
def at_work(*servers: Served) -> Iterator[None]:
    """All started at one moment; in the end all that live are ended."""
    with contextlib.ExitStack() as ends, ThreadPoolExecutor(len(servers)) as starting:
        for server in servers:
            ends.callback(server.stop)
        for started in [starting.submit(server.start) for server in servers]:
            started.result()
        yield


@contextmanager
def behind_a_proxy(pair: Pair, folder: Path, one: Served, other: Served) -> Iterator[Pair]:
    """The shop as its buyers meet it."""
    with at_work(one, other), proxied((one.port, other.port), folder) as port:
        yield Pair(pair.address, pair.folders, port)


def until(is_so: Callable[[], bool], *, seconds: float = 180, what: str = "") -> None:
    """Wait for it; a time-out is only a guard."""
    limit = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < limit, f"it never came to it: {what}"
        time.sleep(0.05)
