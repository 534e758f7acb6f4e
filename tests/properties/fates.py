"""What can befall one order's money, in any order, and what must come of it: a pure model, written from the promises."""

from dataclasses import dataclass, field
from itertools import permutations

PRICE = 1250
EVENTS = ("paid", "duplicate", "second", "underpaid", "overpaid", "cancel", "expire", "refund", "query")
MONEY = {
    "paid": ("T1", PRICE),
    "duplicate": ("T1", PRICE),
    "query": ("T1", PRICE),
    "second": ("T2", PRICE),
    "underpaid": ("T3", 500),
    "overpaid": ("T4", 1300),
}
"""The transaction and the amount that an event tells of: three ways to tell of the same one."""


def histories(most: int) -> list[tuple[str, ...]]:
    """Every set of up to so many events, in every order."""
    return [history for length in range(1, most + 1) for history in permutations(EVENTS, length)]


@dataclass
class Fate:
    """One order. `late` is deliver, hold or refund; `refunds` whether all else that does not fit goes back by itself."""

    late: str = "deliver"
    refunds: bool = False
    status: str = "pending"
    came: dict[str, int] = field(default_factory=dict)
    back: dict[str, int] = field(default_factory=dict)
    was_sold: bool = False

    @property
    def kept(self) -> int:
        return sum(self.came.values()) - sum(self.back.values())

    @property
    def is_unfit(self) -> bool | None:
        """Whether it must be on the desk for its money; None when staff made it what it is."""
        if self.status == "delivered":
            return self.kept > PRICE
        if self.status == "refunded":
            return True if self.kept >= PRICE else None
        return self.kept > 0

    def befall(self, event: str) -> bool:
        """Let it happen; whether it may."""
        if event in MONEY:
            self._money(*MONEY[event])
            return True
        if event == "refund":
            left = [txn for txn in self.came if self.came[txn] > self.back[txn]]
            if left:
                self._give_back(left[-1], self.came[left[-1]] - self.back[left[-1]])
            return bool(left)
        if self.status != "pending":
            return False
        self.status = {"cancel": "cancelled", "expire": "expired"}[event]
        if self.refunds:
            self._give_all_back()
        return True

    def _money(self, txn: str, amount: int) -> None:
        if txn in self.came:
            return
        self.came[txn], self.back[txn] = amount, 0
        if self.status in ("delivered", "refunded"):
            over = amount if self.status == "refunded" else self.kept - PRICE
        elif self.kept < PRICE:
            if self.status != "pending" and self.refunds:
                self._give_all_back()
            return
        elif self.status == "pending" or self.late == "deliver":
            self.status, self.was_sold, over = "delivered", True, self.kept - PRICE
        else:
            if self.late == "refund":
                self._give_all_back()
            return
        if self.refunds and over:
            self._give_back(txn, min(over, amount))

    def _give_all_back(self) -> None:
        for txn, amount in self.came.items():
            self._give_back(txn, amount - self.back[txn])

    def _give_back(self, txn: str, amount: int) -> None:
        self.back[txn] += amount
        if self.status == "delivered" and self.kept < PRICE:
            self.status = "refunded"
