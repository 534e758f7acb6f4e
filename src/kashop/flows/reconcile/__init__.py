"""Daily reconciliation (对账): what vendors state against what the shop recorded."""

from kashop.flows.reconcile.closing import close, confirm, take_on
from kashop.flows.reconcile.filing import Look, look, take_file
from kashop.flows.reconcile.verbs import Came, Outcome, account_of, fetch, plan, run_due, take, upload

__all__ = [
    "Came",
    "Look",
    "Outcome",
    "account_of",
    "close",
    "confirm",
    "fetch",
    "look",
    "plan",
    "run_due",
    "take",
    "take_file",
    "take_on",
    "upload",
]
