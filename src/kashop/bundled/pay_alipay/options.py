"""The options of an Alipay account, and what must be true of them."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from kashop.bundled.pay_alipay.certificates import root_serial, serial_of
from kashop.plugins.api import (
    Certificate,
    FieldError,
    Invalid,
    Option,
    RsaPrivateKey,
    RsaPublicKey,
    _,
    rsa_key_of,
    rsa_private_key,
    rsa_public_key,
    x509_certificates,
)

CONTRACTS = ("qr", "page", "wap")
GATEWAY = "https://openapi.alipay.com/gateway.do"

OPTIONS = (
    Option(
        name="app_id",
        label=_("App id"),
        help=_("open.alipay.com: your app's page; 16 digits."),
    ),
    Option(
        name="private_key",
        label=_("App private key"),
        help=_("What Alipay's key tool saved as the app's private key (RSA2, 2048 bits). It stays here; Alipay never has it."),
        is_secret=True,
    ),
    Option(
        name="alipay_public_key",
        label=_("Alipay public key"),
        help=_(
            "open.alipay.com: app, development settings, signing method, “Alipay public key”: not the app's own. "
            "In certificate mode paste alipayCertPublicKey_RSA2.crt."
        ),
    ),
    Option(
        name="contracts",
        label=_("Products signed up for"),
        help=_("Of qr (face to face, QR code), page (computer websites) and wap (phone websites): those you hold, with commas."),
        default="qr",
    ),
    Option(
        name="seller_id",
        label=_("Merchant number (PID)"),
        help=_("2088…; when it is given, notices about any other account are refused."),
        is_required=False,
    ),
    Option(
        name="app_cert",
        label=_("App certificate"),
        help=_("Only in certificate mode: appCertPublicKey_….crt."),
        is_required=False,
    ),
    Option(
        name="root_cert",
        label=_("Alipay root certificate"),
        help=_("Only in certificate mode: alipayRootCert.crt."),
        is_required=False,
    ),
    Option(
        name="url",
        label=_("Gateway address"),
        help=_("Leave it as it is. The sandbox: https://openapi-sandbox.dl.alipaydev.com/gateway.do"),
        kind="url",
        default=GATEWAY,
        is_required=False,
    ),
)

_APP_ID = re.compile(r"[0-9]{16}", re.ASCII)
_SELLER_ID = re.compile(r"2088[0-9]{12}", re.ASCII)
_URL = re.compile(r"[A-Za-z0-9:/._\[\]-]+", re.ASCII)


@dataclass(repr=False)
class Account:
    """A merchant's account, its options proved fit.

    `keys` are those that Alipay signs by: the only one under the empty name, or each under its certificate's serial number.
    `secrets` are the private key's spellings, to be kept out of what a careless vendor says.
    """

    url: str
    app_id: str
    key: RsaPrivateKey
    contracts: tuple[str, ...]
    seller_id: str
    keys: dict[str, RsaPublicKey]
    secrets: tuple[str, ...]
    app_cert_sn: str = ""
    root_cert_sn: str = ""
    chain: Sequence[Certificate] = field(default_factory=tuple)
    roots: Sequence[Certificate] = field(default_factory=tuple)


def checked(options: Mapping[str, str]) -> Account:
    """The account of these options. Raises Invalid by option."""
    given = {o.name: options.get(o.name, "").strip() or o.default for o in OPTIONS}
    wrong = _Wrong()
    contracts = tuple(name.strip() for name in given["contracts"].split(",") if name.strip())
    wrong.unless(bool(_APP_ID.fullmatch(given["app_id"])), "app_id", _("Write the app id: 16 digits."))
    wrong.unless(
        bool(contracts) and set(contracts) <= set(CONTRACTS), "contracts", _("Use qr, page and wap, separated by commas.")
    )
    is_seller = not given["seller_id"] or bool(_SELLER_ID.fullmatch(given["seller_id"]))
    wrong.unless(is_seller, "seller_id", _("Write the merchant number: 16 digits that begin with 2088, or nothing."))
    wrong.unless(bool(url := _url(given["url"])), "url", _("Write an address that begins with https://"))
    key = _private_key(given["private_key"], wrong)
    secrets = (given["private_key"], "".join(given["private_key"].split()))
    theirs = _their_keys(given, wrong)
    if key is not None and any(k.public_numbers() == key.public_key().public_numbers() for k in theirs.keys.values()):
        wrong.unless(False, "alipay_public_key", _("This is your app's own public key. Take the one named “Alipay public key”."))
    if wrong.errors or key is None:
        raise Invalid("Please correct the marked fields.", fields=wrong.errors)
    return Account(
        url=url,
        app_id=given["app_id"],
        key=key,
        contracts=contracts,
        seller_id=given["seller_id"],
        keys=theirs.keys,
        secrets=secrets,
        app_cert_sn=theirs.app_cert_sn,
        root_cert_sn=root_serial(theirs.roots),
        chain=theirs.chain,
        roots=theirs.roots,
    )


class _Wrong:
    """What is wrong, by option."""

    def __init__(self) -> None:
        self.errors: list[FieldError] = []

    def unless(self, is_right: bool, name: str, message: str) -> None:
        if not is_right:
            self.errors.append(FieldError(name, message))


@dataclass
class _Theirs:
    keys: dict[str, RsaPublicKey] = field(default_factory=dict)
    app_cert_sn: str = ""
    chain: Sequence[Certificate] = ()
    roots: Sequence[Certificate] = ()


def _private_key(text: str, wrong: _Wrong) -> RsaPrivateKey | None:
    try:
        return rsa_private_key(text)
    except ValueError:
        wrong.unless(False, "private_key", _("This is no RSA private key of 2048 bits. Paste it whole, as it was saved."))
        return None


def _their_keys(given: Mapping[str, str], wrong: _Wrong) -> _Theirs:
    text = given["alipay_public_key"]
    if "BEGIN CERTIFICATE" not in text:
        has_none = not (given["app_cert"] or given["root_cert"])
        wrong.unless(has_none, "alipay_public_key", _("With certificates, paste alipayCertPublicKey_RSA2.crt here."))
        try:
            return _Theirs({"": rsa_public_key(text)})
        except ValueError:
            wrong.unless(False, "alipay_public_key", _("This is no RSA public key. Copy the Alipay public key whole."))
            return _Theirs()
    chain = _certificates(given, "alipay_public_key", wrong)
    app, roots = _certificates(given, "app_cert", wrong), _certificates(given, "root_cert", wrong)
    if not (chain and app and roots):
        return _Theirs()
    try:
        return _Theirs({serial_of(chain[0]): rsa_key_of(chain[0])}, serial_of(app[0]), chain, roots)
    except ValueError:
        wrong.unless(False, "alipay_public_key", _("This is no RSA public key. Copy the Alipay public key whole."))
        return _Theirs()


def _certificates(given: Mapping[str, str], name: str, wrong: _Wrong) -> list[Certificate]:
    try:
        return x509_certificates(given[name])
    except ValueError:
        wrong.unless(False, name, _("Paste the whole file, from BEGIN CERTIFICATE to END CERTIFICATE."))
        return []


def _url(text: str) -> str:
    """The address that is asked, or nothing when it is none."""
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
    if not is_safe or not host or not _URL.fullmatch(text):
        return ""
    return text if parts.path not in ("", "/") else f"{parts.scheme}://{parts.netloc}/gateway.do"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
