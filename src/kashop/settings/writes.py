"""Changes of settings and of the plugins' own memory."""

from base64 import b64encode

import msgspec

from kashop.db import Tx
from kashop.lib.actor import Actor
from kashop.settings.table import SETTINGS, checked


def change(tx: Tx, name: str, value: object, actor: Actor) -> None:
    """Store one setting that is no secret. Raises Invalid for its name. The caller records the event: this room stands
    beside the audit."""
    fit = checked(name, value)
    if SETTINGS[name].kind == "secret":
        raise TypeError(f"{name} is a secret: seal it, then keep_secret")
    _store(tx, name, fit, actor)


def keep_secret(tx: Tx, name: str, sealed: bytes, actor: Actor) -> None:
    """Store a secret that was sealed with `keyring.seal_settings(name=f"setting/{name}")`; empty: forget it."""
    if SETTINGS[name].kind != "secret":
        raise TypeError(f"{name} is no secret")
    if sealed:
        _store(tx, name, b64encode(sealed).decode(), actor)
    else:
        tx.run("DELETE FROM settings WHERE name = :name", name=name)


def _store(tx: Tx, name: str, value: str | int | bool, actor: Actor) -> None:
    sql = """INSERT INTO settings (name, value, updated_at, updated_by) VALUES (:name, :value, :now, :by)
             ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at,
               updated_by = excluded.updated_by"""
    tx.run(sql, name=name, value=msgspec.json.encode(value).decode(), now=tx.now, by=str(actor))


def set_plugin_value(tx: Tx, plugin: str, name: str, value: str | None) -> None:
    """Keep a plugin's JSON by a name; None forgets it. It is the plugin's own memory, so no event tells of it."""
    if value is None:
        tx.run("DELETE FROM plugin_data WHERE plugin = :plugin AND name = :name", plugin=plugin, name=name)
        return
    sql = """INSERT INTO plugin_data (plugin, name, value, updated_at) VALUES (:plugin, :name, :value, :now)
             ON CONFLICT (plugin, name) DO UPDATE SET value = excluded.value, updated_at = excluded.updated_at"""
    tx.run(sql, plugin=plugin, name=name, value=value, now=tx.now)
