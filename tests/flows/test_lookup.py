"""查单: by number or contact, always with the password, and no word about what exists."""

import pytest

from kashop.flows import lookup
from kashop.lib.errors import NotFound, TooMany
from kashop.shop import Shop
from tests.cast import add_epay, add_product, call_back, epay_notice, let_a_crowd_in, order


@pytest.fixture(autouse=True)
async def stocked(shop: Shop) -> None:
    await add_epay(shop)
    await add_product(shop, "goods", codes=20)


async def find(shop: Shop, subject: str, password: str, *, ip: str = "203.0.113.7") -> list[str]:
    return [found.order_no for found, _ in await lookup.find(shop, subject=subject, password=password, ip=ip)]


async def test_by_number_and_by_contact(shop: Shop) -> None:
    first = await order(shop, "goods", contact="Li@Example.com", lookup_password="pass one")
    second = await order(shop, "goods", contact="li@example.com", lookup_password="pass two")
    assert await find(shop, first.order.order_no.lower(), "pass one") == [first.order.order_no]
    assert await find(shop, " LI@example.com ", "pass two") == [second.order.order_no]
    (found,) = await lookup.find(shop, subject=first.order.order_no, password="pass one", ip="x")
    assert found[1] == first.token


async def test_a_stranger_who_orders_in_my_name_hides_nothing_that_i_paid(shop: Shop) -> None:
    paid = [await order(shop, "goods", lookup_password="pass one") for _ in range(2)]
    for n, placed in enumerate(paid):
        await call_back(shop, epay_notice(placed, txn=f"T{n}"))
    await let_a_crowd_in(shop)
    for _ in range(5):
        await order(shop, "goods", lookup_password="his own")
    assert await find(shop, "a@example.com", "pass one") == [p.order.order_no for p in reversed(paid)]
    newest = await order(shop, "goods", lookup_password="pass one")
    assert await find(shop, "a@example.com", "pass one") == [p.order.order_no for p in (newest, *reversed(paid))]


@pytest.mark.parametrize("password", ["", "0", "wrong", "pass one "])
async def test_anything_but_the_password_is_refused(shop: Shop, password: str) -> None:
    placed = await order(shop, "goods", lookup_password="pass one")
    for subject in (placed.order.order_no, "a@example.com", "", "K0", "%"):
        with pytest.raises(NotFound) as refused:
            await find(shop, subject, password)
        assert refused.value.text() == "No order fits this number or contact and this password."


async def test_an_order_without_a_password_opens_by_its_link_alone(shop: Shop) -> None:
    placed = await order(shop, "goods")
    for password in ("", "0", "None"):
        with pytest.raises(NotFound):
            await find(shop, placed.order.order_no, password)


async def test_guessing_is_slowed_for_the_guesser_only(shop: Shop) -> None:
    placed = await order(shop, "goods", lookup_password="pass one")
    answers: list[type[Exception]] = []
    for n in range(40):
        try:
            await find(shop, f"K{n}", "guess", ip="198.51.100.9")
        except (NotFound, TooMany) as refused:
            answers.append(type(refused))
    assert answers == [NotFound] * 30 + [TooMany] * 10
    assert await find(shop, placed.order.order_no, "pass one")
