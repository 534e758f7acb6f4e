"""A day's statement against what the shop recorded: lost money is found, and every difference is told from both sides (D14)."""

import datetime as dt

import pytest

from kashop.analytics import INVARIANTS
from kashop.flows import reconcile, refunds, settle
from kashop.lib.actor import CLI, SYSTEM, Actor
from kashop.lib.errors import Conflict, Invalid
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.payments.differences import reads as differences
from kashop.payments.statements import reads
from kashop.payments.types import Notice, StatementLine
from kashop.shop import Shop
from tests.cast import TestClock, add_product, codes_of, order
from tests.statements.daybook import DAY, NOON, Daybook, open_book

STAFF = Actor("staff", "1")


@pytest.fixture
def clock() -> TestClock:
    return TestClock(NOON)


@pytest.fixture
async def book(shop: Shop) -> Daybook:
    await add_product(shop, "steam", codes=9)
    return await open_book(shop)


async def buy(shop: Shop, account: str = "book") -> tuple[object, str]:
    placed = await order(shop, "steam", gateway=account, method="alipay")
    assert placed.attempt is not None
    return placed, placed.attempt.attempt_no


async def receive(shop: Shop, attempt_no: str, txn: str, amount: int = 1250) -> None:
    account = await shop.db.read(payments.find_gateway, "book")
    notice = Notice(state="paid", attempt_no=attempt_no, gateway_txn=txn, amount_minor=amount, currency="CNY")
    assert account is not None
    assert await settle.settle_notice(shop, account, notice, SYSTEM, source="callback") == "settled"


async def verdicts(shop: Shop, day: dt.date = DAY) -> list[str]:
    account = await shop.db.read(payments.find_gateway, "book")
    assert account is not None
    statement = await shop.db.read(reads.current, account.gateway_id, day.isoformat())
    assert statement is not None
    return [line.verdict for line in await shop.db.read(reads.lines, statement.statement_id, limit=1000)]


async def open_kinds(shop: Shop) -> list[str]:
    return [d.kind for d in await shop.db.read(differences.open_differences)]


async def desk(shop: Shop, placed: object) -> list[str]:
    return [e.kind for e in await shop.db.read(orders.open_exceptions, placed.order.order_id)]  # type: ignore[attr-defined]


async def go_on(shop: Shop, clock: TestClock, *, hours: float) -> None:
    clock.pass_time(hours=hours)
    await reconcile.run_due(shop)


async def breaks_nothing(shop: Shop) -> None:
    for invariant in INVARIANTS:
        if not invariant.is_deep:
            assert await shop.db.read(invariant.first_witness, shop.keyring) is None, invariant.id


async def test_silent_money_is_found_by_the_statement_and_delivered(shop: Shop, clock: TestClock, book: Daybook) -> None:
    placed, attempt_no = await buy(shop)
    book.pay(attempt_no)
    await go_on(shop, clock, hours=21)
    assert book.asked == [], "not before ten o'clock of the next day"
    await go_on(shop, clock, hours=1.1)
    assert book.asked == [DAY]
    assert await verdicts(shop) == ["found"]
    assert len(await codes_of(shop, placed)) == 1  # type: ignore[arg-type]
    (receipt,) = await shop.db.read(payments.receipts, placed.order.order_id)  # type: ignore[attr-defined]
    assert (receipt.source, receipt.gateway_txn) == ("statement", "T1")
    assert await open_kinds(shop) == []
    await breaks_nothing(shop)


