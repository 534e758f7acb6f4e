"""Histories of what goes on beside the sales: keys are renewed, imports taken back, gateways asked in their turn, payments
disputed."""

import asyncio
from typing import Any

import pytest

from kashop.db import Reader
from kashop.flows import attempts, restock, rotate, settle
from kashop.inventory import reads as inventory
from kashop.jobs import schedule
from kashop.lib.actor import CLI, SYSTEM
from kashop.lib.errors import Conflict
from kashop.payments import reads as payments
from kashop.payments.types import Notice
from kashop.shop import Shop
from kashop.vault import Sealed
from tests.properties.model import Model, ModelOrder


class Upkeep:
    """The part of a machine that no buyer sees."""

    shop: Shop | None
    model: Model
    loop: asyncio.Runner

    @property
    def payable(self) -> list[ModelOrder]:
        raise NotImplementedError

    def rotate(self) -> None:
        """Every code is sealed anew under a newer key, and the older ones are destroyed."""
        assert self.shop is not None
        if self.model.is_sealed:
            with pytest.raises(Sealed):
                self.loop.run(rotate.begin(self.shop, CLI))
            return
        self.loop.run(rotate.begin(self.shop, CLI))
        self.loop.run(rotate.go_on(self.shop, rotate.ALONE))
        stale, kept = self.loop.run(self.shop.db.read(_epochs))
        assert (stale, kept) == (0, sum(len(shelf) for shelf in self.model.shelf.values()) + self.model.by_hand)

    def take_an_import_back(self, pick: int) -> None:
        assert self.shop is not None
        batches = self.loop.run(self.shop.db.read(inventory.batches))[::-1]
        assert [batch.imported for batch in batches] == [len(batch.codes) for batch in self.model.batches]
        place = pick % len(batches)
        work = restock.undo(self.shop, batches[place].batch_id, CLI, reason="the wrong file")
        voided = self.model.take_back(self.model.batches[place])
        if voided is None:
            with pytest.raises(Conflict):
                self.loop.run(work)
        else:
            assert self.loop.run(work) == voided

    def ask_in_turn(self) -> None:
        """What the jobs do about attempts that nobody called back about, one after another, and about those that are closed."""
        assert self.shop is not None
        for attempt_id in self.loop.run(self.shop.db.read(payments.due_queries, limit=300)):
            attempt = self.loop.run(self.shop.db.read(payments.get_attempt, attempt_id))
            assert self.loop.run(attempts.query_due(self.shop, attempt_id, SYSTEM))
            self.model.query(*self.model.attempt(attempt.attempt_no))
        self.loop.run(schedule.close_attempts(self.shop))

    def dispute(self, pick: int) -> None:
        """A vendor tells that a buyer wants his money back."""
        assert self.shop is not None
        order = self.payable[pick % len(self.payable)]
        attempt = order.attempts[pick % len(order.attempts)]
        account = self.loop.run(self.shop.db.read(payments.find_gateway, "epay-main"))
        assert account is not None
        notice = Notice(state="disputed", attempt_no=attempt.attempt_no, gateway_txn=f"D{pick}")
        assert self.loop.run(settle.settle_notice(self.shop, account, notice, SYSTEM, source="query")) == "noted"
        order.desk.add("disputed")


def _epochs(db: Reader) -> tuple[Any, Any]:
    """How many codes are sealed under an older key than their product's newest, and how many there are."""
    sql = """SELECT COUNT(*) FROM codes c
             WHERE c.epoch <> (SELECT MAX(k.epoch) FROM vault_keys k WHERE k.product_id = c.product_id)"""
    return db.value(sql), db.value("SELECT COUNT(*) FROM codes")
