"""How much of the stock one address, one contact and one browser may hold unpaid.

Always true: what is held is counted in the change that places the order; a bound of 0 is none. A contact counts only together
with the address that it is ordered from: it is no secret, and a stranger who knows it takes nothing from its owner.
"""

from collections.abc import Sequence

import msgspec

from kashop.lib.errors import Conflict


class Who(msgspec.Struct, frozen=True):
    """Who orders, as far as it is counted: keyed digests of address and browser, the contact; None is not counted.

    `beside` is the address that a contact is counted at, 0 for those that the merchant named his own.
    """

    client: int | None
    contact: str | None
    browser: int | None
    beside: int = 0


NOBODY = Who(None, None, None)


class Held(msgspec.Struct, frozen=True):
    """What one of them holds unpaid now. `kind` is client, contact or browser."""

    kind: str
    orders: int
    codes: int


class Caps(msgspec.Struct, frozen=True):
    """The bounds that hold for an order: of a buyer (his contact and his browser, each) and of an address."""

    buyer_orders: int = 0
    buyer_codes: int = 0
    client_orders: int = 0
    client_codes: int = 0

    def counted(self, who: Who) -> Who:
        """Those for whom there is a bound."""
        has_buyer, has_client = self.buyer_orders or self.buyer_codes, self.client_orders or self.client_codes
        return Who(
            who.client if has_client else None,
            who.contact if has_buyer else None,
            who.browser if has_buyer else None,
            who.beside if has_buyer else 0,
        )


class OverBudget(Conflict):
    """Whoever orders holds as much unpaid as is allowed; nothing was taken."""

    code = "unpaid_orders"


_SAID = {
    "buyer": "You have unpaid orders already: {orders}. Pay or cancel one of them, then order again.",
    "buyer_codes": "Your unpaid orders would hold {codes} codes together, and {most} is the most just now. Pay or cancel one of "
    "them, or order fewer.",
    "alone": "At most {most} may be ordered at once just now. Please order fewer.",
    "client": "Very many unpaid orders come from your network just now. Pay or cancel yours, or try again in a few minutes.",
}


def check(caps: Caps, held: Sequence[Held], codes: int) -> None:
    """Refuse an order of so many codes that would go over a bound. Raises OverBudget."""
    for each in held:
        is_buyer = each.kind != "client"
        most_orders, most_codes = (caps.buyer_orders, caps.buyer_codes) if is_buyer else (caps.client_orders, caps.client_codes)
        if most_orders and each.orders >= most_orders:
            raise OverBudget(_SAID["buyer" if is_buyer else "client"], orders=each.orders)
        if most_codes and codes and each.codes + codes > most_codes:
            why = "client" if not is_buyer else "buyer_codes" if each.orders else "alone"
            raise OverBudget(_SAID[why], codes=each.codes + codes, most=most_codes)
    if caps.buyer_codes and codes > caps.buyer_codes:  # whoever told neither contact nor browser holds no more than others
        raise OverBudget(_SAID["alone"], most=caps.buyer_codes)
