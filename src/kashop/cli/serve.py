"""`kashop serve`: the shop at work. One process for each data directory."""

import asyncio
import gc
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click
import uvicorn
import uvloop

from kashop.app import Running, running
from kashop.cli import frame, show
from kashop.db import engine
from kashop.lib import fence
from kashop.lib.errors import Unavailable
from kashop.settings.config import Config, Secret
from kashop.shop import Shop, require
from kashop.web.admission import Admission
from kashop.web.arrivals import Arrivals
from kashop.web.connections import Connections, most_connections, most_files, most_unopened
from kashop.web.edge import App
from kashop.web.health import Probes
from kashop.web.protocol import bounded

GRACE_SECONDS = 5
BACKLOG = 4096
"""Connections that the system keeps until they are looked at: a crowd that comes at once is not told to try again in a second."""

UNTAKEN_MS = 60_000
"""A client that takes nothing of what was sent for so long is gone."""

SWITCH_SECONDS = 0.001
"""How long one thread may keep the others waiting: at Python's own 5 ms the writer may wait that long after a statement while
the loop is busy (docs/decisions/0031)."""

COLLECT_AFTER = 50_000
"""New objects between two searches for cyclic rubbish. At Python's own 700 an eighth of an order's time went into it, since the
objects of the modules were looked through as well (docs/decisions/0035)."""

DRAIN_SECONDS = 10
"""A proxy that asks every two seconds and believes the third answer has heard by then."""


class Answers(Enum):
    """What a server answers."""

    ALL = "the whole shop"
    PROBES = "how it is"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class _How:
    """How a server is to work; `drain` seconds for proxies to hear that it leaves."""

    welcome: Callable[[Shop], Awaitable[str]]
    answers: Answers
    with_jobs: bool
    safe_mode: bool
    drain: float


@click.command()
@frame.data_option
@click.option("--host", help="Where to listen; 127.0.0.1 unless configured. Behind a proxy leave it so.")
@click.option("--port", type=click.IntRange(0, 65535), help="8000 unless configured; 0 takes a free one.")
@click.option("--no-web", is_flag=True, help="Only the jobs; with --port it tells there, by /healthz and /readyz, how it is.")
@click.option("--no-jobs", is_flag=True, help="Only the web: unpaid orders do not expire, late payments are not looked for.")
@click.option("--safe-mode", is_flag=True, help="Load only the plugins in the box.")
@click.option("--node", metavar="NAME", help="What this server is called among several; the machine's name unless configured.")
@click.option(
    "--drain",
    type=click.FloatRange(0, 600),
    default=DRAIN_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="Of several servers: how long /readyz says no before this one takes no more, when a proxy asks it.",
)
def serve(
    *,
    data: Path,
    host: str | None,
    port: int | None,
    no_web: bool,
    no_jobs: bool,
    safe_mode: bool,
    node: str | None,
    drain: float,
) -> None:
    """Run the shop: storefront, panel, API and jobs.

    Brings the database up to date first. Ctrl-C or SIGTERM ends it: requests under way have five seconds. One of several servers,
    behind a proxy that asks /readyz, first says no there, so that nobody is sent to it any more.

    Example: kashop serve --data /srv/shop --port 8000
    """
    if no_web and no_jobs:
        raise click.UsageError("--no-web and --no-jobs leave nothing to do.")
    config = frame.configured(data, host=host, port=port, node=node)
    require(config)
    answers = Answers.NOTHING if no_web and port is None else Answers.PROBES if no_web else Answers.ALL
    work(config, answers=answers, with_jobs=not no_jobs, safe_mode=safe_mode, drain=drain)


