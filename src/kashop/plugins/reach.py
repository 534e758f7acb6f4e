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
            raise forbidden()
        return found

    def check(self, other_end: object) -> None:
        """Judge a connected socket's other end, as the socket tells it. Raises Unreachable."""
        try:
            is_fit = isinstance(other_end, tuple) and may_reach(ip_address(other_end[0]), self._named)
        except ValueError:
            is_fit = False
        if not is_fit:
            raise forbidden()

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


def forbidden() -> Unreachable:
    """What is said of an address that is not allowed."""
    return Unreachable("the address leads into a private network", is_forbidden=True)


@cache
def tls_context() -> ssl.SSLContext:
    """Verifies certificates and names, against the well-known authorities and the system's own."""
    import httpx  # not at start (decision 0038)

    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context
