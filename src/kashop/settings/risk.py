"""The settings of 风控: against hoarders, and how often one address may try what."""

from kashop.settings.types import Setting


def _number(name: str, default: int, label: str, help: str = "", *, least: int = 0, most: int = 1_000_000) -> Setting:
    group = "limits" if name in _LIMITS else "risk"
    return Setting(
        name=f"risk.{name}", group=group, kind="number", default=default, label=label, help=help, least=least, most=most
    )


_LIMITS = frozenset({"orders_tried", "api_calls", "lookups", "logins", "robot_pages"})
_NO_BOUND = "0: no bound."

RISK = (
    Setting(
        name="risk.captcha",
        group="risk",
        kind="choice",
        default="auto",
        choices=("auto", "always", "off"),
        label="Proof of work before an order",
        help="The buyer's browser computes for some seconds before it may hold stock; nobody types anything. "
        "Before a sale that many wait for, choose “Never”: its crowd is pressure too. The guide “Before a sale” says what else.",
    ),
    Setting(
        name="risk.captcha_by",
        group="risk",
        kind="line",
        default="altcha",
        label="Provider of the proof",
        help="The name of a captcha that a plugin brings; altcha is in the box and asks no other site.",
        least=1,
        most=64,
    ),
    _number(
        "pressure_share",
        20,
        "A product is under pressure from",
        "Percent of its stock that unpaid orders hold, ten codes or more. Many orders that ran out unpaid are pressure too.",
        least=5,
        most=100,
    ),
    _number(
        "least_hold_minutes",
        3,
        "Minutes to pay while under pressure",
        "Under pressure an order waits only so long for its payment, if its product does not say less.",
        least=1,
        most=1440,
    ),
    _number(
        "orders_per_buyer",
        5,
        "Unpaid orders of one buyer",
        f"At once, by browser, and by contact together with the address. {_NO_BOUND}",
    ),
    _number("codes_per_buyer", 1000, "Unpaid codes of one buyer", f"All that those orders may hold together. {_NO_BOUND}"),
    _number("orders_per_address", 100, "Unpaid orders of one address", f"Wide: many buyers may share an address. {_NO_BOUND}"),
    _number("codes_per_address", 5000, "Unpaid codes of one address", f"All that those orders may hold together. {_NO_BOUND}"),
    _number("orders_per_buyer_pressed", 1, "Unpaid orders of one buyer under pressure", _NO_BOUND),
    _number("codes_per_buyer_pressed", 5, "Unpaid codes of one buyer under pressure", _NO_BOUND),
    _number("orders_per_address_pressed", 10, "Unpaid orders of one address under pressure", _NO_BOUND),
    Setting(
        name="risk.free_networks",
        group="risk",
        kind="line",
        default="",
        label="Addresses that are not counted",
        help="Your own servers that order for many buyers, such as 203.0.113.7, 10.0.0.0/8. They prove no work, and only "
        "contacts are counted. Whoever can use such an address can hold all of your stock.",
        most=500,
    ),
    _number("orders_tried", 300, "Orders that one address may try", "In ten minutes.", least=1),
    _number("api_calls", 1200, "API calls of one address", "In a minute.", least=1),
    _number("lookups", 30, "Order look-ups of one address", "In ten minutes.", least=1),
    _number("logins", 20, "Panel log-ins that one address may try", "In ten minutes, from browsers that are new here.", least=3),
    _number(
        "robot_pages",
        120,
        "Pages that one robot may fetch",
        "In a minute, of those that call themselves robots; search engines wait and come back.",
        least=1,
    ),
)
