"""What the panel calls refunds, and money that does not fit: its facts, and what the shop does with it. Values are msgids."""

REFUND = {"open": "On its way", "done": "Refunded", "failed": "Failed"}
WAY = {"gateway": "By the gateway", "recorded": "By hand, recorded", "elsewhere": "At the gateway, not by this shop"}
LATE = {
    "deliver": "Deliver if stock is left",
    "deliver_or_refund": "Deliver if stock is left, else send it back",
    "hold": "Hand it to staff",
    "refund": "Send it back",
}
UNFIT = {"hold": "Hand it to staff", "refund": "Send it back"}
WHY = {
    "currency": "Another currency",
    "method": "Another method",
    "coin": "Other coins",
    "transaction": "The transaction of another order",
    "refund": "The refund of another order",
    "ahead": "Told before the payment itself",
    "amount": "The gateway names another amount, or none",
    "beyond": "More than the payment brought",
}
"""Values of `why` in what stands on the desk."""
FACT = {
    "amount": "Amount",
    "total": "Total",
    "missing": "Missing",
    "over": "Too much",
    "txn": "Transaction",
    "attempt": "Attempt",
    "where": "Where",
    "how": "How",
    "late": "Late",
    "refund": "Refund",
    "problem": "Problem",
    "way": "Way",
}
"""Facts that stand on the desk and in an order's history."""
ASKED_FACT = {"order": "Order", "amount": "Amount", "payment": "Payment", "way": "Way", "reference": "How it went back"}
"""What a second person reads of a refund that somebody asks for."""
SAID = {
    "refund_done": "The money went back.",
    "refund_open": "The refund is on its way. The gateway is asked again by itself until it is settled.",
    "refund_failed": "The gateway refused the refund. It is on the exceptions desk.",
}
KINDS = {
    "refund": REFUND,
    "way": WAY,
    "why": WHY,
    "orders.late_payment": LATE,
    **{f"payments.on_{name}": UNFIT for name in ("partly_paid", "overpaid", "paid_twice", "mismatch")},
}
