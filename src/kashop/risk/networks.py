"""Addresses that the merchant counts as his own."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from kashop.lib.addresses import parsed


def is_free(networks: str, ip: str) -> bool:
    """Whether an address stands in one of the networks of the setting's text."""
    return bool(networks) and _is_in(networks, ip)


@lru_cache(maxsize=4096)
def _is_in(networks: str, ip: str) -> bool:
    address = parsed(ip.partition("%")[0])
    if address is None:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in network for network in _parsed(networks))


@lru_cache(maxsize=8)
def _parsed(networks: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(part) for part in networks.replace(",", " ").split())
