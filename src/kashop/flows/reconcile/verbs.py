"""Daily reconciliation (对账): fetch what a vendor states of a day, hold it line by line against what the shop recorded, settle
what was lost, and open a difference for the rest.

Always true: the same statement again changes nothing; only what the vendor itself said settles money, a file proposes; a day
whose statement does not come is a difference after a week; the shop sells on meanwhile (work goes in chunks, on threads).
"""

import asyncio
import datetime as dt
from collections.abc import Iterator, Sequence
from itertools import islice

import msgspec

from kashop.accounts import reads as accounts
from kashop.db import Tx
from kashop.db.queue import Work, does
from kashop.flows import gateways
from kashop.flows.reconcile.closing import close_and_tell, look_back_due, open_all
from kashop.flows.reconcile.judging import CHUNK, Judge
from kashop.flows.restock.pace import beside_the_shop
from kashop.lib.actor import SYSTEM, Actor
from kashop.lib.errors import Invalid, NotFound
from kashop.notices.writes import tell
from kashop.payments import reads as payments
from kashop.payments.differences import writes as differences
from kashop.payments.rows import GatewayAccount
from kashop.payments.statements import reads, rules, writes
from kashop.payments.statements.types import Day, DifferenceDraft, Line, StatementDraft
from kashop.payments.types import GatewayFailed, GatewayType, StatementLine
from kashop.plugins.guard import Guarded
from kashop.shop import Shop

MOST_LINES = 1_000_000


class Came(msgspec.Struct, frozen=True, kw_only=True):
    """A statement as it came, before it is kept."""

    day: str
    source: str
    lines: Sequence[Line]
    file_name: str = ""
    left_out: int = 0


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a day: `state` is taken, same (nothing changed), waiting (not there yet) or failed (with a problem)."""

    day: str
    state: str
    problem: str = ""
    lines: int = 0
    opened: int = 0


async def run_due(shop: Shop) -> int:
    """Plan, fetch and look back as far as it is due; how much was done. One account that breaks holds up no other."""
    done = await plan(shop)
    for day in await shop.db.read(reads.due_days, limit=20):
        if await shop.db.write(writes.take_day, day):
            done += await _fetch_due(shop, day)
    done += await look_back_due(shop)
    done += await shop.db.write(differences.follow, limit=200)
    while dropped := await shop.db.write(writes.drop_replaced, limit=CHUNK):
        done += dropped
    return done


async def plan(shop: Shop) -> int:
    """Want the days that are over of every account whose vendor states; how many are new."""
    count = 0
    for account in await shop.db.read(payments.gateways):
        kind = shop.plugins.gateway_types.get(account.type)
        if kind is None or not kind.states:
            continue
        if not account.is_enabled and not await shop.db.read(reads.is_used, account.gateway_id):
            continue
        newest, since = await shop.db.read(reads.newest_day, account.gateway_id)
        days = rules.wanted_days(shop.clock.now(), kind.statement_zone, newest=newest, since=since)
        if days:
            await shop.db.write(writes.plan_days, account.gateway_id, days)
            count += len(days)
    return count


async def _fetch_due(shop: Shop, day: Day) -> int:
    account = await shop.db.read(payments.get_gateway, day.gateway_id)
    try:
        outcome = await _fetch(shop, account, day, SYSTEM)
    except Exception as error:  # it is tried again in an hour; other accounts do not wait for that
        shop.log.exception("a statement could not be reconciled", gateway=account.name, day=day.day)
        outcome = Outcome(day=day.day, state="failed", problem=type(error).__name__)
    if outcome.state in ("waiting", "failed"):
        shop.log.warning("no statement yet", gateway=account.name, day=day.day, problem=outcome.problem)
        await shop.db.write(_note_problem, account, day, outcome.problem)
    return int(outcome.state == "taken")


def _note_problem(tx: Tx, account: GatewayAccount, day: Day, problem: str) -> None:
    """Keep why, and after the last try put it where somebody sees it."""
    if not writes.note_problem(tx, day, problem):
        return
    detail = msgspec.json.encode({"problem": problem[:300]}).decode()
    subject = f"day/{day.day}"
    draft = DifferenceDraft(gateway_id=day.gateway_id, day=day.day, kind="no_statement", subject=subject, detail=detail)
    if differences.open_differences(tx, [draft], SYSTEM):
        tell(tx, "statement.missing", to=accounts.owner_addresses(tx), account=account.name, day=day.day, problem=problem[:300])


async def fetch(shop: Shop, name: str, day: dt.date, actor: Actor) -> Outcome:
    """Fetch and reconcile one day of an account now. Raises NotFound, Invalid for `day` or when no statement is given."""
    account, kind = await account_of(shop, name)
    if not kind.states:
        raise Invalid.of("file", "This gateway gives no statements: download one at the vendor and upload it.")
    return await _fetch(shop, account, await _day(shop, account, kind, day), actor)


async def account_of(shop: Shop, name: str) -> tuple[GatewayAccount, GatewayType]:
    """An account and its type. Raises NotFound."""
    account = await shop.db.read(payments.find_gateway, name)
    if account is None:
        raise NotFound("There is no gateway {name}.", name=name[:40])
    kind = shop.plugins.gateway_types.get(account.type)
    if kind is None:
        raise NotFound("The plugin of the gateway {name} is not loaded.", name=account.name)
    return account, kind


async def _day(shop: Shop, account: GatewayAccount, kind: GatewayType, day: dt.date) -> Day:
    today = rules.day_of(shop.clock.now(), kind.statement_zone)
    if day >= today:
        raise Invalid.of("day", "This day is not over yet ({zone}).", zone=kind.statement_zone)
    if day < today - dt.timedelta(days=3 * 366):
        raise Invalid.of("day", "This day is too long ago.")
    return await shop.db.write(writes.plan_now, account.gateway_id, rules.bounds(day, kind.statement_zone))


async def _fetch(shop: Shop, account: GatewayAccount, day: Day, actor: Actor) -> Outcome:
    try:
        made = gateways.made(shop, account)
        assert isinstance(made, Guarded)  # all that the host makes are
        stated = await made.statement(dt.date.fromisoformat(day.day))
    except (GatewayFailed, NotFound) as failed:
        problem = failed.problem if isinstance(failed, GatewayFailed) else failed.text()
        return Outcome(day=day.day, state="failed", problem=problem)
    if stated is None:
        return Outcome(day=day.day, state="waiting", problem="the vendor has no statement of this day yet")
    lines, left_out = await asyncio.to_thread(lines_of, stated)
    came = Came(day=day.day, source="api", lines=lines, left_out=left_out)
    return await take(shop, account, day, came, actor)


def lines_of(stated: Sequence[StatementLine]) -> tuple[list[Line], int]:
    """A vendor's lines as they are kept, and how many are of no use: of another kind, or without an amount."""
    fit = [s for s in stated[:MOST_LINES] if s.kind in ("payment", "refund") and s.amount_minor > 0]
    lines = [
        Line(
            number=number,
            kind=s.kind,
            gateway_txn=s.gateway_txn[:200],
            attempt_no=s.attempt_no[:200],
            refund_no=s.refund_no[:200],
            gateway_refund=s.gateway_refund[:200],
            amount_minor=s.amount_minor,
            currency=s.currency,
            fee_minor=s.fee_minor,
            happened_at=s.happened_at,
            reference="",
        )
        for number, s in enumerate(fit, 1)
    ]
    return lines, len(stated) - len(lines)


