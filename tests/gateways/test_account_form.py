"""What a merchant decides about an account: checked, in the panel and on the command line; order and copies."""

import msgspec
import pytest

from kashop.flows import gateways
from kashop.lib.actor import CLI
from kashop.lib.errors import Invalid
from kashop.payments import reads as payments
from kashop.payments.account_rules import checked_rules, example
from kashop.payments.rules import AccountRules, rules_of
from kashop.shop import Shop
from tests.admin.desk import Desk, app_of, complaints, step_up, value_of
from tests.cast import add_product
from tests.gateways.counter import COUNTER, add_counter


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"least_minor": 200, "most_minor": 100}, "most_minor"),
        ({"least_minor": -1}, "least_minor"),
        ({"fee": "added", "fee_bp": 3001}, "fee_bp"),
        ({"fee_bp": 3001}, "fee_bp"),
        ({"fee": "doubled"}, "fee"),
        ({"fee": "added", "fee_bp": 3000, "fee_fixed_minor": 1, "least_minor": 10**6}, "fee_fixed_minor"),
        ({"fee": "added", "fee_fixed_minor": 100}, "least_minor"),
        ({"fee": "added", "fee_fixed_minor": 100, "least_minor": 333}, "least_minor"),
        ({"currency": "EUR", "rate": "0.13"}, "currency"),
        ({"currency": "XYZ", "rate": "1"}, "currency"),
        ({"currency": "USD"}, "rate"),
        ({"currency": "USD", "rate": "0"}, "rate"),
        ({"currency": "USD", "rate": "-0.14"}, "rate"),
        ({"currency": "USD", "rate": "1e3"}, "rate"),
        ({"currency": "USD", "rate": "7.14"}, "rate"),
        ({"rate": "2"}, "rate"),
        ({"audience": "friends"}, "audience"),
        ({"tolerance_bp": 1001}, "tolerance_bp"),
        ({"spread_minor": 1000}, "spread_minor"),
    ],
)
def test_what_cannot_stand_is_refused_by_its_field(rules: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked_rules(AccountRules(**rules), COUNTER, "CNY")  # type: ignore[arg-type]
    assert [e.field for e in refused.value.fields] == [field]


@pytest.mark.parametrize(
    "rules",
    [
        AccountRules(),
        AccountRules(fee="added", fee_fixed_minor=100, least_minor=334),
        AccountRules(fee_fixed_minor=100),
        AccountRules(currency="USD", rate="0.1401"),
        AccountRules(tolerance_bp=1000, spread_minor=99),
    ],
)
def test_what_can_stand_stands(rules: AccountRules) -> None:
    assert checked_rules(rules, COUNTER, "CNY") is rules


def test_an_example_shows_what_a_rate_means() -> None:
    asked = example(AccountRules(currency="USD", rate="0.1401", fee="added", fee_bp=200), "CNY")
    assert (asked.due_minor, asked.fee_minor, asked.amount_minor, asked.currency) == (10000, 200, 1430, "USD")


FORM = {
    "label": "",
    "option-name": "main",
    "option-methods": "alipay",
    "is_enabled": "1",
    "rules-least": "10",
    "rules-most": "500.00",
    "rules-products": "steam,\nmail",
    "rules-audience": "everyone",
    "rules-fee": "added",
    "rules-fee_percent": "2",
    "rules-fee_fixed": "0.10",
    "rules-currency": "USD",
    "rules-rate": "0.1401",
    "rules-tolerance": "1.5",
    "rules-spread": "",
}


@pytest.fixture
async def owner(shop: Shop) -> Desk:
    await add_product(shop, "steam")
    await add_product(shop, "mail")
    await add_counter(shop, "main")
    desk = Desk(app_of(shop))
    assert (await desk.log_in()).status_code == 303
    await step_up(shop)
    return desk


async def test_the_panel_keeps_rules_and_shows_them_again(shop: Shop, owner: Desk) -> None:
    version = value_of(await owner.get("/admin/gateways/main"), "version")
    saved = await owner.post("/admin/gateways/main", {**FORM, "version": version})
    assert saved.status_code == 303, complaints(saved)
    account = await shop.db.read(payments.find_gateway, "main")
    assert account is not None
    assert rules_of(account) == AccountRules(
        least_minor=1000, most_minor=50000, products=("steam", "mail"), fee="added", fee_bp=200, fee_fixed_minor=10,
        currency="USD", rate="0.1401", tolerance_bp=150,
    )  # fmt: skip
    page = await owner.get("/admin/gateways/main")
    assert {name: value_of(page, name) for name in ("rules-least", "rules-fee_percent", "rules-rate")} == {
        "rules-least": "10.00", "rules-fee_percent": "2", "rules-rate": "0.1401",
    }  # fmt: skip
    assert "an order of CN¥100.00 asks for $14.31. In it a fee of CN¥2.10." in page.text
    listed = (await owner.get("/admin/gateways")).text
    assert "Fee on top: 2% + 0.10" in listed
    assert "Asked in USD at 0.1401" in listed
    kept = await owner.post(
        "/admin/gateways/main", {"option-name": "main", "is_enabled": "1", "version": value_of(page, "version")}
    )
    assert kept.status_code == 303
    again = await shop.db.read(payments.find_gateway, "main")
    assert again is not None
    assert again.rules == account.rules, "a script that knows no rules leaves them"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"rules-rate": "7.1"}, "One CNY is about 0.14 USD, not 7.1. Is it the wrong way round?"),
        ({"rules-products": "steam nothing"}, "There is no product nothing."),
        ({"rules-categories": "nowhere"}, "There is no category nowhere."),
        ({"rules-fee_percent": "31"}, "A fee of 0 to 30 %."),
        ({"rules-fee_percent": "1.234"}, "Write a percentage such as 0.6, with two decimal places at most."),
        ({"rules-least": "0"}, "With this fee take orders from 0.36 CNY on: below, it is over 30 %."),
        ({"rules-most": "5"}, "The most is less than the least: nothing would fit."),
    ],
)
async def test_the_panel_marks_what_is_wrong(shop: Shop, owner: Desk, wrong: dict[str, str], said: str) -> None:
    version = value_of(await owner.get("/admin/gateways/main"), "version")
    refused = await owner.post("/admin/gateways/main", {**FORM, "version": version, **wrong})
    assert refused.status_code == 422
    assert said in complaints(refused)
    assert rules_of(await main(shop)) == AccountRules()


