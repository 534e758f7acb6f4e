"""Judge the lines of a statement, and learn from it: lost payments are settled, refunds made elsewhere are written down."""

import msgspec

from kashop.db import Reader
from kashop.flows import attempts, settle
from kashop.lib.actor import Actor
from kashop.payments.rows import GatewayAccount
from kashop.payments.statements import reads, rules, writes
from kashop.payments.statements.types import Day, Judged, OurReceipt, Statement
from kashop.payments.types import Notice, RefundWord
from kashop.shop import Shop

CHUNK = 250
"""Lines in one change: some ten milliseconds of the writer, which is what an order may have to wait."""
STEP = 1000
"""Lines that are judged in one go on a thread."""


class Judge:
    """Goes through one statement. What the vendor itself stated is proof; what a file says is asked about or proposed."""

    def __init__(
        self, shop: Shop, account: GatewayAccount, day: Day, statement: Statement, actor: Actor, *, is_manual: bool
    ) -> None:
        self._shop, self._account, self._day, self._statement, self._actor = shop, account, day, statement, actor
        self._is_manual = is_manual
        self._is_proof = statement.source == "api"
        self._taken = rules.Taken()

    async def judge_all(self) -> None:
        """Give every line its verdict."""
        after, db = 0, self._shop.db
        while judged := await db.read(self._judged, after):
            after = judged[-1].line.number
            judged = [await self._learnt(each) for each in judged]
            for begin in range(0, len(judged), CHUNK):
                await db.write(writes.keep_verdicts, self._statement.statement_id, judged[begin : begin + CHUNK])

    def _judged(self, db: Reader, after: int) -> list[Judged]:
        chunk = reads.lines(db, self._statement.statement_id, after=after, limit=STEP)
        if not chunk:
            return []
        known = reads.known(db, self._statement, chunk, is_manual=self._is_manual, day=self._day)
        return rules.judge(chunk, known, self._taken, is_proof=self._is_proof)

    async def _learnt(self, judged: Judged) -> Judged:
        """What a line is after the shop has learnt from it."""
        if self._is_manual or judged.verdict not in ("unknown", "proposed"):
            return judged
        if judged.line.kind == "refund":
            return await self._refund(judged) if self._is_proof and judged.receipt is not None else judged
        if judged.attempt is None:
            return judged
        if judged.verdict == "unknown":
            await self._settle(judged)
        else:
            await attempts.query(self._shop, judged.attempt.attempt_id, self._actor)
        return await self._again(judged)

    async def _settle(self, judged: Judged) -> None:
        line = judged.line
        notice = Notice(
            state="paid",
            attempt_no=line.attempt_no,
            gateway_txn=line.gateway_txn,
            amount_minor=line.amount_minor,
            currency=line.currency,
        )
        actor = Actor("gateway", self._account.name)
        await settle.settle_notice(self._shop, self._account, notice, actor, source="statement")

    async def _again(self, judged: Judged) -> Judged:
        receipt = await self._shop.db.read(reads.receipt_of, self._account.gateway_id, judged.line)
        if receipt is None or receipt.receipt_id in self._taken.receipts:
            return judged
        self._taken.receipts.add(receipt.receipt_id)
        agrees = not rules.why_differs(judged.line, receipt=receipt)
        verdict = ("found" if receipt.source == "statement" else "matched") if agrees else "differs"
        return msgspec.structs.replace(judged, verdict=verdict, receipt=receipt)

    async def _refund(self, judged: Judged) -> Judged:
        """A refund of a payment of ours that we did not make."""
        line, receipt = judged.line, judged.receipt
        assert receipt is not None  # the caller looked
        notice = _went_back(judged, receipt)
        actor = Actor("gateway", self._account.name)
        await settle.settle_notice(self._shop, self._account, notice, actor, source="statement")
        refund = await self._shop.db.read(reads.refund_of, self._account.gateway_id, line)
        if refund is None or refund.refund_id in self._taken.refunds:
            return judged
        self._taken.refunds.add(refund.refund_id)
        verdict = "differs" if rules.why_differs(line, refund=refund) else "found"
        return msgspec.structs.replace(judged, verdict=verdict, refund=refund)


def _went_back(judged: Judged, receipt: OurReceipt) -> Notice:
    line = judged.line
    word = RefundWord(state="done", refund_no=line.refund_no, gateway_refund=line.gateway_refund, amount_minor=line.amount_minor)
    return Notice(
        state="refunded",
        attempt_no=receipt.attempt_no,
        gateway_txn=receipt.gateway_txn,
        amount_minor=receipt.amount_minor,
        currency=receipt.currency,
        refund=word,
    )
