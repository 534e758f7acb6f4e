"""Which network addresses the shop may reach: public ones, and what the administrator names.

Always true: an address that hides another one (v4-mapped, NAT64, 6to4) counts as the one inside; what is not known to be
public is not. Pure: nothing here asks a name server.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable
from functools import lru_cache

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")
_GLOBAL = ipaddress.IPv6Network("2000::/3")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.ASCII)
_INNER = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "arpa", "onion", "invalid")
"""Last labels that no public name ends in."""


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks such as `10.0.0.0/8` or `::1`. Raises ValueError with the text that is none."""
    return tuple(ipaddress.ip_network(text.strip(), strict=False) for text in texts)


def may_reach(ip: Ip, named: Iterable[Network] = ()) -> bool:
    """Whether a connection may go to `ip`: a public address, or one inside a network that was named."""
    inner = _inside(ip)
    if inner is None:
        return False
    if any(inner.version == n.version and inner in n for n in named):
        return not inner.is_unspecified
    if isinstance(inner, ipaddress.IPv6Address):
        return inner in _GLOBAL and inner.is_global and not inner.is_multicast
    return inner.is_global and not inner.is_multicast and not inner.is_reserved


def _inside(ip: Ip) -> Ip | None:
    """The address that packets end at; None for a spelling that tells where on this machine they go."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip.scope_id is not None:
        return None
    if ip.ipv4_mapped is not None:
        return ip.ipv4_mapped
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    if ip in _SIX_TO_FOUR:
        return ipaddress.IPv4Address((int(ip) >> 80) & 0xFFFFFFFF)
    return ip


@lru_cache(maxsize=16_384)
def parsed(text: str) -> Ip | None:
    """The address that is written so; None for what is none. Remembered: of one request it is asked several times."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def literal(host: str) -> Ip | None:
    """The address that a host names without a name server, in any spelling that a resolver takes: `127.1`, `0x7f000001`,
    `2130706433`, `[::1]`; None for a name."""
    text = host.strip("[]").rstrip(".")
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        pass
    try:
        return ipaddress.IPv4Address(socket.inet_aton(text)) if text and not any(c.isspace() for c in text) else None
    except (OSError, UnicodeError, ValueError):
        return None


def is_plain_literal(host: str) -> bool:
    """Whether a host is an address in its usual spelling."""
    try:
        return str(ipaddress.ip_address(host.strip("[]"))) == host.strip("[]").lower()
    except ValueError:
        return False


def is_host_name(host: str) -> bool:
    """Whether it is a name that a name server could know; `localhost` is one too."""
    labels = host.lower().rstrip(".").split(".")
    return 0 < len(host) <= 253 and all(_LABEL.fullmatch(label) for label in labels)


def is_inner_name(host: str) -> bool:
    """Whether a name can only mean something on this machine or in its own network."""
    labels = host.lower().rstrip(".").split(".")
    return labels[-1] in _INNER or len(labels) == 1
