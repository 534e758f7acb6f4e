"""What the commands have in common: where the shop is, an open shop, who acts."""

import asyncio
import ctypes
import os
import pwd
import resource
import sys
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click

from kashop.cli import show
from kashop.lib import logs
from kashop.lib.actor import Actor
from kashop.lib.errors import Invalid
from kashop.settings.config import Config, load
from kashop.shop import Shop

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])

SERVER_DATA = Path("/var/lib/kashop")
_PR_SET_DUMPABLE = 4


def data_option(command: F) -> F:
    """`--data DIR`."""
    return click.option(
        "--data",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="KASHOP_DATA",
        default=default_data,
        show_default="/var/lib/kashop for root where it exists, else ./kashop-data",
        help="The shop's data directory.",
        metavar="DIR",
    )(command)


def json_option(command: F) -> F:
    """`--json`: the answer, and a refusal, as JSON."""
    return click.option("--json", "is_json", is_flag=True, is_eager=True, callback=_remember, help="Answer in JSON.")(command)


def shop_options(command: F) -> F:
    """What nearly every command takes."""
    return data_option(json_option(command))


def default_data() -> Path:
    """Where the shop is when nobody says."""
    return SERVER_DATA if os.geteuid() == 0 and SERVER_DATA.is_dir() else Path("kashop-data")


def run(data: Path, work: Callable[[Shop], Awaitable[T]]) -> T:
    """Open the shop, work, close it: beside a running server as well as alone."""
    keep_memory_private()
    config = configured(data)
    logs.configure(config.log_format, "warning")
    return asyncio.run(_run(config, work))


async def _run(config: Config, work: Callable[[Shop], Awaitable[T]]) -> T:
    shop = await Shop.open(config)
    try:
        return await work(shop)
    finally:
        await shop.close()


def keep_memory_private() -> None:
    """No core dump and no stranger's debugger: the keys are in this process's memory."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def configured(data: Path, **given: Any) -> Config:
    """The configuration of a data directory."""
    return load(data, **given)


@cache
def actor() -> Actor:
    """Whoever sits at the terminal, by the system's name for them."""
    try:
        return Actor("cli", pwd.getpwuid(os.getuid()).pw_name)
    except KeyError:
        return Actor("cli", str(os.getuid()))


def read_secret(path: Path | None, *, field: str) -> str:
    """The first line of a file, or of stdin for `-`; a secret so given stands in no process list."""
    if path is None:
        return ""
    try:
        text = sys.stdin.readline() if str(path) == "-" else path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid.of(field, "The file {path} is not UTF-8 text.", path=path) from None
    first = text.strip("\r\n").split("\n")[0].rstrip("\r")
    if not first:
        raise Invalid.of(field, "The file {path} is empty.", path=path)
    return first


def _remember(ctx: click.Context, _parameter: click.Parameter, value: bool) -> bool:
    ctx.meta[show.JSON] = value
    return value
