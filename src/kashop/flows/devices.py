"""Browsers that an account was used from before.

Always true: the proof is bound to the account and to its password, so that a changed password makes every browser a stranger;
it opens nothing, it only spares its owner what slows strangers down.
"""

import secrets

from kashop.accounts.types import Staff
from kashop.shop import Shop

_PURPOSE = "staff device"


def proof_for(shop: Shop, staff: Staff) -> str:
    """What a browser keeps after a log-in."""
    nonce = secrets.token_urlsafe(9)
    return f"{nonce}.{shop.keyring.sign(_PURPOSE, _text(staff, nonce))}"


def is_known(shop: Shop, staff: Staff, device: str) -> bool:
    """Whether a browser was given this for the account, as its password is now."""
    nonce, _, mac = device.partition(".")
    return bool(mac) and shop.keyring.is_signed(_PURPOSE, _text(staff, nonce), mac)


def _text(staff: Staff, nonce: str) -> str:
    return f"{staff.staff_id}/{nonce}/{staff.password_hash[-16:]}"