async def test_both_sides_are_listed(shop: Shop, clock: TestClock, book: Daybook) -> None:
    """D14, second half."""
    (known, a1), (other, a2), (ours, a3) = [await buy(shop) for _ in range(3)]
    await receive(shop, a1, "T1")
    await receive(shop, a2, "T2")
    await receive(shop, a3, "T3")
    book.pay(a1, txn="T1")
    book.pay(a2, txn="T2", amount=1200)
    book.pay("A261031ZZZZZZZZZZZZZZ", txn="T4")
    book.pay("shop-9-0001", txn="T5", amount=100)
    book.pay(a1, txn="T1")
    book.days[DAY + dt.timedelta(days=1)] = []
    await go_on(shop, clock, hours=23)
    assert await verdicts(shop) == ["matched", "differs", "unknown", "foreign", "twice"]
    kinds = ["payment_differs", "payment_twice", "payment_unknown", "payments_foreign"]
    assert sorted(await open_kinds(shop)) == kinds, "what the vendor does not know waits for the next day's statement"
    await go_on(shop, clock, hours=24)
    assert sorted(await open_kinds(shop)) == [*kinds, "receipt_missing"]
    missing = next(d for d in await shop.db.read(differences.open_differences) if d.kind == "receipt_missing")
    assert (missing.ours_minor, missing.theirs_minor, missing.order_no) == (1250, None, ours.order.order_no)
    assert await desk(shop, ours) == ["statement"]
    assert await desk(shop, other) == ["statement"]
    assert await desk(shop, known) == ["statement"]
    account = await shop.db.read(payments.find_gateway, "book")
    day = await shop.db.read(reads.find_day, account.gateway_id, DAY.isoformat())  # type: ignore[union-attr]
    assert sum(s.amount_minor for s in await shop.db.read(reads.our_sums, day)) == 3 * 1250
    await breaks_nothing(shop)


async def test_the_same_statement_again_changes_nothing_and_a_corrected_one_closes(
    shop: Shop, clock: TestClock, book: Daybook
) -> None:
    placed, attempt_no = await buy(shop)
    await receive(shop, attempt_no, "T1")
    wrong = book.pay(attempt_no, txn="T1", amount=1200)
    await go_on(shop, clock, hours=23)
    assert await open_kinds(shop) == ["payment_differs"]
    assert (await reconcile.fetch(shop, "book", DAY, CLI)).state == "same"
    told = await shop.db.read(lambda db: db.value("SELECT COUNT(*) FROM events"))
    book.days[DAY] = [wrong, StatementLine(**{**as_dict(wrong), "gateway_txn": "T8", "attempt_no": "A261031YYYYYYYYYYYYYY"})]
    assert (await reconcile.fetch(shop, "book", DAY, CLI)).opened == 1
    assert await shop.db.read(lambda db: db.value("SELECT COUNT(*) FROM events")) > told
    book.days[DAY] = [StatementLine(**{**as_dict(wrong), "amount_minor": 1250})]
    await reconcile.fetch(shop, "book", DAY, CLI)
    assert await open_kinds(shop) == []
    assert await desk(shop, placed) == []
    await reconcile.run_due(shop)
    assert await shop.db.read(lambda db: db.value("SELECT COUNT(*) FROM statement_lines")) == 1, "replaced lines are dropped"
    await breaks_nothing(shop)


def as_dict(line: StatementLine) -> dict[str, object]:
    return {name: getattr(line, name) for name in line.__struct_fields__}


async def test_what_staff_closed_stays_closed(shop: Shop, clock: TestClock, book: Daybook) -> None:
    book.pay("A261031ZZZZZZZZZZZZZZ", txn="T4")
    await go_on(shop, clock, hours=23)
    (found,) = await shop.db.read(differences.open_differences)
    with pytest.raises(Invalid, match="reason"):
        await reconcile.close(shop, found.difference_id, STAFF, reason=" ")
    await reconcile.close(shop, found.difference_id, STAFF, reason="from the shop before the move")
    with pytest.raises(Conflict):
        await reconcile.close(shop, found.difference_id, STAFF, reason="again")
    book.pay("A261031XXXXXXXXXXXXXX", txn="T5")
    await reconcile.fetch(shop, "book", DAY, CLI)
    assert [d.subject for d in await shop.db.read(differences.open_differences)] == ["payment/T5"]


