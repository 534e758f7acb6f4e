"""The options of a Stripe account, and what must be true of them."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from kashop.plugins.api import FieldError, Invalid, Method, Option, _

API_URL = "https://api.stripe.com"

METHODS = (
    Method("card", _("Card")),
    Method("alipay", _("Alipay")),
    Method("wxpay", _("WeChat Pay")),
)

OPTIONS = (
    Option(
        name="secret_key",
        label=_("Secret key"),
        help=_(
            "Stripe Dashboard, Developers, API keys. It begins with sk_live_ or rk_live_; for tries, with sk_test_ or rk_test_."
        ),
        is_secret=True,
    ),
    Option(
        name="webhook_secret",
        label=_("Webhook signing secret"),
        help=_(
            "Developers, Webhooks: add an endpoint with the callback address of this account "
            "(https://your.shop/pay/NAME/callback), then copy its signing secret. It begins with whsec_."
        ),
        is_secret=True,
    ),
    Option(
        name="methods",
        label=_("Ways to pay"),
        help=_(
            "card, alipay and wxpay, separated by commas. card shows on Stripe's page whatever your Dashboard has switched on."
        ),
        default="card",
        is_required=False,
    ),
    Option(
        name="api_url",
        label=_("API address"),
        help=_("Leave it as it is. Another address is only for a simulated vendor."),
        kind="url",
        default=API_URL,
        is_required=False,
    ),
)

_KEY = re.compile(r"(?:sk|rk)_(live|test)_[A-Za-z0-9_]{8,250}", re.ASCII)
_WEBHOOK_SECRET = re.compile(r"whsec_[A-Za-z0-9+/=_-]{8,250}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Account:
    """A Stripe account as configured. `base` has no slash at its end."""

    key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    base: str
    is_live: bool


def checked(options: Mapping[str, str]) -> Account:
    """The account, once every option is fit. Raises Invalid by option."""
    wrong = []
    key, secret = options.get("secret_key", "").strip(), options.get("webhook_secret", "").strip()
    base = (options.get("api_url") or API_URL).rstrip("/")
    found = _KEY.fullmatch(key)
    if found is None:
        wrong.append(FieldError("secret_key", _("Write the secret key: sk_live_… or rk_live_…, not the publishable one (pk_).")))
    if not _WEBHOOK_SECRET.fullmatch(secret):
        wrong.append(
            FieldError("webhook_secret", _("Write the endpoint's signing secret: without it anyone could forge a payment."))
        )
    known = {m.name for m in METHODS}
    if any(m.strip() not in known for m in options.get("methods", "").split(",") if m.strip()):
        wrong.append(FieldError("methods", _("Use card, alipay and wxpay, separated by commas.")))
    if not is_address(base):
        wrong.append(FieldError("api_url", _("Write an address that begins with https://")))
    if found is None or wrong:
        raise Invalid("Please correct the marked fields.", fields=wrong)
    return Account(key, secret, base, is_live=found[1] == "live")


def is_address(url: str) -> bool:
    """Whether requests with a key may go to an address: https, or this machine."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return False
    is_plain = not (parts.query or parts.fragment or parts.username is not None) and url.isascii() and " " not in url
    return is_plain and bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
