"""What an account asks for and what that pays: fee, another currency, tolerance, odd cents (docs/decisions/0019)."""

import pytest

from kashop.flows import gateways
from kashop.lib.actor import CLI
from kashop.lib.errors import Conflict
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.payments.rows import Attempt
from kashop.payments.rules import AccountRules, Asked, admits, bill, counted, first_odd, flaw
from kashop.payments.types import Notice
from kashop.shop import Shop
from tests.cast import EPAY, add_epay, add_product, call_back, epay_notice, order


def test_a_bill_has_fee_rate_and_tolerance_in_it() -> None:
    assert bill(AccountRules(), 1250, "CNY") == bill(AccountRules(fee_bp=300), 1250, "CNY"), "absorbed"
    added = bill(AccountRules(fee="added", fee_bp=60, fee_fixed_minor=10), 1250, "CNY")
    assert (added.fee_minor, added.amount_minor, added.currency) == (18, 1268, "CNY")
    abroad = bill(AccountRules(currency="USD", rate="0.1401", tolerance_bp=100), 1250, "CNY")
    assert (abroad.amount_minor, abroad.currency, abroad.due_minor, abroad.tolerance_minor) == (176, "USD", 1250, 1)
    assert bill(AccountRules(currency="JPY", rate="21.5"), 1250, "CNY").amount_minor == 269, "JPY has no places"


@pytest.mark.parametrize(("came", "pays"), [(200, 1250), (100, 625), (400, 2500), (199, 1250), (197, 1231), (1, 6)])
def test_money_counts_in_proportion(came: int, pays: int) -> None:
    assert counted(Asked(due_minor=1250, amount_minor=200, tolerance_minor=2), came) == pays


def test_an_account_admits_what_its_rules_allow() -> None:
    order = {"total_minor": 1250, "products": ["steam"], "categories": [("games",)]}
    assert admits(AccountRules(), **order)
    assert admits(AccountRules(least_minor=1250, most_minor=1250), **order)
    assert not admits(AccountRules(least_minor=1251), **order)
    assert not admits(AccountRules(most_minor=1249), **order)
    assert admits(AccountRules(products=("steam",)), **order)
    assert admits(AccountRules(categories=("games",)), **order)
    assert not admits(AccountRules(products=("other",), categories=("books",)), **order)
    assert not admits(AccountRules(audience="staff"), **order)
    assert admits(AccountRules(audience="staff"), **order, is_staff=True)
    assert admits(AccountRules(least_minor=3000), **order, up_to=3000), "a larger order of the same product would fit"
    assert not admits(AccountRules(least_minor=3001), **order, up_to=3000)


async def charging(shop: Shop, rules: AccountRules) -> None:
    await gateways.configure(shop, "epay-main", type="epay", options=EPAY, actor=CLI, rules=rules)


async def test_a_fee_on_top_is_asked_and_pays_the_order_whole(shop: Shop) -> None:
    await charging(shop, AccountRules(fee="added", fee_bp=200))
    await add_product(shop, "steam", codes=3)
    placed = await order(shop, "steam")
    assert placed.attempt is not None
    assert (placed.attempt.amount_minor, placed.attempt.due_minor, placed.attempt.fee_minor) == (1275, 1250, 25)
    await call_back(shop, epay_notice(placed, money="12.75"))
    known = await shop.db.read(orders.get, placed.order.order_id)
    (receipt,) = await shop.db.read(payments.receipts, placed.order.order_id)
    assert (known.status, known.paid_minor, receipt.amount_minor, receipt.counted_minor) == ("delivered", 1250, 1275, 1250)


async def test_the_goods_without_the_fee_are_paid_in_part(shop: Shop) -> None:
    await charging(shop, AccountRules(fee="added", fee_bp=200))
    await add_product(shop, "steam", codes=3)
    placed = await order(shop, "steam")
    await call_back(shop, epay_notice(placed, money="12.50"))
    known = await shop.db.read(orders.get, placed.order.order_id)
    assert (known.status, known.paid_minor) == ("pending", 1225)
    assert [e.kind for e in await shop.db.read(orders.open_exceptions, placed.order.order_id)] == ["paid_partly"]


async def test_a_shortage_within_the_tolerance_is_forgiven(shop: Shop) -> None:
    await charging(shop, AccountRules(tolerance_bp=100))
    await add_product(shop, "steam", codes=3)
    placed, other = await order(shop, "steam"), await order(shop, "steam")
    await call_back(shop, epay_notice(placed, money="12.38"))
    await call_back(shop, epay_notice(other, money="12.37", txn="T2"))
    assert (await shop.db.read(orders.get, placed.order.order_id)).status == "delivered"
    assert (await shop.db.read(orders.get, other.order.order_id)).status == "pending"


async def test_odd_cents_are_never_asked_of_two_and_rest_after_their_order(shop: Shop, clock: object) -> None:
    await charging(shop, AccountRules(spread_minor=3))
    await add_product(shop, "steam", codes=9)
    asked = [placed.attempt.amount_minor for placed in [await order(shop, "steam") for _ in range(3)] if placed.attempt]
    assert sorted(asked) == [1251, 1252, 1253]
    with pytest.raises(Conflict) as full:
        await order(shop, "steam")
    assert full.value.code == "amounts_taken"
    clock.pass_time(hours=20)  # type: ignore[attr-defined]
    with pytest.raises(Conflict):
        await order(shop, "steam")
    clock.pass_time(hours=5)  # type: ignore[attr-defined]
    assert (await order(shop, "steam")).attempt is not None


def test_the_search_for_free_cents_begins_anywhere() -> None:
    starts = {first_odd(f"A{n}", 99) for n in range(500)}
    assert starts <= set(range(99))
    assert len(starts) > 80


async def test_rules_stay_when_an_account_is_switched(shop: Shop) -> None:
    await charging(shop, AccountRules(fee="added", fee_bp=200))
    await gateways.set_enabled(shop, "epay-main", False, CLI)
    await gateways.set_enabled(shop, "epay-main", True, CLI)
    await add_epay(shop)
    account = await shop.db.read(payments.find_gateway, "epay-main")
    assert account is not None
    assert account.rules == '{"fee":"added","fee_bp":200}'


@pytest.mark.parametrize(
    ("amount", "coin", "coins", "tolerance", "expected"),
    [
        *((1250, "USDT", "1.78", 0, ""), (1250, "usdt", "1.78", 0, ""), (1250, "", "1.78", 0, ""), (1250, "USDT", "", 0, "")),
        *((1250, "USDT", "1.7799", 0, "coin"), (1250, "USDT", "1.7799", 13, ""), (1250, "TRX", "1.78", 0, "coin")),
        *(
            (625, "USDT", "0.89", 0, ""),
            (625, "USDT", "0.88", 0, "coin"),
            (2500, "USDT", "3.56", 0, ""),
            (2500, "USDT", "1.78", 0, "coin"),
        ),
    ],
)
def test_coins_bear_out_the_amount_that_is_claimed(amount: int, coin: str, coins: str, tolerance: int, expected: str) -> None:
    asked = attempt(amount_minor=1250, tolerance_minor=tolerance, coin="USDT", coin_amount="1.78")
    told = Notice(state="paid", attempt_no="A1", amount_minor=amount, currency="CNY", coin=coin, coin_amount=coins)
    assert flaw(asked, told) == expected


def attempt(**over: object) -> Attempt:
    """An attempt whose every other column says nothing."""
    blank = {name: "" if kind is str else 0 for name, kind in Attempt.__annotations__.items()}
    return Attempt(**{**blank, "currency": "CNY", **over})
