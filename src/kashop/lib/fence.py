"""A fence round a process: it reaches nobody and starts no other program.

For a copy of a shop that must not act in the shop's name: no vendor, mail, webhook, or plugin of a stranger's that calls home.
Always true once raised: a connection outwards, a look-up of a name and the start of a program are refused as the network would
refuse them, whoever asks in Python; it cannot be taken down again. Connections that come in are not concerned.
"""

import errno
import sys
from typing import Any, NoReturn

import uvloop

_OUTWARDS = frozenset(
    {
        "socket.connect",
        "socket.sendto",
        "socket.sendmsg",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "socket.gethostbyaddr",
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.spawn",
    }
)


def enclose() -> None:
    """Raise the fence round this process, for as long as it lives."""
    sys.addaudithook(_judge)


def _judge(event: str, _arguments: tuple[Any, ...]) -> None:
    if event in _OUTWARDS:
        refuse()


def refuse() -> NoReturn:
    """What is told to whoever wants to leave."""
    raise ConnectionRefusedError(errno.ECONNREFUSED, "this copy is fenced in: it reaches nobody")


class FencedLoop(uvloop.Loop):
    """An event loop for inside: uvloop connects without asking Python, and so without the audit that `enclose` hears."""

    async def create_connection(self, *_arguments: Any, **_named: Any) -> NoReturn:
        """Refused."""
        refuse()

    async def create_unix_connection(self, *_arguments: Any, **_named: Any) -> NoReturn:
        """Refused."""
        refuse()

    async def create_datagram_endpoint(self, *_arguments: Any, **_named: Any) -> NoReturn:
        """Refused."""
        refuse()

    async def getaddrinfo(self, *_arguments: Any, **_named: Any) -> NoReturn:
        """Refused."""
        refuse()

    async def subprocess_exec(self, *_arguments: Any, **_named: Any) -> NoReturn:
        """Refused."""
        refuse()

    async def subprocess_shell(self, *_arguments: Any, **_named: Any) -> NoReturn:
        """Refused."""
        refuse()
