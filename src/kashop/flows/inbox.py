"""The inbox of callbacks: what a gateway says is stored as it came, proved, settled, and answered in its own words.

Always true: nothing is settled by a callback that is not in the inbox, and none is answered before it is there; all that is not
believed is answered alike; strangers cannot fill the disk with what is not believed.

A gateway of the box proves a callback by its bytes alone and at once, so one commit stores, judges and settles what it reads.
What a stranger's plugin reads, and what could not be settled so, is stored first and judged by a second (docs/decisions/0029).
"""

import asyncio

import msgspec

from kashop.db import Tx
from kashop.db.queue import Work, does
from kashop.flows import attempts, gateways, settle
from kashop.lib.actor import Actor
from kashop.lib.errors import Invalid, NotFound, Unavailable
from kashop.payments import reads, writes
from kashop.payments.rows import Callback, GatewayAccount
from kashop.payments.types import Answer, CallbackRequest, Gateway, Notice, Rejected
from kashop.risk import one_client
from kashop.shop import Shop
from kashop.vault import Tampered

NOT_BELIEVED = Answer(status=400, body=b"fail")
"""The answer to a callback for an account that does not exist; every gateway's own rejection is of the same kind."""

KEEP_REJECTED_DAYS = 7
"""How long what was not believed is kept; the rest by the setting `callbacks.keep_days`."""

HINT_SECONDS = 4
"""How long a callback that only hints waits for the query it causes: vendors hang up after five."""


@does(Work.MONEY)
async def receive_callback(shop: Shop, gateway: str, request: CallbackRequest, *, ip: str) -> Answer:
    """Store a callback, prove it, settle what it says, and answer the gateway in its own words.

    While very many come that nobody believes, only what is proved is stored: real money is never among the rest.
    """
    if _is_flooded(shop, ip):
        account = await shop.db.read(reads.find_gateway, gateway)
        refusal = _read(shop, account, request)
        if isinstance(refusal, _Refused):
            return refusal.answer
    answer, is_believed = await _judge_at_once(shop, gateway, request, ip) or await _judge_stored(shop, gateway, request, ip)
    if not is_believed and not _is_flooded(shop, ip):
        for scope, subject in _flood_marks(ip):
            shop.limits.take(scope, subject)
    return answer


def _flood_marks(ip: str) -> tuple[tuple[str, str], ...]:
    return ("rejected callbacks", one_client(ip)), ("rejected callbacks of all", "")


def _is_flooded(shop: Shop, ip: str) -> bool:
    return any(shop.limits.is_spent(scope, subject) for scope, subject in _flood_marks(ip))


class _Refused(msgspec.Struct, frozen=True):
    """Why a callback is not believed, and what its gateway is told."""

    answer: Answer
    reason: str


class _Believed(msgspec.Struct, frozen=True):
    """What a proved callback says, and who proved it."""

    gateway: Gateway
    account: GatewayAccount
    notice: Notice


def _read(shop: Shop, account: GatewayAccount | None, request: CallbackRequest) -> _Refused | _Believed:
    if account is None:
        return _Refused(NOT_BELIEVED, "unknown_gateway")
    try:
        made = gateways.made(shop, account)
    except NotFound:
        return _Refused(NOT_BELIEVED, "plugin_missing")
    except (Invalid, Tampered):  # options that no gateway can be made of: nothing that comes can be proved
        return _Refused(NOT_BELIEVED, "account_broken")
    try:
        return _Believed(made, account, made.read_callback(request))
    except Rejected as rejected:
        return _Refused(made.rejected, rejected.reason)


async def _judge_at_once(shop: Shop, gateway: str, request: CallbackRequest, ip: str) -> tuple[Answer, bool] | None:
    """Store, judge and settle a callback in one commit. None when that cannot be, and nothing was stored: no such account is
    known or it has changed, a stranger's plugin reads it, or something broke.
    """
    shown = await shop.shelf.look()
    account = next((a for a in shown.listing.accounts if a.name == gateway), None)
    if account is None or not shop.plugins.is_of_box(account.type):
        return None
    try:
        read = _read(shop, account, request)
        verdict, attempt_id = await _kept(shop, account, read, settle.Arrival(request, ip))
    except Unavailable:
        raise
    except writes.AccountChanged:
        return None
    except Exception:  # noqa: BLE001 - stored first, so that it is not lost, it is tried again, and what breaks is told then
        shop.log.warning("a callback could not be judged at once: it is stored first", gateway=account.name)
        return None
    if isinstance(read, _Refused):
        return read.answer, False
    if read.notice.is_hint:
        return await _ask(shop, attempt_id, read, Actor("gateway", account.name))
    return (read.gateway.rejected, False) if verdict == "rejected" else (read.gateway.accepted, True)


