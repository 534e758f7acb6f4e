"""The one table of settings."""

from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import available_timezones

import msgspec
from babel.numbers import list_currencies

from kashop.lib.errors import Invalid


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting.

    `kind` is text, longtext, number, flag, choice, currency or timezone; `is_fixed` ones are set once or by command line
    only.
    """

    name: str
    group: str
    kind: str
    default: str | int | bool
    label: str
    help: str = ""
    choices: tuple[str, ...] = ()
    least: int = 0
    most: int = 10**9
    is_fixed: bool = False


SETTINGS: dict[str, Setting] = {
    s.name: s
    for s in (
        Setting(name="shop.id", group="shop", kind="text", default="", label="Shop identity", is_fixed=True),
        Setting(
            name="shop.practice",
            group="shop",
            kind="flag",
            default=False,
            label="Practice shop",
            help="A practice shop may use gateways that take no money. Set when the shop is made.",
            is_fixed=True,
        ),
        Setting(
            name="shop.currency",
            group="shop",
            kind="currency",
            default="CNY",
            label="Currency",
            is_fixed=True,
        ),
        Setting(name="shop.name", group="shop", kind="text", default="kashop", label="Shop name", least=1, most=60),
        Setting(name="shop.timezone", group="shop", kind="timezone", default="Asia/Shanghai", label="Time zone"),
        Setting(
            name="shop.locale",
            group="shop",
            kind="choice",
            default="zh_Hans",
            choices=("zh_Hans", "en"),
            label="Language",
            help="What a visitor sees whose browser asks for neither.",
        ),
        Setting(name="shop.theme", group="shop", kind="text", default="default", label="Theme", least=1, most=40),
        Setting(
            name="shop.announcement",
            group="shop",
            kind="longtext",
            default="",
            label="Announcement",
            help="Markdown, shown above the products.",
            most=4000,
        ),
        Setting(
            name="shop.support",
            group="shop",
            kind="text",
            default="",
            label="Support contact",
            help="Shown wherever a buyer may need a person.",
            most=200,
        ),
        Setting(
            name="orders.late_payment",
            group="orders",
            kind="choice",
            default="deliver",
            choices=("deliver", "hold"),
            label="Payment after the deadline",
            help="deliver: deliver if stock is left, otherwise hand it to staff. hold: always hand it to staff.",
        ),
        Setting(
            name="vault.on_alarm",
            group="vault",
            kind="choice",
            default="tell",
            choices=("tell", "seal"),
            label="When something sealed does not open",
            help="tell: tell the owners. seal: also seal the vault, until an owner unseals it.",
        ),
        Setting(
            name="callbacks.keep_days",
            group="payments",
            kind="number",
            default=90,
            least=7,
            most=3650,
            label="Keep callbacks for",
            help="Days that raw callbacks are kept; rejected ones are kept for seven.",
        ),
    )
}


class Settings:
    """The values that hold: stored ones over defaults."""

    def __init__(self, stored: Mapping[str, str]):
        self._values: dict[str, Any] = {name: s.default for name, s in SETTINGS.items()}
        for name, value in stored.items():
            if name in SETTINGS:
                self._values[name] = msgspec.json.decode(value)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def text(self, name: str) -> str:
        """A text, choice, currency or time zone."""
        return str(self._values[name])

    def number(self, name: str) -> int:
        """A number."""
        return int(self._values[name])

    def flag(self, name: str) -> bool:
        """A flag."""
        return bool(self._values[name])


def checked(name: str, value: object) -> str | int | bool:
    """A value fit to store for a setting. Raises Invalid for the setting's name."""
    setting = SETTINGS.get(name)
    if setting is None:
        raise Invalid.of(name, "There is no such setting.")
    return _CHECKS[setting.kind](setting, value)


def _text(setting: Setting, value: object) -> str:
    text = value.strip() if isinstance(value, str) else ""
    if not isinstance(value, str) or "\0" in text:
        raise Invalid.of(setting.name, "Write text.")
    if len(text) > setting.most:
        raise Invalid.of(setting.name, "Use {most} characters at most.", most=setting.most)
    if len(text) < setting.least:
        raise Invalid.of(setting.name, "This is needed.")
    return text


def _number(setting: Setting, value: object) -> int:
    try:
        number = int(str(value)) if not isinstance(value, bool) and str(value).isascii() else None
    except ValueError:
        number = None
    if number is None or not setting.least <= number <= setting.most:
        raise Invalid.of(setting.name, "Write a number from {least} to {most}.", least=setting.least, most=setting.most)
    return number


def _flag(setting: Setting, value: object) -> bool:
    if value in (True, "1", "true", "on"):
        return True
    if value in (False, "0", "false", "", "off"):
        return False
    raise Invalid.of(setting.name, "Choose yes or no.")


def _one_of(choices: Callable[[Setting], object]) -> Callable[[Setting, object], str]:
    def check(setting: Setting, value: object) -> str:
        if not isinstance(value, str) or value not in choices(setting):  # type: ignore[operator]
            raise Invalid.of(setting.name, "Choose one of the values on offer.")
        return value

    return check


_CHECKS: dict[str, Callable[[Setting, object], str | int | bool]] = {
    "text": _text,
    "longtext": _text,
    "number": _number,
    "flag": _flag,
    "choice": _one_of(lambda s: s.choices),
    "currency": _one_of(lambda s: list_currencies()),
    "timezone": _one_of(lambda s: available_timezones()),
}