async def test_a_week_of_silence_is_a_difference_and_a_late_statement_closes_it(
    shop: Shop, clock: TestClock, book: Daybook
) -> None:
    book.is_down = True
    await go_on(shop, clock, hours=23)
    for _ in range(8 * 24):
        await go_on(shop, clock, hours=1)
    assert len([d for d in book.asked if d == DAY]) in range(160, 172), "hourly, for a week"
    assert "no_statement" in await open_kinds(shop)
    book.is_down = False
    book.days[DAY] = []
    assert (await reconcile.fetch(shop, "book", DAY, CLI)).state == "taken"
    mine = [d for d in await shop.db.read(differences.open_differences) if d.day == DAY.isoformat()]
    assert mine == []


async def test_days_that_were_missed_are_fetched(shop: Shop, clock: TestClock, book: Daybook) -> None:
    await go_on(shop, clock, hours=23)
    await go_on(shop, clock, hours=24 * 5)
    assert sorted(set(book.asked)) == [DAY + dt.timedelta(days=n) for n in range(6)]


async def test_a_refund_made_at_the_vendor_is_written_down(shop: Shop, clock: TestClock, book: Daybook) -> None:
    placed, attempt_no = await buy(shop)
    await receive(shop, attempt_no, "T1")
    book.pay(attempt_no, txn="T1")
    back = {"kind": "refund", "gateway_txn": "T1", "amount_minor": 1250, "currency": "CNY", "happened_at": NOON}
    book.write(StatementLine(**back, gateway_refund="RF1"))
    book.write(StatementLine(**{**back, "gateway_txn": "T99"}, refund_no="R261031ZZZZZZZZZZZZZZ"))
    await go_on(shop, clock, hours=23)
    assert await verdicts(shop) == ["matched", "found", "unknown"]
    (refund,) = await shop.db.read(payments.refunds, placed.order.order_id)  # type: ignore[attr-defined]
    assert (refund.way, refund.amount_minor) == ("elsewhere", 1250)
    assert await open_kinds(shop) == ["refund_unknown"]


async def test_a_difference_follows_its_entry_on_the_desk(shop: Shop, clock: TestClock, book: Daybook) -> None:
    placed, attempt_no = await buy(shop)
    await receive(shop, attempt_no, "T1")
    book.pay(attempt_no, txn="T1", amount=1200)
    await go_on(shop, clock, hours=23)
    from kashop.orders import writes as order_writes

    (entry,) = await shop.db.read(orders.open_exceptions, placed.order.order_id)  # type: ignore[attr-defined]
    await shop.db.write(order_writes.close_exception, entry.exception_id, STAFF, reason="the vendor's rounding")
    await reconcile.run_due(shop)
    assert await open_kinds(shop) == []
    found = await shop.db.read(differences.get_difference, 1)
    assert found.reason == "the vendor's rounding"


@pytest.mark.parametrize("states_refunds", [True, False])
async def test_a_refund_is_missed_only_where_refunds_are_stated(shop: Shop, clock: TestClock, states_refunds: bool) -> None:
    await add_product(shop, "steam", codes=2)
    book = await open_book(shop, states_refunds=states_refunds)
    placed, attempt_no = await buy(shop)
    await receive(shop, attempt_no, "T1")
    wish = refunds.Wish(reason="broken", is_recorded=True, reference="by hand")
    await refunds.refund(shop, placed.order.order_no, wish, CLI)  # type: ignore[attr-defined]
    sql = "UPDATE refunds SET way = 'gateway'"
    await shop.db.write(lambda tx: tx.run(sql))
    book.pay(attempt_no)
    book.days[DAY + dt.timedelta(days=1)] = []
    for _ in range(3):
        await go_on(shop, clock, hours=24)
    assert ("refund_missing" in await open_kinds(shop)) is states_refunds
