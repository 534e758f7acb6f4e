"""The options of an account at 虎皮椒, and what must be true of them."""

import re
from collections.abc import Mapping

from kashop.plugins.api import FieldError, Invalid, Method, Option, _, vendor_base

METHODS = (Method("wxpay", _("WeChat Pay")), Method("alipay", _("Alipay")))

OPTIONS = (
    Option(
        name="appid",
        label=_("APPID"),
        help=_("In the console of 虎皮椒 under the payment channel (支付渠道管理); each channel has its own."),
    ),
    Option(
        name="secret",
        label=_("APPSECRET"),
        help=_("It stands beside the APPID."),
        is_secret=True,
    ),
    Option(
        name="methods",
        label=_("What this APPID takes"),
        help=_("Each APPID is of one channel: wxpay or alipay. For both, add two accounts."),
        kind="choice",
        choices=("wxpay", "alipay"),
        default="wxpay",
    ),
    Option(
        name="url",
        label=_("Gateway address"),
        help=_("The address that the console names for your channel, without /payment/do.html."),
        kind="url",
        default="https://api.xunhupay.com/",
        is_required=False,
    ),
)

_APPID = re.compile(r"[0-9A-Za-z_-]{1,64}", re.ASCII)
_SECRET = re.compile(r"[!-~]{8,128}", re.ASCII)


def checked(options: Mapping[str, str]) -> str:
    """The vendor's address with a slash at its end, once every option is fit. Raises Invalid by option."""
    wrong, base = [], ""
    if not _APPID.fullmatch(options.get("appid", "")):
        wrong.append(FieldError("appid", _("Write the APPID that stands in the console of 虎皮椒.")))
    if not _SECRET.fullmatch(options.get("secret", "")):
        wrong.append(FieldError("secret", _("Copy the APPSECRET whole: without it anyone could forge a payment.")))
    if options.get("methods") not in ("wxpay", "alipay"):
        wrong.append(FieldError("methods", _("Choose one of the values on offer.")))
    try:
        url = options.get("url") or "https://api.xunhupay.com/"
        base = vendor_base(re.sub(r"/payment/do\.html$", "", url), may_be_http=False)
    except ValueError as error:
        wrong.append(FieldError("url", str(error)))
    if wrong:
        raise Invalid("Please correct the marked fields.", fields=wrong)
    return base
