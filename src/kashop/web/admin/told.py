"""Events as rows of a page: who did what to which thing, in words, with a way to the thing."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from kashop.accounts import reads as accounts
from kashop.analytics.river import reads as river
from kashop.audit.search.types import Found
from kashop.db import Reader
from kashop.web.admin import event_words

_PAGES = {"order": "/admin/orders/{name}", "product": "/admin/products/{id}", "batch": "/admin/codes/batches/{id}"}
_PAGES |= {"code": "/admin/audit/codes/{id}", "gateway": "/admin/gateways/{name}"}
_ONLY = frozenset({"shop", "vault", "audit"})
"""Things of which there is but one."""
_REFERENCES = {"order": "order", "gateway": "gateway", "sku": "sku", "product": "product"}
"""Facts that are the number of a thing."""
_DIGEST = 16
"""Characters of a digest that people compare."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One event. `facts` are (name, value); a value is text, a number, a flag, or how many there are."""

    seq: int
    at: int
    event: str
    actor: str
    who: str
    who_href: str
    ip: str
    kind: str
    thing: str
    href: str
    reason: str
    facts: tuple[tuple[str, str | int], ...]


def rows(db: Reader, found: Iterable[Found]) -> list[Row]:
    """Events told, in the same order."""
    events = [(event, msgspec.json.decode(event.payload, type=dict[str, Any])) for event in found]
    staff = {str(each.staff_id): each.email for each in accounts.everyone(db)}
    names = _names(db, events)
    return [_row(event, payload, staff, names) for event, payload in events]


def _names(db: Reader, events: list[tuple[Found, dict[str, Any]]]) -> dict[str, dict[int, str]]:
    wanted: dict[str, set[int]] = {}
    for event, payload in events:
        wanted.setdefault(event.object_kind, set()).add(event.object_id)
        for fact, kind in _REFERENCES.items():
            if isinstance(payload.get(fact), int):
                wanted.setdefault(kind, set()).add(payload[fact])
    return {kind: river.things(db, kind, ids) for kind, ids in wanted.items()}


def _row(event: Found, payload: dict[str, Any], staff: Mapping[str, str], names: Mapping[str, Mapping[int, str]]) -> Row:
    personal: dict[str, str] = msgspec.json.decode(event.personal or "{}")
    is_person = event.actor_kind in ("staff", "cli") and bool(event.actor_ref)
    kind, name = event.object_kind, names.get(event.object_kind, {}).get(event.object_id, "")
    return Row(
        seq=event.seq,
        at=event.at,
        event=event.name,
        actor=event.actor_kind,
        who=staff.get(event.actor_ref, f"#{event.actor_ref}") if event.actor_kind == "staff" else event.actor_ref,
        who_href=f"/admin/audit?{urlencode({'actor': f'{event.actor_kind}:{event.actor_ref}'})}" if is_person else "",
        ip=personal.get("ip", ""),
        kind=kind,
        thing="" if kind in _ONLY else name or f"{event.object_id}",
        href="" if kind in _ONLY or not event.object_id else _href(kind, event.object_id, name),
        reason=event.reason,
        facts=tuple(_facts(payload, name, names)),
    )


def _href(kind: str, id_: int, name: str) -> str:
    page = _PAGES.get(kind, "")
    if page and (name or "{name}" not in page):
        return page.format(id=id_, name=name)
    return f"/admin/audit?{urlencode({'kind': kind, 'number': id_})}"


def _facts(payload: dict[str, Any], thing: str, names: Mapping[str, Mapping[int, str]]) -> Iterable[tuple[str, str | int]]:
    for name, value in payload.items():
        if name in event_words.SILENT or value in ("", None, [], {}) or value == thing:
            continue
        if isinstance(value, list):
            yield name, len(value) if name == "codes" else ", ".join(map(str, value))
        elif isinstance(value, int) and name in _REFERENCES:
            yield name, names.get(_REFERENCES[name], {}).get(value, str(value))
        elif isinstance(value, dict):
            yield name, ", ".join(f"{key} {each}" for key, each in value.items())
        elif name == "digest":
            yield name, f"{str(value)[:_DIGEST]}…"
        else:
            yield name, value if isinstance(value, int) else str(value)
