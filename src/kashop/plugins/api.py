"""All that a plugin may import from kashop. Names here are promises: they are added to, not changed.

    from kashop.plugins.api import GatewayType, hookimpl

    KASHOP_PLUGIN = {"id": "hello", "name": "Hello", "version": "1.0", "plugin_api": 1}

    @hookimpl
    def register_gateways():
        return [GatewayType(...)]

`docs/guide/plugins.md` shows a whole gateway; `kashop.plugins.kit` holds the tests that every gateway must
pass.
"""

from kashop.lib.clock import DAY, HOUR, MINUTE, SECOND, Clock
from kashop.lib.errors import FieldError, Invalid
from kashop.lib.money import to_text as amount_text
from kashop.payments.types import (
    Answer,
    Begun,
    CallbackRequest,
    Finding,
    Gateway,
    GatewayFailed,
    GatewayType,
    Intent,
    Method,
    Notice,
    Option,
    RefundAsk,
    RefundWord,
    Rejected,
    StatementLine,
)
from kashop.plugins.hookspecs import hookimpl
from kashop.plugins.http import Http, HttpFailed, HttpReply
from kashop.plugins.rsa import (
    Certificate,
    RsaPrivateKey,
    RsaPublicKey,
    is_rsa_signed,
    rsa_key_of,
    rsa_private_key,
    rsa_public_key,
    rsa_sign,
    x509_certificates,
)
from kashop.plugins.types import Context, Log, Page, PageRequest, PageResponse, Store
from kashop.plugins.wire import (
    Number,
    form_fields,
    is_line_trusted,
    is_same,
    is_web_address,
    json_object,
    minor_units,
    scrubbed,
    vendor_base,
)
from kashop.risk.captcha import Captcha, CaptchaType, Proof, Task

PLUGIN_API = 1
"""The number that a manifest's `plugin_api` must name."""


def _(message: str) -> str:
    """Marks an English text for translation where it is shown."""
    return message


__all__ = [
    "DAY",
    "HOUR",
    "MINUTE",
    "PLUGIN_API",
    "SECOND",
    "Answer",
    "Begun",
    "CallbackRequest",
    "Captcha",
    "CaptchaType",
    "Certificate",
    "Clock",
    "Context",
    "FieldError",
    "Finding",
    "Gateway",
    "GatewayFailed",
    "GatewayType",
    "Http",
    "HttpFailed",
    "HttpReply",
    "Intent",
    "Invalid",
    "Log",
    "Method",
    "Notice",
    "Number",
    "Option",
    "Page",
    "PageRequest",
    "PageResponse",
    "Proof",
    "RefundAsk",
    "RefundWord",
    "Rejected",
    "RsaPrivateKey",
    "RsaPublicKey",
    "StatementLine",
    "Store",
    "Task",
    "_",
    "amount_text",
    "form_fields",
    "hookimpl",
    "is_line_trusted",
    "is_rsa_signed",
    "is_same",
    "is_web_address",
    "json_object",
    "minor_units",
    "rsa_key_of",
    "rsa_private_key",
    "rsa_public_key",
    "rsa_sign",
    "scrubbed",
    "vendor_base",
    "x509_certificates",
]
