"""The options of a NOWPayments account, and what must be true of them."""

import re
from collections.abc import Mapping

from kashop.plugins.api import FieldError, Invalid, Method, Option, _, vendor_base

METHODS = (Method("usdt", _("USDT")), Method("crypto", _("Cryptocurrency")))
CHOOSE = "choose"
LIVE = "https://api.nowpayments.io/v1"

OPTIONS = (
    Option(name="key", label=_("API key"), help=_("In NOWPayments: Settings, Payments, API keys."), is_secret=True),
    Option(
        name="ipn_secret",
        label=_("IPN secret"),
        help=_("In NOWPayments: Settings, Payments, Instant payment notifications. It is shown only once."),
        is_secret=True,
    ),
    Option(
        name="asset",
        label=_("Coin and network"),
        help=_("Such as usdttrc20. choose: the buyer chooses on their page, and a lost callback cannot be asked for."),
        default="usdttrc20",
    ),
    Option(
        name="methods",
        label=_("Shown to buyers as"),
        help=_("usdt, or crypto when it is another coin or the buyer chooses."),
        kind="choice",
        choices=("usdt", "crypto"),
        default="usdt",
        is_required=False,
    ),
    Option(
        name="url",
        label=_("API address"),
        help=_("For their sandbox: https://api-sandbox.nowpayments.io/v1"),
        kind="url",
        default=LIVE,
    ),
)
_ASSET = re.compile(r"[0-9a-z]{2,24}", re.ASCII)
_KEY = re.compile(r"[!-~]{8,128}", re.ASCII)


def checked(options: Mapping[str, str]) -> str:
    """The API's address with a slash at its end, once every option is fit. Raises Invalid by option."""
    wrong, base = [], ""
    try:
        base = vendor_base(options.get("url") or LIVE, may_be_http=False)
    except ValueError as problem:
        is_http = options.get("url", "").startswith("http:")
        wrong.append(FieldError("url", _("Use https: the key travels with every request.") if is_http else str(problem)))
    if not _KEY.fullmatch(options.get("key", "")):
        wrong.append(FieldError("key", _("Copy the whole API key from NOWPayments.")))
    if not options.get("ipn_secret", "").strip():
        wrong.append(FieldError("ipn_secret", _("Without the secret anyone could forge a callback.")))
    if not _ASSET.fullmatch(options.get("asset", "")):
        wrong.append(FieldError("asset", _("Write coin and network as the gateway names them, as in the example.")))
    if wrong:
        raise Invalid("Please correct the marked fields.", fields=wrong)
    return base
