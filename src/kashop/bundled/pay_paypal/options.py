"""The options of a PayPal account, and what must be true of them."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from kashop.plugins.api import Certificate, FieldError, Invalid, Method, Option, _, x509_certificates

HOSTS = {"live": "https://api-m.paypal.com", "sandbox": "https://api-m.sandbox.paypal.com"}
CERTIFICATE_HOSTS = {
    "live": frozenset({"https://api.paypal.com", "https://api-m.paypal.com"}),
    "sandbox": frozenset({"https://api.sandbox.paypal.com", "https://api-m.sandbox.paypal.com"}),
}

METHODS = (Method("paypal", _("PayPal")),)

OPTIONS = (
    Option(
        name="client_id",
        label=_("Client ID"),
        help=_("developer.paypal.com, Apps & Credentials, your app. Switch to Live at the top for real money."),
    ),
    Option(name="client_secret", label=_("Client secret"), help=_("Beside the client ID, under Show."), is_secret=True),
    Option(
        name="webhook_id",
        label=_("Webhook ID"),
        help=_(
            "In the same app, Webhooks: add the callback address of this account (https://your.shop/pay/NAME/callback) "
            "with the events of Checkout, Payments and Disputes; the ID stands beside it."
        ),
    ),
    Option(
        name="environment",
        label=_("Environment"),
        help=_("live takes money; sandbox is for tries, with a client ID and webhook of its own."),
        kind="choice",
        choices=("live", "sandbox"),
        default="live",
    ),
    Option(
        name="api_url",
        label=_("API address"),
        help=_("Leave it empty. An address is only for a simulated vendor."),
        kind="url",
        is_required=False,
    ),
    Option(
        name="authority",
        label=_("Certificate authority"),
        help=_("Leave it empty. Only for a simulated vendor: the certificate (PEM) that its own is issued by."),
        is_required=False,
    ),
)

_CLIENT = re.compile(r"[A-Za-z0-9_.-]{10,200}", re.ASCII)
_WEBHOOK = re.compile(r"[A-Za-z0-9]{10,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Account:
    """A PayPal account as configured. `base` has no slash at its end; certificates come from `certificate_hosts` alone, and are
    issued by `authority` if that is given, else by one that everybody trusts."""

    client_id: str
    secret: str = field(repr=False)
    webhook_id: str
    base: str
    certificate_hosts: frozenset[str]
    authority: Certificate | None


def checked(options: Mapping[str, str]) -> Account:
    """The account, once every option is fit. Raises Invalid by option."""
    wrong = []
    given = {name: options.get(name, "").strip() for name in (o.name for o in OPTIONS)}
    environment, base = given["environment"] or "live", given["api_url"].rstrip("/")
    if not _CLIENT.fullmatch(given["client_id"]):
        wrong.append(FieldError("client_id", _("Write the app's client ID: letters and digits, without blanks.")))
    if not _CLIENT.fullmatch(given["client_secret"]):
        wrong.append(FieldError("client_secret", _("Write the app's secret: letters and digits, without blanks.")))
    if not _WEBHOOK.fullmatch(given["webhook_id"]):
        wrong.append(
            FieldError("webhook_id", _("Write the webhook's ID, without which no callback can be proved; not its address."))
        )
    if environment not in HOSTS:
        wrong.append(FieldError("environment", _("Choose one of the values on offer.")))
    if base and not is_address(base):
        wrong.append(FieldError("api_url", _("Write an address that begins with https://")))
    try:
        authority = x509_certificates(given["authority"])[0] if given["authority"] else None
    except ValueError:
        wrong.append(FieldError("authority", _("Write a certificate in PEM, or nothing.")))
    if wrong:
        raise Invalid("Please correct the marked fields.", fields=wrong)
    hosts = frozenset({origin(base)}) if base else CERTIFICATE_HOSTS[environment]
    whose = (given["client_id"], given["client_secret"], given["webhook_id"])
    return Account(*whose, base or HOSTS[environment], hosts, authority)


def is_address(url: str) -> bool:
    """Whether an address is fit for a key or a buyer: https, or this machine."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return False
    is_plain = url.isascii() and url.isprintable() and " " not in url and not parts.fragment and parts.username is None
    return is_plain and bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host)))


def origin(url: str) -> str:
    """Scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
