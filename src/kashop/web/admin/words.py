"""What the panel calls the states, kinds and names that the database writes down. Values are msgids."""

from kashop.supply.sealedbatch import REFUSALS
from kashop.web.admin import desk_words, event_words, import_words, refund_words, statement_words

ORDER = {
    "pending": "Awaiting payment",
    "paid": "Paid",
    "delivering": "Delivering",
    "delivered": "Delivered",
    "expired": "Expired",
    "cancelled": "Cancelled",
    "refunded": "Refunded",
}
EXCEPTION = {
    "paid_late": "Paid late",
    "paid_partly": "Paid in part",
    "paid_over": "Paid too much",
    "paid_twice": "Paid twice",
    "mismatch": "Payment does not fit",
    "short_of_stock": "Short of stock",
    "sealed": "Vault sealed",
    "delivery_failed": "Delivery failed",
    "gateway_unclear": "Gateway unclear",
    "refund_failed": "Refund failed",
    "refunded_elsewhere": "Refunded elsewhere",
    "disputed": "Payment disputed",
    "statement": "Statement differs",
}
ATTEMPT = {"open": "Open", "succeeded": "Succeeded", "failed": "Failed", "closed": "Closed"}
VERDICT = {
    "new": "Not judged yet",
    "settled": "Settled",
    "noted": "Noted",
    "asked": "Gateway asked",
    "repeated": "Repeated",
    "ignored": "Ignored",
    "rejected": "Rejected",
}
SOURCE = {"callback": "Callback", "query": "Query", "manual": "Manual confirmation", "statement": "Statement"}
ACTOR = {
    "buyer": "Buyer",
    "staff": "Staff",
    "supplier": "Supplier",
    "system": "kashop",
    "gateway": "Gateway",
    "cli": "Command line",
    "anonymous": "Unknown visitor",
}
ROLE = {
    "owner": "Owner",
    "manager": "Manager",
    "stock": "Stock keeper",
    "support": "Support",
    "finance": "Finance",
    "auditor": "Auditor",
}
DELIVERY = {"auto": "Automatic", "manual": "By hand"}
CONTACT = {
    "email": "E-mail",
    "phone": "Phone",
    "qq": "QQ",
    "any": "Any contact",
    "none": "No contact",
}
LOOKUP = {"optional": "Optional", "required": "Required"}
STOCK = {"exact": "Exact number", "level": "Plenty / few / none", "hidden": "Not shown"}
CODE = {"free": "Free", "held": "Held", "sold": "Sold", "void": "Void"}
EXPIRY = {
    "none": "Without expiry",
    "expired": "Expired",
    "soon": "Within 30 days",
    "later": "Later than 30 days",
}
FILTER = {
    "goods": "Goods",
    "batch": "Batch",
    "pool": "Pool",
    "state": "State",
    "status": "State",
    "expiry": "Expiry",
    "expires": "Expiry",
    "product": "Product",
    "sku": "SKU",
}
NOTED = {"cost": "Cost", "expires": "Expiry", "note": "Note"}
APPROVAL = {
    "waiting": "Waits for approval",
    "approved": "Approved",
    "refused": "Refused",
    "used": "Done",
    "expired": "Too late",
}
ASKED = {
    "codes.export": "Export codes",
    "codes.reveal": "Reveal codes",
    "orders.refund": "Send money back",
    "orders.confirm": "Confirm a payment by hand",
}
NEEDS = {
    "count": "More codes than one person may see within 24 hours.",
    "value": "Worth more than one person may see within 24 hours.",
    "again": "The second file within a minute.",
    "refund": "More money than one person may send back within 24 hours.",
    "confirm_amount": "More than one person may confirm alone.",
    "confirm_day": "More than one person may confirm alone within 24 hours.",
}
SEALED_BATCH = {"held": "To decide", "waiting": "Waits to be opened", "done": "On the shelf", "refused": "Refused"}
BATCH = {
    "importing": "Not finished",
    "done": "Done",
    "stopped": "Stopped",
    "undoing": "Being undone",
    "undone": "Undone",
}
ALERT = {
    "new_place": "A log-in from a place and a browser where this account was not used before",
    "failures": "Many log-ins with a wrong password",
    "codes": "Your password was right and the code wrong, many times: somebody may know your password",
}
REQUIRE_TOTP = {"off": "Nobody", "owners": "Owners", "all": "Everybody"}
LOCALE = {"zh_Hans": "简体中文", "en": "English"}

