"""A gateway that does as a test tells it: each account looks up its own behaviour by its option `name`."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from kashop.flows import gateways
from kashop.lib.actor import CLI
from kashop.payments.rules import AccountRules
from kashop.plugins.api import (
    Answer,
    Begun,
    CallbackRequest,
    Context,
    Finding,
    GatewayFailed,
    GatewayType,
    Intent,
    Method,
    Notice,
    Option,
    Rejected,
)
from kashop.shop import Shop

REDIRECT = Begun(kind="redirect", url="https://vendor.example/pay")


@dataclass
class Behaviour:
    """What one account does. `mood`: begins, refuses, unclear, hangs."""

    mood: str = "begins"
    begun: Begun = REDIRECT
    intents: list[Intent] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    visits: str = ""
    """An address that its test asks."""


class CounterGateway:
    """Keeps the Gateway protocol."""

    accepted = Answer()
    rejected = Answer(status=400, body=b"fail")

    def __init__(self, options: Mapping[str, str], ctx: Context):
        self.does = BEHAVIOURS.setdefault(options["name"], Behaviour())
        self._ctx = ctx

    async def begin(self, intent: Intent) -> Begun:
        self.does.intents.append(intent)
        if self.does.mood == "hangs":
            await asyncio.sleep(3600)
        if self.does.mood != "begins":
            raise GatewayFailed("out of order", is_unclear=self.does.mood == "unclear")
        return self.does.begun

    def read_callback(self, request: CallbackRequest) -> Notice:
        raise Rejected("signature")

    async def query(self, intent: Intent) -> Notice | None:
        return None

    async def test(self) -> list[Finding]:
        if self.does.visits:
            await self._ctx.http.get(self.does.visits)
        return self.does.findings


BEHAVIOURS: dict[str, Behaviour] = {}

COUNTER = GatewayType(
    type="counter",
    label="Counter",
    methods=(Method("alipay", "Alipay"), Method("wxpay", "WeChat Pay"), Method("transfer", "Transfer")),
    currencies=("CNY", "USD"),
    options=(
        Option(name="name", label="Name"),
        Option(name="methods", label="Ways to pay", is_required=False),
        Option(name="key", label="Key", is_secret=True, is_required=False),
    ),
    make=CounterGateway,
)


def install(shop: Shop) -> None:
    """Make the type known to a shop."""
    shop.plugins._gateways["counter"] = ("counter", COUNTER)


async def add_counter(
    shop: Shop, name: str, rules: AccountRules | None = None, *, methods: str = "alipay", **does: object
) -> Behaviour:
    """An account of it, with a fresh behaviour."""
    install(shop)
    BEHAVIOURS[name] = Behaviour(**does)
    options = {"name": name, "methods": methods}
    await gateways.configure(shop, name, type="counter", options=options, actor=CLI, rules=rules or AccountRules())
    return BEHAVIOURS[name]
