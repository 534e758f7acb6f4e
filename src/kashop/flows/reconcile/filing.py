"""Statement files: looked into before anything is kept, in the vendor's own format where its type reads it, else by columns."""

import asyncio
import datetime as dt
from collections.abc import Mapping
from typing import BinaryIO

import msgspec

from kashop.flows import gateways
from kashop.flows.reconcile.verbs import Outcome, account_of, lines_of, upload
from kashop.lib.actor import Actor
from kashop.lib.errors import Invalid
from kashop.payments.rows import GatewayAccount
from kashop.payments.rules import rules_of
from kashop.payments.statements import files, rules
from kashop.payments.statements.types import Line
from kashop.payments.types import GatewayType
from kashop.plugins.guard import Guarded
from kashop.shop import Shop

MOST_BYTES = 48 * 1024 * 1024


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a file is: by the vendor's own format (`shape` None) or by columns. `problem` says what is to be chosen first; then
    there are no lines."""

    zone: str
    shape: files.Shape | None = None
    reading: files.Reading | None = None
    days: tuple[tuple[str, int], ...] = ()
    problem: Invalid | None = None


async def look(
    shop: Shop, name: str, file: BinaryIO, file_name: str, *, encoding: str | None = None, chosen: Mapping[str, int] | None = None
) -> Look:
    """What an uploaded file holds, for the preview. Raises NotFound, Invalid when it is no statement at all."""
    account, kind = await account_of(shop, name)
    if kind.reads_statements and not chosen:
        own = await asyncio.to_thread(_own, shop, account, kind, file)
        if own is not None:
            return own
    currency = rules_of(account).currency or shop.settings.text("shop.currency")
    way = files.Way(zone=kind.statement_zone, currency=currency, encoding=encoding, chosen=dict(chosen or {}))
    return await asyncio.to_thread(_by_columns, file, file_name, way)


def _own(shop: Shop, account: GatewayAccount, kind: GatewayType, file: BinaryIO) -> Look | None:
    """By the vendor's own format; None when it is not that."""
    made = gateways.made(shop, account)
    assert isinstance(made, Guarded)  # all that the host makes are
    file.seek(0)
    try:
        stated = made.read_statement(file.read(MOST_BYTES + 1))
    except Invalid:
        return None
    lines, left_out = lines_of(stated)
    reading = files.Reading(lines=lines, left_out={"other": left_out} if left_out else {}, wrong=())
    return Look(zone=kind.statement_zone, reading=reading, days=_days(lines, kind.statement_zone))


def _by_columns(file: BinaryIO, name: str, way: files.Way) -> Look:
    shape = files.inspect(file, name, way)
    problem = files.problem_of(shape.chosen)
    if problem is not None:
        return Look(zone=way.zone, shape=shape, problem=problem)
    reading = files.read(file, name, way)
    return Look(zone=way.zone, shape=shape, reading=reading, days=_days(reading.lines, way.zone))


def _days(lines: list[Line], zone: str) -> tuple[tuple[str, int], ...]:
    found: dict[str, int] = {}
    for line in lines:
        day = rules.day_of(line.happened_at, zone).isoformat()
        found[day] = found.get(day, 0) + 1
    return tuple(sorted(found.items()))


async def take_file(shop: Shop, name: str, looked: Look, actor: Actor, *, file_name: str, day: dt.date | None) -> list[Outcome]:
    """Reconcile what was looked at: each day of it that is over, or only one. Raises Invalid."""
    if looked.problem is not None:
        raise looked.problem
    assert looked.reading is not None  # without a problem there is one
    left_out = sum(looked.reading.left_out.values())
    return await upload(shop, name, looked.reading.lines, actor, file_name=file_name, left_out=left_out, day=day)