QUESTION = {
    "text": "Text",
    "number": "Digits",
    "email": "E-mail",
    "phone": "Phone",
    "select": "Choice",
    "checkbox": "Tick box",
}

PERMISSION = {
    "dashboard.view": "See the overview",
    "self.edit": "Change the own password",
    "products.view": "See products",
    "products.edit": "Change products and categories",
    "stock.view": "See stock",
    "codes.view": "See codes, masked",
    "codes.import": "Import codes",
    "codes.edit": "Change what is noted of codes",
    "codes.void": "Void codes",
    "codes.reveal": "Reveal codes",
    "codes.export": "Export codes",
    "codes.approve": "Approve others' reveals and exports",
    "suppliers.edit": "Change suppliers",
    "orders.view": "See orders",
    "orders.note": "Write notes on orders",
    "orders.query": "Ask gateways about payments",
    "orders.deliver": "Deliver by hand",
    "orders.cancel": "Cancel orders",
    "orders.confirm": "Confirm payments by hand",
    "orders.evidence": "See what shows payments confirmed by hand",
    "orders.refund": "Send money back",
    "exceptions.view": "See exceptions",
    "exceptions.work": "Take on exceptions and write notes on them",
    "exceptions.close": "Close exceptions",
    "callbacks.view": "See what gateways sent",
    "callbacks.replay": "Judge callbacks again",
    "gateways.view": "See and test gateways",
    "gateways.edit": "Change gateways",
    "statements.view": "See reconciliation",
    "statements.edit": "Upload statements and close differences",
    "settings.edit": "Change settings",
    "staff.edit": "Change the staff",
    "jobs.view": "See jobs",
    "audit.view": "See the audit",
    "vault.view": "See the state of the vault",
    "vault.edit": "Seal, unseal and rotate the vault",
}

GROUP = {
    "shop": "Shop",
    "orders": "Orders",
    "payments": "Payments",
    "audit": "Audit",
    "vault": "Vault",
    "risk": "Against hoarders and bots",
    "limits": "Limits",
    "mail": "Mail",
    "notices": "Notices",
    "staff": "Staff",
    "codes": "Codes",
}
CHANNEL = {"mail": "Mail", "webhook": "Webhook", "file": "File"}
NOTICE = {"waiting": "Waiting", "failing": "Failing", "sent": "Sent", "given_up": "Given up"}
PROOF = {"auto": "Under pressure only", "always": "Always", "off": "Never"}
ALARM = {"tell": "Tell the owners", "seal": "Tell the owners and seal the vault"}
SECURITY = {"starttls": "STARTTLS", "tls": "TLS", "none": "Not encrypted"}
SEALED_WHY = {
    "start": "The server started and nobody has unsealed it yet",
    "asked": "Somebody sealed it",
    "alarm": "An alarm sealed it",
}
UNSEAL = {"keyfile": "Key file", "passphrase": "Passphrase", "recovery": "Recovery code"}
AREA = {
    "products": "Products",
    "stock": "Stock",
    "codes": "Codes",
    "suppliers": "Suppliers",
    "orders": "Orders",
    "exceptions": "Exceptions",
    "callbacks": "Callbacks",
    "gateways": "Gateways",
    "statements": "Reconciliation",
    "settings": "Settings",
    "staff": "Staff",
    "jobs": "Jobs",
    "audit": "Audit",
    "vault": "Vault",
}
"""What the permissions of one part of the panel stand under."""
JOB = {
    "watch_vault": "Seal and unseal as asked",
    "expire_orders": "End unpaid orders",
    "query_attempts": "Ask gateways about open payments",
    "settle_refunds": "Send money back, and ask what became of it",
    "close_attempts": "Tell gateways what nobody will pay any more",
    "sweep_undelivered": "Deliver what waits",
    "read_callbacks": "Read callbacks left unread",
    "open_sealed": "Open suppliers' batches",
    "reload_settings": "Take up changed settings",
    "send_notices": "Send notices",
    "forget": "Drop what is past its keeping",
    "checkpoint_audit": "Sign the audit and send the note off the host",
    "forget_personal": "Erase old personal details in the audit",
    "rotate_keys": "Seal codes anew under fresh keys",
    "reconcile": "Reconcile with vendors' statements",
}
ORIGIN = {"bundled": "In the box", "package": "Package", "file": "File"}

