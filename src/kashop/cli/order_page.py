"""One order as `kashop order show` tells it: for scripts as JSON, for people as lines. Never a code."""

from typing import Any

import msgspec

from kashop.accounts import reads as accounts
from kashop.audit import reads as audit
from kashop.cli import show
from kashop.db import Reader
from kashop.lib.clock import MINUTE, rfc3339
from kashop.lib.errors import NotFound
from kashop.orders import reads as orders
from kashop.orders.types import DeskRow, Line, Order, OrderException
from kashop.payments import reads as payments
from kashop.payments.rows import Attempt, Callback, Receipt, Refund


def about(db: Reader, order_no: str) -> dict[str, Any]:
    """All that is known of an order."""
    order = orders.find(db, order_no)
    if order is None:
        raise NotFound("There is no order {order_no}: `kashop order list` shows them.", order_no=order_no)
    names = {g.gateway_id: g.name for g in payments.gateways(db)}
    return {
        **head(order),
        "contact": order.contact,
        "channel": order.channel,
        "note": order.note,
        "lines": [_line(line, order.currency) for line in orders.lines(db, order.order_id)],
        "attempts": [_attempt(a, names) for a in payments.attempts(db, order.order_id)],
        "refunds": [_refund(r) for r in payments.refunds(db, order.order_id)],
        "receipts": [_receipt(r, names) for r in payments.receipts(db, order.order_id)],
        "exceptions": [_exception(e) for e in orders.exceptions(db, order.order_id)],
        "events": [
            {"at": rfc3339(e.at), "name": e.name, "by": f"{e.actor_kind}:{e.actor_ref}".rstrip(":"), "reason": e.reason}
            for e in audit.timeline(db, "order", order.order_id)
        ],
    }


def head(order: Order) -> dict[str, Any]:
    """What a list says of an order."""
    return {
        "order_no": order.order_no,
        "status": order.status,
        "total": show.amount(order.total_minor, order.currency),
        "paid": show.amount(order.paid_minor, order.currency),
        "refunded": show.amount(order.refunded_minor, order.currency),
        **{name: _moment(getattr(order, name)) for name in ("created_at", "expires_at", "paid_at", "delivered_at", "ended_at")},
    }


def staff_names(db: Reader) -> dict[str, str]:
    """Whose an exception can be: the addresses of the staff by how they stand in it."""
    return {f"staff:{s.staff_id}": s.email for s in accounts.everyone(db)}


def age(ms: int) -> str:
    """How long: `3d 4h`, `4h 10m`, `10m`."""
    minutes = max(ms, 0) // MINUTE
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    return f"{days}d {hours}h" if days else f"{hours}h {rest}m" if hours else f"{rest}m"


def callback(callback: Callback) -> dict[str, Any]:
    """A callback, without what was sent."""
    return {
        "callback_id": callback.callback_id,
        "gateway": callback.gateway_name,
        "received_at": rfc3339(callback.received_at),
        "method": callback.method,
        "ip": callback.ip,
        "verdict": callback.verdict,
        "reason": callback.reason,
    }


def desk_row(row: DeskRow, now: int, names: dict[str, str]) -> dict[str, Any]:
    """An open exception."""
    return {
        "exception_id": row.exception_id,
        "order_no": row.order_no,
        "kind": row.kind,
        "detail": msgspec.json.decode(row.detail),
        "opened_at": rfc3339(row.opened_at),
        "age_seconds": (now - row.opened_at) // 1000,
        "owner": names.get(row.owner, row.owner) or None,
        "status": row.status,
        "total": show.amount(row.total_minor, row.currency),
        "paid": show.amount(row.paid_minor, row.currency),
    }


