"""The pretended vendor's word that an order was paid: the Epay V1 notification, signed with keys made up for this run."""

import hashlib
import secrets
from urllib.parse import urlencode

CURRENCY = "CNY"
PID = "1001"
KEY = secrets.token_hex(16)


def notification(attempt_no: str, txn: str, money: str, method: str) -> str:
    """The query of a notification, as the Epay sheet has it: sorted, raw, the key appended, MD5."""
    told = {
        "pid": PID,
        "trade_no": txn,
        "out_trade_no": attempt_no,
        "type": method,
        "name": "stress",
        "money": money,
        "trade_status": "TRADE_SUCCESS",
    }
    content = "&".join(f"{name}={told[name]}" for name in sorted(told) if told[name])
    sign = hashlib.md5(f"{content}{KEY}".encode(), usedforsecurity=False).hexdigest()
    return urlencode({**told, "sign": sign, "sign_type": "MD5"})
