"""`kashop audit`: the chain of events."""

from pathlib import Path

import rich_click as click

from kashop.analytics.river.reads import chain_is_whole
from kashop.analytics.types import Witness
from kashop.audit import reads
from kashop.audit.types import Head
from kashop.cli import frame, show
from kashop.db import Reader


@click.group()
def audit() -> None:
    """The chain of events: every change, each bound to the one before."""


@audit.command("verify")
@frame.shop_options
@click.pass_context
def verify(ctx: click.Context, *, data: Path, is_json: bool) -> None:
    """Read the whole chain; exit 2 with the first event that does not follow.

    A chain that was cut short at its end is whole in itself: compare its head with one noted elsewhere (`kashop audit head`).
    """
    witness, head = frame.run(data, lambda shop: shop.db.read(_verified))
    if is_json:
        show.as_json(
            {"ok": witness is None, "witness": str(witness) if witness else None, "seq": head.seq, "hash": head.hash.hex()}
        )
    elif witness is None:
        show.line(f"The chain is whole: {head.seq} events, head {head.hash.hex()}.")
    else:
        show.aside(f"kashop: the chain is broken. {witness}.")
    if witness is not None:
        ctx.exit(2)


def _verified(db: Reader) -> tuple[Witness | None, Head]:
    return chain_is_whole(db), reads.head(db)


@audit.command("head")
@frame.shop_options
def head(*, data: Path, is_json: bool) -> None:
    """The end of the chain: note it elsewhere, and nobody can shorten the chain unseen."""
    found = frame.run(data, lambda shop: shop.db.read(reads.head))
    if is_json:
        show.as_json({"seq": found.seq, "hash": found.hash.hex()})
    else:
        show.line(f"{found.seq} {found.hash.hex()}")