async def main(shop: Shop):  # type: ignore[no-untyped-def]
    return await shop.db.read(payments.find_gateway, "main")


async def test_accounts_are_moved_by_buttons(shop: Shop, owner: Desk) -> None:
    for name in ("second", "third"):
        await add_counter(shop, name)

    async def names() -> list[str]:
        return [a.name for a in await shop.db.read(payments.gateways)]

    assert await names() == ["main", "second", "third"], "a new one stands at the end"
    assert (await owner.post("/admin/gateways/third/move", {"to": "up"})).status_code == 303
    assert await names() == ["main", "third", "second"]
    assert (await owner.post("/admin/gateways/main/move", {"to": "down"})).status_code == 303
    assert (await owner.post("/admin/gateways/third/move", {"to": "up"})).status_code == 303
    assert await names() == ["third", "main", "second"]
    assert (await owner.post("/admin/gateways/nobody/move", {"to": "up"})).status_code == 404
    await add_counter(shop, "fourth")
    assert (await names())[-1] == "fourth"


async def test_a_copy_has_all_but_the_name_and_is_off(shop: Shop, owner: Desk) -> None:
    await gateways.configure(
        shop, "main", type="counter", options={"key": "CANARY-key"}, actor=CLI, rules=AccountRules(fee="added", fee_bp=60)
    )
    assert (await owner.post("/admin/gateways/main/copy", {"name": "main-2"})).status_code == 303
    one, other = await main(shop), await shop.db.read(payments.find_gateway, "main-2")
    assert other is not None
    assert (other.options, other.rules, other.is_enabled) == (one.options, one.rules, 0)
    assert other.secrets != one.secrets
    assert "CANARY-key" in gateways._all_options(shop, other).values()
    for name in ("main", "Bad Name", ""):
        assert (await owner.post("/admin/gateways/main/copy", {"name": name})).status_code == 422
    assert "CANARY-key" not in (await owner.get("/admin/gateways/main-2")).text


async def test_one_that_needs_another_currency_says_so(shop: Shop, owner: Desk) -> None:
    shop.plugins._gateways["counter"] = ("counter", msgspec.structs.replace(COUNTER, currencies=("USD",)))
    assert "It is not offered to anybody" in (await owner.get("/admin/gateways/main")).text
    assert "Not offered: it needs a currency and a rate" in (await owner.get("/admin/gateways")).text


async def test_one_that_fails_is_seen_in_the_panel(shop: Shop, owner: Desk) -> None:
    account = await main(shop)
    for _ in range(3):
        shop.failures.note(account.gateway_id)
    assert "Failing: behind the others until" in (await owner.get("/admin/gateways")).text
    assert "It failed several times in a row" in (await owner.get("/admin/gateways/main")).text


async def test_the_proposed_name_is_one_that_may_be_taken(owner: Desk) -> None:
    page = await owner.get("/admin/gateways/new/epay_v2")
    assert value_of(page, "name") == "epay-v2-main"
