"""The options of an Epay account, and what must be true of them."""

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from kashop.plugins.api import FieldError, Invalid, Method, Option, _

METHODS = (
    Method("alipay", _("Alipay")),
    Method("wxpay", _("WeChat Pay")),
    Method("qqpay", _("QQ Wallet")),
    Method("bank", _("Bank card")),
)

OPTIONS = (
    Option(
        name="url",
        label=_("Gateway address"),
        help=_("The folder that holds submit.php, such as https://pay.example.com/"),
        kind="url",
    ),
    Option(name="pid", label=_("Merchant number (pid)")),
    Option(name="key", label=_("Merchant key (MD5)"), is_secret=True),
    Option(
        name="mode",
        label=_("How to begin"),
        help=_("page: the buyer goes to the gateway's own page. api: the QR code is shown in the shop."),
        kind="choice",
        choices=("page", "api"),
        default="page",
    ),
    Option(
        name="methods",
        label=_("Ways to pay"),
        help=_("Those that the gateway has opened for you, separated by commas."),
        default="alipay,wxpay",
        is_required=False,
    ),
    Option(
        name="allow_http",
        label=_("Allow an unencrypted gateway"),
        help=_("Queries carry the key in their address. Only for a gateway in your own network."),
        kind="choice",
        choices=("no", "yes"),
        default="no",
        is_required=False,
    ),
)

_URL = re.compile(r"[A-Za-z0-9:/._~%\[\]@!$&'()*+,;=?#-]+", re.ASCII)
_PID = re.compile(r"[0-9A-Za-z_-]{1,32}", re.ASCII)


def checked(options: Mapping[str, str]) -> str:
    """The gateway's address with a slash at its end, once every option is fit. Raises Invalid by option."""
    wrong = []
    base, problem = _base(options.get("url", ""), options.get("allow_http") == "yes")
    if problem:
        wrong.append(FieldError("url", problem))
    if not _PID.fullmatch(options.get("pid", "")):
        wrong.append(FieldError("pid", _("Write the merchant number that the gateway gave you.")))
    if not options.get("key", "").strip():
        wrong.append(FieldError("key", _("Without a key anyone could forge a payment.")))
    if options.get("mode", "page") not in ("page", "api"):
        wrong.append(FieldError("mode", _("Choose one of the values on offer.")))
    known = {m.name for m in METHODS}
    if any(m.strip() not in known for m in options.get("methods", "").split(",") if m.strip()):
        wrong.append(FieldError("methods", _("Use alipay, wxpay, qqpay and bank, separated by commas.")))
    if wrong:
        raise Invalid("Please correct the marked fields.", fields=wrong)
    return base


def _base(url: str, may_be_http: bool) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        host, parts = "", urlsplit("")
    if parts.scheme not in ("http", "https") or not host or not _URL.fullmatch(url):
        return "", _("Write an address that begins with https://")
    if parts.username is not None or parts.query or parts.fragment:
        return "", _("Write the address without a user name, a question mark or a hash mark.")
    if parts.scheme == "http" and not may_be_http and not is_loopback(host):
        return "", _("Use https: the key travels in the address of queries.")
    path = re.sub(r"/+(?:submit|mapi|api)\.php$", "", parts.path).rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}/", ""


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
