"""Every invariant holds in a shop that has seen everything, and each one that is broken on purpose is named, without a code."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from kashop.analytics import INVARIANTS
from kashop.cli.check import Result, results
from kashop.db import examine
from kashop.db.units import SqliteTx
from kashop.flows import checkout, deliver, reconcile, refunds
from kashop.inventory import writes as inventory
from kashop.lib.actor import CLI, SYSTEM
from kashop.lib.clock import SystemClock
from kashop.payments.statements import rules, writes
from kashop.payments.statements.types import Line
from kashop.shop import Shop
from kashop.vault import Keyring
from tests import beside
from tests.cast import CopyOf, NewShop, TestClock, add_epay, add_product, call_back, config, epay_notice, order

IDS = [f"I-{n:02}" for n in (*range(1, 17), 19, 20, 24, 26, 27, 29, 30, 32, 36, 43)] + [
    "K-01",
    "K-02",
    "K-03",
    "K-04",
    "K-05",
    "K-10",
    "K-11",
]

FREE_RECEIPTS = "DROP TRIGGER receipts_never_updated; DROP TRIGGER receipts_never_deleted;"
FREE_EVENTS = "DROP TRIGGER events_never_updated; DROP TRIGGER events_never_deleted;"
FREE_SEALS = "DROP TRIGGER codes_move_to_the_newest_key;"
SOLD = "(SELECT MIN(code_id) FROM codes WHERE status = 'sold')"
FREE = "(SELECT MIN(code_id) FROM codes WHERE status = 'free')"
PAID = "(SELECT MIN(order_id) FROM orders WHERE status = 'delivered' AND paid_minor > 0)"
REFUND = "(SELECT MIN(refund_id) FROM refunds WHERE status = 'done')"
RELEASED = """UPDATE orders SET status = 'refunded' WHERE order_id = (SELECT l.order_id FROM codes c
  JOIN order_lines l ON l.line_id = c.line_id WHERE c.status = 'held' LIMIT 1)"""
COPY_PAID = """INSERT INTO events SELECT (SELECT MAX(seq) + 1 FROM events), at, name, actor_kind, actor_ref, session, request_id,
  object_kind, object_id, NULL, NULL, reason, payload, prev_hash, hash FROM events WHERE name = 'order.paid' LIMIT 1;"""

SWAPPED_RECEIPT = f"""{FREE_RECEIPTS}
DELETE FROM receipts WHERE receipt_id = (SELECT receipt_id FROM receipts WHERE source = 'callback' LIMIT 1);
INSERT INTO receipts (receipt_id, gateway_id, gateway_txn, attempt_id, order_id, method, currency, amount_minor, counted_minor,
    source, callback_id, received_at)
  SELECT receipt_id + 1000, gateway_id, gateway_txn || 'x', attempt_id, order_id, method, currency, amount_minor, counted_minor,
    source, callback_id, received_at FROM receipts LIMIT 1"""
STRAY_BATCH = f"""UPDATE codes SET batch_id = 999999 WHERE code_id = {FREE};
UPDATE batches SET imported = imported - 1 WHERE batch_id = 1"""


def without_constraints(table: str) -> str:
    """The same rows in a table that allows anything."""
    return f"CREATE TABLE bare AS SELECT * FROM {table}; DROP TABLE {table}; ALTER TABLE bare RENAME TO {table};"


NEWER_KEYS = "INSERT INTO vault_keys SELECT product_id, epoch + 1, wrapped, created_at FROM vault_keys;"
BAD_ROTATION = """INSERT INTO rotations (status, total, codes_before, fingerprints_before, keys_before, codes_after,
  fingerprints_after, started_by, started_at, moved_at, ended_at) VALUES ('done', 9, 9, 9, 1, {after}, {after}, 'cli', 1, 1, 1)"""

UNTOLD = """DELETE FROM differences WHERE kind = 'payment_unknown';
INSERT INTO job_runs (job, started_at) SELECT 'reconcile', MAX(taken_at) + 3600001 FROM statements"""
CRIMES = [
    ("I-01", f"UPDATE codes SET line_id = 999999 WHERE code_id = {SOLD}"),
    ("I-01", "UPDATE orders SET status = 'expired' WHERE status = 'delivered'"),
    ("I-02", f"DELETE FROM codes WHERE code_id = {FREE}"),
    ("I-02", STRAY_BATCH),
    ("I-02", f"UPDATE codes SET released_fingerprint = fingerprint WHERE code_id = {FREE}"),
    ("I-02", "UPDATE batches SET taken_back = 1 WHERE batch_id = 1"),
    ("I-03", f"UPDATE codes SET status = 'held', held_until = 1, line_id = 999999 WHERE code_id = {FREE}"),
    ("I-03", "UPDATE codes SET status = 'free', held_until = NULL, line_id = NULL WHERE status = 'held'"),
    ("I-03", "UPDATE codes SET held_until = held_until + 1 WHERE status = 'held'"),
    ("I-03", "INSERT INTO job_runs (job, started_at) SELECT 'expire_orders', MAX(held_until) + 60001 FROM codes"),
    ("I-04", "UPDATE order_lines SET delivered = 1 WHERE delivered = 2"),
    ("I-04", f"UPDATE codes SET line_id = (SELECT MAX(line_id) FROM codes WHERE status = 'sold') WHERE code_id = {SOLD}"),
    ("I-05", f"INSERT INTO pools VALUES (2, 'vip', 'VIP'); UPDATE codes SET pool_id = 2 WHERE code_id = {SOLD}"),
    ("I-06", f"UPDATE codes SET sku_id = (SELECT MAX(sku_id) FROM skus) WHERE code_id = {SOLD}"),
    ("I-06", f"{FREE_SEALS} UPDATE codes SET product_id = 999 WHERE code_id = {SOLD}"),
    ("I-07", f"UPDATE codes SET status = 'free', line_id = NULL WHERE code_id = {SOLD}"),
    ("I-07", f"UPDATE codes SET replaces_code_id = {FREE} WHERE code_id = {SOLD}"),
    ("I-07", f"UPDATE codes SET status = 'sold', line_id = 1 WHERE code_id = {FREE}"),
    ("I-30", f"UPDATE codes SET status = 'void', released_fingerprint = fingerprint WHERE code_id = {FREE}"),
    ("I-08", f"UPDATE orders SET status = 'paid' WHERE order_id = {PAID}"),
    ("I-08", "UPDATE orders SET status = 'delivering' WHERE status = 'delivered'; UPDATE order_lines SET delivered = 0"),
    ("I-08", "UPDATE orders SET paid_minor = total_minor WHERE status = 'pending'"),
    ("I-09", f"UPDATE orders SET paid_minor = paid_minor - 1 WHERE order_id = {PAID}"),
    ("I-09", f"{FREE_RECEIPTS} UPDATE receipts SET counted_minor = 1 WHERE order_id = {PAID}"),
    ("I-09", f"{FREE_RECEIPTS} UPDATE receipts SET amount_minor = 1 WHERE order_id = {PAID}"),
    ("I-09", "UPDATE orders SET status = 'paid' WHERE status = 'pending'"),
    ("I-10", without_constraints("receipts") + "INSERT INTO receipts SELECT * FROM receipts LIMIT 1"),
    ("I-11", COPY_PAID),
    ("I-11", SWAPPED_RECEIPT),
    ("I-12", "UPDATE orders SET status = 'cancelled' WHERE status = 'pending'"),
    ("I-12", f"UPDATE orders SET paid_minor = paid_minor + 1 WHERE order_id = {PAID}"),
    ("I-12", f"{FREE_EVENTS} UPDATE events SET name = 'order.expired' WHERE name = 'order.delivered'"),
    ("I-13", "DELETE FROM order_exceptions WHERE kind = 'paid_late'"),
    ("I-14", "UPDATE orders SET total_minor = total_minor + 1 WHERE status = 'pending'"),
    ("I-14", "UPDATE order_lines SET total_minor = total_minor + 1 WHERE line_id = 1"),
    ("I-14", 'UPDATE order_lines SET prices = \'{"price":1,"tiers":[]}\' WHERE line_id = 1'),
    ("I-15", f"{FREE_RECEIPTS} UPDATE receipts SET order_id = (SELECT MAX(order_id) FROM orders) WHERE receipt_id = 1"),
    ("I-15", f"{FREE_RECEIPTS} UPDATE receipts SET callback_id = NULL"),
    ("I-15", "UPDATE attempts SET gateway_id = 999 WHERE status = 'succeeded'"),
    ("I-15", "UPDATE attempts SET currency = 'USD' WHERE status = 'succeeded'"),
    ("I-15", "UPDATE attempts SET method = 'wxpay' WHERE status = 'succeeded'"),
    ("I-15", "UPDATE callbacks SET verdict = 'rejected' WHERE verdict = 'settled'"),
    ("I-16", "UPDATE gateways SET secrets = zeroblob(80)"),
    ("I-16", "UPDATE gateways SET name = 'epay-other'"),
    ("I-19", "DROP TRIGGER events_never_updated"),
    ("I-19", "DROP INDEX codes_free"),
    ("I-19", without_constraints("stock_counts")),
    ("I-20", f"UPDATE refunds SET amount_minor = amount_minor * 9 WHERE refund_id = {REFUND}"),
    ("I-20", f"UPDATE refunds SET counted_minor = counted_minor * 9 WHERE refund_id = {REFUND}"),
    ("I-20", f"UPDATE refunds SET currency = 'USD' WHERE refund_id = {REFUND}"),
    ("I-20", without_constraints("refunds") + "INSERT INTO refunds SELECT * FROM refunds LIMIT 1"),
    ("I-20", f"{without_constraints('refunds')} UPDATE refunds SET gateway_refund = 'V1'"),
    ("I-20", f"{FREE_EVENTS} DELETE FROM events WHERE name = 'refund.done'"),
    ("I-24", "UPDATE order_lines SET is_free = 0 WHERE unit_minor = 0"),
    ("I-24", "UPDATE skus SET is_free = 0 WHERE price_minor = 0"),
    ("I-26", f"UPDATE codes SET sealed = (SELECT sealed FROM codes WHERE code_id = {FREE}) WHERE code_id = {SOLD}"),
    ("I-26", f"UPDATE codes SET fingerprint = zeroblob(32) WHERE code_id = {FREE}"),
    ("I-26", f"{FREE_SEALS} UPDATE codes SET epoch = 2 WHERE code_id = {FREE}"),
    ("I-26", "UPDATE vault_keys SET wrapped = zeroblob(73)"),
    ("I-27", f"UPDATE codes SET sealed = (SELECT sealed FROM codes WHERE code_id = {FREE}) WHERE code_id = {SOLD}"),
    ("I-29", NEWER_KEYS),
    ("I-29", f"{NEWER_KEYS} {FREE_SEALS} UPDATE codes SET epoch = epoch + 1"),
    ("I-29", BAD_ROTATION.format(after=8)),
    ("I-29", BAD_ROTATION.format(after=999999)),
    ("I-30", "UPDATE batches SET imported = imported + 1 WHERE batch_id = 1"),
    ("I-30", without_constraints("codes") + "UPDATE codes SET fingerprint = (SELECT MIN(fingerprint) FROM codes)"),
    ("I-32", f"{FREE_EVENTS} UPDATE events SET reason = 'x' WHERE seq = 5"),
    ("I-32", f"{FREE_EVENTS} DELETE FROM events WHERE seq = 5"),
    ("I-32", "DROP TRIGGER event_personal_only_erased; UPDATE event_personal SET value = '{}' WHERE personal_id = 1"),
    ("I-36", "UPDATE idempotency SET order_id = 999999"),
    ("I-36", "UPDATE idempotency SET order_id = (SELECT MAX(order_id) FROM orders)"),
    ("I-36", "INSERT INTO idempotency SELECT scope || 'x', key_hash, request_digest, order_id, created_at FROM idempotency"),
    ("I-43", "DELETE FROM products"),
    ("K-01", "UPDATE stock_counts SET free = free + 1"),
    ("K-01", "DELETE FROM stock_counts"),
    ("K-01", "INSERT INTO stock_counts (sku_id, pool_id, sold) SELECT MAX(sku_id), 99, 1 FROM skus"),
    ("K-02", "INSERT INTO job_runs (job, started_at) SELECT 'expire_orders', MAX(expires_at) + 60001 FROM orders"),
    ("K-04", "UPDATE orders SET refunded_minor = refunded_minor + 1 WHERE status = 'pending'"),
    ("K-04", f"UPDATE refunds SET status = 'failed' WHERE refund_id = {REFUND}"),
    ("K-05", "UPDATE orders SET status = 'delivered' WHERE status = 'refunded'"),
    ("K-05", RELEASED),
    ("K-10", "UPDATE statement_lines SET amount_minor = 1 WHERE verdict = 'matched'"),
    ("K-10", "UPDATE statement_lines SET verdict = '' WHERE verdict = 'matched'"),
    ("K-10", "DELETE FROM statement_lines WHERE verdict = 'matched'"),
    ("K-10", "UPDATE statement_lines SET receipt_id = (SELECT MIN(receipt_id) FROM statement_lines) WHERE verdict = 'differs'"),
    ("K-11", "UPDATE differences SET closed_at = 1, closed_by = 'staff:1', reason = ''"),
    ("K-11", "DELETE FROM order_exceptions WHERE kind = 'statement'"),
    ("K-11", UNTOLD),
    (
        "K-03",
        """UPDATE callbacks SET verdict = 'new' WHERE callback_id = 2;
        INSERT INTO job_runs (job, started_at) SELECT 'read_callbacks', MAX(received_at) + 300001 FROM callbacks""",
    ),
]


@pytest.fixture(scope="module")
def traded(new_shop: NewShop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A shop that sold by machine and by hand, for nothing, late and for too little; it has an unpaid and an ended order."""
    with new_shop(tmp_path_factory.mktemp("traded")) as data:
        asyncio.run(_trade(data))
        yield data


