"""Every limit of the shop on one page: what is counted, of whom, how often in how long.

Always true: a scope is spent by its own tries alone; `client` is one address as `one_client` counts it.
"""

import msgspec


class Scope(msgspec.Struct, frozen=True):
    """So many tries by one subject in so many seconds. `setting` is the merchant's own number, which then holds instead."""

    most: int
    seconds: int
    of: str
    setting: str = ""


SCOPES: dict[str, Scope] = {
    # buyers
    "order": Scope(300, 600, "client", "risk.orders_tried"),
    "api": Scope(1200, 60, "client", "risk.api_calls"),
    "page drawn": Scope(600, 60, "client"),  # one that does not stand ready
    "page of a robot": Scope(120, 60, "client", "risk.robot_pages"),
    "lookup ip": Scope(30, 600, "client", "risk.lookups"),
    "lookup subject": Scope(15, 600, "number or contact"),
    "order token": Scope(60, 600, "client"),  # only wrong ones: a buyer behind the same address is not held up
    "reveal": Scope(60, 600, "order"),
    "check": Scope(20, 60, "order"),
    "attempts": Scope(20, 600, "order"),
    # gateways: callbacks that no gateway is believed to have sent
    "rejected callbacks": Scope(60, 600, "client"),
    "rejected callbacks of all": Scope(600, 600, "shop"),
    # staff who come in
    "login device": Scope(20, 600, "known browser"),
    "login account": Scope(10, 600, "account"),
    "login client": Scope(20, 600, "client", "risk.logins"),
    "login shop": Scope(300, 600, "shop"),
    "login link": Scope(30, 600, "client"),
    "password change": Scope(10, 600, "account"),
    "code device": Scope(10, 600, "known browser"),
    "enrol": Scope(20, 600, "account"),
    "step up": Scope(10, 600, "account"),
    "reset client": Scope(10, 600, "client"),
    "reset shop": Scope(60, 600, "shop"),
    "reset try": Scope(30, 600, "client"),
    "invitation": Scope(30, 600, "client"),
    "unseal": Scope(20, 600, "shop"),
    # staff at work
    "audit checkpoint": Scope(10, 60, "shop"),
    "audit verify": Scope(4, 60, "shop"),
    "code search": Scope(60, 60, "account"),
    "gateway test": Scope(10, 60, "gateway"),
    "notice test": Scope(10, 300, "shop"),
    "staff query": Scope(10, 60, "order"),
    "statement fetch": Scope(10, 60, "gateway"),
    # suppliers
    "supply join": Scope(30, 600, "client"),
    "supply call": Scope(600, 600, "client"),
    "supply batch": Scope(120, 3600, "supplier"),
    "supply stranger": Scope(60, 600, "client"),
    "supply refusal proved": Scope(60, 3600, "supplier"),
    "supply refusal": Scope(12, 3600, "supplier"),
}
