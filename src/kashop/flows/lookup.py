"""查单: find an order again by its number or contact, and its password.

Always true: an order without a look-up password is opened by its link alone; not found, no password and wrong password sound
and last the same.
"""

from kashop.db import Reader
from kashop.lib.errors import NotFound
from kashop.lib.text import contact_key
from kashop.orders import reads as orders
from kashop.orders.types import Order
from kashop.risk import one_client
from kashop.shop import Shop

TRIED = 3
"""Orders of one contact whose password is tried: the newest and the newest paid ones; others open by number."""


async def find(shop: Shop, *, subject: str, password: str, ip: str) -> list[tuple[Order, str]]:
    """The orders that a number or contact and a password open, newest first, each with its link's token.

    Raises NotFound (for every reason alike), TooMany.
    """
    subject = contact_key(subject)
    shop.limits.take("lookup ip", one_client(ip))
    shop.limits.take("lookup subject", subject.lower()[:254])
    meant = await shop.db.read(candidates, subject)
    hashes = [order.lookup_hash for order in meant]
    hashes += [None] * (TRIED - len(hashes))
    right = [await shop.lookup_passwords.verify(stored, password) for stored in hashes]
    found = [order for order, is_right in zip(meant, right, strict=False) if is_right]
    if not found or not password:
        raise NotFound("No order fits this number or contact and this password.")
    return [(order, shop.keyring.order_token(order.order_no)) for order in found]


def candidates(db: Reader, subject: str) -> list[Order]:
    """The orders whose password may be meant: the one of that number, or a few of that contact."""
    by_number = orders.find(db, subject.upper())
    if by_number is not None:
        return [by_number] if by_number.lookup_hash else []
    if not subject:
        return []
    # anybody may order in this contact's name and not pay: such orders take one place of the three at most
    tried = [*orders.of_contact(db, subject, limit=1), *orders.paid_of_contact(db, subject, limit=TRIED)]
    tried += orders.of_contact(db, subject, limit=TRIED)
    chosen = list({order.order_id: order for order in tried}.values())[:TRIED]
    return sorted(chosen, key=lambda order: order.order_id, reverse=True)
