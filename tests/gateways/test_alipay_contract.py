"""Alipay keeps the contract: its side written from the sheet, with signing of its own."""

import datetime as dt
import io
import json
import zipfile
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256

from kashop.bundled.pay_alipay.gateway import ALIPAY
from kashop.payments.types import Intent, RefundAsk, StatementLine
from kashop.plugins.kit import Claim, FormVendor, GatewayContract, Reply, Stage
from kashop.plugins.kit.vendor import Pairs
from tests.gateways import testkeys

APP_ID = "2021000000000001"
HEAD = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,"
    "集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
)
TRADE = "2026110122001400000000000001"


def signature(text: str, who: str = "platform") -> str:
    return b64encode(testkeys.private_key(who).sign(text.encode(), padding.PKCS1v15(), SHA256())).decode()


def said(method: str, who: str = "platform", **fields: Any) -> bytes:
    """A signed reply, with slashes escaped as Alipay does."""
    node = json.dumps({"code": "10000", "msg": "Success", **fields}, ensure_ascii=False).replace("/", "\\/")
    name = f"{method.replace('.', '_')}_response"
    return f'{{"{name}":{node},"sign":"{signature(node, who)}"}}'.encode()


def refused(method: str, sub_code: str, message: str = "", code: str = "40004") -> bytes:
    return said(method, code=code, msg="Business Failed", sub_code=sub_code, sub_msg=message)


def row(kind: str, amount: str, number: str = "", fee: str = "0.00") -> str:
    cells = [f"{TRADE}\t", f"{Claim().attempt_no}\t", f"{kind}  ", "测试, 商品", "2026-11-01 12:00:30", "2026-11-01 12:00:40"]
    cells += ["", "", "", "", "*三", amount, amount, *["0.00"] * 5, "", "0.00", "0.00", f"{number}\t", fee, "0.00", ""]
    return ",".join(cells)


def packed(*rows: str) -> bytes:
    table = "\r\n".join(["#支付宝业务明细查询", "#账号：[2088]", HEAD, *rows, "#----业务明细列表结束----", ""])
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("2088_业务明细.csv", table.encode("gbk"))
        archive.writestr("2088_业务明细(汇总).csv", "#汇总\r\n门店编号,交易订单总笔数\r\n合计,1\r\n".encode("gbk"))
    return file.getvalue()


