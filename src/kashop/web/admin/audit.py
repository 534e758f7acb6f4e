"""The audit: who did what, when, to which thing. Every filter stands in the address, so that a finding can be passed on."""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
from litestar import Response, get

from kashop.accounts import reads as accounts
from kashop.accounts.types import Staff
from kashop.audit.search import reads as search
from kashop.audit.search.types import ALWAYS, Wish
from kashop.db import Reader
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.web.admin import event_words, told
from kashop.web.admin.page import Shown, answer, cursor, panel_of
from kashop.web.guards import Needs
from kashop.web.sessions import AnyRequest, shop_of
from kashop.web.text import translations

PAGE = 50
FILTERS = ("group", "actor", "kind", "number", "since", "until")
KINDS = ("buyer", "gateway", "supplier", "anonymous", "system", "cli", "staff")
_MINUTE = 60_000
_MOST = 2**62


class Asked(msgspec.Struct, frozen=True):
    """What the address asks for; `problems` by field, in words."""

    wish: Wish
    values: dict[str, str]
    problems: dict[str, str]
    person: str
    rows: list[told.Row]
    everyone: list[Staff]
    older: int


@get("/admin/audit", guards=[Needs("audit.view")])
async def audit(request: AnyRequest) -> Response[bytes]:
    """Events that fit, the newest first."""
    shop = shop_of(request)
    values = {name: request.query_params.get(name, "").strip()[:254] for name in FILTERS}
    zone = ZoneInfo(shop.settings.text("shop.timezone"))
    asked = await shop.db.read(_look, values, zone, cursor(request))
    say = translations(panel_of(request).locale(request.scope)).gettext
    kept = {name: value for name, value in values.items() if value}
    return answer(
        request,
        "audit.html",
        status=422 if asked.problems else 200,
        form=Shown(None, {field: say(text) for field, text in asked.problems.items()}),
        asked=asked,
        groups=list(event_words.GROUPS),
        things=list(event_words.THINGS),
        actors=KINDS,
        amounts=event_words.AMOUNTS,
        is_sifted=bool(kept),
        newest="/admin/audit" + (f"?{urlencode(kept)}" if kept else ""),
        older=f"/admin/audit?{urlencode({**kept, 'before': asked.older})}" if asked.older else "",
        is_first="before" not in request.query_params,
    )


def _look(db: Reader, values: dict[str, str], zone: ZoneInfo, before: int) -> Asked:
    wish, problems = _wish(db, values, zone)
    found = [] if problems else search.find(db, wish, before, limit=PAGE + 1)
    everyone = accounts.everyone(db)
    is_person = wish.actor_kind in search.PEOPLE and wish.actor_ref
    known = {str(staff.staff_id): staff.email for staff in everyone} if wish.actor_kind == "staff" else {}
    return Asked(
        wish=wish,
        values=values,
        problems=problems,
        person=known.get(wish.actor_ref, wish.actor_ref) if is_person else "",
        rows=told.rows(db, found[:PAGE]),
        everyone=everyone,
        older=found[PAGE - 1].seq if len(found) > PAGE else 0,
    )


def _wish(db: Reader, values: Mapping[str, str], zone: ZoneInfo) -> tuple[Wish, dict[str, str]]:
    problems: dict[str, str] = {}
    since, until = _moment(values["since"], zone), _moment(values["until"], zone)
    for field, moment in (("since", since), ("until", until)):
        if moment is None:
            problems[field] = "This is no date and time."
    kind = values["kind"] if values["kind"] in event_words.THINGS else ""
    thing = _thing(db, kind, values["number"]) if kind else 0
    if thing is None:
        problems["number"] = "There is no such thing."
    actor_kind, _, actor_ref = values["actor"].partition(":")
    wish = Wish(
        names=event_words.names_of(values["group"]) if values["group"] in event_words.GROUPS else (),
        actor_kind=actor_kind if actor_kind in KINDS else "",
        actor_ref=actor_ref if actor_kind in KINDS else "",
        object_kind=kind,
        object_id=thing or 0,
        since=since or 0,
        until=until + _MINUTE if until else ALWAYS,
    )
    return wish, problems


def _moment(text: str, zone: ZoneInfo) -> int | None:
    """A moment as a browser's field gives it, where the shop is; 0 when empty, None when it is none."""
    if not text:
        return 0
    try:
        return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _thing(db: Reader, kind: str, number: str) -> int | None:
    """A thing's id, by its number or by what people call it; None if there is none."""
    if kind == "order" and (order := orders.find(db, number.upper())) is not None:
        return order.order_id
    if kind == "gateway" and (gateway := payments.find_gateway(db, number)) is not None:
        return gateway.gateway_id
    if kind == "staff" and (staff := accounts.find_by_email(db, number.lower())) is not None:
        return staff.staff_id
    if not number and kind in ("shop", "vault", "audit"):
        return 0
    is_number = number.isascii() and number.isdigit() and len(number) < 19
    return int(number) if is_number else None


route_handlers = [audit]
