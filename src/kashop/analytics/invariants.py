"""The table of invariants that a database can show, in the order of promises.md. One row adds one.

`K-` rows are this house's own; the rest carry the numbers of the promises. `is_deep` rows read everything: `kashop check --all`.
"""

from collections.abc import Callable

import msgspec

from kashop.analytics.money import reads as money
from kashop.analytics.refunds import reads as refunds
from kashop.analytics.river import reads as river
from kashop.analytics.sales import reads as sales
from kashop.analytics.seals import reads as seals
from kashop.analytics.stated import reads as stated
from kashop.analytics.stock import reads as stock
from kashop.analytics.types import Witness
from kashop.db import Reader
from kashop.vault import Keyring


class Invariant(msgspec.Struct, frozen=True, kw_only=True):
    """One statement and the looks that would find a witness against it."""

    id: str
    statement: str
    looks: tuple[Callable[[Reader], Witness | None], ...] = ()
    key_looks: tuple[Callable[[Reader, Keyring], Witness | None], ...] = ()
    is_deep: bool = False
    needs_vault: bool = False
    """Only an unsealed shop can look."""

    def first_witness(self, db: Reader, keyring: Keyring) -> Witness | None:
        """What breaks it, or None."""
        for look in self.looks:
            if witness := look(db):
                return witness
        for key_look in self.key_looks:
            if witness := key_look(db, keyring):
                return witness
        return None


INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        id="I-01",
        statement="a code is delivered to at most one order line, of a paid order",
        looks=(stock.sold_to_one_line,),
    ),
    Invariant(
        id="I-02",
        statement="no code disappears: each batch has what it imported",
        looks=(stock.none_disappears, stock.taken_back_is_void),
    ),
    Invariant(
        id="I-03",
        statement="a code is held exactly for an unpaid order's line, until its deadline",
        looks=(stock.held_for_a_live_line, stock.no_hold_overdue),
    ),
    Invariant(
        id="I-04",
        statement="a delivered line owns exactly its quantity of codes",
        looks=(stock.lines_have_their_codes,),
    ),
    Invariant(
        id="I-05",
        statement="codes are taken only from the pool of the order's channel",
        looks=(stock.taken_from_their_pool,),
    ),
    Invariant(
        id="I-06",
        statement="a code's product and SKU are those of its order line",
        looks=(stock.of_the_ordered_sku,),
    ),
    Invariant(
        id="I-07",
        statement="what was delivered stays delivered; a replacement is a new code",
        looks=(stock.replaces_what_was_sold, river.delivered_for_good),
        is_deep=True,
    ),
    Invariant(
        id="I-08",
        statement="a paid order is, within 60 s, delivered or on the desk",
        looks=(sales.paid_is_delivered_or_listed, sales.paid_is_not_pending),
    ),
    Invariant(
        id="I-09",
        statement="nothing is delivered for less than what is due; what was paid is the sum of receipts",
        looks=(money.paid_before_delivered,),
    ),
    Invariant(
        id="I-10",
        statement="a vendor's transaction is credited once, to one order",
        looks=(money.credited_once,),
    ),
    Invariant(
        id="I-11",
        statement="many callbacks for one payment are one payment",
        looks=(money.told_once,),
    ),
    Invariant(
        id="I-12",
        statement="orders move only as allowed, and odd money is on the desk",
        looks=(money.odd_money_is_listed, river.orders_moved_as_allowed),
        is_deep=True,
    ),
    Invariant(
        id="I-13",
        statement="an ended order is never delivered silently",
        looks=(sales.late_money_is_told,),
    ),
    Invariant(
        id="I-14",
        statement="what is due is what the kept price lists say",
        looks=(sales.sums_are_right, sales.prices_are_the_kept_ones),
        is_deep=True,
    ),
    Invariant(
        id="I-15",
        statement="a receipt fits its attempt, its gateway account and its callback",
        looks=(money.receipts_fit_their_attempts, money.settled_callbacks_brought_money),
    ),
    Invariant(
        id="I-16",
        statement="an enabled gateway account has its secrets, and they open",
        key_looks=(money.accounts_have_their_secrets,),
    ),
    Invariant(
        id="I-20",
        statement="no more goes back than came, once for each number",
        looks=(refunds.never_more_than_came, refunds.once_for_a_number, refunds.of_their_receipts),
    ),
    Invariant(
        id="I-24",
        statement="what costs nothing is marked free",
        looks=(sales.nothing_is_free_by_accident,),
    ),
    Invariant(
        id="I-26",
        statement="every code opens in its own place, and nowhere else",
        key_looks=(seals.codes_open,),
        is_deep=True,
        needs_vault=True,
    ),
    Invariant(id="I-27", statement="no nonce is used twice under a key", looks=(seals.nonces_differ,), is_deep=True),
    Invariant(
        id="I-29",
        statement="after a rotation no code is under an old key, and none was lost",
        looks=(seals.rotated_whole, seals.old_keys_are_gone, seals.rotations_lost_nothing),
        is_deep=True,
    ),
    Invariant(
        id="I-30",
        statement="there are as many fingerprints as codes, as many codes as imported",
        looks=(stock.fingerprints_differ, stock.undone_by_their_rows),
        is_deep=True,
    ),
    Invariant(
        id="I-32",
        statement="the audit chain is whole",
        looks=(river.chain_is_whole,),
        is_deep=True,
    ),
    Invariant(id="I-36", statement="a client's key made one order", looks=(sales.one_order_for_a_key,)),
    Invariant(id="K-01", statement="the kept stock counts are true", looks=(stock.counts_are_true,)),
    Invariant(
        id="K-02",
        statement="no unpaid order is overdue by more than 60 s while jobs run",
        looks=(sales.none_overdue,),
    ),
    Invariant(
        id="K-03",
        statement="no callback lies unread for more than 5 minutes while jobs run",
        looks=(money.callbacks_are_judged,),
    ),
    Invariant(
        id="K-04",
        statement="what an order says went back is what its refunds say",
        looks=(refunds.refunded_is_their_sum,),
    ),
    Invariant(
        id="K-05",
        statement="a paid order keeps its price, a refunded one holds no codes",
        looks=(refunds.paid_keep_their_price, refunds.refunded_hold_nothing),
    ),
    Invariant(
        id="K-10",
        statement="a stated line that matches agrees with its receipt or refund, and each is stated once",
        looks=(stated.lines_agree, stated.stated_once),
    ),
    Invariant(
        id="K-11",
        statement="what statements show to differ is told, and closed with a reason",
        looks=(stated.differences_are_told,),
    ),
)
