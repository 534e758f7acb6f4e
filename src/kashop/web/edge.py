"""The outermost ring of every request, around the framework.

Always true behind it: the path and query are whole UTF-8 without traversal; the host is ours; `client` is
the buyer's address and never a stranger's claim; no other site's page posted this; no body is larger than its
route allows. Every answer carries a request id and the security headers; HEAD is answered wherever GET is.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import chain
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from kashop.lib import logs
from kashop.lib.addresses import parsed
from kashop.lib.errors import Refusal
from kashop.lib.ids import random_bytes
from kashop.web.errors import Problem, Stopped, problem_of

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Any, Any], Awaitable[None]]
Answer = Callable[[Scope, Problem], tuple[int, list[tuple[bytes, bytes]], bytes]]
Ready = Callable[[Scope], tuple[int, list[tuple[bytes, bytes]], bytes] | None]

KIB = 1024
BODY_LIMITS = (
    ("/pay/", 64 * KIB),
    ("/api/v1/supply/batches", 10 * KIB * KIB + 4 * KIB),
    ("/api/", 64 * KIB),
    ("/admin/codes/import/files", 512 * KIB * KIB),
    ("/admin/statements/files/", 48 * KIB * KIB),
    ("/admin/products/", 10 * KIB * KIB),
    ("/admin/orders/", 6 * KIB * KIB),
    ("", 256 * KIB),
)
"""The first prefix that fits says how many bytes a body may have."""

MAX_PATH, MAX_QUERY = 2 * KIB, 8 * KIB
MAX_HEADERS, MAX_HEADER_BYTES = 100, 32 * KIB
BODY_SECONDS, SLOWEST_BODY = 30, 16 * KIB
"""A body may take so many seconds, and one more for each so many bytes that have come: a byte a second is no upload."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FROM_ELSEWHERE = ("/pay/", "/api/", "/x/")
"""Gateways, scripts with a token, plugin pages: no cookie counts there, so no origin does."""

NEVER_INDEXED = ("/admin", "/api/", "/checkout", "/lookup", "/o/", "/pay/", "/supply", "/x/")
"""What is somebody's own, or nothing to read."""

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})

