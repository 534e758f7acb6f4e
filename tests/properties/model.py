"""The oracle: what a shop must make of every event, in plain Python, written from docs and promises and not from the flows.

It knows no database, no clock but the one it is told, and no lock: everything happens at once and in order.
"""

from dataclasses import dataclass, field

MINUTE = 60_000
PAID = ("paid", "delivering", "delivered", "refunded")
TAKEN_BACK = "taken back"
"""What a code is called from then on."""

UNFIT = {"paid_late", "paid_partly", "paid_over", "paid_twice"}


@dataclass(frozen=True)
class Good:
    """One SKU for sale."""

    slug: str
    price: int
    hold_minutes: int
    is_manual: bool = False
    tiers: tuple[tuple[int, int], ...] = ()

    def costs(self, quantity: int) -> int:
        """What so many cost together."""
        each = self.price
        for least, price in self.tiers:
            each = price if quantity >= least else each
        return each * quantity


@dataclass
class ModelLine:
    """One line: `held` and `sold` name its codes."""

    good: Good
    quantity: int
    held: list[str] = field(default_factory=list)
    sold: list[str] = field(default_factory=list)


@dataclass
class ModelAttempt:
    """One try to pay; `silent_txn` when its buyer paid and the gateway told nobody."""

    attempt_no: str
    amount: int
    method: str
    status: str = "open"
    silent_txn: str = ""
    ahead: dict[str, int] = field(default_factory=dict)
    """Refunds by the vendor's number that were told of before the payment."""


@dataclass
class ModelOrder:
    """One order as it must stand."""

    order_no: str
    lines: list[ModelLine]
    total: int
    expires_at: int
    attempts: list[ModelAttempt]
    status: str = "pending"
    paid: int = 0
    refunded: int = 0
    mismatch: str = ""
    """The transaction that stands on the desk as a mismatch."""
    desk: set[str] = field(default_factory=set)
    failed: tuple[str, int] = ("", 0)
    """The transaction and the amount of the refund that stands on the desk as failed."""

    @property
    def owed(self) -> int:
        """What is still to be paid."""
        return self.total - self.kept

    @property
    def kept(self) -> int:
        """What was paid and did not go back."""
        return self.paid - self.refunded

    @property
    def keeps_what_it_should(self) -> bool:
        """Its price once it was paid, and less than that when it went back; else nothing."""
        if self.status == "refunded":
            return self.kept < self.total
        return self.kept == (self.total if self.status in PAID else 0)

    def put_mismatch(self, txn: str) -> None:
        """A payment that does not fit; the first stands for those that follow."""
        self.mismatch = self.mismatch if "mismatch" in self.desk else txn
        self.desk.add("mismatch")


@dataclass
class ModelReceipt:
    """Money that was recorded, and what went back of it; a person who vouches knows the order, and maybe not the attempt."""

    attempt_no: str
    amount: int
    is_vouched: bool = False
    is_counted: bool = True
    back: int = 0


@dataclass
class ModelBatch:
    """An import: the codes that it brought, as the shelf names them."""

    slug: str
    codes: list[str]
    is_undone: bool = False


