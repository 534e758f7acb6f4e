"""`kashop check`: every invariant that the database can show."""

from pathlib import Path

import msgspec
import rich_click as click

from kashop.analytics import INVARIANTS
from kashop.cli import frame, show
from kashop.db import Place, examine
from kashop.lib.errors import Unavailable
from kashop.shop import Shop


class Result(msgspec.Struct, frozen=True):
    """What came of one invariant; `witness` is empty when it holds, `skipped` says why it was not looked at."""

    id: str
    statement: str
    witness: str
    skipped: str = ""


@click.command()
@frame.shop_options
@click.option(
    "--all", "is_all", is_flag=True, help="Also what reads everything: every seal, the whole audit chain, the file itself."
)
@click.pass_context
def check(ctx: click.Context, *, data: Path, is_json: bool, is_all: bool) -> None:
    """Look for anything that must never be; exit 1 with the first witness of each.

    Reads only, so it may run beside a server. A witness names rows, never a code.
    """
    found = frame.run(data, lambda shop: results(shop, is_all=is_all))
    broken, skipped = [r for r in found if r.witness], [r for r in found if r.skipped]
    if is_json:
        show.as_json({"ok": not broken, "results": [_plain(r) for r in found]})
    else:
        for r in found:
            show.line(f"{r.id}  {'BROKEN' if r.witness else '      ' if r.skipped else 'ok    '}  {r.statement}")
            if r.witness or r.skipped:
                show.line(f"      {r.witness or r.skipped}")
        show.line()
        show.line(f"{len(broken)} of {len(found)} are broken." if broken else f"All {len(found) - len(skipped)} hold.")
        if skipped:
            show.aside("Not looked at: " + ", ".join(r.id for r in skipped) + ".")
        if not is_all:
            show.aside("`kashop check --all` also reads every seal, the audit chain and the file itself.")
    if broken:
        ctx.exit(1)


async def results(shop: Shop, *, is_all: bool) -> list[Result]:
    """Look at every invariant, or only at those that are quick; by id."""
    found = []
    for invariant in INVARIANTS:
        if invariant.needs_vault and shop.keyring.is_sealed and is_all:
            found.append(Result(invariant.id, invariant.statement, "", "only an unsealed vault can show it"))
        elif is_all or not invariant.is_deep:
            witness = await shop.db.read(invariant.first_witness, shop.keyring)
            found.append(Result(invariant.id, invariant.statement, str(witness or "")))
    if is_all:
        place = shop.config.place
        found += [
            _schema(place),
            Result("I-43", "the database file and its references are sound", examine.integrity(place)),
        ]
    return sorted(found, key=lambda r: r.id)


def _schema(place: Place) -> Result:
    statement = "events and receipts cannot be changed: the schema is whole"
    try:
        return Result("I-19", statement, examine.schema(place))
    except Unavailable as refused:  # a server where this role may make nothing to compare with, or a standby
        return Result("I-19", statement, "", refused.text())


def _plain(result: Result) -> dict[str, object]:
    return {
        "id": result.id,
        "statement": result.statement,
        "ok": None if result.skipped else not result.witness,
        "witness": result.witness or None,
    }