_HOST = re.compile(rb"(\[[0-9a-f:.]{2,45}\]|[a-z0-9_]([a-z0-9_.-]{0,252}))(:[0-9]{1,5})?", re.I)
_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ODD = re.compile(r"[\x00-\x1f\x7f\\]")
_WITH_PORT = re.compile(r"\[([0-9A-Fa-f:.%]+)\](?::[0-9]{1,5})?|([0-9.]+):[0-9]{1,5}", re.ASCII)
_FORWARDED = frozenset({b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip", b"forwarded"})

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
    # not `no-referrer`: with it browsers post our own forms with `Origin: null`, which we must refuse
    (b"referrer-policy", b"same-origin"),
)
_HSTS = ((b"strict-transport-security", b"max-age=31536000"),)
_CSP = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action {forms}"
# a buyer's form leads on to the gateway's own cashier, and browsers hold form-action against redirects too
_CSP_SHOP = _CSP.format(forms="'self' https: http:").encode()
_CSP_PANEL = _CSP.format(forms="'self'").encode()

log = logs.get_logger("kashop.web")


@dataclass(frozen=True, slots=True)
class EdgeRules:
    """What the process was told about the world around it."""

    hosts: frozenset[str] = frozenset()
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    is_https: bool = False
    is_nameless: bool = False
    """No address was configured: the shop is also known by any number of the machine it runs on."""

    @classmethod
    def of(
        cls, base_url: str, proxies: Iterable[str] = (), more_hosts: Iterable[str] = (), *, is_nameless: bool = False
    ) -> "EdgeRules":
        """From the configured base URL, trusted proxies (addresses or networks) and further host names."""
        url = urlsplit(base_url)
        hosts = frozenset(_name(h) for h in (url.netloc, *more_hosts) if h)
        return cls(hosts, tuple(ip_network(p, strict=False) for p in proxies), url.scheme == "https", is_nameless=is_nameless)

    def is_host(self, host: str) -> bool:
        """Whether a Host header names us; the port is not compared."""
        name = _name(host)
        return name in self.hosts or name in LOOPBACK or (self.is_nameless and _is_address(name.strip("[]")))

    def is_proxy(self, address: str) -> bool:
        """Whether a peer's word about the client counts."""
        return bool(self.proxies) and _is_within(address, self.proxies)


@lru_cache(maxsize=4096)
def _is_within(address: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    """Remembered: it is asked for every connection and every request, of the same few."""
    ip = parsed(address)
    if ip is None:
        return False
    # a socket that takes both families tells an IPv4 peer as ::ffff:127.0.0.1
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return any(ip in network for network in networks)


@dataclass(slots=True)
class _Passage:
    """One request on its way through."""

    scope: Scope
    headers: dict[bytes, bytes]
    request_id: str
    is_head: bool = False
    is_started: bool = False


class Edge:
    """The ASGI application that a server is given.

    What `ready` has an answer to does not reach the framework; `admission` stands before `app` when not everybody may come in.
    """

    def __init__(
        self, app: App, rules: EdgeRules, answer: Answer, *, ready: Ready = lambda _: None, admission: App | None = None
    ):
        self._app = app
        self._inward = admission or app
        self._rules = rules
        self._answer = answer
        self._ready = ready
        self._ready_headers = [*_HEADERS, (b"content-security-policy", _CSP_SHOP), *(_HSTS if rules.is_https else ())]

    @property
    def rules(self) -> EdgeRules:
        """Whom it trusts."""
        return self._rules

    @property
    def inward(self) -> App:
        """What stands behind it."""
        return self._inward

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
        else:
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        passage = _Passage(dict(scope), dict(scope["headers"]), random_bytes(8).hex(), is_head=scope["method"] == "HEAD")
        passage.scope["state"] = {**scope.get("state", {}), "request_id": passage.request_id, "is_head": passage.is_head}
        logs.bind(request_id=passage.request_id)
        out = self._sender(passage, send)
        try:
            refused = self._admit(passage)
            if refused is not None:
                await self._refuse(passage, refused, out)
            elif (answer := self._ready(passage.scope)) is not None:
                await self._hand_out(passage, answer, send)
            else:
                await self._inward(passage.scope, self._receiver(passage, receive), out)
        except Exception as error:  # noqa: BLE001  # the last resort logs it and answers
            await self._last_resort(passage, error, out)
        finally:
            logs.unbind("request_id")

    def _admit(self, passage: _Passage) -> Problem | None:
        scope = passage.scope
        problem = _check_shape(scope) or _check_path(scope) or self._check_host(passage)
        if problem is not None:
            return problem
        self._find_client(passage)
        if scope["method"] not in SAFE_METHODS:
            problem = _check_origin(passage) or _check_body(passage)
        if passage.is_head:
            scope["method"] = "GET"
        return problem

    def _check_host(self, passage: _Passage) -> Problem | None:
        hosts = [value for name, value in passage.scope["headers"] if name == b"host"]
        if len(hosts) == 1 and _HOST.fullmatch(hosts[0]) and self._rules.is_host(hosts[0].decode("ascii")):
            return None
        return Problem(400, "unknown_host", "This shop is not known by that host name.")

    def _find_client(self, passage: _Passage) -> None:
        """The rightmost address that no trusted proxy wrote; what strangers say of themselves is dropped."""
        scope = passage.scope
        peer, port = scope.get("client") or ("", 0)
        if self._rules.is_proxy(peer):
            for hop in reversed(_hops(scope["headers"])):
                if not _is_address(hop):
                    break
                peer = hop
                if not self._rules.is_proxy(hop):
                    break
        scope["client"] = (peer, port)
        scope["scheme"] = "https" if self._rules.is_https else "http"
        scope["headers"] = [(n, v) for n, v in scope["headers"] if n not in _FORWARDED]

    def _receiver(self, passage: _Passage, receive: Receive) -> Receive:
        limit, seen, is_over = body_limit(passage.scope["path"]), 0, False
        began: float | None = None
        cycle: Any = passage.scope["state"].get("cycle")

        async def limited() -> Message:
            nonlocal seen, is_over, began
            if is_over:
                return await receive()
            if cycle is not None and not cycle.more_body:  # our own protocol has it whole already: nothing to wait for
                message = await receive()
            else:
                began = asyncio.get_running_loop().time() if began is None else began
                async with asyncio.timeout_at(began + BODY_SECONDS + seen / SLOWEST_BODY):
                    message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                is_over = not message.get("more_body", False)
                if seen > limit:
                    raise Stopped(too_large(limit))
            return message

        return limited

    def _sender(self, passage: _Passage, send: Send) -> Send:
        async def outward(message: Message) -> None:
            if message["type"] == "http.response.start":
                passage.is_started = True
                message = {
                    **message,
                    "headers": self._with_headers(passage, list(message.get("headers", ()))),
                }
            elif passage.is_head and message["type"] == "http.response.body":
                if message.get("more_body", False):
                    return
                message = {**message, "body": b""}
            await send(message)

        return outward

    def _with_headers(self, passage: _Passage, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        present = {name.lower() for name, _ in headers}
        path = passage.scope.get("path", "")
        wanted = [
            *_HEADERS,
            (b"content-security-policy", _csp(path)),
            (b"x-request-id", passage.request_id.encode()),
        ]
        if self._rules.is_https:
            wanted += _HSTS
        if path.startswith(NEVER_INDEXED):
            wanted.append((b"x-robots-tag", b"noindex"))
        if path.startswith("/admin"):
            wanted.append((b"cache-control", b"no-store"))
        return headers + [(n, v) for n, v in wanted if n not in present]

    async def _hand_out(self, passage: _Passage, answer: tuple[int, list[tuple[bytes, bytes]], bytes], send: Send) -> None:
        """What stands ready names none of the headers that are put to it here."""
        status, headers, body = answer
        passage.is_started = True
        told = [*headers, *self._ready_headers, (b"x-request-id", passage.request_id.encode())]
        await _send(send, status, told, b"" if passage.is_head else body)

    async def _refuse(self, passage: _Passage, problem: Problem, out: Send) -> None:
        status, headers, body = self._answer(passage.scope, problem)
        if problem.status in (408, 413, 431):
            headers = [*headers, (b"connection", b"close")]
        await _send(out, status, headers, body)

    async def _last_resort(self, passage: _Passage, error: Exception, out: Send) -> None:
        """What the framework's own handlers let through."""
        problem = problem_of(error)
        if problem.status >= 500 and not isinstance(error, Refusal):
            log.error("request failed", path=passage.scope.get("path"), exc_info=error)
        if passage.is_started:
            raise error
        await self._refuse(passage, problem, out)


async def _send(out: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await out({"type": "http.response.start", "status": status, "headers": headers})
    await out({"type": "http.response.body", "body": body})


def body_limit(path: str) -> int:
    """How many bytes a body to this path may have."""
    for prefix, limit in BODY_LIMITS:
        if path.startswith(prefix):
            return limit
    raise LookupError(path)  # the last prefix is every path's


def _check_shape(scope: Scope) -> Problem | None:
    headers = scope["headers"]
    if len(headers) > MAX_HEADERS or sum(map(len, chain.from_iterable(headers))) > MAX_HEADER_BYTES:
        return Problem(431, "headers_too_large", "The request's headers are too large.")
    if len(scope.get("raw_path") or b"") > MAX_PATH or len(scope["query_string"]) > MAX_QUERY:
        return Problem(414, "address_too_long", "The address is too long.")
    return None


def _check_path(scope: Scope) -> Problem | None:
    """Decode once and strictly; what a browser would never send is refused before anything routes by it."""
    raw = scope.get("raw_path") or scope["path"].encode()
    path = _decoded(raw)
    # a callback's query is kept as it came: its gateway judges it, and the inbox shows what was sent
    is_query_good = scope["path"].startswith("/pay/") or _decoded(scope["query_string"]) is not None
    if path is None or _ODD.search(path) or not path.startswith("/") or not is_query_good:
        return Problem(400, "malformed", "The address is not well-formed.")
    segments = path.split("/")[1:]
    if b"%2f" in raw.lower() or "" in segments[:-1] or "." in segments or ".." in segments:
        return Problem(404, "not_found", "There is no such page.")
    scope["path"] = path
    return None


def _decoded(raw: bytes) -> str | None:
    if _ESCAPE.search(raw):
        return None
    try:
        text = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text


def _check_origin(passage: _Passage) -> Problem | None:
    """Refuse what another site's page makes a browser send (Fetch Metadata; else Origin, RFC 6454)."""
    if passage.scope["path"].startswith(FROM_ELSEWHERE):
        return None
    site = passage.headers.get(b"sec-fetch-site")
    if site is not None:
        is_ours = site in (b"same-origin", b"none")
    else:
        origin = passage.headers.get(b"origin")
        is_ours = origin is None or origin.partition(b"://")[2].lower() == passage.headers[b"host"].lower()
    return None if is_ours else Problem(403, "cross_site", "This was sent from another site. Open the page here and try again.")


def _check_body(passage: _Passage) -> Problem | None:
    if passage.headers.get(b"content-encoding", b"identity").lower() != b"identity":
        return Problem(415, "unsupported_encoding", "Send the body without compression.")
    declared = passage.headers.get(b"content-length", b"0")
    if not declared.isdigit() or len(declared) > 15:
        return Problem(400, "malformed", "The request is not well-formed.")
    limit = body_limit(passage.scope["path"])
    return too_large(limit) if int(declared) > limit else None


def too_large(limit: int) -> Problem:
    """The refusal of a body beyond `limit` bytes."""
    return Problem(413, "too_large", "This is too large: {limit} KiB at most.", {"limit": limit // KIB})


def _hops(headers: Iterable[tuple[bytes, bytes]]) -> list[str]:
    """What X-Forwarded-For tells, over all its lines, nearest last; a port, which some proxies add, is left out."""
    told = b",".join(value for name, value in headers if name == b"x-forwarded-for").decode("latin-1")
    hops = [hop.strip() for hop in told.split(",") if hop.strip()]
    ported = [(_WITH_PORT.fullmatch(hop), hop) for hop in hops]
    return [(found.group(1) or found.group(2)) if found else hop for found, hop in ported]


def _csp(path: str) -> bytes:
    return _CSP_PANEL if path.startswith("/admin") else _CSP_SHOP


def _name(host: str) -> str:
    """A host without its port."""
    host = host.lower()
    return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]


def _is_address(text: str) -> bool:
    return parsed(text) is not None
