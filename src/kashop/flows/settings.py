"""Change what the merchant may choose, and let the running shop know.

Always true: a secret is sealed before it reaches the database and is opened only where it is used; no event, answer or log
holds one. An address that the shop would call lies outside its own networks, unless kashop.toml names them.
"""

import asyncio
from ipaddress import ip_address
from pathlib import Path
from socket import SOCK_STREAM, gaierror
from urllib.parse import urlsplit

from kashop.audit.writes import record
from kashop.db import Tx
from kashop.lib import addresses
from kashop.lib.actor import Actor
from kashop.lib.errors import FieldError, Invalid
from kashop.settings import SETTINGS, reads, writes
from kashop.settings.table import checked
from kashop.shop import Shop

_LOOK_UP_SECONDS = 3.0


async def change(shop: Shop, values: dict[str, object], actor: Actor) -> None:
    """Store settings, all or none; an empty secret is forgotten. Raises Invalid naming every wrong one: fixed ones too."""
    wrong: list[FieldError] = []
    fit: dict[str, str | int | bool] = {}
    for name, value in values.items():
        try:
            fit[name] = checked(name, value)
            if SETTINGS[name].is_fixed:
                raise Invalid.of(name, "This cannot be changed here.")
            await _check_here(shop, name, str(fit[name]))
        except Invalid as invalid:
            wrong += invalid.fields
    if wrong:
        raise Invalid("Please correct the marked fields.", fields=wrong)
    secrets = {name: _sealed(shop, name, str(fit.pop(name))) for name in list(fit) if SETTINGS[name].kind == "secret"}
    await shop.db.write(_change, fit, secrets, actor)
    await reload(shop)


def secret(shop: Shop, name: str) -> str:
    """A secret setting, opened; empty when it is not set. Use it and let it go. Raises Tampered."""
    sealed = shop.settings.sealed(name)
    return shop.keyring.open_settings(sealed, name=f"setting/{name}").decode() if sealed else ""


async def reload(shop: Shop) -> None:
    """Take up settings that another process may have changed."""
    shop.settings = await shop.db.read(reads.settings)


def _change(tx: Tx, values: dict[str, str | int | bool], secrets: dict[str, bytes], actor: Actor) -> None:
    for name, value in values.items():
        writes.change(tx, name, value, actor)
    for name, sealed in secrets.items():
        writes.keep_secret(tx, name, sealed, actor)
    record(tx, "settings.changed", actor, ("shop", 0), names=sorted([*values, *secrets]))


def _sealed(shop: Shop, name: str, value: str) -> bytes:
    return shop.keyring.seal_settings(value.encode(), name=f"setting/{name}") if value else b""


async def _check_here(shop: Shop, name: str, value: str) -> None:
    """What a value's kind cannot know by itself. Raises Invalid for the setting."""
    kind = SETTINGS[name].kind
    if kind == "url" and value:
        await _check_url(shop, name, value)
    elif kind == "host" and value:
        await _check_host(shop, name, value)
    elif kind == "path" and value:
        _check_path(shop, name, Path(value))


async def _check_url(shop: Shop, name: str, value: str) -> None:
    url = urlsplit(value)
    host = url.hostname or ""
    if url.scheme != "https":
        ip = ip_address("127.0.0.1") if host == "localhost" else addresses.literal(host)
        if not (shop.settings.flag("shop.practice") and ip is not None and ip.is_loopback):
            raise Invalid.of(name, "Write a web address that begins with https://.")
    await _check_host(shop, name, host)


async def _check_host(shop: Shop, name: str, host: str) -> None:
    """Refuse a host inside networks that were not named. One that no name server knows now is looked at again when it is used."""
    named = shop.config.reachable
    ip = addresses.literal(host)
    found = [ip] if ip is not None else await _looked_up(host)
    is_inner = ip is None and addresses.is_inner_name(host) and not found
    if is_inner or not all(addresses.may_reach(each, named) for each in found):
        raise Invalid.of(
            name, "This leads into a private network. If that is meant, name the network under private_networks in kashop.toml."
        )


async def _looked_up(host: str) -> list[addresses.Ip]:
    try:
        async with asyncio.timeout(_LOOK_UP_SECONDS):
            rows = await asyncio.get_running_loop().getaddrinfo(host, None, type=SOCK_STREAM)
    except (gaierror, TimeoutError, UnicodeError):
        return []
    return [ip_address(row[4][0]) for row in rows]


def _check_path(shop: Shop, name: str, path: Path) -> None:
    data = shop.config.data.resolve()
    if path.is_relative_to(shop.config.data) or path.resolve().is_relative_to(data):
        raise Invalid.of(name, "The file must stand outside the data directory: who takes that away would take it too.")
    if path.is_dir() or not path.parent.is_dir():
        raise Invalid.of(name, "There is no such folder, or it is no place for a file.")
