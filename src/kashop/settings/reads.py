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


def plugin_value(db: Reader, plugin: str, name: str) -> str | None:
    """What a plugin keeps by a name, as JSON; None if nothing."""
    sql = "SELECT value FROM plugin_data WHERE plugin = :plugin AND name = :name"
    value: str | None = db.value(sql, plugin=plugin, name=name)
    return value
