"""Changes of payments."""

from typing import Any

import msgspec

from kashop.audit.reads import next_id
from kashop.audit.writes import record
from kashop.db import Tx
from kashop.lib.actor import Actor
from kashop.lib.errors import Conflict, Invalid, NotFound
from kashop.orders import writes as orders
from kashop.orders.types import Order
from kashop.payments import reads, rules
from kashop.payments.rows import (
    UNBEGUN,
    Attempt,
    AttemptDraft,
    Callback,
    EvidenceDraft,
    GatewayAccount,
    GatewayDraft,
    Receipt,
    fields_text,
)
from kashop.payments.statements import writes as statements
from kashop.payments.types import Begun, CallbackRequest, Notice


def add_gateway(tx: Tx, name: str, type: str, draft: GatewayDraft, actor: Actor) -> int:
    """Configure an account; its id. The flow has checked the options and sealed the secrets."""
    sql = """INSERT INTO gateways (gateway_id, name, type, label, options, secrets, is_enabled, rules, position, created_at,
               updated_at)
             VALUES (:gateway_id, :name, :type, :label, :options, :secrets, :is_enabled, :rules, :position, :now, :now)
             ON CONFLICT (name) DO NOTHING RETURNING gateway_id"""
    # never an id that was deleted: a running server keeps what it made of each (id, version)
    place = max((account.position for account in reads.gateways(tx)), default=0) + 1
    columns = {**_columns(draft), "position": place}
    gateway_id = tx.value(sql, gateway_id=next_id(tx, "gateway"), name=name, type=type, now=tx.now, **columns)
    if gateway_id is None:
        raise Invalid.of("name", "This is already in use.")
    record(tx, "gateway.added", actor, ("gateway", gateway_id), account=name, type=type, enabled=draft.is_enabled)
    return int(gateway_id)


def edit_gateway(tx: Tx, gateway_id: int, draft: GatewayDraft, *, version: int, actor: Actor) -> None:
    """Change an account that is still as its editor saw it (`version`). Raises Conflict."""
    sql = """UPDATE gateways SET label = :label, options = :options, secrets = :secrets, is_enabled = :is_enabled,
               rules = :rules, updated_at = :now, version = version + 1
             WHERE gateway_id = :gateway_id AND version = :version"""
    if not tx.run(sql, gateway_id=gateway_id, version=version, now=tx.now, **_columns(draft)):
        raise Conflict("Someone else changed this gateway meanwhile. Reload and try again.", code="changed_meanwhile")
    record(tx, "gateway.changed", actor, ("gateway", gateway_id), enabled=draft.is_enabled)


def place_gateway(tx: Tx, name: str, place: int, actor: Actor) -> None:
    """Put an account at a place in the order of all (1 is the first; beyond the end is the end). Raises NotFound."""
    names = [account.name for account in reads.gateways(tx)]
    account = reads.find_gateway(tx, name)
    if account is None:
        raise NotFound("There is no gateway {name}.", name=name[:40])
    names.remove(name)
    names.insert(max(0, place - 1), name)
    sql = "UPDATE gateways SET position = :position WHERE name = :name"
    tx.many(sql, [{"name": each, "position": n} for n, each in enumerate(names, 1)])
    record(tx, "gateway.moved", actor, ("gateway", account.gateway_id), place=names.index(name) + 1)


def remove_gateway(tx: Tx, gateway_id: int, actor: Actor) -> None:
    """Take an account away that is off and was never paid by. Raises Conflict with the counts, NotFound."""
    account = reads.get_gateway(tx, gateway_id)
    if account.is_enabled:
        raise Conflict("The gateway {name} is offered to buyers: switch it off first.", code="in_use", name=account.name)
    attempts = tx.value("SELECT COUNT(*) FROM attempts WHERE gateway_id = :gateway_id", gateway_id=gateway_id)
    receipts = tx.value("SELECT COUNT(*) FROM receipts WHERE gateway_id = :gateway_id", gateway_id=gateway_id)
    if attempts or receipts:
        raise Conflict(
            "The gateway {name} stays: {attempts} payments were begun with it and {receipts} received. Leave it switched off.",
            code="in_use",
            name=account.name,
            attempts=attempts,
            receipts=receipts,
        )
    statements.forget_account(tx, gateway_id)
    tx.run("DELETE FROM gateways WHERE gateway_id = :gateway_id", gateway_id=gateway_id)
    record(tx, "gateway.removed", actor, ("gateway", gateway_id), account=account.name, type=account.type)