async def _trade(data: Path) -> None:
    clock = TestClock()
    shop = await Shop.open(config(data), clock=clock)
    await add_epay(shop)
    await add_product(shop, "auto", codes=20, tiers=((2, 1200),))
    await add_product(shop, "hand", delivery="manual")
    await add_product(shop, "gift", codes=5, price=0, is_free=True)
    two = await order(shop, "auto", 2, key="k1")
    for _ in range(3):
        await call_back(shop, epay_notice(two, money="24.00", txn="T1"))
    by_hand = await order(shop, "hand")
    await call_back(shop, epay_notice(by_hand, txn="T2"))
    line_id = await shop.db.read(lambda db: db.value("SELECT MAX(line_id) FROM order_lines"))
    await deliver.deliver_by_hand(shop, by_hand.order.order_no, line_id, ["CANARY-by-hand"], CLI)
    await order(shop, "gift", gateway="", method="")
    late, ended, partly = await order(shop, "auto"), await order(shop, "auto"), await order(shop, "auto")
    await call_back(shop, epay_notice(partly, money="5.00", txn="T3"))
    clock.pass_time(minutes=16)
    for gone in (late, ended, partly):
        await checkout.expire(shop, gone.order.order_id, SYSTEM)
    await call_back(shop, epay_notice(late, txn="T4"))
    await order(shop, "auto", key="k2")
    waiting = await order(shop, "hand")
    await call_back(shop, epay_notice(waiting, txn="T5"))
    back = await order(shop, "auto")
    await call_back(shop, epay_notice(back, txn="T6"))
    for amount in (500, 100):
        wish = refunds.Wish(amount_minor=amount, reason="half", is_recorded=True, reference=f"bank {amount}")
        await refunds.refund(shop, back.order.order_no, wish, CLI)
    await _state(shop, clock)
    free = await shop.db.read(lambda db: db.value("SELECT MAX(code_id) FROM codes WHERE status = 'free'"))
    await shop.db.write(inventory.void, free, reason="test", actor=CLI)
    await shop.close()


