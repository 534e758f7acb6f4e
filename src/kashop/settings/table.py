"""The one table of settings."""

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import msgspec

from kashop.lib.errors import Invalid
from kashop.settings.checks import BY_NAME, CHECKS
from kashop.settings.risk import RISK
from kashop.settings.types import Setting

_MAIL = (
    Setting(
        name="mail.host",
        group="mail",
        kind="host",
        default="",
        label="Mail server",
        help="The SMTP server of your mail provider, such as smtp.example.com. Empty: no mail is sent.",
    ),
    Setting(
        name="mail.port",
        group="mail",
        kind="number",
        default=587,
        least=1,
        most=65535,
        label="Port",
        help="587 for STARTTLS, 465 for TLS.",
    ),
    Setting(
        name="mail.security",
        group="mail",
        kind="choice",
        default="starttls",
        choices=("starttls", "tls", "none"),
        label="Encryption",
        help="Without encryption no password is sent.",
    ),
    Setting(name="mail.username", group="mail", kind="line", default="", label="User name", most=254),
    Setting(
        name="mail.password",
        group="mail",
        kind="secret",
        default="",
        label="Password",
        help="Some providers want an authorisation code here instead of the password.",
        most=500,
    ),
    Setting(
        name="mail.from",
        group="mail",
        kind="email",
        default="",
        label="Sender address",
        help="Most servers take only the address of the user who logs in.",
        most=254,
    ),
    Setting(
        name="mail.from_name",
        group="mail",
        kind="line",
        default="",
        label="Sender name",
        help="Empty: the shop name.",
        most=60,
    ),
)
_NOTICES = (
    Setting(
        name="notices.webhook_url",
        group="notices",
        kind="url",
        default="",
        label="Webhook address",
        help="What concerns the whole shop is posted there as signed JSON (Standard Webhooks).",
    ),
    Setting(
        name="notices.webhook_key",
        group="notices",
        kind="secret",
        default="",
        label="Webhook key",
        help="whsec_…, with which the receiver checks the signature. Nothing is posted without one.",
        most=120,
    ),
    Setting(
        name="notices.file",
        group="notices",
        kind="path",
        default="",
        label="Notice file",
        help="A file outside the data directory, best on another disk or machine. Each notice is one line of JSON in it.",
    ),
)

_HOLD_OR_REFUND = "hold: hand it to staff. refund: send it back by itself, where the gateway can; otherwise hand it to staff."
_UNFIT = (
    *(
        Setting(
            name=f"payments.{name}",
            group="payments",
            kind="choice",
            default="hold",
            choices=("hold", "refund"),
            label=label,
            help=_HOLD_OR_REFUND,
        )
        for name, label in (
            ("on_partly_paid", "Paid in part when the order ends"),
            ("on_overpaid", "Paid more than the order costs"),
            ("on_paid_twice", "Paid a second time"),
            ("on_mismatch", "Paid in another currency or by another method"),
        )
    ),
    Setting(
        name="payments.second_person_above",
        group="payments",
        kind="number",
        default=0,
        most=10**14,
        label="Money that one person may send back alone",
        help="Whoever wants to send back more within 24 hours needs a second person, and nothing above it goes back by itself. "
        "In the smallest unit (100 is 1.00). 0: never.",
    ),
)

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
            name="staff.require_totp",
            group="staff",
            kind="choice",
            default="off",
            choices=("off", "owners", "all"),
            label="Who must use two-step log-in",
            help="Whoever is concerned sets up an app at the next page they open, and can do nothing else before.",
        ),
        Setting(
            name="orders.late_payment",
            group="orders",
            kind="choice",
            default="deliver",
            choices=("deliver", "deliver_or_refund", "hold", "refund"),
            label="Payment after the deadline",
            help="deliver: deliver if stock is left, otherwise hand it to staff. deliver_or_refund: deliver if stock is left, "
            "otherwise send the money back. hold: always hand it to staff. refund: always send the money back.",
        ),
        Setting(
            name="orders.confirm_alone_most",
            group="orders",
            kind="number",
            default=100_000,
            most=10**14,
            label="Largest payment that staff may confirm alone",
            help="Above it anybody but an owner needs a second person, in the smallest unit (100 is 1.00). 0: never.",
        ),
        Setting(
            name="orders.confirm_alone_per_day",
            group="orders",
            kind="number",
            default=500_000,
            most=10**14,
            label="All that one of them may confirm alone within 24 hours",
            help="The same for the sum of what one person confirmed by hand. 0: never.",
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
            name="codes.second_person_above",
            group="codes",
            kind="number",
            default=50,
            most=50_000,
            label="Codes that one person may see alone",
            help="Whoever wants to reveal or export more within 24 hours needs a second person. 0: never.",
        ),
        Setting(
            name="codes.second_person_above_value",
            group="codes",
            kind="number",
            default=0,
            most=10**14,
            label="Worth that one person may see alone",
            help="The same by price or cost, whichever is more, in the smallest unit (100 is 1.00). 0: never.",
        ),
        Setting(
            name="codes.alert_above_per_day",
            group="codes",
            kind="number",
            default=100,
            most=1_000_000,
            label="Tell the owners above",
            help="Codes that one person revealed or exported within 24 hours. 0: never.",
        ),
        *_UNFIT,
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
        Setting(
            name="audit.keep_personal_days",
            group="audit",
            kind="number",
            default=1095,
            least=0,
            most=36500,
            label="Keep personal details in the audit for",
            help="Days after which addresses and contacts in old events are erased; the events stay. 0 keeps them for ever.",
        ),
        Setting(
            name="vault.rotate_every_days",
            group="vault",
            kind="number",
            default=0,
            most=3650,
            label="Renew the keys every",
            help="Days after which all codes are sealed anew under fresh keys; 0: only by hand.",
        ),
        *RISK,
        *_MAIL,
        *_NOTICES,
    )
}


class Settings:
    """The values that hold: stored ones over defaults. Of a secret it has the sealed form alone."""

    def __init__(self, stored: Mapping[str, str]):
        self._values: dict[str, Any] = {name: s.default for name, s in SETTINGS.items()}
        self._sealed: dict[str, bytes] = {}
        for name, value in stored.items():
            if name in SETTINGS and SETTINGS[name].kind == "secret":
                self._sealed[name] = b64decode(msgspec.json.decode(value))
            elif name in SETTINGS:
                self._values[name] = msgspec.json.decode(value)

    def __getitem__(self, name: str) -> Any:
        """The value; of a secret only whether it is set."""
        return name in self._sealed if SETTINGS[name].kind == "secret" else self._values[name]

    def text(self, name: str) -> str:
        """A text, choice, currency, time zone, address or path."""
        return str(self._values[name])

    def number(self, name: str) -> int:
        """A number."""
        return int(self._values[name])

    def flag(self, name: str) -> bool:
        """A flag."""
        return bool(self._values[name])

    def sealed(self, name: str) -> bytes:
        """A secret as it is stored; empty when it is not set. `flows/settings.py` opens it."""
        return self._sealed.get(name, b"")


def checked(name: str, value: object) -> str | int | bool:
    """A value fit to store for a setting; a secret in the clear still. Raises Invalid for the setting's name."""
    setting = SETTINGS.get(name)
    if setting is None:
        raise Invalid.of(name, "There is no such setting.")
    return BY_NAME.get(name, CHECKS[setting.kind])(setting, value)