def _columns(draft: GatewayDraft) -> dict[str, object]:
    return {**msgspec.structs.asdict(draft), "is_enabled": int(draft.is_enabled)}


def open_attempt(tx: Tx, order_id: int, draft: AttemptDraft, actor: Actor, begun: Begun = UNBEGUN) -> Attempt:
    """Write down a try to pay before the gateway hears of it, so that no callback can come too early; with how the buyer pays
    when that needed no gateway."""
    attempt_id = tx.add(
        """INSERT INTO attempts (attempt_no, order_id, gateway_id, method, currency, amount_minor, due_minor, fee_minor,
             tolerance_minor, device, status, created_at, expires_at, next_query_at, kind, url, qr, fields, gateway_ref, coin,
             coin_amount, vendor_expires_at)
           VALUES (:attempt_no, :order_id, :gateway_id, :method, :currency, :amount_minor, :due_minor, :fee_minor,
             :tolerance_minor, :device, 'open', :now, :expires_at, :next_query_at, :kind, :url, :qr, :fields, :gateway_ref, :coin,
             :coin_amount, :vendor_expires_at) /*+returning attempt_id*/""",
        order_id=order_id,
        now=tx.now,
        **msgspec.structs.asdict(draft),
        **_way(begun),
    )
    record(tx, "attempt.opened", actor, ("order", order_id), attempt=draft.attempt_no, gateway=draft.gateway_id)
    return draft.opened(attempt_id, order_id, tx.now, begun)


def _way(begun: Begun) -> dict[str, Any]:
    """How the buyer pays, by column."""
    way = msgspec.structs.asdict(begun)
    way["vendor_expires_at"], way["fields"] = way.pop("expires_at"), fields_text(begun)
    return way


def odd_cents(tx: Tx, draft: AttemptDraft, *, spread: int) -> int:
    """Cents on top that no other live attempt of the account has, so that a transfer without a reference tells its order.

    An amount stays taken for a day beyond its order's life: late money must not pay another's order. 0 when `spread` is 0.
    Raises Conflict when every amount is taken.
    """
    if not spread:
        return 0
    tx.run("DELETE FROM odd_amounts WHERE until < :now", now=tx.now)
    sql = """INSERT INTO odd_amounts (gateway_id, currency, amount_minor, attempt_no, until)
             VALUES (:gateway_id, :currency, :amount_minor, :attempt_no, :until) ON CONFLICT DO NOTHING"""
    first = rules.first_odd(draft.attempt_no, spread)
    for step in range(spread):
        odd = (first + step) % spread + 1
        amount = draft.amount_minor + odd
        if tx.run(
            sql,
            gateway_id=draft.gateway_id,
            currency=draft.currency,
            amount_minor=amount,
            attempt_no=draft.attempt_no,
            until=draft.expires_at + rules.ODD_AMOUNT_REST,
        ):
            return odd
    raise Conflict("Too many orders wait for a transfer of this amount. Please pay in another way.", code="amounts_taken")


def keep_begun(tx: Tx, attempt_id: int, begun: Begun) -> Attempt:
    """Keep how the buyer pays; the attempt then."""
    sql = """UPDATE attempts SET kind = :kind, url = :url, qr = :qr, fields = :fields, gateway_ref = :gateway_ref, coin = :coin,
               coin_amount = :coin_amount, vendor_expires_at = :vendor_expires_at, problem = ''
             WHERE attempt_id = :attempt_id"""
    tx.run(sql, attempt_id=attempt_id, **_way(begun))
    return reads.get_attempt(tx, attempt_id)


