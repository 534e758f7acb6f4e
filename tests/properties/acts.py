"""What can happen in a history: how likely, what there must be for it, and what it is given."""

from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.properties.model import Good

KEYS = Good("keys", 1250, 15, tiers=((3, 1100),))
CARDS = Good("cards", 500, 30)
TOPUP = Good("topup", 900, 20, is_manual=True)
GIFT = Good("gift", 0, 10)
GOODS = (KEYS, CARDS, TOPUP, GIFT)
STOCKED = ("keys", "cards", "gift")
FLAWS = ("signature", "merchant", "status", "amount", "attempt")
PICK = st.integers(0, 10**6)
WANTED = st.sampled_from(["keys", "keys", "keys", "cards", "cards", "topup", "gift"])
WANTS = st.dictionaries(WANTED, st.sampled_from([1, 1, 1, 2, 3, 4]), min_size=1, max_size=2)


@dataclass(frozen=True)
class Act:
    """Something that can happen: how likely, what there must be for it, and what it is given."""

    weight: int
    needs: str
    given: dict[str, st.SearchStrategy[Any]]


ACTS = {
    "place": Act(8, "", {"wants": WANTS, "has_key": st.booleans(), "method": st.sampled_from(["", "alipay", "wxpay"])}),
    "place_again": Act(2, "wishes", {"pick": PICK, "is_other": st.booleans()}),
    "pay": Act(
        9,
        "payable",
        {
            "pick": PICK,
            "share": st.sampled_from(["exact", "exact", "exact", "part", "over"]),
            "times": st.sampled_from([1, 1, 1, 4]),
            "other": st.sampled_from([False, False, False, True]),
        },
    ),
    "pay_again": Act(3, "receipts", {"pick": PICK, "times": st.sampled_from([1, 3]), "is_same": st.booleans()}),
    "pay_with_anothers_money": Act(1, "receipts", {"pick": PICK, "other": PICK}),
    "tell_lies": Act(
        2, "payable", {"pick": PICK, "flaw": st.sampled_from(["signature", "merchant", "status", "amount", "attempt"])}
    ),
    "pay_and_lose_the_callback": Act(3, "payable", {"pick": PICK}),
    "ask_the_gateway": Act(2, "payable", {"pick": PICK}),
    "change_method": Act(2, "payable", {"pick": PICK, "method": st.sampled_from(["alipay", "wxpay"])}),
    "cancel": Act(2, "orders", {"pick": PICK}),
    "expire": Act(2, "orders", {"pick": PICK}),
    "send_back": Act(
        3, "receipts", {"pick": PICK, "share": st.sampled_from(["whole", "part", "beyond"]), "by_gateway": st.booleans()}
    ),
    "hear_of_a_refund": Act(2, "payable", {"pick": PICK, "amount": st.sampled_from([100, 500, 5000]), "is_again": st.booleans()}),
    "reveal": Act(4, "orders", {"pick": PICK}),
    "confirm": Act(2, "payable", {"pick": PICK, "is_used": st.booleans()}),
    "deliver_by_hand": Act(2, "orders", {"pick": PICK}),
    "close_an_exception": Act(1, "orders", {"pick": PICK}),
    "pass_time": Act(3, "", {"minutes": st.sampled_from([1, 6, 12, 31])}),
    "run_jobs": Act(3, "", {}),
    "choose_what_late_money_does": Act(1, "", {"delivers": st.booleans()}),
    "import_codes": Act(
        3,
        "",
        {"slug": st.sampled_from(STOCKED), "new": st.integers(0, 5), "known": st.integers(0, 3), "twice": st.integers(0, 2)},
    ),
    "void": Act(1, "", {"slug": st.sampled_from(STOCKED), "pick": PICK}),
    "take_an_import_back": Act(2, "", {"pick": PICK}),
    "ask_in_turn": Act(2, "", {}),
    "dispute": Act(1, "payable", {"pick": PICK}),
    "rotate": Act(1, "", {}),
    "seal_or_unseal": Act(2, "", {}),
    "restart": Act(1, "", {}),
}
LIKELY = [name for name, act in ACTS.items() for _ in range(act.weight)]