def tell(known: dict[str, Any], timezone: str) -> None:
    """The same for people."""
    show.line(f"{known['order_no']}  {known['status']}  {_money(known['paid'])} of {_money(known['total'])} paid{_back(known)}")
    show.line(f"contact {known['contact'] or '-'}, by {known['channel']}; times below are UTC, the shop's zone is {timezone}")
    for line in known["lines"]:
        product = f"{line['product']} {line['name']}".strip()
        show.line(f"  line {line['line_id']}: {line['quantity']} × {line['sku']} ({product}) at {_money(line['unit'])}")
        show.line(
            f"    {line['delivery']}, {line['delivered']} delivered" + "".join(f", {k}: {v}" for k, v in line["fields"].items())
        )
    for a in known["attempts"]:
        said = f" ({a['problem']})" if a["problem"] else ""
        show.line(f"  attempt {a['attempt_no']} by {a['gateway']} {a['method']}: {a['status']}, {_money(a['amount'])}{said}")
    for r in known["receipts"]:
        uncounted = "" if r["counted"] else ", not counted"
        show.line(f"  receipt {r['transaction']} by {r['gateway']}: {_money(r['amount'])}, from {r['source']}{uncounted}")
    for f in known["refunds"]:
        said = "".join(f" ({f[name]})" for name in ("problem", "reference", "claim_url") if f[name])
        show.line(f"  refund {f['refund_no']} {f['way']}: {f['status']}, {_money(f['amount'])}, {f['reason']}{said}")
    for e in known["exceptions"]:
        show.line(f"  desk: {e['kind']} since {e['opened_at']}, {'closed: ' + e['reason'] if e['closed_at'] else 'open'}")
    show.line()
    for event in known["events"]:
        show.line(f"  {event['at']}  {event['name']}  {event['by']}  {event['reason']}".rstrip())


def _back(known: dict[str, Any]) -> str:
    return f", {_money(known['refunded'])} refunded" if known["refunds"] else ""


def _line(line: Line, currency: str) -> dict[str, Any]:
    return {
        "line_id": line.line_id,
        "sku": line.sku_code,
        "product": line.product_name,
        "name": line.sku_name,
        "quantity": line.quantity,
        "unit": show.amount(line.unit_minor, currency),
        "total": show.amount(line.total_minor, currency),
        "delivery": line.delivery,
        "delivered": line.delivered,
        "fields": msgspec.json.decode(line.fields),
    }


def _attempt(attempt: Attempt, names: dict[int, str]) -> dict[str, Any]:
    return {
        "attempt_no": attempt.attempt_no,
        "gateway": names.get(attempt.gateway_id),
        "method": attempt.method,
        "amount": show.amount(attempt.amount_minor, attempt.currency),
        "status": attempt.status,
        "problem": attempt.problem,
        "created_at": rfc3339(attempt.created_at),
    }


def _receipt(receipt: Receipt, names: dict[int, str]) -> dict[str, Any]:
    return {
        "transaction": receipt.gateway_txn,
        "gateway": names.get(receipt.gateway_id),
        "method": receipt.method,
        "amount": show.amount(receipt.amount_minor, receipt.currency),
        "counted": receipt.counted_minor,
        "source": receipt.source,
        "received_at": rfc3339(receipt.received_at),
    }


def _refund(refund: Refund) -> dict[str, Any]:
    told = ("refund_no", "way", "status", "reason", "reference", "gateway_refund", "claim_url", "problem")
    return {
        **{name: getattr(refund, name) for name in told},
        "amount": show.amount(refund.amount_minor, refund.currency),
        "counted": refund.counted_minor,
        "created_at": rfc3339(refund.created_at),
        "ended_at": _moment(refund.ended_at),
    }


def _exception(exception: OrderException) -> dict[str, Any]:
    return {
        "exception_id": exception.exception_id,
        "kind": exception.kind,
        "detail": msgspec.json.decode(exception.detail),
        "opened_at": rfc3339(exception.opened_at),
        "closed_at": _moment(exception.closed_at),
        "closed_by": exception.closed_by,
        "reason": exception.reason,
    }


def _moment(ms: int | None) -> str | None:
    return None if ms is None else rfc3339(ms)


def _money(amount: dict[str, str]) -> str:
    return f"{amount['amount']} {amount['currency']}"