def keep_problem(tx: Tx, attempt_id: int, problem: str, *, is_unclear: bool) -> Attempt:
    """The gateway could not begin: failed, or still open when it may have heard us; the attempt then."""
    sql = """UPDATE attempts SET problem = :problem, status = CASE WHEN :is_unclear = 1 THEN status ELSE 'failed' END
             WHERE attempt_id = :attempt_id AND status = 'open'"""
    tx.run(sql, attempt_id=attempt_id, problem=problem[:300], is_unclear=int(is_unclear))
    return reads.get_attempt(tx, attempt_id)


def end_attempts(tx: Tx, order_id: int, *, but: int = 0) -> None:
    """Close an order's open attempts, but one. Their gateways are told so, and still asked for money that comes late."""
    sql = """UPDATE attempts SET status = 'closed', ended_at = :now, next_close_at = :now
             WHERE order_id = :order_id AND status = 'open' AND attempt_id <> :but"""
    tx.run(sql, order_id=order_id, but=but, now=tx.now)


def plan_close(tx: Tx, attempt_id: int) -> bool:
    """Take an attempt whose gateway is due to be told that it is closed: whoever moved its time ahead tells."""
    first, second, third = rules.CLOSE_AGAIN
    sql = """UPDATE attempts SET closes = closes + 1, next_close_at = CASE closes
               WHEN 0 THEN CAST(:first AS BIGINT) WHEN 1 THEN CAST(:second AS BIGINT) WHEN 2 THEN CAST(:third AS BIGINT) END
             WHERE attempt_id = :attempt_id AND next_close_at <= :now"""
    later = {"first": tx.now + first, "second": tx.now + second, "third": tx.now + third}
    return bool(tx.run(sql, attempt_id=attempt_id, now=tx.now, **later))


def end_close(tx: Tx, attempt_id: int) -> None:
    """Its gateway knows that it is closed, or need not be told."""
    tx.run("UPDATE attempts SET next_close_at = NULL WHERE attempt_id = :attempt_id", attempt_id=attempt_id)


def plan_query(tx: Tx, attempt_id: int, *, lease: int) -> Attempt | None:
    """Take a due attempt for asking: whoever moved its time ahead asks; None when another did."""
    attempt = reads.get_attempt(tx, attempt_id)
    sql = """UPDATE attempts SET next_query_at = :next, queries = queries + 1
             WHERE attempt_id = :attempt_id AND next_query_at = :seen AND next_query_at <= :now"""
    later = rules.next_query(attempt, tx.now)
    leased = None if later is None else max(later, tx.now + lease)
    taken = tx.run(sql, attempt_id=attempt_id, next=leased, seen=attempt.next_query_at, now=tx.now)
    return attempt if taken else None


def store_callback(tx: Tx, gateway_name: str, request: CallbackRequest, *, ip: str) -> tuple[int, GatewayAccount | None]:
    """Put a request into the inbox as received, before it is read; its id, and the account it is for, if there is one."""
    account = reads.find_gateway(tx, gateway_name)
    gateway_id = account.gateway_id if account else None
    return _put_in(tx, gateway_name, gateway_id, request, ip=ip, verdict="new", reason="", attempt_id=None), account


class AccountChanged(Conflict):
    """What was read was read by an account that is another by now."""


def keep_callback(
    tx: Tx,
    account: GatewayAccount,
    request: CallbackRequest,
    *,
    ip: str,
    verdict: str,
    reason: str = "",
    attempt_id: int | None = None,
) -> int:
    """Put a request that was read by an account into the inbox, with its verdict; its id. Raises AccountChanged."""
    if not reads.is_current(tx, account):
        raise AccountChanged("This account was changed meanwhile.")
    told = {"verdict": verdict, "reason": reason, "attempt_id": attempt_id}
    return _put_in(tx, account.name, account.gateway_id, request, ip=ip, **told)


