"""httpx over a Reach. A module of its own, since httpx is loaded when a client opens its first connection and not when a shop
starts (decision 0038).
"""

import asyncio
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from kashop.plugins.reach import Reach, Unreachable, forbidden, tls_context


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
        raise forbidden()

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
