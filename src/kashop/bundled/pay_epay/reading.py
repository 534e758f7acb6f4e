"""What both protocol versions write and say alike: the fields of an order, replies, ways to pay, payments.

Always true: numbers are read from the text that was sent; a buyer is sent to web pages and wallets only.
"""

import re
from collections.abc import Mapping
from typing import Any

from kashop.plugins.api import Begun, GatewayFailed, HttpReply, Intent, Notice, amount_text, minor_units

CURRENCY = "CNY"
MOST_NAME_BYTES = 127
DEVICES = {"desktop": "pc", "phone": "mobile", "wechat": "wechat", "alipay": "alipay", "qq": "qq"}
QUERY_STATES = {"1": "paid", "2": "closed"}
"""0 unpaid, 3 frozen by the platform and 4 authorised only may still become money; 2 was paid and is refunded."""

_ATTEMPT_NO = re.compile(r"[A-Z0-9]{1,32}", re.ASCII)
_TXN = re.compile(r"[!-~]{1,64}", re.ASCII)
_METHOD = re.compile(r"[a-z0-9_]{0,32}", re.ASCII)
_APP_SCHEMES = ("http", "https", "weixin", "alipays", "alipay", "mqqapi", "mqqwallet")


def order_fields(intent: Intent, pid: str, **more: str) -> dict[str, str]:
    """The fields of a new order that are not empty, still without a signature. Raises GatewayFailed for what Epay cannot take."""
    if "?" in intent.callback_url or intent.currency != CURRENCY:
        raise GatewayFailed("Epay takes CNY only, and a callback address without a question mark")
    fields = {
        "pid": pid,
        "type": intent.method,
        "out_trade_no": intent.attempt_no,
        "notify_url": intent.callback_url,
        "return_url": intent.return_url,
        "name": _name(intent.title),
        "money": amount_text(intent.amount_minor, CURRENCY),
        **more,
    }
    return {k: v for k, v in fields.items() if v}


def server_side(intent: Intent) -> dict[str, str]:
    """What a server that creates an order says of the buyer besides."""
    return {"clientip": intent.client_ip or "127.0.0.1", "device": DEVICES.get(intent.device, "pc")}


def object_of(reply: HttpReply) -> dict[str, Any]:
    """The JSON object of a reply, numbers as text. Raises GatewayFailed and HttpFailed."""
    if reply.status != 200:
        raise GatewayFailed(f"the gateway answered with HTTP {reply.status}", is_unclear=reply.status >= 500)
    said = reply.json()
    if not isinstance(said, dict):
        raise GatewayFailed("the answer is not a JSON object", is_unclear=True)
    return said


def redirect(url: object, ref: str) -> Begun | None:
    """A way to pay at an address, unless it is none that a buyer may be sent to."""
    return Begun(kind="redirect", url=url, gateway_ref=ref) if isinstance(url, str) and _is_safe(url) else None


def code_to_scan(text: object, ref: str) -> Begun | None:
    """A way to pay by QR code, unless it is none."""
    if not isinstance(text, str) or not 0 < len(text) <= 1024 or not text.isprintable():
        return None
    return Begun(kind="qr", qr=text, url=text if _is_safe(text) else "", gateway_ref=ref)


def found(intent: Intent, said: Mapping[str, Any], pid: str) -> Notice:
    """What a queried order says of an attempt. Raises GatewayFailed."""
    if said.get("out_trade_no") != intent.attempt_no or said.get("pid", pid) != pid:
        raise GatewayFailed("the gateway answered about another order")
    state = QUERY_STATES.get(str(said.get("status")), "pending")
    if state != "paid":
        return Notice(state=state, attempt_no=intent.attempt_no)
    try:
        return paid(intent.attempt_no, {k: v for k, v in said.items() if isinstance(v, str)})
    except ValueError as error:
        raise GatewayFailed(f"the gateway answered with a malformed {error}") from None


def told(fields: Mapping[str, str]) -> Notice:
    """What a proved notification says. Raises ValueError with the word for what is malformed."""
    attempt_no = fields.get("out_trade_no", "")
    if not is_attempt_no(attempt_no):
        raise ValueError("malformed")
    if fields.get("trade_status") == "TRADE_SUCCESS":
        return paid(attempt_no, fields)
    is_closed = fields.get("trade_status") == "TRADE_CLOSED"
    return Notice(state="closed" if is_closed else "pending", attempt_no=attempt_no)


def paid(attempt_no: str, fields: Mapping[str, str]) -> Notice:
    """A paid notice. Raises ValueError with the word for what is malformed."""
    method, txn = fields.get("type", ""), fields.get("trade_no", "")
    amount = amount_of(fields.get("money"))
    if not _TXN.fullmatch(txn):
        raise ValueError("transaction")
    if not _METHOD.fullmatch(method):
        raise ValueError("method")
    return Notice(state="paid", attempt_no=attempt_no, gateway_txn=txn, amount_minor=amount, currency=CURRENCY, method=method)


def amount_of(money: object) -> int:
    """An amount above nothing in minor units. Raises ValueError("amount")."""
    try:
        amount = minor_units(money, CURRENCY) if isinstance(money, str) else 0
    except ValueError:
        amount = 0
    if amount == 0:
        raise ValueError("amount")
    return amount


def refunded_amount(said: Mapping[str, Any]) -> int:
    """What a reply about a refund says was sent back; 0 when it does not say."""
    try:
        return amount_of(said.get("money"))
    except ValueError:
        return 0


def number_of(said: Mapping[str, Any], name: str) -> str:
    """A number of the vendor's out of a reply, empty when there is none fit to be kept."""
    value = said.get(name)
    return value if isinstance(value, str) and _TXN.fullmatch(value) else ""


def is_attempt_no(text: str) -> bool:
    """Whether a number may be one of our attempts."""
    return bool(_ATTEMPT_NO.fullmatch(text))


def _name(title: str) -> str:
    """The title without control characters, cut where the gateway would cut it."""
    line = title if title.isprintable() else "".join(c if c.isprintable() else " " for c in title)
    line = " ".join(line.split())
    return line.encode()[:MOST_NAME_BYTES].decode(errors="ignore").strip() or "order"


def _is_safe(url: str) -> bool:
    """Whether a buyer may be sent to an address: a web page or a wallet, never a script."""
    return url.isprintable() and " " not in url and url.partition(":")[0].lower() in _APP_SCHEMES and len(url) <= 4096
