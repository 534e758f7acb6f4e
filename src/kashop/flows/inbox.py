"""The inbox of callbacks: what a gateway says is stored as it came, then proved, then settled, and answered in its own words.

Always true: a callback is in the inbox before it settles anything; all that is not believed is answered alike; strangers cannot
fill the disk with what is not believed.
"""

import asyncio

import msgspec

from kashop.db.queue import Work, does
from kashop.flows import attempts, gateways, settle
from kashop.lib.actor import Actor
from kashop.lib.errors import Invalid, NotFound
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
    callback_id, account = await shop.db.write(writes.store_callback, gateway, request, ip=ip)
    answer, is_believed = await _judge(shop, callback_id, account, request)
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
        return await _ask(shop, callback_id, read, actor)
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


async def _ask(shop: Shop, callback_id: int, hint: _Believed, actor: Actor) -> tuple[Answer, bool]:
    """Ask the gateway about what it only hints at. What it cannot say now is asked by schedule: the hint makes that due."""
    attempt_id = await shop.db.write(writes.take_hint, callback_id, hint.account.gateway_id, hint.notice.attempt_no)
    if attempt_id is None:
        return hint.gateway.rejected, False
    try:
        async with asyncio.timeout(HINT_SECONDS):
            await attempts.query(shop, attempt_id, actor)
    except TimeoutError:
        shop.log.warning("gateway did not answer what it hinted at; it will be asked again", gateway=hint.account.name)
    return hint.gateway.accepted, True
