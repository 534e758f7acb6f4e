"""The options of Epay accounts of either version, and what must be true of them."""

import re
from collections.abc import Mapping

import msgspec

from kashop.plugins.api import (
    FieldError,
    Invalid,
    Method,
    Option,
    RsaPrivateKey,
    RsaPublicKey,
    _,
    rsa_private_key,
    rsa_public_key,
    vendor_base,
)

METHODS = (
    Method("alipay", _("Alipay")),
    Method("wxpay", _("WeChat Pay")),
    Method("qqpay", _("QQ Wallet")),
    Method("bank", _("Bank card")),
    Method("jdpay", _("JD Pay")),
)

_MODE_CHOICES = ("page", "api")

_URL_OPTION = Option(
    name="url",
    label=_("Gateway address"),
    help=_("The folder that holds submit.php, such as https://pay.example.com/"),
    kind="url",
)
_METHODS_OPTION = Option(
    name="methods",
    label=_("Ways to pay"),
    help=_("Those that the gateway has opened for you, separated by commas: alipay, wxpay, qqpay, bank, jdpay."),
    default="alipay,wxpay",
    is_required=False,
)

OPTIONS = (
    _URL_OPTION,
    Option(name="pid", label=_("Merchant number (pid)"), help=_("In the merchant's console under API information (API 信息).")),
    Option(
        name="key",
        label=_("Merchant key (MD5)"),
        help=_("In the merchant's console under API information (API 信息): the MD5 key."),
        is_secret=True,
    ),
    Option(
        name="mode",
        label=_("How to begin"),
        help=_("page: the buyer goes to the gateway's own page. api: the QR code is shown in the shop."),
        kind="choice",
        choices=_MODE_CHOICES,
        default="page",
    ),
    _METHODS_OPTION,
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

OPTIONS_V2 = (
    _URL_OPTION,
    Option(name="pid", label=_("Merchant number (pid)"), help=_("In the merchant's console under API information (API 信息).")),
    Option(
        name="private_key",
        label=_("Merchant's private key (RSA)"),
        help=_(
            "The private key (商户私钥) that belongs to the public key which the gateway has of you; with or without BEGIN lines."
        ),
        is_secret=True,
    ),
    Option(
        name="public_key",
        label=_("Platform's public key (RSA)"),
        help=_("The gateway's own public key (平台公钥) out of the merchant's console, not yours."),
    ),
    Option(
        name="mode",
        label=_("How to begin"),
        help=_("api: the QR code is shown in the shop. page: the gateway's own page, by a link that is good for five minutes."),
        kind="choice",
        choices=_MODE_CHOICES,
        default="api",
    ),
    _METHODS_OPTION,
    Option(
        name="allow_http",
        label=_("Allow an unencrypted gateway"),
        help=_("Only for a gateway in your own network."),
        kind="choice",
        choices=("no", "yes"),
        default="no",
        is_required=False,
    ),
)

_SCRIPT = re.compile(r"/+(?:(?:submit|mapi|api)\.php|api/pay/[a-z]+)$")
"""What is pasted behind the address of the folder."""

_PID = re.compile(r"[0-9A-Za-z_-]{1,32}", re.ASCII)


class Keys(msgspec.Struct, frozen=True):
    """The pair of a V2 account: ours to sign with, the platform's to prove by."""

    private: RsaPrivateKey
    platform: RsaPublicKey

    def __repr__(self) -> str:
        return "Keys(…)"


def checked(options: Mapping[str, str]) -> str:
    """A V1 account's address with a slash at its end, once every option is fit. Raises Invalid by option."""
    base, wrong = _alike(options)
    if not options.get("key", "").strip():
        wrong.append(FieldError("key", _("Without a key anyone could forge a payment.")))
    _refuse(wrong)
    return base


def checked_v2(options: Mapping[str, str]) -> tuple[str, Keys]:
    """A V2 account's address with a slash at its end and its keys, once every option is fit. Raises Invalid by option."""
    base, wrong = _alike(options)
    private = platform = None
    try:
        private = rsa_private_key(options.get("private_key", ""))
    except ValueError:
        problem = _("This is no RSA private key of 2048 bits or more: copy the merchant's private key (商户私钥) whole.")
        wrong.append(FieldError("private_key", problem))
    try:
        platform = rsa_public_key(options.get("public_key", ""))
    except ValueError:
        problem = _("This is no RSA public key of 2048 bits or more: copy the platform's public key (平台公钥) whole.")
        wrong.append(FieldError("public_key", problem))
    if private and platform and private.public_key().public_numbers() == platform.public_numbers():
        wrong.append(FieldError("public_key", _("This is your own public key: copy the platform's (平台公钥) instead.")))
    _refuse(wrong)
    assert private is not None  # refused above
    assert platform is not None
    return base, Keys(private, platform)


def _alike(options: Mapping[str, str]) -> tuple[str, list[FieldError]]:
    wrong = []
    base = ""
    try:
        base = vendor_base(_SCRIPT.sub("", options.get("url", "")), may_be_http=options.get("allow_http") == "yes")
    except ValueError as error:
        wrong.append(FieldError("url", str(error)))
    if not _PID.fullmatch(options.get("pid", "")):
        wrong.append(FieldError("pid", _("Write the merchant number that the gateway gave you.")))
    if options.get("mode", "page") not in _MODE_CHOICES:
        wrong.append(FieldError("mode", _("Choose one of the values on offer.")))
    known = {m.name for m in METHODS}
    if any(m.strip() not in known for m in options.get("methods", "").split(",") if m.strip()):
        wrong.append(FieldError("methods", _("Use alipay, wxpay, qqpay, bank and jdpay, separated by commas.")))
    return base, wrong


def _refuse(wrong: list[FieldError]) -> None:
    if wrong:
        raise Invalid("Please correct the marked fields.", fields=wrong)