async def upload(
    shop: Shop, name: str, lines: Sequence[Line], actor: Actor, *, file_name: str, left_out: int, day: dt.date | None = None
) -> list[Outcome]:
    """Reconcile each day of an uploaded file, or only `day`; what came of each. Raises Invalid when the file has none of it."""
    account, kind = await account_of(shop, name)
    by_day = await asyncio.to_thread(_by_day, lines, kind.statement_zone)
    wanted = [day] if day is not None else [d for d in by_day if d < rules.day_of(shop.clock.now(), kind.statement_zone)]
    if not wanted or not any(d in by_day for d in wanted):
        raise Invalid.of("file", "The file has no payment or refund of a day that is over.")
    outcomes = []
    for each in wanted:
        row = await _day(shop, account, kind, each)
        renumbered = [msgspec.structs.replace(line, number=number) for number, line in enumerate(by_day[each], 1)]
        others = left_out + len(lines) - len(renumbered) if day is not None else left_out
        came = Came(day=row.day, source="upload", lines=renumbered, file_name=file_name[:200], left_out=others)
        outcomes.append(await take(shop, account, row, came, actor))
    return outcomes


def _by_day(lines: Sequence[Line], zone: str) -> dict[dt.date, list[Line]]:
    found: dict[dt.date, list[Line]] = {}
    for line in lines:
        found.setdefault(rules.day_of(line.happened_at, zone), []).append(line)
    return dict(sorted(found.items()))


@does(Work.BACKGROUND)
async def take(shop: Shop, account: GatewayAccount, day: Day, came: Came, actor: Actor) -> Outcome:
    """Keep a statement, judge its lines, settle what was lost, open and close differences."""
    with beside_the_shop():
        draft = StatementDraft(
            gateway_id=account.gateway_id,
            day=came.day,
            source=came.source,
            digest=await asyncio.to_thread(rules.digest, came.lines),
            file_name=came.file_name,
            lines=len(came.lines),
            left_out=came.left_out,
        )
        statement_id = await shop.db.write(writes.begin, draft, actor)
        if statement_id is None:
            return Outcome(day=came.day, state="same", lines=len(came.lines))
        for chunk in _chunks(came.lines, CHUNK):
            await shop.db.write(writes.add_lines, statement_id, chunk)
        statement = await shop.db.read(reads.get, statement_id)
        kind = shop.plugins.gateway_types[account.type]
        await Judge(shop, account, day, statement, actor, is_manual=kind.is_manual).judge_all()
        if not await shop.db.write(writes.make_current, statement_id, draft, actor):
            return Outcome(day=came.day, state="same", lines=len(came.lines))
        opened = await open_all(shop, day, statement)
        await shop.db.write(close_and_tell, account, day, statement_id, opened)
    opened += await look_back_due(shop)
    return Outcome(day=came.day, state="taken", lines=len(came.lines), opened=opened)


def _chunks(lines: Sequence[Line], size: int) -> Iterator[list[Line]]:
    rest = iter(lines)
    while chunk := list(islice(rest, size)):
        yield chunk