async def _state(shop: Shop, clock: TestClock) -> None:
    """A statement of the day: one payment as recorded, one of another amount, one that nobody knows."""
    day, (account, kind) = rules.day_of(clock.now(), "Asia/Shanghai"), await reconcile.account_of(shop, "epay-main")
    at = clock.now()
    clock.pass_time(hours=24)
    row = await shop.db.write(writes.plan_now, account.gateway_id, rules.bounds(day, kind.statement_zone))
    amounts = {"T1": 2400, "T2": 1200, "T77": 900}
    lines = [Line(n, "payment", txn, "", "", "", amounts[txn], "CNY", 3, at, "") for n, txn in enumerate(amounts, 1)]
    came = reconcile.Came(day=row.day, source="api", lines=lines)
    assert (await reconcile.take(shop, account, row, came, CLI)).opened == 2


@pytest.fixture
def copy(traded: Path, copy_of: CopyOf, tmp_path: Path) -> Iterator[Path]:
    with copy_of(traded, tmp_path) as data:
        yield data


async def looked_at(data: Path, *, is_all: bool = True) -> dict[str, Result]:
    shop = await Shop.open(config(data))
    try:
        return {r.id: r for r in await results(shop, is_all=is_all)}
    finally:
        await shop.close()


async def test_a_shop_that_has_seen_everything_breaks_nothing(copy: Path) -> None:
    found = await looked_at(copy)
    assert list(found) == IDS
    assert {r.id: r.witness for r in found.values() if r.witness} == {}
    statuses = {status for (status,) in beside.rows(config(copy).place, "SELECT status FROM orders")}
    codes = {status for (status,) in beside.rows(config(copy).place, "SELECT status FROM codes")}
    assert statuses == {"delivered", "delivering", "pending", "expired", "refunded"}
    assert codes == {"free", "held", "sold", "void"}


