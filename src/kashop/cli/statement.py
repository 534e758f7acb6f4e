"""`kashop gateway reconcile` and `statement`: a day of an account from both sides."""

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec
import rich_click as click

from kashop.cli import frame, show
from kashop.flows import reconcile as flow
from kashop.lib.errors import Invalid
from kashop.lib.money import to_text
from kashop.payments.differences import reads as differences
from kashop.payments.statements import columns, reads
from kashop.shop import Shop

_DAY = click.option("--day", required=True, metavar="YYYY-MM-DD", help="A day that is over, as the vendor counts days.")


@click.command("reconcile")
@click.argument("name")
@frame.shop_options
@_DAY
@click.option("--file", "path", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A statement file instead.")
@click.option("--encoding", help="The file's, where it cannot be told.")
@click.option("--column", "chosen", multiple=True, metavar="WHAT=N", help=f"May be repeated: {', '.join(columns.FIELDS)}.")
@click.pass_context
def reconcile(
    ctx: click.Context,
    *,
    name: str,
    data: Path,
    is_json: bool,
    day: str,
    path: Path | None,
    encoding: str | None,
    chosen: tuple[str, ...],
) -> None:
    """Fetch one day of an account, or read it from a file, and hold it against what the shop recorded.

    Exit 1 when the statement is not there. Example: kashop gateway reconcile bank --day 2026-10-31 --file bank.csv
    """
    at, picked = _date(day), dict(_column(text) for text in chosen)

    async def work(shop: Shop) -> tuple[flow.Outcome, dict[str, Any]]:
        if path is None:
            outcome = await flow.fetch(shop, name, at, frame.actor())
        else:
            with path.open("rb") as file:
                looked = await flow.look(shop, name, file, path.name, encoding=encoding, chosen=picked)
            (outcome,) = await flow.take_file(shop, name, looked, frame.actor(), file_name=path.name, day=at)
        return outcome, await _report(shop, name, at)

    outcome, report = frame.run(data, work)
    if is_json:
        show.as_json({"state": outcome.state, "problem": outcome.problem, **report})
    else:
        said = {"taken": "reconciled", "same": "was reconciled already: nothing has changed"}
        show.line(f"{name} {day}: {said.get(outcome.state, f'no statement yet: {outcome.problem}')}.")
        _print(report)
    if outcome.state not in ("taken", "same"):
        ctx.exit(1)


@click.command("statement")
@click.argument("name")
@frame.shop_options
@_DAY
def statement(*, name: str, data: Path, is_json: bool, day: str) -> None:
    """Show a day of an account from both sides, asking nobody."""
    report = frame.run(data, lambda shop: _report(shop, name, _date(day)))
    show.as_json(report) if is_json else _print(report)


async def _report(shop: Shop, name: str, day: dt.date) -> dict[str, Any]:
    account, _ = await flow.account_of(shop, name)
    row = await shop.db.read(reads.find_day, account.gateway_id, day.isoformat())
    current = await shop.db.read(reads.current, account.gateway_id, day.isoformat())
    theirs = await shop.db.read(reads.sums, current.statement_id) if current else []
    found = await shop.db.read(differences.differences, account.gateway_id, day.isoformat())
    return {
        "account": account.name,
        "day": day.isoformat(),
        "status": row.status if row else "unasked",
        "lines": current.lines if current else 0,
        "vendor": [msgspec.structs.asdict(each) for each in theirs],
        "shop": [msgspec.structs.asdict(each) for each in await shop.db.read(reads.our_sums, row)] if row else [],
        "differences": [
            {
                "id": d.difference_id,
                "kind": d.kind,
                "order": d.order_no,
                "shop": to_text(d.ours_minor, d.ours_currency) if d.ours_minor is not None else None,
                "vendor": to_text(d.theirs_minor, d.theirs_currency) if d.theirs_minor is not None else None,
                "currency": d.theirs_currency or d.ours_currency,
                "detail": msgspec.json.decode(d.detail),
                "closed": d.reason,
            }
            for d in found
        ],
    }


def _print(report: dict[str, Any]) -> None:
    for side in ("vendor", "shop"):
        for each in report[side]:
            amount, fee = (to_text(each[name], each["currency"]) for name in ("amount_minor", "fee_minor"))
            fees = f", fees {fee}" if each["fee_minor"] else ""
            show.line(f"{side:6} {each['kind']:8} {each['verdict']:9} {each['count']} × {amount} {each['currency']}{fees}")
    rows = [
        (
            str(d["id"]),
            d["kind"],
            d["order"] or d["detail"].get("txn", ""),
            d["shop"] or "-",
            d["vendor"] or "-",
            d["closed"] or "open",
        )
        for d in report["differences"]
    ]
    show.table(("NO", "DIFFERENCE", "ABOUT", "SHOP", "VENDOR", ""), rows, empty="No differences.")


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise Invalid.of("day", "Write the date as 2027-12-31.") from None


def _column(text: str) -> tuple[str, int]:
    what, _, number = text.partition("=")
    if what not in columns.FIELDS or not (number.isascii() and number.isdigit() and len(number) < 4):
        raise click.UsageError(f"Write a column as WHAT=N, WHAT one of {', '.join(columns.FIELDS)}.")
    return what, int(number)
