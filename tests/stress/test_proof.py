"""Every claim of the proof fails on the lie that it is there for, and on no other."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from kashop.catalog.types import Product
from kashop.stress.copying import Sale
from kashop.stress.proof import Books, claims
from kashop.stress.reads import Kept
from kashop.stress.rush import Buyer, Placed, Tally

PRODUCT = Product(1, None, "steam", "Steam", "", "", "", "", "auto", "any", "optional", "[]", "exact", 15, 0, 0, 1)
SALE = Sale(
    shop_name="小店",
    locale="zh_Hans",
    timezone="Asia/Shanghai",
    product=PRODUCT,
    sku_code="steam",
    sku_name="",
    sku_id=1,
    quantity=1,
    codes=2,
    gateway="stress",
    method="alipay",
    fields={},
    made_up=frozenset({"S-1", "S-2"}),
)


def buyer(number: int, end: str, *, no: str = "", txn: str = "", why: str = "") -> Buyer:
    return Buyer(number, b"", end, why, 1.0, 1, Placed(no, "token") if no else None, txn)


def rush(**more: Any) -> Tally:
    """Three buyers for two codes: one paid, one holds, one was told that it is sold out."""
    tally = Tally([buyer(0, "sold", no="K1", txn="T1"), buyer(1, "sold", no="K2"), buyer(2, "sold_out")])
    tally.answers.update({"201": 2, "409 sold_out": 1})
    return replace(tally, **more)


def books(**more: Any) -> Books:
    found = Books(
        orders={"K1": Kept("K1", "delivered", 1, 0, 1), "K2": Kept("K2", "pending", 1, 1, 0)},
        payments={"T1": "K1"},
        codes={"held": 1, "sold": 1},
        shown=("S-1",),
    )
    return msgspec.structs.replace(found, **more)


def broken(tally: Tally, found: Books) -> set[str]:
    return {c.id for c in claims(tally, SALE, found) if not c.holds}


def test_the_truth_holds() -> None:
    assert broken(rush(), books()) == set()


KEPT = books().orders

LIES = {
    "nobody was served": (
        rush(buyers=[buyer(0, "sold_out")] * 3),
        books(orders={}, payments={}, codes={"void": 2}, shown=()),
        {"served"},
    ),
    "a 500": (rush(answers={"500 bug": 1}), books(), {"errors"}),
    "a broken connection": (rush(answers={"broken": 1}), books(), {"errors"}),
    "an acknowledged order is gone": (
        rush(),
        books(orders={"K1": KEPT["K1"]}, codes={"free": 0, "held": 1, "sold": 1}),
        {"orders", "oversold"},
    ),
    "an order lost its code": (
        rush(),
        books(orders={**KEPT, "K2": Kept("K2", "pending", 1, 0, 0)}, codes={"free": 1, "sold": 1}),
        {"orders", "oversold", "sold_out"},
    ),
    "an order that nobody was told of": (
        rush(buyers=[buyer(0, "sold", no="K1", txn="T1"), buyer(2, "sold_out")]),
        books(),
        {"once"},
    ),
    "two buyers were told one number": (
        rush(
            buyers=[
                buyer(0, "sold", no="K1", txn="T1"),
                buyer(1, "sold", no="K1"),
                buyer(3, "sold", no="K2"),
                buyer(2, "sold_out"),
            ]
        ),
        books(),
        {"once"},
    ),
    "more orders than codes": (
        rush(buyers=[*rush().buyers, buyer(3, "sold", no="K3")]),
        books(orders={**KEPT, "K3": Kept("K3", "pending", 1, 1, 0)}),
        {"oversold"},
    ),
    "a code vanished": (rush(), books(orders=KEPT, codes={"held": 1}), {"oversold", "sum"}),
    "sold out while codes are free": (
        rush(buyers=[buyer(0, "sold", no="K1", txn="T1"), buyer(2, "sold_out")]),
        books(orders={"K1": KEPT["K1"]}, codes={"free": 1, "sold": 1}),
        {"sold_out"},
    ),
    "an acknowledged payment is gone": (rush(), books(payments={}), {"payments"}),
    "a payment went to another order": (rush(), books(payments={"T1": "K2"}), {"payments"}),
    "paid and not delivered": (rush(), books(orders={**KEPT, "K1": Kept("K1", "paid", 1, 1, 0)}), {"payments"}),
    "a code that was never put in": (rush(), books(shown=("S-9",)), {"codes"}),
    "no code was shown": (rush(), books(shown=()), {"codes"}),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_seen(lie: str) -> None:
    tally, found, expected = LIES[lie]
    assert broken(tally, found) == expected


def test_one_code_shown_to_two_is_seen() -> None:
    tally = rush(buyers=[buyer(0, "sold", no="K1", txn="T1"), buyer(1, "sold", no="K2", txn="T2"), buyer(2, "sold_out")])
    orders = {no: Kept(no, "delivered", 1, 0, 1) for no in ("K1", "K2")}
    found = books(orders=orders, payments={"T1": "K1", "T2": "K2"}, codes={"sold": 2}, shown=("S-1", "S-1"))
    assert broken(tally, found) == {"codes"}


def test_codes_of_an_order_that_ran_out_meanwhile_are_free_again_and_no_lie() -> None:
    orders = {**books().orders, "K2": Kept("K2", "expired", 1, 0, 0)}
    assert broken(rush(), books(orders=orders, codes={"free": 1, "sold": 1})) == set()


def test_a_503_that_names_a_time_is_no_error_and_one_that_names_none_is() -> None:
    later = rush(answers={"201": 2, "409 sold_out": 1, "503 busy": 40, "429 too_many": 3})
    assert broken(later, books()) == set()
    given_up = replace(later, buyers=[*rush().buyers, buyer(4, "refused", why="503 busy")])
    assert broken(given_up, books()) == {"errors"}
