"""Which column of a statement file is what, by the names that vendors and banks give them. Pure."""

import re
import unicodedata
from collections.abc import Sequence

FIELDS = (
    "txn",
    "order",
    "amount",
    "income",
    "outgoing",
    "time",
    "clock",
    "kind",
    "state",
    "fee",
    "reference",
    "currency",
    "refund",
)
"""What a column may be. `income` and `outgoing` are a bank's two amount columns, `clock` a time beside a date."""

_NAMES = {
    "txn": """
        交易号 交易单号 支付宝交易号 微信订单号 微信支付单号 微信支付订单号 平台订单号 平台单号 系统订单号
        系统单号 支付流水号 流水号 交易流水号 银行流水号 核心流水号 业务流水号 凭证号 交易序号 transaction
        transactionid transactionno txn txnid txid tradeno paymentid paymentno serialno serialnumber
        bankreference
    """,
    "order": """
        商户订单号 商户单号 商家订单号 外部订单号 订单号 商户流水号 outtradeno orderno ordernumber orderid
        order merchantorder merchantorderno merchantorderid merchantreference invoiceid
    """,
    "amount": """
        金额 订单金额 交易金额 支付金额 实付金额 实收金额 发生额 交易额 商品金额 总金额 amount total gross
        grossamount sum orderamount paidamount money
    """,
    "income": """
        收入 收入金额 贷方 贷方发生额 贷方金额 存入 存入金额 转入金额 入账金额 credit creditamount paidin
        moneyin deposit
    """,
    "outgoing": """
        支出 支出金额 借方 借方发生额 借方金额 取出 支取金额 转出金额 debit debitamount paidout moneyout
        withdrawal
    """,
    "time": """
        时间 交易时间 支付时间 付款时间 完成时间 完成日期 入账时间 记账时间 记账日期 交易日期 日期 创建时间
        date time datetime paidat createdat created completedat transactiondate transactiontime bookingdate
        postingdate
    """,
    "kind": """
        类型 交易类型 业务类型 收支 收支类型 收付 借贷 借贷标志 方向 type kind transactiontype direction
    """,
    "state": """
        状态 交易状态 支付状态 订单状态 当前状态 status state
    """,
    "fee": """
        手续费 服务费 费用 平台手续费 fee fees charge servicecharge commission
    """,
    "reference": """
        附言 摘要 备注 用途 留言 转账附言 交易备注 说明 remark remarks memo reference description note
        message purpose paymentreference narrative
    """,
    "currency": """
        币种 货币 交易币种 currency ccy
    """,
    "refund": """
        退款单号 商户退款单号 退款订单号 退款批次号 微信退款单号 refundno refundid outrefundno
    """,
}
_FIELD_OF = {name: field for field, names in _NAMES.items() for name in names.split()}
_FILLER = re.compile(r"[\s_\-./·:：*#\"'`/]+")
_BRACKETS = re.compile(r"[(（\[【].*?[)）\]】]")
_VAGUE = {"订单号", "orderno", "ordernumber", "orderid", "order"}
"""The merchant's own number where it stands alone; beside a column that is clearly that, the vendor's."""
_CLOCK = {"交易时间", "时间", "time", "transactiontime"}

LEAST_NAMES = 3
"""So many known names make a row the header."""


def named(name: str) -> str:
    """What a column of that name is, or nothing."""
    return _FIELD_OF.get(plain(name), "")


def plain(name: str) -> str:
    """A header's name without what vendors put round it."""
    text = unicodedata.normalize("NFKC", name).strip("\ufeff\t `").casefold()
    return _FILLER.sub("", _BRACKETS.sub("", text))


def header_row(rows: Sequence[Sequence[str]]) -> int | None:
    """The index of the row that names the columns: banks and vendors write some lines above it."""
    best, at = LEAST_NAMES - 1, None
    for index, row in enumerate(rows):
        known = {field for cell in row if (field := named(cell))}
        if len(known) > best:
            best, at = len(known), index
    return at


def guessed(names: Sequence[str]) -> dict[str, int]:
    """Which column, from 1, is what; of two for one thing the first."""
    found: dict[str, int] = {}
    is_told = any(named(name) == "order" and plain(name) not in _VAGUE for name in names)
    for number, name in enumerate(names, 1):
        field = named(name)
        if field == "order" and is_told and plain(name) in _VAGUE:
            field = "txn"
        if field == "time" and "time" in found and plain(name) in _CLOCK:
            field = "clock"
        if field and field not in found:
            found[field] = number
    if "income" in found or "outgoing" in found:
        found.pop("amount", None)
    return found
