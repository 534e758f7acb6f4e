"""When one person's word is not enough for codes to be seen or money to go back, and when others are told of it.

Always true: what counts is what one person saw within 24 hours, so that many small looks are one large one; what a second person
approved counts no more; what somebody approved who was since dismissed or demoted is approved no more; a shop
where nobody else can approve says so, and lets nothing through.
"""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from kashop.accounts import reads as accounts
from kashop.accounts.roles import reads as roles
from kashop.accounts.types import Staff
from kashop.approvals import reads as approval_reads
from kashop.approvals import writes as approvals
from kashop.approvals.rules import KINDS
from kashop.approvals.types import Approval
from kashop.audit import reads as audit
from kashop.audit.types import Act
from kashop.audit.writes import record
from kashop.db import Reader, Tx
from kashop.lib.actor import Actor
from kashop.lib.clock import DAY, MINUTE
from kashop.lib.errors import Conflict, Denied
from kashop.notices.writes import tell
from kashop.settings import Settings

NIGHT_ENDS = 6
"""From midnight to this hour of the shop's day nobody is expected to export codes."""


_TOLD = {
    "codes.export": "export.asked",
    "codes.reveal": "reveal.asked",
    "orders.refund": "refund.asked",
    "orders.confirm": "confirm.asked",
}


class Bounds(msgspec.Struct, frozen=True):
    """What the merchant allows one person; 0 switches a bound off."""

    codes: int
    value: int
    per_day: int
    timezone: str

    @classmethod
    def of(cls, settings: Settings) -> "Bounds":
        """As the settings say."""
        number = settings.number
        return cls(
            number("codes.second_person_above"),
            number("codes.second_person_above_value"),
            number("codes.alert_above_per_day"),
            settings.text("shop.timezone"),
        )


class Look(msgspec.Struct, frozen=True):
    """What somebody is about to see: so many codes of such worth, in a file or on a page."""

    count: int
    value: int
    is_file: bool


class Verdict(msgspec.Struct, frozen=True):
    """`needs` says why a second person is needed: count, value or again; '' if none is. `unusual` is what the owners are told."""

    needs: str
    unusual: tuple[str, ...]


def judge(db: Reader, bounds: Bounds, actor: Actor, look: Look) -> Verdict:
    """Whether somebody may see that much alone, after what they saw within a day; and what is unusual about it."""
    exports = _acts(db, "export.begun", actor)
    seen = [*exports, *_acts(db, "code.viewed", actor)]
    alone = [said for _, said in seen if not said.get("approval")]
    count = look.count + sum(said.get("count", 1) for said in alone)
    value = look.value + sum(said.get("value", 0) for said in alone)
    is_again = look.is_file and any(at > db.now - MINUTE for at, _ in exports)
    needs = ""
    if bounds.codes and count > bounds.codes:
        needs = "count"
    elif bounds.value and value > bounds.value:
        needs = "value"
    elif is_again:
        needs = "again"
    day = look.count + sum(said.get("count", 1) for _, said in seen)
    is_night = datetime.fromtimestamp(db.now / 1000, ZoneInfo(bounds.timezone)).hour < NIGHT_ENDS
    is_much = bool(bounds.per_day) and day > bounds.per_day
    signs = (("again", is_again), ("night", is_night and look.is_file), ("day", is_much))
    return Verdict(needs, tuple(name for name, is_so in signs if is_so))


def ask(tx: Tx, kind: str, items: list[int], actor: Actor, *, value: int, reason: str, facts: dict[str, Any]) -> int:
    """Put it before those who may approve, and tell them; the request's id. Raises Denied where there is nobody else."""
    others = _others(tx, KINDS[kind].approve, actor)
    if not others:
        raise Denied(
            "This needs a second person, and nobody else here may approve it. Add somebody to the staff who may, "
            "or let an owner raise the bound under Settings.",
            code="no_second_person",
        )
    approval_id = approvals.ask(tx, kind, items, actor, value_minor=value, reason=reason, facts=facts)
    shown = {name: facts[name] for name in ("order", "amount") if name in facts}
    tell(tx, _TOLD[kind], to=[s.email for s in others], count=len(items), by=_name(tx, actor), reason=reason, **shown)
    return approval_id


def decide(tx: Tx, approval_id: int, actor: Actor, *, is_approved: bool, note: str) -> None:
    """Approve or refuse, once. Raises Denied for one's own request or without the right, Conflict when it waits no longer."""
    check_may(tx, actor, KINDS[approval_reads.get(tx, approval_id).kind].approve)
    approvals.decide(tx, approval_id, actor, is_approved=is_approved, note=note)


def use(tx: Tx, approval_id: int, kind: str, actor: Actor) -> Approval:
    """Spend an approved request, while the one who asked may still act and the one who approved may still approve.

    Raises Denied or Conflict, and then nothing is spent.
    """
    check_may(tx, actor, KINDS[kind].act)
    used = approvals.use(tx, approval_id, kind, actor)
    by, _, ref = (used.decided_by or "").partition(":")
    if KINDS[kind].approve not in roles.reach(tx, Actor(by, ref)):
        raise Conflict("Whoever approved this may no longer do so. Ask again.", code="not_approved")
    return used


def check_may(db: Reader, actor: Actor, permission: str) -> None:
    """Raises Denied for who lost a permission since the page let them pass."""
    if permission not in roles.reach(db, actor):
        raise Denied("Your role does not allow this.")


def can_ask(db: Reader, kind: str, actor: Actor) -> bool:
    """Whether there is anybody else who may approve."""
    return bool(_others(db, KINDS[kind].approve, actor))


def tell_unusual(tx: Tx, verdict: Verdict, actor: Actor, subject: tuple[str, int], look: Look) -> None:
    """Let the owners know what is unusual, if anything is."""
    if verdict.unusual:
        record(tx, "export.unusual", actor, subject, why=list(verdict.unusual), count=look.count)
    for why in verdict.unusual:
        tell(tx, "export.unusual", to=accounts.owner_addresses(tx), count=look.count, by=_name(tx, actor), why=why)


def _name(db: Reader, actor: Actor) -> str:
    staff = accounts.find(db, int(actor.ref)) if actor.kind == "staff" else None
    return staff.email if staff is not None else str(actor)


def _others(db: Reader, permission: str, actor: Actor) -> list[Staff]:
    return [s for s in accounts.who_may(db, permission) if f"staff:{s.staff_id}" != str(actor)]


def _acts(db: Reader, name: str, actor: Actor) -> list[tuple[int, dict[str, Any]]]:
    found: list[Act] = audit.acts_since(db, name, actor.kind, actor.ref, db.now - DAY)
    return [(act.at, msgspec.json.decode(act.payload)) for act in found]
