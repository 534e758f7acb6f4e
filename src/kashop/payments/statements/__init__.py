"""Daily reconciliation (对账): what a vendor states of a day, held line by line against receipts and refunds.

Always true: every line and every receipt of a reconciled day is judged once; what does not agree is a difference until it is
closed with a reason; a file that somebody uploaded settles nothing by itself (docs/decisions/0027).
"""
