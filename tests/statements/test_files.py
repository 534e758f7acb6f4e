"""Statement files as vendors and banks write them: read by their columns, proposed to staff, and confirmed one by one."""

import datetime as dt
import io

import pytest
import xlsxwriter

from kashop.flows import reconcile
from kashop.lib.actor import CLI, Actor
from kashop.lib.errors import Conflict, Invalid
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.payments.differences import reads as differences
from kashop.payments.statements import files
from kashop.payments.types import Notice
from kashop.shop import Shop
from tests.cast import TestClock, add_product, codes_of, order
from tests.statements.daybook import DAY, NOON, open_book

WAY = files.Way(zone="Asia/Shanghai", currency="CNY")
BANK = """账户明细查询
账号,6222****1234
交易日期,交易时间,收入,支出,余额,摘要,对方户名,交易流水号
2026-10-31,12:00:01,"1,250.00",,99,转账 AB12CD34,张三,BK001
20261031,120005,,12.50,1,退货,李四,BK002
2026-10-31,23:00:00,0.03,,1,结息,银行,BK003
2026-10-31,25:00:00,1.00,,1,转账,王五,BK004
合计,,1251.03,,,,,
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "utf-16"])
def test_a_bank_statement_with_lines_above_its_header(encoding: str) -> None:
    found = files.read(io.BytesIO(BANK.encode(encoding)), "bank.csv", WAY)
    assert [(x.kind, x.gateway_txn, x.amount_minor, x.happened_at - NOON) for x in found.lines][:2] == [
        ("payment", "BK001", 125000, 1000),
        ("refund", "BK002", 1250, 5000),
    ]
    assert found.lines[0].reference == "转账 AB12CD34"
    assert found.left_out == {"total": 1, "bad_time": 1}
    assert found.wrong == ((7, "bad_time"),)


def test_what_spreadsheets_wrap_numbers_in_is_taken_off_and_nothing_is_calculated() -> None:
    text = '订单号,商户订单号,金额,状态,完成时间,手续费\n="4200001234",`A1,¥12.50,已完成,2026/10/31 9:05,0.08\n'
    text += "4.2E+27,A2,1.00,成功,2026/10/31 9:05,\nX,=1+1,=2*3,成功,2026/10/31 9:05,\nY,A3,9,未支付,2026/10/31 9:05,\n"
    found = files.read(io.BytesIO(text.encode()), "x.csv", WAY)
    assert [(x.gateway_txn, x.attempt_no, x.amount_minor, x.fee_minor) for x in found.lines] == [("4200001234", "A1", 1250, 8)]
    assert found.left_out == {"lost_digits": 1, "bad_amount": 1, "not_done": 1}


def test_a_workbook() -> None:
    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True})
    sheet = book.add_worksheet()
    for row, cells in enumerate([["Transaction ID", "Amount", "Date", "Type"], ["T1", 12.5, "2026-10-31 12:00:00", "refund"]]):
        for column, cell in enumerate(cells):
            sheet.write(row, column, cell)
    book.close()
    (line,) = files.read(io.BytesIO(out.getvalue()), "x.xlsx", WAY).lines
    assert (line.kind, line.amount_minor, line.happened_at) == ("refund", 1250, NOON)


def test_columns_that_are_not_known_are_asked_for_and_may_be_chosen() -> None:
    content = b"a;b;c\n2026-10-31 12:00;7.00;T1\n"
    shape = files.inspect(io.BytesIO(content), "x.csv", WAY)
    assert files.problem_of(shape.chosen) is not None
    with pytest.raises(Invalid, match="time"):
        files.read(io.BytesIO(content), "x.csv", WAY)
    way = files.Way(zone="Asia/Shanghai", currency="CNY", chosen={"time": 1, "amount": 2, "txn": 3})
    found = files.read(io.BytesIO(content), "x.csv", way)
    assert [line.gateway_txn for line in found.lines] == ["T1"]
    assert found.left_out == {"bad_amount": 1}, "without a known header its names are a row like the others"


@pytest.fixture
def clock() -> TestClock:
    return TestClock(NOON)


async def uploaded(shop: Shop, text: str, name: str = "book") -> list[reconcile.Outcome]:
    looked = await reconcile.look(shop, name, io.BytesIO(text.encode("gbk")), "x.csv")
    return await reconcile.take_file(shop, name, looked, CLI, file_name="x.csv", day=None)


async def test_transfers_are_proposed_and_confirmed_one_by_one(shop: Shop, clock: TestClock) -> None:
    await add_product(shop, "steam", codes=3)
    await open_book(shop, states=False, is_manual=True)
    first, second = [await order(shop, "steam", gateway="book", method="transfer") for _ in range(2)]
    assert first.attempt is not None
    clock.pass_time(hours=24)
    text = "交易时间,收入,支出,附言,交易流水号\n"
    text += f"2026-10-31 12:01:00,12.50,,购物 {first.attempt.attempt_no},BK1\n2026-10-31 13:00:00,9000,,工资,BK2\n"
    (outcome,) = await uploaded(shop, text)
    assert (outcome.state, outcome.opened, outcome.day) == ("taken", 1, DAY.isoformat())
    assert (await shop.db.read(orders.get, first.order.order_id)).status != "delivered", "a file delivers nothing"
    (found,) = await shop.db.read(differences.open_differences)
    assert (found.kind, found.order_no) == ("payment_unconfirmed", first.order.order_no)
    assert await reconcile.confirm(shop, found.difference_id, Actor("staff", "1")) == "delivered"
    assert len(await codes_of(shop, first)) == 1
    assert await shop.db.read(differences.open_differences) == []
    with pytest.raises(Conflict):
        await reconcile.confirm(shop, found.difference_id, Actor("staff", "1"))
    assert (await uploaded(shop, text))[0].state == "same"
    assert await shop.db.read(payments.receipts, second.order.order_id) == []


async def test_a_vendors_file_makes_the_shop_ask_and_settles_nothing_by_itself(shop: Shop, clock: TestClock) -> None:
    await add_product(shop, "steam", codes=3)
    book = await open_book(shop, states=False)
    asked, forged = [await order(shop, "steam", gateway="book", method="alipay") for _ in range(2)]
    assert asked.attempt is not None
    assert forged.attempt is not None
    no = asked.attempt.attempt_no
    book.paid[no] = Notice(state="paid", attempt_no=no, gateway_txn="T1", amount_minor=1250, currency="CNY")
    clock.pass_time(hours=24)
    text = f"交易号,商户订单号,金额,交易时间\nT1,{no},12.50,2026-10-31 12:01:00\n"
    text += f"T2,{forged.attempt.attempt_no},12.50,2026-10-31 12:02:00\n"
    await uploaded(shop, text)
    assert len(await codes_of(shop, asked)) == 1
    assert await shop.db.read(payments.receipts, forged.order.order_id) == []
    assert [d.kind for d in await shop.db.read(differences.open_differences)] == ["payment_unconfirmed"]


async def test_only_days_that_are_over_and_of_the_file(shop: Shop, clock: TestClock) -> None:
    await open_book(shop, states=False)
    text = "交易号,商户订单号,金额,交易时间\nT1,x-1,12.50,2026-10-31 12:01:00\n"
    with pytest.raises(Invalid, match="over"):
        await uploaded(shop, text)
    clock.pass_time(hours=24)
    looked = await reconcile.look(shop, "book", io.BytesIO(text.encode()), "x.csv")
    with pytest.raises(Invalid, match="day that is over"):
        await reconcile.take_file(shop, "book", looked, CLI, file_name="x", day=DAY - dt.timedelta(days=1))
