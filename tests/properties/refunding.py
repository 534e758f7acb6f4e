"""Histories of money that goes back: by staff, who record it, and by vendors who tell of it."""

import asyncio
from typing import Any

import pytest

from kashop.flows import refunds, settle
from kashop.flows.refunds import Wish
from kashop.lib.actor import CLI, SYSTEM
from kashop.lib.errors import Invalid
from kashop.payments import reads as payments
from kashop.payments.rows import Refund
from kashop.payments.types import Notice, RefundWord
from kashop.shop import Shop
from tests.properties.model import Model, ModelOrder


class Refunding:
    """The part of a machine that sends money back."""

    shop: Shop | None
    model: Model
    loop: asyncio.Runner
    told: list[tuple[str, str, int]]
    """Refunds that a vendor told of: the attempt, his number, the amount."""

    @property
    def payable(self) -> list[ModelOrder]:
        raise NotImplementedError

    def number(self) -> int:
        raise NotImplementedError

    def send_back(self, pick: int, share: str, by_gateway: bool) -> None:
        """Staff write down that money of a receipt went back by hand, or let the gateway send it: who knows the payment does."""
        assert self.shop is not None
        txn, receipt = list(self.model.receipts.items())[pick % len(self.model.receipts)]
        order, _ = self.model.attempt(receipt.attempt_no)
        left = receipt.amount - receipt.back
        amount = {"whole": left, "part": left // 2, "beyond": left + 1}[share]
        account = self.loop.run(self.shop.db.read(payments.find_gateway, "epay-main"))
        assert account is not None
        row = self.loop.run(self.shop.db.read(payments.find_receipt, account.gateway_id, txn))
        assert row is not None
        given: dict[str, Any] = {"receipt_id": row.receipt_id, "amount_minor": amount}
        wish = Wish(**given, reason="asked", is_recorded=not by_gateway, reference="bank")
        work = refunds.refund(self.shop, order.order_no, wish, CLI)
        if not 0 < amount <= left:
            with pytest.raises(Invalid):
                self.loop.run(work)
            return
        is_sent = not by_gateway or self.model.is_of_the_vendor(txn)
        refund = self.loop.run(work)
        assert isinstance(refund, Refund)
        assert refund.status == ("done" if is_sent else "failed")
        if is_sent:
            self.model.send_back(order, txn, amount)
        else:
            self.model.fail_to_send_back(order, txn, amount)

    def hear_of_a_refund(self, pick: int, amount: int, is_again: bool) -> None:
        """The vendor tells of a refund made in his own pages: of a payment, or before he told of that."""
        assert self.shop is not None
        order = self.payable[pick % len(self.payable)]
        news = (order.attempts[pick % len(order.attempts)].attempt_no, f"V{self.number()}", amount)
        told = self.told[pick % len(self.told)] if is_again and self.told else news
        self.told.append(told)
        account = self.loop.run(self.shop.db.read(payments.find_gateway, "epay-main"))
        assert account is not None
        word = RefundWord(state="done", gateway_refund=told[1], amount_minor=told[2])
        notice = Notice(state="refunded", attempt_no=told[0], refund=word)
        heard = self.loop.run(settle.settle_notice(self.shop, account, notice, SYSTEM, source="query"))
        assert heard == self.model.hear_refund(*told)