async def _kept(
    shop: Shop, account: GatewayAccount, read: _Refused | _Believed, arrival: settle.Arrival
) -> tuple[str, int | None]:
    """The verdict with which a callback went into the inbox; of a hint, the attempt to ask about besides."""
    request, ip = arrival.request, arrival.ip
    if isinstance(read, _Refused):
        await shop.db.write(writes.keep_callback, account, request, ip=ip, verdict="rejected", reason=read.reason)
        return "rejected", None
    if not read.notice.attempt_no:
        await shop.db.write(writes.keep_callback, account, request, ip=ip, verdict="ignored", reason="not_ours")
        return "ignored", None
    if read.notice.is_hint:
        return "asked", await shop.db.write(_take_hint, account, arrival, read.notice.attempt_no)
    return await settle.settle_arrival(shop, account, read.notice, Actor("gateway", account.name), arrival), None


def _take_hint(tx: Tx, account: GatewayAccount, arrival: settle.Arrival, attempt_no: str) -> int | None:
    callback_id = writes.keep_callback(tx, account, arrival.request, ip=arrival.ip, verdict="new")
    return writes.take_hint(tx, callback_id, account.gateway_id, attempt_no)


async def _judge_stored(shop: Shop, gateway: str, request: CallbackRequest, ip: str) -> tuple[Answer, bool]:
    """Store a callback, then judge it."""
    callback_id, account = await shop.db.write(writes.store_callback, gateway, request, ip=ip)
    return await _judge(shop, callback_id, account, request)


async def _judge(shop: Shop, callback_id: int, account: GatewayAccount | None, request: CallbackRequest) -> tuple[Answer, bool]:
    """The answer to a stored callback, and whether it was believed."""
    read = _read(shop, account, request)
    if isinstance(read, _Refused):
        await shop.db.write(writes.judge_callback, callback_id, "rejected", reason=read.reason)
        return read.answer, False
    if not read.notice.attempt_no:  # genuine, and about nothing of ours: heard, so that the vendor does not repeat it
        await shop.db.write(writes.judge_callback, callback_id, "ignored", reason="not_ours")
        return read.gateway.accepted, True
    actor = Actor("gateway", read.account.name)
    if read.notice.is_hint:
        attempt_id = await shop.db.write(writes.take_hint, callback_id, read.account.gateway_id, read.notice.attempt_no)
        return await _ask(shop, attempt_id, read, actor)
    verdict = await settle.settle_notice(shop, read.account, read.notice, actor, source="callback", callback_id=callback_id)
    return (read.gateway.rejected, False) if verdict == "rejected" else (read.gateway.accepted, True)


async def reread(shop: Shop, callback: Callback) -> None:
    """Judge a callback that was left unread, because the process died in between."""
    account = await shop.db.read(reads.find_gateway, callback.gateway_name)
    await _judge(shop, callback.callback_id, account, _as_received(callback))


@does(Work.MONEY)
async def replay(shop: Shop, callback_id: int, actor: Actor) -> Callback:
    """Judge a stored callback again, by the account as it is now and the time at which it came; the callback then.

    Nothing changes when nothing changed: money settles once, and what brought money stays settled. One that was rejected is
    settled when its account was mended meanwhile. Raises NotFound.
    """
    before = await shop.db.write(writes.begin_replay, callback_id)
    account = await shop.db.read(reads.find_gateway, before.gateway_name)
    await _judge(shop, callback_id, account, _as_received(before))
    return await shop.db.write(writes.end_replay, before, actor)


def _as_received(callback: Callback) -> CallbackRequest:
    return CallbackRequest(
        method=callback.method,
        query=callback.query,
        headers=msgspec.json.decode(callback.headers, type=dict[str, str]),
        body=callback.body,
        received_at=callback.received_at,
    )


async def _ask(shop: Shop, attempt_id: int | None, hint: _Believed, actor: Actor) -> tuple[Answer, bool]:
    """Ask the gateway about what it only hints at. What it cannot say now is asked by schedule: the hint makes that due."""
    if attempt_id is None:
        return hint.gateway.rejected, False
    try:
        async with asyncio.timeout(HINT_SECONDS):
            await attempts.query(shop, attempt_id, actor)
    except TimeoutError:
        shop.log.warning("gateway did not answer what it hinted at; it will be asked again", gateway=hint.account.name)
    return hint.gateway.accepted, True