def _put_in(tx: Tx, gateway_name: str, gateway_id: int | None, request: CallbackRequest, **told: Any) -> int:
    sql = """INSERT INTO callbacks (gateway_name, gateway_id, received_at, method, query, headers, body, ip, verdict, reason,
               attempt_id)
             VALUES (:name, :gateway_id, :now, :method, :query, :headers, :body, :ip, :verdict, :reason, :attempt_id)
             RETURNING callback_id"""
    callback_id = tx.value(
        sql,
        name=gateway_name,
        gateway_id=gateway_id,
        now=tx.now,
        method=request.method,
        query=request.query,
        headers=msgspec.json.encode(request.headers).decode(),
        body=request.body,
        **told,
    )
    return int(callback_id)


def correct_callback(tx: Tx, callback_id: int, verdict: str, *, reason: str) -> None:
    """The verdict with which this very unit put a callback into the inbox was another than it comes to."""
    sql = "UPDATE callbacks SET verdict = :verdict, reason = :reason WHERE callback_id = :callback_id"
    tx.run(sql, callback_id=callback_id, verdict=verdict, reason=reason)


def judge_callback(tx: Tx, callback_id: int, verdict: str, *, reason: str = "", attempt_id: int | None = None) -> None:
    """Write what became of a callback. One that brought money stays settled, whatever is thought of it when it is read again."""
    sql = """UPDATE callbacks SET verdict = :verdict, reason = :reason, attempt_id = COALESCE(:attempt_id, attempt_id)
             WHERE callback_id = :callback_id AND verdict <> 'settled'"""
    tx.run(sql, callback_id=callback_id, verdict=verdict, reason=reason, attempt_id=attempt_id)


def begin_replay(tx: Tx, callback_id: int) -> Callback:
    """A stored callback is about to be judged again, for the account that has its name now. Raises NotFound."""
    callback = reads.get_callback(tx, callback_id)
    account = reads.find_gateway(tx, callback.gateway_name)
    sql = "UPDATE callbacks SET gateway_id = :gateway_id WHERE callback_id = :callback_id AND verdict <> 'settled'"
    tx.run(sql, callback_id=callback_id, gateway_id=account.gateway_id if account else None)
    return callback


def end_replay(tx: Tx, before: Callback, actor: Actor) -> Callback:
    """It was: write down what came of it; the callback then."""
    now = reads.get_callback(tx, before.callback_id)
    subject = ("callback", before.callback_id)
    record(
        tx, "callback.replayed", actor, subject, account=now.gateway_name, was=before.verdict, verdict=now.verdict, why=now.reason
    )
    return now


def add_evidence(tx: Tx, order_id: int, draft: EvidenceDraft, actor: Actor) -> int:
    """Note a file that shows that a payment arrived; its id."""
    sql = """INSERT INTO evidence (order_id, name, content_type, size, digest, added_by, added_at)
             VALUES (:order_id, :name, :content_type, :size, :digest, :by, :now) RETURNING evidence_id"""
    evidence_id = int(tx.value(sql, order_id=order_id, by=str(actor), now=tx.now, **msgspec.structs.asdict(draft)))
    record(tx, "evidence.added", actor, ("order", order_id), evidence=evidence_id, digest=draft.digest)
    return evidence_id


def take_hint(tx: Tx, callback_id: int, gateway_id: int, attempt_no: str) -> int | None:
    """A proved callback asks us to look: its attempt is due for a query; the attempt's id, None when it is not this account's."""
    attempt = reads.find_attempt(tx, gateway_id, attempt_no)
    if attempt is None:
        judge_callback(tx, callback_id, "rejected", reason="unknown_attempt")
        return None
    tx.run("UPDATE attempts SET next_query_at = :now WHERE attempt_id = :attempt_id", attempt_id=attempt.attempt_id, now=tx.now)
    judge_callback(tx, callback_id, "asked", attempt_id=attempt.attempt_id)
    return attempt.attempt_id


