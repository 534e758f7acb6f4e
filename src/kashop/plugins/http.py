"""The bounded HTTP client for everything that leaves the shop on a plugin's behalf.

Always true: 5 s to connect and 15 s in all; no redirect is followed, no cookie kept, no proxy taken from
the environment; an answer beyond the limit is cut off; addresses, which may carry keys, stand in no log and
no exception (protocols/testkeys.md, rule 10). With a `reach` it connects only where that allows.
"""

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from kashop.plugins.reach import Reach, Unreachable

if TYPE_CHECKING:
    import httpx

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
DEFAULT_LIMIT = 64 * 1024
MOST_LIMIT = 16 * 1024 * 1024
"""What a call may ask for at most: the statement of a busy day."""
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) kashop/1"
"""Browser-like: some gateways stand behind a firewall that refuses anything else (protocols/epay.md §3)."""

NOT_TRUSTED = "its certificate is not trusted"


class HttpFailed(Exception):
    """No usable answer. `is_unclear` when the request may have been acted upon all the same."""

    def __init__(self, problem: str, *, is_unclear: bool):
        super().__init__(problem)
        self.problem = problem
        self.is_unclear = is_unclear


class HttpForbidden(HttpFailed):
    """The address leads into a network that this client may not reach; nothing was sent."""


class HttpReply(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer within the limit. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON, with every number left as the text that was sent: `{"code":1}` gives `{"code":
        "1"}`.

        A JSON text inside a JSON string is opened once more, as some gateways send it. Raises HttpFailed.
        """
        value = _json(self.body)
        return _json(value.encode()) if isinstance(value, str) and value[:1] in "{[" else value


def _json(body: bytes) -> Any:
    try:
        text = body.decode("utf-8-sig")
        return json.loads(text, parse_int=str, parse_float=str, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise HttpFailed("the answer is not JSON", is_unclear=True) from None


def _no_constant(_name: str) -> Any:
    raise ValueError("NaN and Infinity are not JSON")


class Http:
    """A client of one plugin. Make it anywhere; it opens its first connection when it is first used."""

    def __init__(
        self, *, connect_seconds: float = CONNECT_SECONDS, total_seconds: float = TOTAL_SECONDS, reach: Reach | None = None
    ):
        self._reach = reach
        self._connect_seconds = min(connect_seconds, total_seconds)
        self.total_seconds = total_seconds
        self._client: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.skew_heard: tuple[float, float] | None = None
        """When the last answer that named its time came (monotonic), and how far ahead of it our clock was, in seconds."""

    async def get(
        self,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> HttpReply:
        """GET. Raises HttpFailed."""
        return await self._send("GET", url, limit=limit, params=params, headers=headers)

    async def post(
        self,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        limit: int = DEFAULT_LIMIT,
    ) -> HttpReply:
        """POST a form or a body. Raises HttpFailed."""
        return await self._send("POST", url, limit=limit, data=form, content=body, headers=headers)

    async def close(self) -> None:
        """Let go of the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _send(self, method: str, url: str, *, limit: int, **what: Any) -> HttpReply:
        import httpx  # with the first call, not at start (decision 0038)

        try:
            _ = urlsplit(url).port  # a port beyond 65535 is a ValueError here, and an OverflowError deep below
            async with asyncio.timeout(self.total_seconds):
                return await self._read(method, url, min(limit, MOST_LIMIT), what)
        except Unreachable as error:
            kind = HttpForbidden if error.is_forbidden else HttpFailed
            raise kind(error.problem, is_unclear=False) from None
        except _not_sent() as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise HttpFailed(NOT_TRUSTED, is_unclear=False) from None
            raise HttpFailed(f"no connection ({type(error).__name__})", is_unclear=False) from None
        except ValueError:  # UnicodeError too: a host name that cannot be one
            raise HttpFailed("the address is none", is_unclear=False) from None
        except TimeoutError:
            raise HttpFailed(f"no answer within {self.total_seconds:g} s", is_unclear=True) from None
        except httpx.HTTPError as error:
            raise HttpFailed(f"the connection broke ({type(error).__name__})", is_unclear=True) from None

    async def _read(self, method: str, url: str, limit: int, what: dict[str, Any]) -> HttpReply:
        async with self._opened().stream(method, url, **what) as reply:
            if reply.headers.get("content-encoding", "identity") != "identity":
                raise HttpFailed("the answer is compressed, which was not asked for", is_unclear=True)
            body = bytearray()
            async for chunk in reply.aiter_raw():
                body += chunk
                if len(body) > limit:
                    raise HttpFailed(f"the answer is larger than {limit} bytes", is_unclear=True)
            headers = {k.lower(): v for k, v in reply.headers.items()}
            self._note_time(headers)
            return HttpReply(status=reply.status_code, headers=headers, body=bytes(body))

    def _note_time(self, headers: Mapping[str, str]) -> None:
        """An answer out of a cache (`age`) tells an old time (RFC 9111 §5.1)."""
        try:
            told = parsedate_to_datetime(headers["date"]).timestamp() if "age" not in headers else None
        except (KeyError, ValueError, TypeError, OverflowError):
            told = None
        if told is not None:
            self.skew_heard = (time.monotonic(), time.time() - told)

    def _opened(self) -> "httpx.AsyncClient":
        import httpx

        from kashop.plugins.transport import ReachTransport

        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:  # a command may run several loops, one after another
            self._loop = loop
            limits = httpx.Limits(max_connections=40, max_keepalive_connections=10)
            self._client = httpx.AsyncClient(
                transport=ReachTransport(self._reach, limits) if self._reach else None,
                timeout=httpx.Timeout(self.total_seconds, connect=self._connect_seconds),
                follow_redirects=False,
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                trust_env=False,
                headers={"user-agent": USER_AGENT, "accept": "*/*", "accept-encoding": "identity"},
                limits=limits,
            )
        return self._client


@cache
def _not_sent() -> tuple[type[Exception], ...]:
    import httpx

    return (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL)


class _NoAddresses(logging.Filter):
    """httpx logs each address at INFO, and a gateway's key may stand in its query."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING


logging.getLogger("httpx").addFilter(_NoAddresses())
logging.getLogger("httpcore").setLevel(logging.WARNING)