async def test_without_all_only_the_quick_ones_are_looked_at(copy: Path) -> None:
    found = await looked_at(copy, is_all=False)
    assert set(IDS) - set(found) == {"I-07", "I-12", "I-14", "I-19", "I-26", "I-27", "I-29", "I-30", "I-32", "I-43"}


@pytest.fixture(scope="module")
def keyring(traded: Path) -> Keyring:
    async def opened() -> Keyring:
        shop = await Shop.open(config(traded))
        await shop.close()
        return shop.keyring

    return asyncio.run(opened())


def witnesses(path: Path, keyring: Keyring) -> dict[str, str]:
    """The same looks without opening a shop, which a broken one may refuse."""
    con = sqlite3.connect(path)
    tx = SqliteTx(con, SystemClock().now())
    found = {i.id: str(i.first_witness(tx, keyring) or "") for i in INVARIANTS}
    con.close()
    return {**found, "I-19": examine.schema(path), "I-43": examine.integrity(path)}


@pytest.mark.sqlite  # the crimes are in its words
@pytest.mark.parametrize(("id_", "crime"), CRIMES, ids=[f"{id_}-{n}" for n, (id_, _) in enumerate(CRIMES)])
def test_what_is_broken_is_named(copy: Path, keyring: Keyring, id_: str, crime: str) -> None:
    con = sqlite3.connect(copy / "kashop.db")
    con.executescript(crime)
    con.close()
    knows_no_data_key = Keyring("another", bytes(32))
    found = witnesses(copy / "kashop.db", knows_no_data_key if "vault_keys" in crime else keyring)
    assert found[id_]
    said = "".join(found.values())
    assert "CANARY" not in said
    assert "AUTO-0" not in said


def test_the_command_says_so(copy: Path) -> None:
    beside.change(config(copy).place, "UPDATE stock_counts SET free = free + 1")
    found = asyncio.run(looked_at(copy))
    assert [r.id for r in found.values() if r.witness] == ["K-01"]
    assert found["K-01"].witness.startswith("SKU ")


def test_every_invariant_has_its_crime() -> None:
    assert {id_ for id_, _ in CRIMES} == set(IDS)


@pytest.mark.sqlite
def test_a_damaged_file_is_found(copy: Path) -> None:
    path = copy / "kashop.db"
    assert examine.integrity(path) == ""
    with sqlite3.connect(path) as con:
        con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = con.execute("SELECT rootpage FROM sqlite_master WHERE name = 'codes_free'").fetchone()
        (size,) = con.execute("PRAGMA page_size").fetchone()
    con.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    assert examine.integrity(path)


@pytest.mark.parametrize(
    ("version", "has_race"),
    [
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 54, 1), False),
        ((3, 6, 9), False),
    ],
)
def test_which_libraries_have_the_checkpoint_race(version: tuple[int, ...], has_race: bool) -> None:
    assert examine.has_checkpoint_race(version) is has_race