def work(
    config: Config,
    *,
    answers: Answers = Answers.ALL,
    with_jobs: bool = True,
    safe_mode: bool = False,
    drain: float = 0,
    welcome: Callable[[Shop], Awaitable[str]] | None = None,
) -> None:
    """Be the shop of a data directory until told to stop. `welcome` makes the text that is printed once it answers."""
    frame.keep_memory_private()
    sys.setswitchinterval(SWITCH_SECONDS)
    most_files()
    sock = _bound(config) if answers is not Answers.NOTHING else None
    try:
        if config.is_fenced:
            config = _reachable(config)
            fence.enclose()
        with asyncio.Runner(loop_factory=fence.FencedLoop if config.is_fenced else uvloop.new_event_loop) as runner:
            how = _How(welcome or _addresses, answers, with_jobs, safe_mode, drain)
            runner.run(_work(config, sock, how))
    finally:
        if sock is not None:
            sock.close()


def _reachable(config: Config) -> Config:
    """Inside the fence no name can be looked up; the database is all that is wanted there."""
    if not config.database:
        return config
    return msgspec.structs.replace(config, database=Secret(engine.postgres("postgres_door").pinned(config.database)))


def _bound(config: Config) -> socket.socket:
    """The listening socket. Raises Unavailable, saying what to do, when the place is taken."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNTAKEN_MS)  # whoever is accepted inherits it
        sock.bind((config.host, config.port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise Unavailable(
            "Cannot listen on {host} port {port} ({problem}): stop what uses it, or choose another --port.",
            host=config.host,
            port=config.port,
            problem=error.strerror or error,
        ) from None
    return sock


async def _work(config: Config, sock: socket.socket | None, how: _How) -> None:
    stop, hurry = asyncio.Event(), asyncio.Event()

    def told() -> None:
        (hurry if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told)
    if sock is not None:
        config = msgspec.structs.replace(config, port=sock.getsockname()[1])
    with_web = how.answers is Answers.ALL
    async with running(config, with_web=with_web, with_jobs=how.with_jobs, safe_mode=how.safe_mode) as at_work:
        welcome = await how.welcome(at_work.shop) if with_web else f"The jobs of {config.data} run. Ctrl-C ends them."
        if sock is None:
            show.line(welcome)
            await stop.wait()
        else:
            app = at_work.app if with_web else Probes(at_work.app)
            await _answer(at_work, app, sock, _leaving(at_work, stop, hurry, how.drain), welcome)


async def _leaving(at_work: Running, stop: asyncio.Event, hurry: asyncio.Event, drain: float) -> None:
    """Comes back when this server is to take no more."""
    await stop.wait()
    if at_work.shop.db.has_nodes and drain:
        await at_work.presence.leave()
        await at_work.leaving.begin(drain, hurry)


async def _answer(at_work: Running, app: App, sock: socket.socket, leaving: Coroutine[Any, Any, None], welcome: str) -> None:
    orders = at_work.app.inward
    assert isinstance(orders, Admission)
    server = _Server(
        uvicorn.Config(
            app,
            http=bounded(Connections(most_connections(most_files()), at_work.app.rules.is_proxy), orders),
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # the edge reads them, from trusted proxies alone
            timeout_keep_alive=20,
            timeout_graceful_shutdown=GRACE_SECONDS,
            backlog=BACKLOG,
        ),
        welcome,
    )
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    stopping = asyncio.create_task(leaving)
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    at_work.live.close()  # pages that wait for their order would keep their connections
    server.should_exit = True
    await serving


class _Server(uvicorn.Server):
    """Says when it answers, and leaves signals to us: it would end the process by the signal before the shop is closed."""

    def __init__(self, config: uvicorn.Config, welcome: str):
        super().__init__(config)
        self._welcome = welcome

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, a few connections at a time, and say so."""
        await super().startup([])  # which listens nowhere
        if self.started:
            self.servers.extend(Arrivals(sock, self._connection, most=most_unopened(most_files())) for sock in sockets or ())  # type: ignore[misc]
            _keep_what_is_there()
            show.line(self._welcome)

    def _connection(self) -> asyncio.Protocol:
        return self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None of them."""
        yield


def _keep_what_is_there() -> None:
    """What was made by now stays: it is not looked through for rubbish again, and what comes is looked through rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER, *gc.get_threshold()[1:])


async def _addresses(shop: Shop) -> str:
    return f"{shop.settings.text('shop.name')}: {shop.base_url}/   panel: {shop.base_url}/admin   (Ctrl-C ends it)"
