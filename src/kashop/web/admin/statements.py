"""Reconciliation: every account's days, a day from both sides, and what became of each difference."""

import datetime as dt
from typing import Any

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from kashop.db import Reader
from kashop.flows import reconcile
from kashop.lib.errors import Conflict, Invalid, NotFound
from kashop.payments import reads as payments
from kashop.payments.differences import reads as differences
from kashop.payments.rows import GatewayAccount
from kashop.payments.statements import reads
from kashop.payments.statements.types import Day, Difference, Statement, StoredLine, Sum
from kashop.web.admin.page import Shown, again, answer, cursor, refused_as, row_id, see
from kashop.web.guards import Needs, form_of
from kashop.web.sessions import AnyRequest, actor_of, shop_of

HOME = "/admin/statements"
LINES = 50
OPEN_SHOWN = 100


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A day of an account from both sides."""

    account: GatewayAccount
    day: Day
    current: Statement | None
    statements: list[Statement]
    theirs: list[Sum]
    ours: list[Sum]
    fees: list[tuple[str, int]]
    differences: list[Difference]
    lines: list[StoredLine]


@get(HOME, guards=[Needs("statements.view")])
async def overview(request: AnyRequest) -> Response[bytes]:
    """What is open, and the last days of every account."""
    shop = shop_of(request)
    accounts, found, counts = await shop.db.read(_overview)
    types = shop.plugins.gateway_types
    return answer(
        request,
        "statements.html",
        rows=[(account, types.get(account.type), days) for account, days in accounts],
        open=[(each, story_of(each)) for each in found[:OPEN_SHOWN]],
        is_more=len(found) > OPEN_SHOWN,
        counts=counts,
    )


def _overview(db: Reader) -> tuple[list[tuple[GatewayAccount, list[Day]]], list[Difference], dict[tuple[int, str], int]]:
    accounts = [(account, reads.days(db, account.gateway_id, limit=14)) for account in payments.gateways(db)]
    return accounts, differences.open_differences(db, limit=OPEN_SHOWN + 1), differences.count_open(db)


@get(HOME + "/{gateway:str}/{day:str}", guards=[Needs("statements.view")])
async def day_page(request: AnyRequest, gateway: FromPath[str], day: FromPath[str]) -> Response[bytes]:
    """A day from both sides."""
    return await _page(request, gateway, day)


@post(HOME + "/{gateway:str}/{day:str}/fetch", guards=[Needs("statements.edit")])
async def fetch(request: AnyRequest, gateway: FromPath[str], day: FromPath[str]) -> Response[bytes] | Redirect:
    """Ask the vendor for the day's statement now."""
    shop, form = shop_of(request), form_of(request)
    shop.limits.take("statement fetch", gateway)
    try:
        outcome = await reconcile.fetch(shop, gateway, _date(day), actor_of(request))
    except Invalid as refused:
        return await _page(request, gateway, day, again(request, form, refused), 422)
    return see(f"{HOME}/{gateway}/{day}", f"statement_{outcome.state}")


@post("/admin/differences/{difference:str}/close", guards=[Needs("statements.edit")])
async def close(request: AnyRequest, difference: FromPath[str]) -> Response[bytes] | Redirect:
    """Close a difference, saying why."""
    shop, form, number = shop_of(request), form_of(request), row_id(difference)
    about = await shop.db.read(differences.get_difference, number)
    try:
        reason = form.text(f"reason-{number}", most=300, least=1)
        form.done()
        await reconcile.close(shop, number, actor_of(request), reason=reason)
    except Invalid as refused:
        return await _page(request, about.account, about.day, again(request, form, refused), 422)
    except Conflict as refused:
        return await _page(request, about.account, about.day, refused_as(request, form, refused), refused.status)
    return see(f"{HOME}/{about.account}/{about.day}", "difference_closed")


@post("/admin/differences/{difference:str}/take", guards=[Needs("statements.edit")])
async def take(request: AnyRequest, difference: FromPath[str]) -> Redirect:
    """See to a difference oneself."""
    number = row_id(difference)
    about = await shop_of(request).db.read(differences.get_difference, number)
    await reconcile.take_on(shop_of(request), number, actor_of(request))
    return see(f"{HOME}/{about.account}/{about.day}", "difference_taken")


@post("/admin/differences/{difference:str}/confirm", guards=[Needs("orders.confirm", step_up=True)])
async def confirm(request: AnyRequest, difference: FromPath[str]) -> Response[bytes] | Redirect:
    """Say that a proposed payment is of its order."""
    shop, number = shop_of(request), row_id(difference)
    about = await shop.db.read(differences.get_difference, number)
    try:
        state = await reconcile.confirm(shop, number, actor_of(request))
    except (Invalid, Conflict) as refused:
        return await _page(request, about.account, about.day, refused_as(request, form_of(request), refused), refused.status)
    return see(f"{HOME}/{about.account}/{about.day}", "asked_second" if state == "asked" else "confirmed")


async def _page(request: AnyRequest, gateway: str, day: str, form: Shown | None = None, status: int = 200) -> Response[bytes]:
    shop = shop_of(request)
    report = await shop.db.read(report_of, gateway, _date(day).isoformat(), after=cursor(request, "after", default=0))
    return answer(
        request,
        "statement.html",
        status=status,
        form=form or Shown(),
        report=report,
        kind=shop.plugins.gateway_types.get(report.account.type),
        told=[(each, story_of(each)) for each in report.differences],
        more=report.lines[LINES - 1].number if len(report.lines) > LINES else 0,
        most=LINES,
    )


def report_of(db: Reader, gateway: str, day: str, *, after: int = 0) -> Report:
    """A day of an account from both sides. Raises NotFound."""
    account = payments.find_gateway(db, gateway)
    found = reads.find_day(db, account.gateway_id, day) if account else None
    if account is None or found is None:
        raise NotFound("No statement of this day was asked for yet.")
    current = reads.current(db, account.gateway_id, day)
    theirs = reads.sums(db, current.statement_id) if current else []
    fees: dict[str, int] = {}
    for each in theirs:
        fees[each.currency] = fees.get(each.currency, 0) + each.fee_minor
    return Report(
        account=account,
        day=found,
        current=current,
        statements=reads.statements(db, account.gateway_id, day),
        theirs=theirs,
        ours=reads.our_sums(db, found),
        fees=sorted(fees.items()),
        differences=differences.differences(db, account.gateway_id, day),
        lines=reads.lines(db, current.statement_id, after=after, limit=LINES + 1) if current else [],
    )


def story_of(difference: Difference) -> dict[str, Any]:
    """The facts that a difference keeps."""
    return msgspec.json.decode(difference.detail, type=dict[str, Any])


def _date(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text[:10])
    except ValueError:
        raise NotFound("There is no such page.") from None


route_handlers = [overview, day_page, fetch, close, take, confirm]
