"""Looks at stored settings and at the plugins' own memory."""

import msgspec

from kashop.db import Reader
from kashop.settings.table import Settings


class Stored(msgspec.Struct, frozen=True):
    """One stored value, as JSON."""

    name: str
    value: str


class Change(msgspec.Struct, frozen=True):
    """Who set a setting last."""

    name: str
    updated_at: int
    updated_by: str


def settings(db: Reader) -> Settings:
    """The values that hold."""
    return Settings({s.name: s.value for s in db.all("SELECT name, value FROM settings", Stored)})


def changes(db: Reader) -> dict[str, Change]:
    """Who changed what last."""
    return {c.name: c for c in db.all("SELECT name, updated_at, updated_by FROM settings", Change)}
