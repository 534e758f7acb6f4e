"""`kashop audit`: the chain of events, and what proves it elsewhere."""

from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from kashop.audit import notes, reads
from kashop.audit.types import Verdict
from kashop.cli import frame, show
from kashop.db import Place
from kashop.flows import checkpoint as flow
from kashop.flows.verify import read_chain
from kashop.lib.errors import Invalid
from kashop.shop import require

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def audit() -> None:
    """The chain of events: every change, each bound to the one before."""


@audit.command("verify")
@frame.shop_options
@click.option(
    "--database", type=_FILE, metavar="FILE", help="Read this file: a copy, anywhere. No key and no configuration needed."
)
@click.option(
    "--pubkey", "pubkeys", type=_FILE, multiple=True, metavar="FILE", help="Believe only this key (kashop audit pubkey)."
)
@click.option("--checkpoint", "checkpoints", type=_FILE, multiple=True, metavar="FILE", help="The chain must pass through these.")
@click.pass_context
def verify(
    ctx: click.Context,
    *,
    data: Path,
    is_json: bool,
    database: Path | None,
    pubkeys: tuple[Path, ...],
    checkpoints: tuple[Path, ...],
) -> None:
    """Read the whole chain; exit 2 with the first event that is not as it was written.

    Changes nothing and needs no unseal key, so it also reads a copy or a backup, on another machine, of a sealed shop. A chain
    that was cut short at its end, or written anew from its beginning, is whole in itself: only a key and a checkpoint that were
    kept elsewhere show that. A file may hold several, with any words round them: a mail, or the file that checkpoints go to.
    """
    keys = [key for path in pubkeys for key in _found(path, notes.find_keys, "pubkey")]
    outside = [note for path in checkpoints for note in _found(path, notes.find_notes, "checkpoint")]
    verdict = read_chain(database or _place(data), keys=keys, outside=outside)
    if is_json:
        show.as_json(_plain(verdict))
    elif verdict.flaw is not None:
        show.aside(f"kashop: the chain is broken: {verdict.flaw}.")
    else:
        _tell(verdict, has_key=bool(keys))
    if verdict.flaw is not None:
        ctx.exit(2)


def _place(data: Path) -> Place:
    config = frame.configured(data)
    if config.database:
        require(config)
    return config.place


def _found(path: Path, find: Any, option: str) -> list[Any]:
    found: list[Any] = find(path.read_text(encoding="utf-8-sig", errors="replace"))
    if not found:
        raise Invalid.of(option, "There is none in the file {path}.", path=path)
    return found


def _plain(verdict: Verdict) -> dict[str, Any]:
    flaw = verdict.flaw
    return {
        "ok": flaw is None,
        "witness": str(flaw) if flaw else None,
        "flaw": msgspec.structs.asdict(flaw) if flaw else None,
        "seq": verdict.head.seq,
        "hash": verdict.head.hash.hex(),
        "checkpoints": {"stored": verdict.stored, "outside": verdict.outside, "signed_to": verdict.signed_to},
        "personal": {"events": verdict.personal, "erased": verdict.erased},
    }


def _tell(verdict: Verdict, *, has_key: bool) -> None:
    show.line(f"The chain is whole: {verdict.head.seq} events, head {verdict.head.hash.hex()}.")
    show.line(
        f"It passes through {verdict.stored} stored checkpoints and {verdict.outside} from elsewhere, the last one at event "
        f"{verdict.signed_to}."
    )
    if not has_key:
        show.aside("Signatures were checked by the key in the same file: give one that was kept elsewhere (--pubkey).")
    if not verdict.outside:
        show.aside("What was cut off its end cannot be seen from within: give a checkpoint kept elsewhere (--checkpoint).")


@audit.command("checkpoint")
@frame.shop_options
def checkpoint(*, data: Path, is_json: bool) -> None:
    """Sign the newest event and print the note: keep it elsewhere, and nobody can cut or rewrite what is before it unseen."""
    kept = frame.run(data, flow.make)
    if is_json:
        show.as_json({"seq": kept.seq, "hash": kept.hash.hex(), "at": kept.at, "note": kept.note})
    else:
        click.echo(kept.note, nl=False)


@audit.command("pubkey")
@frame.shop_options
def pubkey(*, data: Path, is_json: bool) -> None:
    """Print the key that checks checkpoints: keep it elsewhere, before anybody has a reason to change it."""
    key = frame.run(data, flow.public_key)
    if is_json:
        show.as_json({"key": str(key), "fingerprint": key.fingerprint})
    else:
        show.line(str(key))


@audit.command("head")
@frame.shop_options
def head(*, data: Path, is_json: bool) -> None:
    """The end of the chain: its number and hash."""
    found = frame.run(data, lambda shop: shop.db.read(reads.head))
    if is_json:
        show.as_json({"seq": found.seq, "hash": found.hash.hex()})
    else:
        show.line(f"{found.seq} {found.hash.hex()}")
