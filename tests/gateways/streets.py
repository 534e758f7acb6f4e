"""A street: a served shop in real time, with an account at one simulated vendor. Real HTTP goes both ways."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from kashop.app import running
from kashop.flows import attempts, gateways
from kashop.flows.checkout import Placed
from kashop.lib.actor import CLI, SYSTEM
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.payments.rows import Attempt
from kashop.payments.rules import AccountRules
from kashop.payments.types import Gateway, RefundAsk
from kashop.plugins.kit.simulator import Simulator
from kashop.settings.config import load
from kashop.shop import Shop
from tests.cast import add_product, order
from tests.serving import free_port

ACCOUNT = "vendor"


@dataclass
class Street:
    """Both ends of it."""

    shop: Shop
    vendor: Simulator

    async def buy(self, method: str = "") -> Placed:
        """An order of one code for 12.50, begun at the vendor."""
        return await order(self.shop, "steam", gateway=ACCOUNT, method=method or self.vendor.method)

    async def attempt(self, placed: Placed) -> Attempt:
        """The order's newest attempt."""
        return (await self.shop.db.read(payments.attempts, placed.order.order_id))[-1]

    async def pay(self, placed: Placed, **how: object) -> list[tuple[int, str]]:
        """The buyer pays; what the shop answered to the vendor."""
        number = (await self.attempt(placed)).attempt_no
        heard = await asyncio.to_thread(self.vendor.pay, number, **how)
        return [(answer.status, answer.body) for answer in heard]

    async def query(self, placed: Placed) -> str:
        """The shop asks."""
        return await attempts.query(self.shop, (await self.attempt(placed)).attempt_id, SYSTEM)

    async def status(self, placed: Placed) -> str:
        """Of the order."""
        return (await self.shop.db.read(orders.get, placed.order.order_id)).status

    async def gateway(self) -> Gateway:
        """As the shop has it."""
        account = await self.shop.db.read(payments.find_gateway, ACCOUNT)
        assert account is not None
        return gateways.made(self.shop, account)

    async def refund_ask(self, placed: Placed, amount_minor: int, *, refund_no: str = "R1", before: int = 0) -> RefundAsk:
        """What the shop asks for when it refunds a paid order."""
        attempt = await self.attempt(placed)
        receipt = (await self.shop.db.read(payments.receipts, placed.order.order_id))[0]
        return RefundAsk(
            refund_no=refund_no.ljust(8, "0"),
            payment=attempt.intent(title="t", callback_url="", return_url="", client_ip="127.0.0.1", locale="zh_Hans"),
            gateway_txn=receipt.gateway_txn,
            captured_minor=receipt.amount_minor,
            refunded_minor=before,
            amount_minor=amount_minor,
            currency=receipt.currency,
            reason="test",
            asked_at=self.shop.clock.now(),
        )


@asynccontextmanager
async def street(data: Path, kind: type[Simulator], rules: AccountRules | None = None, **options: str) -> AsyncIterator[Street]:
    """Open one."""
    port = free_port()
    with kind() as vendor:
        async with running(load(data, {}, base_url=f"http://127.0.0.1:{port}", port=port), with_jobs=False) as work:
            await add_product(work.shop, "steam", codes=9)
            given = {**vendor.options(), **options}
            await gateways.configure(work.shop, ACCOUNT, type=vendor.gateway_type, options=given, actor=CLI, rules=rules)
            server = uvicorn.Server(uvicorn.Config(work.app, port=port, log_config=None, lifespan="off"))
            server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
            serving = asyncio.create_task(server.serve())
            while not server.started:  # noqa: ASYNC110  # uvicorn has no event to wait for
                await asyncio.sleep(0.01)
            yield Street(work.shop, vendor)
            server.should_exit = True
            await serving
