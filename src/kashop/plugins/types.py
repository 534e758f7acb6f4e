"""What a plugin is given and what it gives back for pages. The payment words stand in `payments.types`."""

import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Protocol

import msgspec

from kashop.lib.clock import Clock
from kashop.plugins.http import Http


class Store(Protocol):
    """A plugin's own small memory: JSON values by name, kept in the shop's database in the clear, so never
    a secret.
    """

    async def get(self, name: str) -> Any:
        """The value, or None."""
        ...

    async def set(self, name: str, value: Any) -> None:
        """Keep a value of at most 64 KiB of JSON; durable when this returns."""
        ...

    async def delete(self, name: str) -> None:
        """Forget a value."""
        ...


class Log(Protocol):
    """Says what happened: an event and its facts. Never a key, a code or a password."""

    def info(self, event: str, **facts: Any) -> Any:
        """Worth knowing."""
        ...

    def warning(self, event: str, **facts: Any) -> Any:
        """Worth a look."""
        ...

    def error(self, event: str, **facts: Any) -> Any:
        """Somebody must act."""
        ...


class Context(Protocol):
    """What the shop lends to one plugin while it runs."""

    @property
    def plugin(self) -> str:
        """The plugin's id."""
        ...

    @property
    def base_url(self) -> str:
        """The shop's address, without a slash at its end. Our pages stand under `{base_url}/x/{plugin}/`."""
        ...

    @property
    def clock(self) -> Clock:
        """The shop's clock: `now()` in milliseconds UTC."""
        ...

    @property
    def http(self) -> Http:
        """The bounded client: the only way out."""
        ...

    @property
    def store(self) -> Store:
        """The plugin's memory."""
        ...

    @property
    def log(self) -> Log:
        """A log that names the plugin."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run work in the background; it is cancelled when the shop stops, and its failure is logged."""
        ...


class PageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A visit to a plugin's page.

    `path` is what follows `/x/<plugin>/`; `params` are the path's named parts.
    """

    method: str
    path: str
    query: Mapping[str, str] = {}
    form: Mapping[str, str] = {}
    base_url: str = ""
    locale: str = ""
    client_ip: str = ""
    params: Mapping[str, str] = {}


class PageResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What a page answers. Pages get no session and no cookie."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = {}

    @classmethod
    def html(cls, text: str, *, status: int = 200) -> "PageResponse":
        """A page that is never cached and tells no other site where the visitor came from."""
        headers = {
            "content-type": "text/html; charset=utf-8",
            "cache-control": "no-store",
            "referrer-policy": "no-referrer",
        }
        return cls(status=status, body=text.encode(), headers=headers)

    @classmethod
    def redirect(cls, url: str) -> "PageResponse":
        """Send the browser on with a GET (303)."""
        return cls(status=303, headers={"location": url, "cache-control": "no-store"})


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A page under `/x/<plugin>/`.

    `path` may hold named parts such as `pay/{attempt_no}`; a part never holds a slash.
    """

    path: str
    answer: Callable[[Context, PageRequest], Awaitable[PageResponse]]
    methods: tuple[str, ...] = ("GET",)

    def match(self, path: str) -> dict[str, str] | None:
        """The named parts if this page serves the path."""
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.path))
        found = re.fullmatch(pattern, path)
        return found.groupdict() if found else None