_KINDS = {
    "sealed_why": SEALED_WHY,
    "unseal": UNSEAL,
    "encoding": import_words.ENCODING,
    "fact": refund_words.FACT,
    "code": CODE,
    "expiry": EXPIRY,
    "filter": {**FILTER, **refund_words.ASKED_FACT},
    "noted": NOTED,
    "approval": APPROVAL,
    "asked": ASKED,
    "needs": NEEDS,
    "flaw": refund_words.WHY,
    "reason": import_words.REASON,
    "area": AREA,
    "group": GROUP,
    "job": JOB,
    "origin": ORIGIN,
    "permission": PERMISSION,
    "question": QUESTION,
    "order": ORDER,
    "exception": EXCEPTION,
    "attempt": ATTEMPT,
    "verdict": VERDICT,
    "callback_reason": desk_words.CALLBACK_REASON,
    "desk_age": desk_words.DESK_AGE,
    "own_reason": {reason: reason for reason in desk_words.OWN_REASONS},
    "source": SOURCE,
    "event": event_words.EVENTS,
    "event_group": event_words.GROUP_WORDS,
    "thing": event_words.THINGS,
    "told_fact": event_words.FACTS,
    "told_value": event_words.VALUES,
    "actor": ACTOR,
    "role": ROLE,
    "delivery": DELIVERY,
    "contact": CONTACT,
    "lookup": LOOKUP,
    "stock": STOCK,
    "batch": BATCH,
    "sealed_batch": SEALED_BATCH,
    "batch_refusal": REFUSALS,
    "phase": import_words.PHASE,
    "separator": import_words.SEPARATOR,
    "format": import_words.FORMAT,
    **refund_words.KINDS,
    **statement_words.KINDS,
    "vault.on_alarm": ALARM,
    "risk.captcha": PROOF,
    "shop.locale": LOCALE,
    "mail.security": SECURITY,
    "channel": CHANNEL,
    "notice": NOTICE,
    "staff.require_totp": REQUIRE_TOTP,
    "alert": ALERT,
}

SAID = {
    **desk_words.SAID,
    "saved": "Saved.",
    "added": "Added.",
    "hidden": "Hidden from the shop.",
    "shown": "Shown in the shop.",
    "confirmed": "The payment is confirmed.",
    "confirmed_waiting": "The payment is recorded. Stock is short, so the order waits on the exceptions desk.",
    "delivered": "Delivered.",
    "cancelled": "The order is cancelled.",
    **refund_words.SAID,
    **statement_words.SAID,
    "asked": "The gateways were asked.",
    "closed": "The exception is closed.",
    "enabled": "Enabled.",
    "disabled": "Disabled.",
    "key_confirmed": "The key is confirmed: batches signed by it are taken.",
    "key_rejected": "The key was turned away.",
    "key_made": "A new import key is in use.",
    "batch_opened": "The batch was opened and is on the shelf.",
    "batch_accepted": "Accepted. It is opened in a moment.",
    "batch_declined": "The batch was declined.",
    "password": "The password is changed. All other sessions were ended.",
    "ended": "The session is ended.",
    "ended_others": "You are logged out everywhere else.",
    "dismissed": "The warning is put away.",
    "reset_asked": "If this is the address of somebody who works here, a link is on its way to it.",
    "password_set": "The password is set. Log in with it.",
    "totp_off": "Two-step log-in is off.",
    "signed": "A checkpoint on the newest event is signed.",
    "verified": "The whole audit was read.",
    "logged_out": "You are logged out.",
    "imported": "The import is done.",
    "found": "This is the code.",
    "voided": "Voided.",
    "choose_codes": "Choose codes first.",
    "asked_second": "Somebody else has been asked to approve this.",
    "approved": "Approved.",
    "refused": "Refused.",
    "import_stopped": "The import was stopped. What it brought stays on the shelf.",
    "import_cancelled": "Stopped: nothing was imported.",
    "let_go": "The import was left, and its files are gone.",
    "undone": "The import is undone: its codes may be imported again.",
    "sealed": "The vault is sealed.",
    "unsealed": "The vault is unsealed.",
    "removed": "Removed.",
    "retried": "It will be sent again within seconds.",
    "withdrawn": "The invitation is withdrawn.",
    "deleted": "Deleted.",
    "all_ended": "All sessions of this account are ended.",
}
"""What a page says after a change, by the short word in its address."""


def word(kind: str, name: str) -> str:
    """The msgid for a stored value; the value itself when it has none."""
    return _KINDS.get(kind, {}).get(name, name)
