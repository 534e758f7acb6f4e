"""The options of a BTCPay account, and what must be true of them."""

import re
from collections.abc import Mapping

from kashop.plugins.api import FieldError, Invalid, Method, Option, _, vendor_base

METHODS = (Method("crypto", _("Cryptocurrency")),)
PERMISSIONS = (
    "btcpay.store.cancreateinvoice",
    "btcpay.store.canviewinvoices",
    "btcpay.store.canmodifyinvoices",
    "btcpay.store.cancreatepullpayments",
)
BROADER = ("unrestricted", "btcpay.store.canmodifystoresettings")
"""Rights that hold all of them."""

OPTIONS = (
    Option(
        name="url",
        label=_("Server address"),
        help=_("Where your BTCPay Server runs, such as https://btcpay.example.com/"),
        kind="url",
    ),
    Option(name="store", label=_("Store ID"), help=_("In BTCPay: Settings, General, Store ID.")),
    Option(
        name="key",
        label=_("API key"),
        help=_("In BTCPay: Account, API keys. Rights: create, view and modify invoices, create and view pull payments."),
        is_secret=True,
    ),
    Option(
        name="webhook_secret",
        label=_("Webhook secret"),
        help=_("In BTCPay: Settings, Webhooks. Make one to this account's callback address, for all events; copy its secret."),
        is_secret=True,
    ),
)
_STORE = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_KEY = re.compile(r"[!-~]{8,128}", re.ASCII)


def checked(options: Mapping[str, str]) -> str:
    """The server's address with a slash at its end, once every option is fit. Raises Invalid by option."""
    wrong, base = [], ""
    try:
        base = vendor_base(options.get("url", ""), may_be_http=False)
    except ValueError as problem:
        is_http = options.get("url", "").startswith("http:")
        wrong.append(FieldError("url", _("Use https: the key travels with every request.") if is_http else str(problem)))
    if not _STORE.fullmatch(options.get("store", "")):
        wrong.append(FieldError("store", _("Copy the store ID from BTCPay.")))
    if not _KEY.fullmatch(options.get("key", "")):
        wrong.append(FieldError("key", _("Copy the whole API key from BTCPay.")))
    if not options.get("webhook_secret", "").strip():
        wrong.append(FieldError("webhook_secret", _("Without the secret anyone could forge a callback.")))
    if wrong:
        raise Invalid("Please correct the marked fields.", fields=wrong)
    return base
