"""Every hook a plugin may answer, on one screen. Each takes keyword arguments only; leave out those you do
not need.

A plugin is a module (or package) whose functions carry `@hookimpl` from `kashop.plugins.api`. Hooks are
called one plugin at a time, with a time limit, and never inside a database transaction; one that raises
switches its plugin off.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import pluggy

from kashop.payments.types import GatewayType
from kashop.plugins.types import Context, Page
from kashop.risk.captcha import CaptchaType

F = TypeVar("F", bound=Callable[..., Any])

_spec = pluggy.HookspecMarker("kashop")
_impl = pluggy.HookimplMarker("kashop")


def hookimpl(function: F) -> F:
    """Marks a function of a plugin as its answer to the hook of that name."""
    marked: F = _impl(function)
    return marked


@_spec
def register_gateways() -> list[GatewayType]:  # type: ignore[empty-body]
    """Collect, at load: the gateway types that the plugin brings."""


@_spec
def register_captchas() -> list[CaptchaType]:  # type: ignore[empty-body]
    """Collect, at load: the captchas that the plugin brings, which a buyer's browser works through before it may hold stock."""


@_spec
def register_pages() -> list[Page]:  # type: ignore[empty-body]
    """Collect, at load: the pages that the plugin serves under `/x/<plugin id>/`."""


@_spec
def startup(ctx: Context) -> None:
    """Event, sync or async, when a server starts and before its first request: take up what the last run
    left unfinished.
    """


@_spec
def shutdown(ctx: Context) -> None:
    """Event, sync or async, when a server stops and before background work is cancelled: put down what
    cannot wait.
    """
