"""`kashop setting`: what the merchant may choose."""

from pathlib import Path
from typing import Any

import rich_click as click

from kashop.cli import frame, show
from kashop.flows import settings
from kashop.lib.errors import Invalid, NotFound
from kashop.settings import SETTINGS
from kashop.shop import Shop


@click.group()
def setting() -> None:
    """What the merchant may choose; a running server takes a change up within seconds."""


@setting.command("list")
@frame.shop_options
def list_(*, data: Path, is_json: bool) -> None:
    """Every setting with its value."""

    async def work(shop: Shop) -> dict[str, Any]:
        return {name: _shown(shop, name) for name in SETTINGS}

    values = frame.run(data, work)
    if is_json:
        show.as_json(values)
        return
    rows = [
        (s.name, values[s.name], "fixed" if s.is_fixed else " ".join(s.choices), s.help or s.label) for s in SETTINGS.values()
    ]
    show.table(("SETTING", "VALUE", "", "WHAT"), rows)


@setting.command("get")
@click.argument("name")
@frame.shop_options
def get(*, name: str, data: Path, is_json: bool) -> None:
    """One setting's value; of a secret only whether it is set."""
    if name not in SETTINGS:
        raise NotFound("There is no setting {name}: `kashop setting list` shows them.", name=name)

    async def work(shop: Shop) -> Any:
        return _shown(shop, name)

    value = frame.run(data, work)
    show.as_json({name: value}) if is_json else show.line(str(value))


@setting.command("set")
@click.argument("name")
@click.argument("value")
@frame.shop_options
def set_(*, name: str, value: str, data: Path, is_json: bool) -> None:
    """Change one setting. A secret is read from a file (`@FILE`) or from stdin (`-`), never from the command line.

    Example: kashop setting set shop.name 我的小店
    """
    if name not in SETTINGS:
        raise NotFound("There is no setting {name}: `kashop setting list` shows them.", name=name)
    is_secret = SETTINGS[name].kind == "secret"
    if is_secret:
        value = _secret(name, value)
    frame.run(data, lambda shop: settings.change(shop, {name: value}, frame.actor()))
    said = "set" if is_secret else value
    show.as_json({name: said}) if is_json else show.line(f"{name} is now {said}.")


@setting.command("clear")
@click.argument("name")
@frame.shop_options
def clear(*, name: str, data: Path, is_json: bool) -> None:
    """Go back to a setting's default; forget a secret."""
    if name not in SETTINGS:
        raise NotFound("There is no setting {name}: `kashop setting list` shows them.", name=name)
    default = SETTINGS[name].default
    frame.run(data, lambda shop: settings.change(shop, {name: default}, frame.actor()))
    said = "not set" if SETTINGS[name].kind == "secret" else default
    show.as_json({name: said}) if is_json else show.line(f"{name} is now {said}.")


def _secret(name: str, given: str) -> str:
    """A secret from where it may come: what stands on a command line stands in the list of processes too."""
    if given != "-" and not given.startswith("@"):
        raise Invalid.of(name, "This is a secret: write it into a file and say @FILE, or say - and give it on stdin.")
    return frame.read_secret(Path(given.removeprefix("@")), field=name)


def _shown(shop: Shop, name: str) -> Any:
    if SETTINGS[name].kind == "secret":
        return "set" if shop.settings[name] else "not set"
    return shop.settings[name]
