"""A server among others on one database: the number in its keys, and whether all of them hold the same plugins and theme.

Always true: a server alone on its database writes and asks nothing of this.
"""

import asyncio
import contextlib
import hashlib
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from kashop.lib import ids
from kashop.lib.clock import MINUTE, SECOND
from kashop.lib.errors import Refusal
from kashop.settings.nodes import reads, writes
from kashop.settings.nodes.reads import Node
from kashop.settings.nodes.types import Leased
from kashop.shop import Shop

LEASE = 3 * MINUTE
"""How long a number stays a server's that says nothing more."""
RENEW = 30 * SECOND
GIVEN_BACK = MINUTE
"""Longer than clocks of servers differ: two must not make a key of the same millisecond under one number."""


class Holding(msgspec.Struct, frozen=True):
    """What a server holds in files: plugins that are not of the box by their version, the chosen theme."""

    plugins: dict[str, str] = {}
    theme: str = ""
    theme_files: str = ""
    """A digest of the theme's files in the data directory; empty where it has none there."""


async def start(shop: Shop) -> None:
    """Lease a number and make keys under it."""
    if not shop.db.has_nodes:
        return
    name, now = f"{socket.gethostname()}/{os.getpid()}/{ids.token()[:8]}", shop.clock.now()
    says = await _said(shop)
    number = await shop.db.write(writes.take_number, name, below=ids.MOST_NODES, until=now + LEASE, says=says)
    shop.node = Leased(name, number, now)
    ids.snowflakes.be(shop.node.number)


async def keep(shop: Shop) -> None:
    """Lease it for longer, now and again; another one when it was lost, because this server hung."""
    node, now = shop.node, shop.clock.now()
    if node is None or node.leased_at <= now < node.leased_at + RENEW:
        return
    node.leased_at = now
    says = await _said(shop)
    if not await shop.db.write(writes.keep_number, node.number, node.name, until=now + LEASE, says=says):
        shop.log.warning("another server has this one's number: it takes a new one", number=node.number)
        await start(shop)
        return
    for difference in await differences(shop):
        shop.log.warning("servers of this shop do not hold the same", difference=difference)


async def stop(shop: Shop) -> None:
    """Let another have the number in a while."""
    node, shop.node = shop.node, None
    if node is not None:
        with contextlib.suppress(Refusal):  # the database is away: then the lease ends by itself
            until = shop.clock.now() + GIVEN_BACK
            await shop.db.write(writes.keep_number, node.number, node.name, until=until, says="")


async def differences(shop: Shop) -> list[str]:
    """Where servers at work hold other things than one another, in words for who looks after them."""
    if not shop.db.has_nodes:
        return []
    alive = await shop.db.read(reads.alive)
    return list(compared([node for node in alive if node.says]))


def compared(nodes: Sequence[Node]) -> Iterator[str]:
    """What is not the same at all of them."""
    held = {node.name: msgspec.json.decode(node.says, type=Holding) for node in nodes}
    for plugin in sorted({plugin for holding in held.values() for plugin in holding.plugins}):
        having = {name: holding.plugins.get(plugin, "") for name, holding in held.items()}
        if len(set(having.values())) > 1:
            told = f"plugin {plugin} is not the same on every server: {_listed(having)}"
            yield f"{told}. Put the same file there and start it again"
    for theme in sorted({holding.theme for holding in held.values()}):
        files = {name: holding.theme_files for name, holding in held.items() if holding.theme == theme}
        if len(set(files.values())) > 1:
            yield f"theme {theme} is not the same on every server: {_listed(files)}. Copy its folder there"


def _listed(said: dict[str, str]) -> str:
    return ", ".join(f"{name.rpartition('/')[0]} has {value or 'none'}" for name, value in sorted(said.items()))


async def _said(shop: Shop) -> str:
    theme = shop.settings.text("shop.theme")
    plugins = {p.id: p.version for p in shop.plugins.plugins if p.origin != "bundled" and not p.problem}
    files = await asyncio.to_thread(_digest, shop.config.data / "themes" / theme)
    return msgspec.json.encode(Holding(plugins, theme, files)).decode()


def _digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    if not files:
        return ""
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]
