"""The options of the family's accounts, and what must be true of them."""

import re
from collections.abc import Iterable, Mapping

from kashop.plugins.api import FieldError, Invalid, Method, Option, _, vendor_base

METHODS = (Method("usdt", _("USDT")), Method("crypto", _("Cryptocurrency")))
FIATS = ("CNY", "USD", "EUR", "GBP", "JPY")
CHOOSE = "choose"
"""The buyer chooses coin and network on the gateway's page."""

URL = Option(
    name="url",
    label=_("Gateway address"),
    help=_("Where your gateway runs, such as https://usdt.example.com/"),
    kind="url",
)
KEY = Option(
    name="key",
    label=_("API token"),
    help=_("The secret that signs: api_auth_token, auth_token or ApiToken in the gateway's settings."),
    is_secret=True,
)
ALLOW_HTTP = Option(
    name="allow_http",
    label=_("Allow an unencrypted gateway"),
    help=_("Only for a gateway in your own network; then callbacks alone prove a payment, and what a query finds waits for you."),
    kind="choice",
    choices=("no", "yes"),
    default="no",
    is_required=False,
)
SHOWN_AS = Option(
    name="methods",
    label=_("Shown to buyers as"),
    help=_("usdt, or crypto when it is another coin or the buyer chooses."),
    kind="choice",
    choices=("usdt", "crypto"),
    default="usdt",
    is_required=False,
)
FIAT = Option(
    name="fiat",
    label=_("Currency of the gateway's orders"),
    help=_("The gateway converts it into coins at its own rate."),
    kind="choice",
    choices=FIATS,
    default="CNY",
    is_required=False,
)


def asset(default: str, help: str) -> Option:
    """The option that says which coin on which network."""
    return Option(name="asset", label=_("Coin and network"), help=help, default=default)


_PID = re.compile(r"[0-9A-Za-z_-]{1,32}", re.ASCII)


def checked(options: Mapping[str, str], known: Iterable[Option], asset_form: re.Pattern[str] | None = None) -> str:
    """The gateway's address with a slash at its end, once every option is fit. Raises Invalid by option."""
    wrong = []
    base = ""
    try:
        base = vendor_base(options.get("url", ""), may_be_http=options.get("allow_http") == "yes")
    except ValueError as problem:
        wrong.append(FieldError("url", str(problem)))
    if not options.get("key", "").strip():
        wrong.append(FieldError("key", _("Without a key anyone could forge a payment.")))
    if any(o.name == "pid" for o in known) and not _PID.fullmatch(options.get("pid", "")):
        wrong.append(FieldError("pid", _("Write the merchant number that the gateway gave you.")))
    if asset_form and not asset_form.fullmatch(options.get("asset", "")):
        wrong.append(FieldError("asset", _("Write coin and network as the gateway names them, as in the example.")))
    for option in known:
        if option.choices and options.get(option.name, option.default) not in (*option.choices, ""):
            wrong.append(FieldError(option.name, _("Choose one of the values on offer.")))
    if wrong:
        raise Invalid("Please correct the marked fields.", fields=wrong)
    return base