def forget_callbacks(tx: Tx, *, rejected_before: int, before: int, limit: int) -> int:
    """Drop callbacks past their keeping; how many."""
    sql = """DELETE FROM callbacks WHERE callback_id IN (
               SELECT callback_id FROM callbacks WHERE verdict = :verdict AND received_at < :before
               ORDER BY received_at, callback_id LIMIT :limit)"""
    dropped = 0
    for verdict in reads.verdicts(tx):  # each is a run of the index by age
        if verdict == "new":
            continue
        until = max(before, rejected_before) if verdict == "rejected" else before
        dropped += tx.run(sql, verdict=verdict, before=until, limit=limit - dropped)
    return dropped


class Credit(msgspec.Struct, frozen=True):
    """What recording a payment found: `verdict` is new, repeated, of_other_order.

    `flaw` says why it was not counted, or in what a repeated one is not what was recorded. A new one has its `receipt`, and
    its `order` as it is then when it counts for it.
    """

    verdict: str
    flaw: str = ""
    receipt: Receipt | None = None
    order: Order | None = None


def credit(tx: Tx, attempt: Attempt, notice: Notice, *, source: str, callback_id: int | None, actor: Actor) -> Credit:
    """Record money first, once per vendor's transaction, and count it towards its order unless it has a flaw."""
    flaw = rules.flaw(attempt, notice)
    asked = rules.Asked(attempt.due_minor, attempt.amount_minor, attempt.tolerance_minor)
    counted = 0 if flaw else rules.counted(asked, notice.amount_minor)
    receipt = _write_down(tx, attempt, notice, counted, source=source, callback_id=callback_id)
    if receipt is None:
        return _known(reads.find_receipt(tx, attempt.gateway_id, notice.gateway_txn), attempt, notice)
    sql = """UPDATE attempts SET status = 'succeeded', ended_at = :now, next_query_at = NULL, next_close_at = NULL
             WHERE attempt_id = :attempt_id"""
    tx.run(sql, attempt_id=attempt.attempt_id, now=tx.now)
    record(
        tx,
        "payment.received",
        actor,
        ("order", attempt.order_id),
        receipt=receipt.receipt_id,
        amount=notice.amount_minor,
        currency=notice.currency,
        source=source,
        flaw=flaw,
    )
    return Credit("new", flaw, receipt, orders.add_money(tx, attempt.order_id, counted) if counted else None)


def _write_down(
    tx: Tx, attempt: Attempt, notice: Notice, counted_minor: int, *, source: str, callback_id: int | None
) -> Receipt | None:
    """The receipt; None when the vendor's transaction is known already."""
    sql = """INSERT INTO receipts (gateway_id, gateway_txn, attempt_id, order_id, method, currency, amount_minor, counted_minor,
               coin, coin_amount, source, callback_id, received_at)
             VALUES (:gateway_id, :gateway_txn, :attempt_id, :order_id, :method, :currency, :amount_minor, :counted_minor,
               :coin, :coin_amount, :source, :callback_id, :received_at)
             ON CONFLICT (gateway_id, gateway_txn) DO NOTHING RETURNING receipt_id"""
    told: dict[str, Any] = {
        "gateway_id": attempt.gateway_id,
        "gateway_txn": notice.gateway_txn,
        "attempt_id": attempt.attempt_id,
        "order_id": attempt.order_id,
        "method": notice.method,
        "currency": notice.currency,
        "amount_minor": notice.amount_minor,
        "counted_minor": counted_minor,
        "source": source,
        "callback_id": callback_id,
        "received_at": tx.now,
        "coin": notice.coin,
        "coin_amount": notice.coin_amount,
    }
    receipt_id = tx.value(sql, **told)
    return None if receipt_id is None else Receipt(receipt_id, **told)


def _known(known: Receipt | None, attempt: Attempt, notice: Notice) -> Credit:
    """A person who vouched for a payment knew its order, and maybe not by which of the attempts it came."""
    is_vouched = known is not None and known.source == "manual" and known.order_id == attempt.order_id
    if known is None or not (known.attempt_id == attempt.attempt_id or is_vouched):
        return Credit("of_other_order")
    is_same = (known.amount_minor, known.currency) == (notice.amount_minor, notice.currency)
    return Credit("repeated", "" if is_same else "amount")