class AlipayVendor(FormVendor):
    """Alipay, by QR code."""

    type = ALIPAY
    method = "alipay"
    carrier = "body"
    unpaid = ("WAIT_BUYER_PAY", "TRADE_CLOSED", "trade_success", "TRADE_SUCCESS ", "SUCCESS", "1", "")
    calls_to_begin = True
    calls_to_query = True

    def options(self, base_url: str) -> dict[str, str]:
        """A merchant's account in public-key mode."""
        keys = {"private_key": testkeys.private_line("merchant"), "alipay_public_key": testkeys.public_line("platform")}
        return {"app_id": APP_ID, **keys, "contracts": "qr", "url": f"{base_url}/gateway.do"}

    def fields(self, claim: Claim) -> dict[str, str]:
        """A notice (sheet §5)."""
        return {
            "app_id": claim.merchant or APP_ID,
            "charset": "utf-8",
            "notify_id": "2026110100222120040012340000000001",
            "notify_type": "trade_status_sync",
            "out_trade_no": claim.attempt_no,
            "seller_id": "2088000000000001",
            "subject": "测试商品 VIP",
            "sign_type": "RSA2",
            "total_amount": claim.amount,
            "trade_no": claim.txn,
            "trade_status": "TRADE_SUCCESS" if claim.state == "paid" else claim.state,
            **claim.extra,
        }

    def sign(self, pairs: Pairs, *, key: str = "") -> str:
        """Sheet §5, in the order given."""
        text = "&".join(f"{k}={v}" for k, v in pairs if v and k != "sign_type")
        return signature(text, "merchant" if key else "platform")

    def begin_reply(self, intent: Intent) -> bytes:
        """Sheet §4."""
        return said("alipay.trade.precreate", out_trade_no=intent.attempt_no, qr_code="https://qr.alipay.com/bax000")

    def refusal(self, secret: str) -> Reply:
        """A careless Alipay, whatever was asked."""
        node = json.dumps({"code": "40004", "sub_code": "ACQ.SELLER_BALANCE_NOT_ENOUGH", "sub_msg": f"key {secret} bad"})
        names = ("alipay_trade_precreate", "alipay_trade_query", "alipay_trade_refund", "alipay_trade_fastpay_refund_query")
        members = ",".join(f'"{name}_response":{node}' for name in names)
        return Reply(f'{{{members},"sign":"{signature(node)}"}}'.encode())

    async def arrange_query(self, stage: Stage, intent: Intent, state: str) -> None:
        """Sheet §6."""
        method, trade = "alipay.trade.query", {"out_trade_no": intent.attempt_no, "trade_no": "Q1", "total_amount": "12.50"}
        replies = {
            "paid": said(method, **trade, trade_status="TRADE_SUCCESS"),
            "unpaid": said(method, **trade, trade_status="WAIT_BUYER_PAY"),
            "unknown": refused(method, "ACQ.TRADE_NOT_EXIST", "交易不存在"),
        }
        stage.mouth.says(replies[state])

    async def arrange_refund(self, stage: Stage, ask: RefundAsk, state: str) -> None:
        """Sheet §7."""
        method, change = "alipay.trade.refund", {"done": "Y", "pending": "N"}
        if state == "failed":
            stage.mouth.says(refused(method, "ACQ.SELLER_BALANCE_NOT_ENOUGH", "余额不足"))
        else:
            stage.mouth.says(said(method, out_trade_no=ask.payment.attempt_no, fund_change=change[state], refund_fee="5.00"))

    async def arrange_refund_query(self, stage: Stage, ask: RefundAsk, state: str) -> None:
        """Sheet §7."""
        method, about = "alipay.trade.fastpay.refund.query", {"out_request_no": ask.refund_no, "refund_amount": "5.00"}
        states = {"done": "REFUND_SUCCESS", "pending": "REFUND_PROCESSING", "failed": "REFUND_FAIL"}
        stage.mouth.says(said(method) if state == "unknown" else said(method, **about, refund_status=states[state]))

    async def arrange_close(self, stage: Stage, intent: Intent, state: str) -> None:
        """Sheet §6; a trade in another state is asked for."""
        method = "alipay.trade.close"
        if state == "unknown":
            stage.mouth.says(refused(method, "ACQ.TRADE_NOT_EXIST"))
        elif state == "open":
            stage.mouth.says(said(method, out_trade_no=intent.attempt_no))
        else:
            stage.mouth.at[f"/gateway.do?method={method}&"] = Reply(refused(method, "ACQ.TRADE_STATUS_ERROR"))
            await self.arrange_query(stage, intent, "paid")
            if state == "closed":
                trade = {"out_trade_no": intent.attempt_no, "trade_no": "Q1", "total_amount": "12.50"}
                stage.mouth.says(said("alipay.trade.query", **trade, trade_status="TRADE_CLOSED"))

    async def arrange_statement(self, stage: Stage, day: dt.date, state: str) -> Sequence[StatementLine]:
        """Sheet §8."""
        method = "alipay.data.dataservice.bill.downloadurl.query"
        hours = {"ready": 33, "empty": 37, "unready": 33}[state]
        stage.clock.at = (
            int(dt.datetime.combine(day, dt.time(), dt.timezone(dt.timedelta(hours=8))).timestamp() + hours * 3600) * 1000
        )
        if state != "ready":
            stage.mouth.says(refused(method, "isp.bill_not_exist", "账单不存在"))
            return []
        ask = self.ask()
        stage.mouth.at["/bill"] = Reply(packed(row("交易", "12.50", fee="-0.08"), row("退款", "-5.00", ask.refund_no)))
        stage.mouth.says(said(method, bill_download_url=f"{stage.mouth.url}/bill?fileId=1"))
        common = {"gateway_txn": TRADE, "currency": "CNY", "happened_at": 1_793_505_640_000, "attempt_no": Claim().attempt_no}
        return [
            StatementLine(kind="payment", amount_minor=1250, fee_minor=8, **common),
            StatementLine(kind="refund", amount_minor=500, refund_no=ask.refund_no, **common),
        ]


class AlipayPageVendor(AlipayVendor):
    """Alipay, by its own page: nobody is asked."""

    calls_to_begin = False

    def options(self, base_url: str) -> dict[str, str]:
        """Without the QR contract."""
        return {**super().options(base_url), "contracts": "page, wap", "seller_id": "2088000000000001"}


class TestAlipayByCode(GatewayContract):
    """alipay.trade.precreate."""

    vendor = AlipayVendor()


class TestAlipayByPage(GatewayContract):
    """alipay.trade.page.pay."""

    vendor = AlipayPageVendor()
