"""`kashop order`: orders as staff see them. No command here prints a code."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import rich_click as click

from kashop.cli import frame, order_page, show
from kashop.cli.refund import refund
from kashop.db import Reader
from kashop.flows import checkout, deliver
from kashop.flows import confirm as confirming
from kashop.lib.errors import Invalid, NotFound
from kashop.orders import reads
from kashop.orders.rules import MOVES
from kashop.orders.types import DeskRow, Order
from kashop.payments import reads as payments
from kashop.payments.rows import Callback
from kashop.shop import Shop

NEWEST = 2**62


@click.group()
def order() -> None:
    """Orders, and the desk of those that need a person."""


@order.command("show")
@click.argument("order_no", metavar="NO")
@frame.shop_options
def show_(*, order_no: str, data: Path, is_json: bool) -> None:
    """One order: lines, payments, what is on the desk, and all that happened."""

    async def work(shop: Shop) -> tuple[dict[str, Any], str]:
        return await shop.db.read(order_page.about, order_no), shop.settings.text("shop.timezone")

    known, timezone = frame.run(data, work)
    show.as_json(known) if is_json else order_page.tell(known, timezone)


@order.command("list")
@frame.shop_options
@click.option("--status", type=click.Choice(list(MOVES)), help="Only orders that stand so.")
@click.option("--contact", default="", help="Only orders of this contact.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
def list_(*, data: Path, is_json: bool, status: str | None, contact: str, limit: int) -> None:
    """The newest orders first."""

    async def work(shop: Shop) -> tuple[list[Order], str]:
        return await shop.db.read(_page, status, contact.strip(), limit), shop.settings.text("shop.timezone")

    found, timezone = frame.run(data, work)
    if is_json:
        show.as_json([order_page.head(o) for o in found])
        return
    rows = [
        (
            o.order_no,
            show.when(o.created_at, timezone),
            o.status,
            _amount(o.total_minor, o.currency),
            _amount(o.paid_minor, o.currency),
        )
        for o in found
    ]
    show.table(("ORDER", "WHEN", "STATUS", ">TOTAL", ">PAID"), rows, empty="There are no such orders.")


def _page(db: Reader, status: str | None, contact: str, limit: int) -> list[Order]:
    if contact:
        return [o for o in reads.page_of_contact(db, contact, NEWEST, limit=limit) if status in (None, o.status)]
    if status:
        return reads.page_of_status(db, status, NEWEST, limit=limit)
    return reads.page(db, NEWEST, limit=limit)


@order.command("exceptions")
@frame.shop_options
def exceptions(*, data: Path, is_json: bool) -> None:
    """The desk: what waits for a person, oldest first."""

    async def work(shop: Shop) -> tuple[list[DeskRow], dict[str, str], int]:
        return await shop.db.read(reads.desk, limit=1000), await shop.db.read(order_page.staff_names), shop.clock.now()

    found, names, now = frame.run(data, work)
    if is_json:
        show.as_json([order_page.desk_row(row, now, names) for row in found])
        return
    rows = [
        (row.exception_id, row.order_no, order_page.age(now - row.opened_at), row.kind, row.status,
         names.get(row.owner, row.owner) or "-", row.detail)
        for row in found
    ]  # fmt: skip
    show.table((">ID", "ORDER", ">AGE", "WHAT", "STATUS", "OWNER", "DETAIL"), rows, empty="The desk is empty.")


@order.command("callbacks")
@click.argument("order_no", metavar="NO")
@frame.shop_options
def callbacks(*, order_no: str, data: Path, is_json: bool) -> None:
    """What gateways sent about an order, and what became of it; without the raw requests, which the panel shows."""

    async def work(shop: Shop) -> tuple[list[Callback], str]:
        found = await shop.db.read(_get, order_no)
        return await shop.db.read(payments.callbacks_of_order, found.order_id), shop.settings.text("shop.timezone")

    found, timezone = frame.run(data, work)
    if is_json:
        show.as_json([order_page.callback(c) for c in found])
        return
    rows = [(c.callback_id, show.when(c.received_at, timezone), c.gateway_name, c.ip, c.verdict, c.reason or "-") for c in found]
    show.table((">ID", "WHEN", "ACCOUNT", "FROM", "VERDICT", "REASON"), rows, empty="No gateway has called about this order.")


@order.command("confirm")
@click.argument("order_no", metavar="NO")
@frame.shop_options
@click.option("--reference", required=True, metavar="TXN", help="The payment's number at the gateway or bank.")
@click.option("--note", required=True, help="How you know that it was paid.")
@click.option("--gateway", default="", metavar="NAME", help="By which account, if the buyer tried several; else the newest.")
@click.option(
    "--evidence",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="A picture or PDF that shows the payment; it is kept with the order.",
)
def confirm(*, order_no: str, data: Path, is_json: bool, reference: str, note: str, gateway: str, file: Path | None) -> None:
    """Vouch that an order was paid (补单), and deliver it.

    Example: kashop order confirm K261101… --reference 20261101… --note "seen in the bank's statement" --evidence slip.png
    """

    async def work(shop: Shop) -> str:
        said = {"reference": reference, "note": note, "gateway": gateway}
        shown = await asyncio.to_thread(file.read_bytes) if file else None
        done = await confirming.confirm(shop, order_no, actor=frame.actor(), file=shown, **said)
        assert isinstance(done, str)  # whoever runs commands on the server needs no second person
        return done

    status = frame.run(data, work)
    show.as_json({"order_no": order_no, "status": status}) if is_json else show.line(f"{order_no} is {status}.")


@order.command("cancel")
@click.argument("order_no", metavar="NO")
@frame.shop_options
@click.option("--reason", default="", help="Stands in the order's history.")
def cancel(*, order_no: str, data: Path, is_json: bool, reason: str) -> None:
    """End an unpaid order and give back what it held. Its gateway is asked once more first."""

    async def work(shop: Shop) -> str:
        await checkout.cancel(shop, await shop.db.read(_get, order_no), frame.actor(), reason=reason)
        return (await shop.db.read(_get, order_no)).status

    status = frame.run(data, work)
    show.as_json({"order_no": order_no, "status": status}) if is_json else show.line(f"{order_no} is {status}.")


@order.command("deliver")
@click.argument("order_no", metavar="NO")
@frame.shop_options
@click.option("--line", "line_id", type=int, metavar="N", help="Which line, if several wait for a person.")
@click.option(
    "--content-file",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="F",
    help="What the buyer gets: one file for each. Without it, stdin: one line for each.",
)
def deliver_(*, order_no: str, data: Path, is_json: bool, line_id: int | None, files: tuple[Path, ...]) -> None:
    """Deliver a manual line of a paid order. What you write goes into the vault, and nowhere else.

    Example: echo 已充值，单号 123 | kashop order deliver K261101…
    """
    contents = [_text(path) for path in files] or [line for line in sys.stdin.read().splitlines() if line.strip()]

    async def work(shop: Shop) -> str:
        chosen = line_id if line_id is not None else await shop.db.read(_waiting_line, order_no)
        return await deliver.deliver_by_hand(shop, order_no, chosen, contents, frame.actor())

    status = frame.run(data, work)
    show.as_json({"order_no": order_no, "status": status}) if is_json else show.line(f"{order_no} is {status}.")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid.of("content", "The file {path} is not UTF-8 text.", path=path) from None


def _get(db: Reader, order_no: str) -> Order:
    found = reads.find(db, order_no)
    if found is None:
        raise NotFound("There is no order {order_no}: `kashop order list` shows them.", order_no=order_no)
    return found


def _waiting_line(db: Reader, order_no: str) -> int:
    lines = reads.lines(db, _get(db, order_no).order_id)
    waiting = [line.line_id for line in lines if line.delivery == "manual" and line.delivered < line.quantity]
    if len(waiting) != 1:
        raise Invalid.of("line", "Name the line with --line; waiting: {known}.", known=", ".join(map(str, waiting)) or "none")
    return waiting[0]


def _amount(minor: int, currency: str) -> str:
    return show.amount(minor, currency)["amount"]


order.add_command(refund)
