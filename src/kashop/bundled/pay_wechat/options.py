"""The options of a WeChat Pay account, and what must be true of them."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from kashop.plugins.api import FieldError, Invalid, Option, RsaPrivateKey, RsaPublicKey, _, rsa_private_key, rsa_public_key

CONTRACTS = ("native", "h5", "jsapi")
HOST = "https://api.mch.weixin.qq.com"

OPTIONS = (
    Option(name="mchid", label=_("Merchant number (mchid)"), help=_("pay.weixin.qq.com: account centre, merchant information.")),
    Option(
        name="appid",
        label=_("AppID"),
        help=_("Of the official account (or app) that is bound to the merchant number; begins with wx."),
    ),
    Option(
        name="api_v3_key",
        label=_("APIv3 key"),
        help=_("pay.weixin.qq.com: account centre, API security, “APIv3 key”; exactly 32 characters."),
        is_secret=True,
    ),
    Option(
        name="serial_no",
        label=_("Certificate serial number"),
        help=_("Of the merchant's API certificate: account centre, API security; 40 hexadecimal digits."),
    ),
    Option(
        name="private_key",
        label=_("Merchant private key"),
        help=_("The contents of apiclient_key.pem, which the certificate tool made beside the certificate."),
        is_secret=True,
    ),
    Option(
        name="public_key_id",
        label=_("WeChat Pay public key id"),
        help=_("API security, “WeChat Pay public key”: begins with PUB_KEY_ID_. Empty when there are platform certificates."),
        is_required=False,
    ),
    Option(
        name="public_key",
        label=_("WeChat Pay public key"),
        help=_("The contents of pub_key.pem, downloaded beside its id."),
        is_required=False,
    ),
    Option(
        name="contracts",
        label=_("Products signed up for"),
        help=_("Of native (QR code), h5 (phone browsers) and jsapi (inside WeChat): those you hold, with commas."),
        default="native",
    ),
    Option(
        name="app_secret",
        label=_("AppSecret"),
        help=_("Only for jsapi: mp.weixin.qq.com, the official account's development settings. It tells who pays."),
        is_secret=True,
        is_required=False,
    ),
    Option(
        name="url",
        label=_("API address"),
        help=_("Leave it as it is. The spare one: https://api2.mch.weixin.qq.com"),
        kind="url",
        default=HOST,
        is_required=False,
    ),
)

_RULES = {
    "mchid": (re.compile(r"[0-9]{8,12}", re.ASCII), _("Write the merchant number: 8 to 12 digits.")),
    "appid": (re.compile(r"wx[0-9a-zA-Z]{16}", re.ASCII), _("Write the AppID: wx and 16 characters.")),
    "api_v3_key": (re.compile(r"[!-~]{32}", re.ASCII), _("The APIv3 key has exactly 32 characters.")),
    "serial_no": (re.compile(r"[0-9A-Fa-f]{8,40}", re.ASCII), _("Write the serial number: hexadecimal digits.")),
    "public_key_id": (re.compile(r"(PUB_KEY_ID_[0-9A-Za-z_]{1,64})?", re.ASCII), _("The id begins with PUB_KEY_ID_.")),
}
_HOST = re.compile(r"[A-Za-z0-9.\[\]:-]+", re.ASCII)


@dataclass(repr=False)
class Account:
    """A merchant's account, its options proved fit. `url` has no slash at its end."""

    url: str
    mchid: str
    appid: str
    api_v3_key: str
    serial_no: str
    key: RsaPrivateKey
    public_key_id: str
    public_key: RsaPublicKey | None
    contracts: tuple[str, ...]
    app_secret: str
    secrets: tuple[str, ...]

    @property
    def is_real(self) -> bool:
        """Whether it is WeChat that is asked, and no simulated one."""
        return self.url.endswith(".weixin.qq.com")

    def at(self, real: str) -> str:
        """A host of WeChat's; a simulated one is every host."""
        return real if self.is_real else self.url


def checked(options: Mapping[str, str]) -> Account:
    """The account of these options. Raises Invalid by option."""
    given = {o.name: options.get(o.name, "").strip() or o.default for o in OPTIONS}
    wrong = [FieldError(name, words) for name, (form, words) in _RULES.items() if not form.fullmatch(given[name])]
    contracts = tuple(name.strip() for name in given["contracts"].split(",") if name.strip())
    if not contracts or not set(contracts) <= set(CONTRACTS):
        wrong.append(FieldError("contracts", _("Use native, h5 and jsapi, separated by commas.")))
    if "jsapi" in contracts and not re.fullmatch(r"[0-9a-zA-Z]{16,64}", given["app_secret"], re.ASCII):
        wrong.append(FieldError("app_secret", _("Inside WeChat (jsapi) the AppSecret is needed: letters and digits.")))
    if not (url := _url(given["url"])):
        wrong.append(FieldError("url", _("Write an address that begins with https://")))
    key = _private_key(given["private_key"], wrong)
    public_key = _public_key(given, wrong)
    if key is not None and public_key is not None and key.public_key().public_numbers() == public_key.public_numbers():
        wrong.append(FieldError("public_key", _("This is your own public key. Take pub_key.pem, the WeChat Pay public key.")))
    if wrong or key is None:
        raise Invalid("Please correct the marked fields.", fields=wrong)
    return Account(
        url=url,
        mchid=given["mchid"],
        appid=given["appid"],
        api_v3_key=given["api_v3_key"],
        serial_no=given["serial_no"].upper(),
        key=key,
        public_key_id=given["public_key_id"],
        public_key=public_key,
        contracts=contracts,
        app_secret=given["app_secret"],
        secrets=(given["private_key"], "".join(given["private_key"].split()), given["api_v3_key"], given["app_secret"]),
    )


def _private_key(text: str, wrong: list[FieldError]) -> RsaPrivateKey | None:
    try:
        return rsa_private_key(text)
    except ValueError:
        wrong.append(FieldError("private_key", _("This is no RSA private key of 2048 bits. Paste it whole, as it was saved.")))
        return None


def _public_key(given: Mapping[str, str], wrong: list[FieldError]) -> RsaPublicKey | None:
    if not given["public_key"] and not given["public_key_id"]:
        return None
    if not given["public_key_id"]:
        wrong.append(FieldError("public_key_id", _("Write the id of the WeChat Pay public key too.")))
    try:
        return rsa_public_key(given["public_key"])
    except ValueError:
        wrong.append(FieldError("public_key", _("This is no RSA public key. Paste pub_key.pem whole.")))
        return None


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
    if not is_safe or not _HOST.fullmatch(parts.netloc) or parts.path not in ("", "/") or parts.query or parts.fragment:
        return ""
    return f"{parts.scheme}://{parts.netloc}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
