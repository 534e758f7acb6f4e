"""Epay notifications for any attempt, amount and lie, as the sheet has them."""

from urllib.parse import urlencode

from tests.cast import EPAY, epay_sign


def notice(
    attempt_no: str,
    txn: str,
    amount: int,
    method: str,
    *,
    key: str,
    pid: str = EPAY["pid"],
    status: str = "TRADE_SUCCESS",
    money: str = "",
) -> bytes:
    """The query string of one notification, signed."""
    told = {
        "pid": pid,
        "trade_no": txn,
        "out_trade_no": attempt_no,
        "type": method,
        "name": "order",
        "money": money or f"{amount // 100}.{amount % 100:02}",
        "trade_status": status,
    }
    return urlencode({**told, "sign_type": "MD5", "sign": epay_sign(told, key)}).encode()