class Model:
    """The shop."""

    def __init__(self, goods: tuple[Good, ...]):
        self.goods = {good.slug: good for good in goods}
        self.shelf: dict[str, list[str]] = {good.slug: [] for good in goods}
        """Every code ever imported, in order; its place is its age."""
        self.free: dict[str, set[str]] = {good.slug: set() for good in goods}
        self.void: dict[str, int] = {good.slug: 0 for good in goods}
        self.batches: list[ModelBatch] = []
        self.by_hand = 0
        """How many codes staff wrote themselves."""
        self.orders: dict[str, ModelOrder] = {}
        self.receipts: dict[str, ModelReceipt] = {}
        """By transaction."""
        self.elsewhere: dict[str, int] = {}
        """Refunds that were made without us, by the vendor's number."""
        self.delivers_late = True
        self.is_sealed = False

    def stock(self, slug: str, codes: list[str]) -> int:
        """Import; how many are new."""
        known = set(self.known)
        new = [code for code in dict.fromkeys(codes) if code not in known]
        self.batches.append(ModelBatch(slug, new))
        self.shelf[slug] += new
        self.free[slug] |= set(new)
        return len(new)

    @property
    def known(self) -> list[str]:
        """The codes that no import may bring again."""
        return [code for shelf in self.shelf.values() for code in shelf if not code.startswith(TAKEN_BACK)]

    def take_back(self, batch: ModelBatch) -> int | None:
        """Take an import back; how many codes became void, and may come again. None: buyers have some of it."""
        theirs = {code for order in self.orders.values() for line in order.lines for code in line.held + line.sold}
        if batch.is_undone or theirs & set(batch.codes):
            return None
        batch.is_undone = True
        voided = [code for code in batch.codes if code in self.free[batch.slug]]
        self.free[batch.slug] -= set(voided)
        self.void[batch.slug] += len(voided)
        shelf = self.shelf[batch.slug]
        for code in voided:
            shelf[shelf.index(code)] = batch.codes[batch.codes.index(code)] = f"{TAKEN_BACK} {len(self.batches)} {code}"
        return len(voided)

    def can_hold(self, wants: dict[str, int]) -> bool:
        """Whether an order of these would find its codes."""
        return all(self.goods[slug].is_manual or len(self.free[slug]) >= n for slug, n in wants.items())

    def place(self, order_no: str, wants: dict[str, int], attempt: ModelAttempt | None, now: int) -> ModelOrder:
        """An order that could be placed."""
        lines = [ModelLine(self.goods[slug], n) for slug, n in wants.items()]
        total = sum(line.good.costs(line.quantity) for line in lines)
        until = now + min(line.good.hold_minutes for line in lines) * MINUTE
        order = ModelOrder(order_no, lines, total, until, [attempt] if attempt else [])
        self.orders[order_no] = order
        self._hold(order)
        if total == 0:
            self._pay(order)
        return order

    def settle(self, attempt_no: str, txn: str, amount: int, method: str) -> str:
        """Money arrived for an attempt: new, repeated or refused."""
        order, attempt = self.attempt(attempt_no)
        if known := self.receipts.get(txn):
            is_of_order = known.is_vouched and self.attempt(known.attempt_no)[0] is order
            is_repeated = known.attempt_no == attempt_no or is_of_order
            if not is_repeated or known.amount != amount:
                order.put_mismatch(txn)
            return "repeated" if is_repeated else "refused"
        self.receipts[txn] = ModelReceipt(attempt_no, amount)
        attempt.status = "succeeded"
        self.receipts[txn].is_counted = not (method and attempt.method and method != attempt.method)
        if not self.receipts[txn].is_counted:
            order.put_mismatch(txn)
        else:
            order.paid += amount
        is_ahead = self._take_ahead(order, attempt, txn)
        if self.receipts[txn].is_counted:
            self._find(order, is_ahead=is_ahead)
        return "new"

    def _take_ahead(self, order: ModelOrder, attempt: ModelAttempt, txn: str) -> bool:
        told, attempt.ahead = attempt.ahead, {}
        news = {number: amount for number, amount in told.items() if number not in self.elsewhere}
        for number, amount in news.items():
            self._go_elsewhere(order, txn, number, amount)
        return bool(news)

    def hear_refund(self, attempt_no: str, number: str, amount: int) -> str:
        """The vendor tells of a refund that was made without us; what the shop makes of it."""
        order, attempt = self.attempt(attempt_no)
        if number in self.elsewhere:
            if self.elsewhere[number] != amount:
                order.desk.add("refunded_elsewhere")
            return "repeated"
        of_it = [txn for txn, receipt in self.receipts.items() if receipt.attempt_no == attempt_no]
        if of_it:
            self._go_elsewhere(order, of_it[-1], number, amount)
        elif number in attempt.ahead:
            return "repeated"
        else:
            attempt.ahead[number] = amount
            order.desk.add("refunded_elsewhere")
        return "noted"

    def _go_elsewhere(self, order: ModelOrder, txn: str, number: str, amount: int) -> None:
        amount = min(amount, self.receipts[txn].amount - self.receipts[txn].back)
        if amount:
            self.elsewhere[number] = amount
            self.send_back(order, txn, amount)
        order.desk.add("refunded_elsewhere")

    def send_back(self, order: ModelOrder, txn: str, amount: int) -> None:
        """So much of a receipt went back."""
        receipt = self.receipts[txn]
        receipt.back += amount
        if receipt.is_counted:
            order.refunded += amount
        if order.status in PAID and order.status != "refunded" and order.kept < order.total:
            order.status = "refunded"
            order.desk -= {"sealed", "short_of_stock", "delivery_failed"}
            for line in order.lines:
                self.free[line.good.slug] |= set(line.held)
                line.held = []
        if order.failed[0] == txn and order.failed[1] <= amount:
            order.desk.discard("refund_failed")
        if receipt.back == receipt.amount and order.mismatch == txn:
            order.desk.discard("mismatch")
        if order.keeps_what_it_should:
            order.desk -= UNFIT

    def fail_to_send_back(self, order: ModelOrder, txn: str, amount: int) -> None:
        """The gateway does not send it; the first that stands on the desk stands for those that follow."""
        order.failed = order.failed if "refund_failed" in order.desk else (txn, amount)
        order.desk.add("refund_failed")

    def is_of_the_vendor(self, txn: str) -> bool:
        """Whether the vendor knows the transaction himself."""
        return any(attempt.silent_txn == txn for order in self.orders.values() for attempt in order.attempts)

    def _find(self, order: ModelOrder, *, is_ahead: bool = False) -> None:
        if order.status in PAID:
            order.desk.add("paid_twice")
        elif order.kept < order.total:
            order.desk |= set() if is_ahead else {"paid_partly"}
        elif order.status == "pending":
            self._pay(order)
        elif self.delivers_late and self._can_hold_again(order):
            self._hold(order)
            self._pay(order)
            order.desk.discard("paid_late")
        else:
            order.desk.add("paid_late")

    def confirm(self, order_no: str, txn: str) -> str:
        """A person vouches for the rest; the state then."""
        order = self.orders[order_no]
        if order.kept < order.total:
            self.receipts[txn] = ModelReceipt(order.attempts[-1].attempt_no, order.owed, is_vouched=True)
            order.attempts[-1].status = "succeeded"
            order.paid += order.owed
        if order.status != "pending":
            if not self._can_hold_again(order):
                order.desk.add("paid_late")
                return order.status
            self._hold(order)
        self._pay(order)
        order.desk -= {"paid_late", "paid_partly"}
        return order.status

    def query(self, order: ModelOrder, attempt: ModelAttempt) -> None:
        """The gateway is asked about one attempt."""
        if attempt.silent_txn:
            self.settle(attempt.attempt_no, attempt.silent_txn, attempt.amount, attempt.method)

    def end(self, order: ModelOrder, status: str, now: int) -> bool:
        """Expire or cancel, after asking; whether it ended."""
        if order.status == "pending":
            for attempt in [a for a in order.attempts if a.status in ("open", "closed")][-3:]:
                self.query(order, attempt)
        if order.status != "pending" or (status == "expired" and now < order.expires_at):
            return False
        order.status = status
        for line in order.lines:
            self.free[line.good.slug] |= set(line.held)
            line.held = []
        self._close_attempts(order)
        return True

    def again(self, order: ModelOrder, method: str) -> ModelAttempt | None:
        """The attempt that a change to a method goes on with: open, and for what is owed."""
        good = [a for a in order.attempts if (a.status, a.method, a.amount) == ("open", method, order.owed)]
        return good[-1] if good else None

    def change(self, order: ModelOrder, attempt: ModelAttempt) -> None:
        """Another attempt for what is owed, or one again; the rest are closed."""
        self._close_attempts(order, but=attempt)
        if attempt not in order.attempts:
            order.attempts.append(attempt)

    def deliver_by_hand(self, order: ModelOrder, line: ModelLine, contents: list[str]) -> str:
        """Staff deliver a manual line; the state then."""
        line.sold = contents
        self.by_hand += len(contents)
        self._progress(order)
        return order.status

    def unseal(self) -> int:
        """The vault is open again; how many orders had waited for it."""
        self.is_sealed = False
        waiting = [order for order in self.orders.values() if "sealed" in order.desk]
        for order in waiting:
            order.desk.discard("sealed")
            self._deliver(order)
        return len(waiting)

    def attempt(self, attempt_no: str) -> tuple[ModelOrder, ModelAttempt]:
        """An attempt with its order."""
        return next((o, a) for o in self.orders.values() for a in o.attempts if a.attempt_no == attempt_no)

    def counts(self, slug: str) -> tuple[int, int, int, int]:
        """Free, held, sold, void."""
        lines = [line for o in self.orders.values() for line in o.lines if line.good.slug == slug]
        held, sold = sum(len(line.held) for line in lines), sum(len(line.sold) for line in lines)
        return len(self.free[slug]), held, sold, self.void[slug]

    def _can_hold_again(self, order: ModelOrder) -> bool:
        return self.can_hold({line.good.slug: line.quantity for line in order.lines})

    def _hold(self, order: ModelOrder) -> None:
        for line in order.lines:
            if not line.good.is_manual:
                oldest = [c for c in self.shelf[line.good.slug] if c in self.free[line.good.slug]]
                line.held = oldest[: line.quantity]
                self.free[line.good.slug] -= set(line.held)

    def _pay(self, order: ModelOrder) -> None:
        order.status = "paid"
        order.desk.discard("paid_partly")
        if order.kept > order.total:
            order.desk.add("paid_over")
        if self.is_sealed and any(line.held for line in order.lines):
            order.desk.add("sealed")
            return
        self._deliver(order)

    def _deliver(self, order: ModelOrder) -> None:
        for line in order.lines:
            line.sold, line.held = line.sold + line.held, []
        self._progress(order)

    def _progress(self, order: ModelOrder) -> None:
        whole = all(len(line.sold) == line.quantity for line in order.lines)
        order.status = "delivered" if whole else "delivering"

    def _close_attempts(self, order: ModelOrder, but: ModelAttempt | None = None) -> None:
        for attempt in order.attempts:
            if attempt.status == "open" and attempt is not but:
                attempt.status = "closed"
