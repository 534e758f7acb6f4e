"""The options of a V免签 account, and what must be true of them."""

import re
from collections.abc import Mapping

from kashop.bundled.pay_vmq.signing import MD5, SIGN_TYPES
from kashop.plugins.api import FieldError, Invalid, Method, Option, _, vendor_base

TYPES = {"wxpay": "1", "alipay": "2", "bank": "3", "qqpay": "4"}
"""1 and 2 are every build's; 3 and 4 some have."""

METHODS = (
    Method("wxpay", _("WeChat Pay")),
    Method("alipay", _("Alipay")),
    Method("bank", _("UnionPay")),
    Method("qqpay", _("QQ Wallet")),
)

OPTIONS = (
    Option(
        name="url",
        label=_("Address of your V免签 server"),
        help=_("As you open its console, without /createOrder, such as https://vmq.example.com/"),
        kind="url",
    ),
    Option(
        name="key",
        label=_("Communication key (通讯密钥)"),
        help=_("In the console of V免签 under system settings (系统设置)."),
        is_secret=True,
    ),
    Option(
        name="sign_type",
        label=_("Signature"),
        help=_("MD5, unless your build says that it signs with HMAC_SHA256."),
        kind="choice",
        choices=SIGN_TYPES,
        default=MD5,
    ),
    Option(
        name="methods",
        label=_("Ways to pay"),
        help=_("Those that your phone watches, separated by commas: wxpay, alipay; some builds also bank, qqpay."),
        default="wxpay,alipay",
        is_required=False,
    ),
    Option(
        name="allow_http",
        label=_("Allow an unencrypted gateway"),
        help=_("Whoever is on the way could put his own QR code in place of yours. Only in your own network."),
        kind="choice",
        choices=("no", "yes"),
        default="no",
        is_required=False,
    ),
)


def checked(options: Mapping[str, str]) -> str:
    """The server's address with a slash at its end, once every option is fit. Raises Invalid by option."""
    wrong, base = [], ""
    try:
        url = re.sub(r"/(?:createOrder|index\.html)/?$", "", options.get("url", ""))
        base = vendor_base(url, may_be_http=options.get("allow_http") == "yes")
    except ValueError as error:
        wrong.append(FieldError("url", str(error)))
    if not options.get("key", "").strip():
        wrong.append(FieldError("key", _("Without a key anyone could forge a payment.")))
    if options.get("sign_type") not in SIGN_TYPES:
        wrong.append(FieldError("sign_type", _("Choose one of the values on offer.")))
    if any(m.strip() not in TYPES for m in options.get("methods", "").split(",") if m.strip()):
        wrong.append(FieldError("methods", _("Use wxpay, alipay, bank and qqpay, separated by commas.")))
    if wrong:
        raise Invalid("Please correct the marked fields.", fields=wrong)
    return base
