"""`kashop setting`: what the merchant may choose."""

from pathlib import Path
from typing import Any

import rich_click as click

from kashop.cli import frame, show
from kashop.flows import settings
from kashop.lib.errors import NotFound
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
        return {name: shop.settings[name] for name in SETTINGS}

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
    """One setting's value."""
    if name not in SETTINGS:
        raise NotFound("There is no setting {name}: `kashop setting list` shows them.", name=name)

    async def work(shop: Shop) -> Any:
        return shop.settings[name]

    value = frame.run(data, work)
    show.as_json({name: value}) if is_json else show.line(str(value))


@setting.command("set")
@click.argument("name")
@click.argument("value")
@frame.shop_options
def set_(*, name: str, value: str, data: Path, is_json: bool) -> None:
    """Change one setting.

    Example: kashop setting set shop.name 我的小店
    """
    if name not in SETTINGS:
        raise NotFound("There is no setting {name}: `kashop setting list` shows them.", name=name)
    frame.run(data, lambda shop: settings.change(shop, {name: value}, frame.actor()))
    show.as_json({name: value}) if is_json else show.line(f"{name} is now {value}.")
