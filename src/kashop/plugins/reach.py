"""How far a connection of the shop may reach: public addresses, and the networks that the administrator names.

Always true: a name is looked up once, every address that it has is judged, the connection goes to one of those very addresses,
and the connected socket's other end is judged again, so that a name which changes its mind between the look and the
connection leads nowhere (abuse cases H01, H02). Certificates are verified against the name.
"""

import asyncio
import ssl
from collections.abc import Iterable
from functools import cache
from ipaddress import ip_address
from socket import AF_INET, AF_INET6, SOCK_STREAM, gaierror, socket
from typing import Any

import httpcore
import httpx

from kashop.lib.addresses import Ip, Network, may_reach


class Unreachable(Exception):
    """A connection that was not made. `is_forbidden` when the address leads into a network that was not named."""

    def __init__(self, problem: str, *, is_forbidden: bool = False):
        super().__init__(problem)
        self.problem = problem
        self.is_forbidden = is_forbidden


class Reach:
    """Looks names up and connects, within what is allowed. `named` are networks that are allowed beside the public ones."""

    def __init__(self, named: Iterable[Network] = ()):
        self._named = tuple(named)

    async def addresses(self, host: str, port: int) -> list[Ip]:
        """The addresses of a host, each allowed. Raises Unreachable, also when only one of several is not."""
        try:
            rows = await asyncio.get_running_loop().getaddrinfo(host, port, type=SOCK_STREAM)
        except (gaierror, UnicodeError):
            raise Unreachable("no name server knows this host") from None
        found = list(dict.fromkeys(ip_address(row[4][0]) for row in rows))
        if not found or not all(may_reach(ip, self._named) for ip in found):
            raise _forbidden()
        return found

    def check(self, other_end: object) -> None:
        """Judge a connected socket's other end, as the socket tells it. Raises Unreachable."""
        try:
            is_fit = isinstance(other_end, tuple) and may_reach(ip_address(other_end[0]), self._named)
        except ValueError:
            is_fit = False
        if not is_fit:
            raise _forbidden()

    async def connect(self, host: str, port: int, *, seconds: float) -> socket:
        """A connected socket that does not block. Raises Unreachable, OSError or TimeoutError."""
        async with asyncio.timeout(seconds):
            failed: OSError | None = None
            for ip in await self.addresses(host, port):
                try:
                    return await self._connected(ip, port)
                except OSError as error:
                    failed = error
        raise failed or Unreachable("no name server knows this host")

    async def _connected(self, ip: Ip, port: int) -> socket:
        sock = socket(AF_INET if ip.version == 4 else AF_INET6, SOCK_STREAM)
        try:
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, (str(ip), port))
            self.check(sock.getpeername())
        except BaseException:
            sock.close()
            raise
        return sock


def _forbidden() -> Unreachable:
    return Unreachable("the address leads into a private network", is_forbidden=True)


class _Backend(httpcore.AsyncNetworkBackend):
    """httpcore's way to the network, through a Reach."""

    def __init__(self, reach: Reach):
        self._reach = reach
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to one of the judged addresses; TLS later asks for the host's own name."""
        failed: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for ip in await self._reach.addresses(host, port):
            try:
                stream = await self._network.connect_tcp(str(ip), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
                continue
            try:
                self._reach.check(stream.get_extra_info("server_addr"))
            except Unreachable:
                await stream.aclose()
                raise
            return stream
        raise failed or httpcore.ConnectError("no address")

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's own signature
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never: a file of this machine is no place on the network."""
        raise _forbidden()

    async def sleep(self, seconds: float) -> None:
        """Wait between tries."""
        await asyncio.sleep(seconds)


class ReachTransport(httpx.AsyncHTTPTransport):
    """httpx over a Reach. It gives its pool another way to the network, which httpx has no argument for; tests pin that."""

    def __init__(self, reach: Reach, limits: httpx.Limits):
        super().__init__(verify=tls_context(), trust_env=False, limits=limits)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls_context(),
            max_connections=limits.max_connections,
            max_keepalive_connections=limits.max_keepalive_connections,
            keepalive_expiry=limits.keepalive_expiry,
            network_backend=_Backend(reach),
        )


@cache
def tls_context() -> ssl.SSLContext:
    """Verifies certificates and names, against the well-known authorities and the system's own."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context
