"""What a setting is."""

import msgspec


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One setting.

    `kind` is text, longtext, line, number, flag, choice, currency, timezone, email, host, url, path or secret. `is_fixed`
    ones are set once or by command line only. A secret is sealed before it is stored and never shown again.
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
