"""What the panel says of the exceptions desk and of callbacks. Values are msgids."""

DESK_AGE = {"hour": "An hour and more", "day": "A day and more", "three": "Three days and more"}
CALLBACK_REASON = {
    "signature": "The signature is wrong: another key, or a forgery",
    "merchant": "It is for another merchant number",
    "malformed": "It has another form than the gateway's",
    "sign_type": "It is signed in another way than was agreed",
    "stale": "It was signed too long before it came",
    "livemode": "It is from the gateway's test mode, or the other way round",
    "broken": "The gateway's plugin broke while it read it",
    "unknown_gateway": "There is no account of that name",
    "plugin_missing": "The plugin of the account is missing",
    "unknown_attempt": "It is about a payment that was not begun with this account",
    "attempt_of_other_account": "It is about a payment that was begun with another account",
    "account_broken": "The account's options cannot be used: mend them",
    "amount": "It tells no amount, or another one than before",
    "transaction_of_other_order": "The payment has already paid another order",
    "currency": "Another currency",
    "method": "Another method",
    "coin": "Other coins, or fewer",
    "delivery_failed": "The money is recorded; what followed it broke",
    "pending": "It says that nothing is paid yet",
    "closed": "It says that the payment was closed",
    "failed": "It says that the payment failed",
    "refunded": "It is about a refund",
    "disputed": "It is about a dispute",
    "refund_done": "It says that money went back",
    "refund_pending": "It says that money is on its way back",
    "refund_failed": "It says that a refund failed",
    "refund_elsewhere": "It is about a refund that was made elsewhere",
    "refund_of_other_order": "It is about a refund of another order",
}
"""Why a callback was judged as it was, by the stable word that is stored."""

SAID = {
    "taken_on": "This is yours now.",
    "handed_over": "Handed over.",
    "let_go_of": "This is nobody's again.",
    "still_short": "Stock is still short: what there was is delivered, the rest waits.",
    "waits_for_vault": "The codes are held and delivered as soon as the vault is unsealed.",
    "by_hand": "Paid. What is delivered by hand waits on the order's page.",
    "gateway_paid": "The gateway says that it was paid. The money is recorded.",
    "gateway_pending": "The gateway says that nothing is paid yet.",
    "gateway_closed": "The gateway says that the payment was closed.",
    "gateway_failed": "The gateway says that the payment failed.",
    "gateway_unknown": "The gateway knows nothing of it, or did not answer.",
    "judged_alike": "Judged again: nothing changed.",
    "judged_anew": "Judged again, with another verdict than before.",
}
"""What a page says after a change, by the short word in its address."""
