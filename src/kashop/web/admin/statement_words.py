"""What the panel calls what reconciliation writes down. Values are msgids."""

VERDICT = {
    "matched": "Agrees",
    "found": "Found by the statement",
    "differs": "Differs",
    "twice": "Stated twice",
    "proposed": "To confirm",
    "unknown": "Unknown to the shop",
    "foreign": "Not this shop's",
    "elsewhere": "Of another account",
    "": "Not judged yet",
}
DIFFERENCE = {
    "no_statement": "No statement",
    "payment_unknown": "Payment unknown to the shop",
    "payment_unconfirmed": "Payment to confirm",
    "payment_differs": "Payment differs",
    "payment_twice": "Payment stated twice",
    "payments_foreign": "Payments that are not this shop's",
    "refund_unknown": "Refund unknown to the shop",
    "refund_differs": "Refund differs",
    "refund_twice": "Refund stated twice",
    "receipt_missing": "Payment unknown to the vendor",
    "refund_missing": "Refund unknown to the vendor",
}
STORY = {
    "no_statement": "The vendor gave no statement within a week. Download it there and upload it here.",
    "payment_unknown": "The vendor states a payment that the shop has not recorded. Look for its order, or refund it there.",
    "payment_unconfirmed": "It looks like the payment of this order. Compare, and confirm it if it is.",
    "payment_differs": "Both sides have this payment, and not the same of it. Ask the vendor which is right.",
    "payment_twice": "The vendor states this payment a second time.",
    "payments_foreign": "Their order numbers are not this shop's: another system takes money under the same merchant number.",
    "refund_unknown": "The vendor states a refund that the shop has not recorded.",
    "refund_differs": "Both sides have this refund, and not the same of it.",
    "refund_twice": "The vendor states this refund a second time.",
    "receipt_missing": "The shop counted this payment, and the vendor does not state it. Was it confirmed by mistake?",
    "refund_missing": "The shop recorded this refund as done, and the vendor does not state it.",
}
WHY = {"amount": "Another amount", "currency": "Another currency", "order": "Of another order", "state": "Another state"}
DAY = {"waiting": "Awaited", "stated": "Reconciled", "missing": "No statement"}
COLUMN = {
    "txn": "Transaction number",
    "order": "Order number",
    "amount": "Amount",
    "income": "Money in",
    "outgoing": "Money out",
    "time": "Time or date",
    "clock": "Time of day",
    "kind": "Payment or refund",
    "state": "State",
    "fee": "Fee",
    "reference": "Reference or remark",
    "currency": "Currency",
    "refund": "Refund number",
}
LEFT_OUT = {
    "not_done": "Not paid, or closed",
    "no_move": "Withdrawal, fee or interest",
    "no_amount": "Without an amount",
    "total": "Totals and remarks",
    "bad_amount": "The amount is no amount",
    "bad_time": "The time is no time",
    "lost_digits": "A spreadsheet has lost digits of the number",
    "other": "Neither payment nor refund",
}
LINE = {"payment": "Payment", "refund": "Refund"}
SIDE = {"stated": "Stated", "open": "In no statement"}
FROM = {"api": "Fetched", "upload": "Uploaded"}
KINDS = {
    "line_verdict": VERDICT,
    "difference": DIFFERENCE,
    "difference_story": STORY,
    "difference_why": WHY,
    "statement_day": DAY,
    "statement_column": COLUMN,
    "left_out": LEFT_OUT,
    "statement_line": LINE,
    "our_side": SIDE,
    "statement_from": FROM,
}
SAID = {
    "statement_taken": "The statement is reconciled.",
    "statement_same": "This statement was here already: nothing has changed.",
    "statement_waiting": "The vendor has no statement of this day yet.",
    "statement_failed": "The vendor could not be asked. The reason stands below.",
    "difference_closed": "The difference is closed.",
    "difference_taken": "You see to this difference now.",
}
