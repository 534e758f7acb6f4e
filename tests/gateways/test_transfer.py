"""Transfers with a reference: lines to copy, odd cents, nobody who calls back, and staff who find the order by the reference."""

from collections.abc import AsyncIterator

import pytest

from kashop.bundled.pay_transfer.gateway import TRANSFER, TransferGateway
from kashop.flows import gateways
from kashop.flows.checkout import Placed
from kashop.flows.confirm import confirm
from kashop.lib.actor import CLI
from kashop.lib.errors import Conflict, Invalid
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.payments.rules import AccountRules
from kashop.payments.types import CallbackRequest, Intent, Rejected
from kashop.plugins.kit import GatewayContract, Stage, Vendor, open_stage
from kashop.shop import Shop
from tests.cast import add_product, call_back, order

OPTIONS = {
    "methods": "transfer",
    "payee": "张三",
    "bank": "招商银行 上海分行",
    "account": "6225 8801 2345 6789 01",
    "qr": "",
}


class TransferVendor(Vendor):
    """Nobody."""

    type = TRANSFER
    method = "transfer"
    calls_back = can_be_asked = False

    def options(self, base_url: str) -> dict[str, str]:
        """An account."""
        return dict(OPTIONS)

    async def arrange_query(self, stage: Stage, intent: Intent, state: str) -> None:
        """There is nothing to arrange."""


class TestTransfer(GatewayContract):
    """A bank account."""

    vendor = TransferVendor()


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with open_stage() as stage:
        yield stage


def make(stage: Stage, **options: str) -> TransferGateway:
    return TransferGateway({**OPTIONS, **options}, stage.ctx)


async def test_the_buyer_gets_lines_to_copy(stage: Stage) -> None:
    intent = TransferVendor().intent()
    begun = await make(stage).begin(intent)
    assert begun.kind == "transfer"
    assert list(begun.fields.items()) == [
        ("Payee", "张三"),
        ("Bank", "招商银行 上海分行"),
        ("Account number", "6225 8801 2345 6789 01"),
        ("Amount", "12.50"),
        ("Reference: write it as the transfer's remark", intent.attempt_no[-8:]),
    ]
    assert begun.gateway_ref == intent.attempt_no[-8:]
    assert (begun.qr, begun.url) == ("", "")


async def test_a_personal_qr_code_may_stand_in_place_of_an_account(stage: Stage) -> None:
    gateway = make(stage, methods="alipay", bank="", account="", qr="https://qr.alipay.com/fkx123")
    begun = await gateway.begin(TransferVendor().intent())
    assert [label.split(":")[0] for label in begun.fields] == ["Payee", "Amount", "Reference"]
    assert (begun.qr, begun.url) == ("https://qr.alipay.com/fkx123", "https://qr.alipay.com/fkx123")
    begun = await make(stage, methods="wxpay", qr="wxp://f2f0abc").begin(TransferVendor().intent())
    assert (begun.qr, begun.url) == ("wxp://f2f0abc", "")


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"payee": ""}, "payee"),
        ({"payee": "x" * 101}, "payee"),
        ({"account": ""}, "account"),
        ({"account": "1\n2"}, "account"),
        ({"qr": "x" * 513}, "qr"),
        ({"methods": "cash"}, "methods"),
    ],
)
async def test_options_that_cannot_work_are_refused_by_name(stage: Stage, over: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        make(stage, **over)
    assert [e.field for e in caught.value.fields] == [field]


@pytest.mark.parametrize(
    ("account", "is_ok"),
    [("6222021234567890128", True), ("6222 0212 3456 7890 128", True), ("6222021234567890129", False), ("31050161", True)],
)
async def test_a_mistyped_card_is_found(stage: Stage, account: str, is_ok: bool) -> None:
    findings = await make(stage, account=account).test()
    assert findings[0].is_ok is is_ok
    assert bool(findings[0].advice) is not is_ok


async def test_nobody_can_call_back_and_staff_confirm(shop: Shop) -> None:
    await add_product(shop, "steam", codes=3)
    await gateways.configure(shop, "bank", type="transfer", options=OPTIONS, actor=CLI)
    placed = await order(shop, "steam", gateway="bank", method="transfer")
    (attempt,) = await shop.db.read(payments.attempts, placed.order.order_id)
    assert attempt.kind == "transfer"
    for query in (b"", f"out_trade_no={attempt.attempt_no}&trade_status=TRADE_SUCCESS".encode()):
        assert (await call_back(shop, query, account="bank")).status == 400
    assert await confirm(shop, placed.order.order_no, reference="BANK-1", note="seen on the statement", actor=CLI) == "delivered"


async def test_odd_cents_tell_transfers_apart(shop: Shop) -> None:
    await add_product(shop, "steam", codes=5)
    rules = AccountRules(spread_minor=3)
    await gateways.configure(shop, "bank", type="transfer", options=OPTIONS, actor=CLI, rules=rules)
    shown = set()
    for placed in await bought(shop, 3):
        (attempt,) = await shop.db.read(payments.attempts, placed.order.order_id)
        assert f'"Amount":"{attempt.amount_minor / 100:.2f}"' in attempt.fields
        shown.add(attempt.amount_minor)
        assert (await shop.db.read(orders.get, placed.order.order_id)).total_minor == 1250
    assert len(shown) == 3
    assert shown <= {1250, 1251, 1252, 1253}
    with pytest.raises(Conflict):
        await bought(shop, 2)


async def bought(shop: Shop, count: int) -> list[Placed]:
    return [await order(shop, "steam", gateway="bank", method="transfer") for _ in range(count)]


def test_the_type_says_that_nobody_answers() -> None:
    assert TRANSFER.is_manual
    assert TRANSFER.refunds == "none"
    assert not [o for o in TRANSFER.options if o.is_secret]


async def test_every_request_is_rejected(stage: Stage) -> None:
    for method in ("GET", "POST", "PUT"):
        with pytest.raises(Rejected) as caught:
            make(stage).read_callback(CallbackRequest(method=method, query=b"a=1", headers={}, body=b"{}"))
        assert caught.value.reason == "no_callbacks"
