"""Notices leave the shop: by mail, to the webhook, into the file; and whoever looks after them tries, retries and reads why not.

Always true: what was committed is told at least once, under a name that stays the same at every try, or is given up with a
reason that stands in the panel; a channel or an address that fails holds up no other; nothing that is told holds a code.
"""

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Sequence

import msgspec

from kashop.accounts import reads as accounts
from kashop.audit.writes import record
from kashop.db import Tx
from kashop.flows import settings
from kashop.flows.channels import Channels
from kashop.lib.actor import Actor
from kashop.lib.errors import Conflict, Invalid, NotFound
from kashop.lib.text import is_email
from kashop.notices import reads, rules, writes
from kashop.notices.texts import text_of
from kashop.notices.types import CHANNELS, Notice, NotSent
from kashop.shop import Shop

RUN_SECONDS = 20.0
"""A run of the job takes nothing new after this, so that no channel waits long for another."""


class Tried(msgspec.Struct, frozen=True):
    """How a test went; `problem` is empty when it left well, else as `notices.texts.told_problem` reads it."""

    channel: str
    problem: str = ""


async def send_due(shop: Shop) -> int:
    """Try what is due over every channel that is set up, side by side; how many left."""
    ready = rules.channels(shop.settings)
    for channel in CHANNELS:
        waiting = 0 if channel in ready else await shop.db.read(reads.count_waiting, channel)
        if waiting:
            await shop.db.write(writes.give_up_unset, channel)
    done = await asyncio.gather(*(_lane(shop, channel) for channel in CHANNELS if channel in ready))
    return sum(done)


async def retry(shop: Shop, notice_id: int, actor: Actor) -> None:
    """Try a failed or given up notice again from the beginning. Raises NotFound or Conflict."""
    notice = await shop.db.read(reads.find, notice_id)
    if notice is None:
        raise NotFound("There is no such notice.")
    if not can_retry(notice):
        raise Conflict("This notice cannot be sent again: it has left, is waiting, or its link was dropped.")
    await shop.db.write(_retry, notice_id, actor)


def can_retry(notice: Notice) -> bool:
    """Whether trying again makes sense: it failed, and still has what it is to tell."""
    has_all = notice.sealed is not None or not text_of(notice.about).secrets
    return notice.state in ("failing", "given_up") and has_all


def _retry(tx: Tx, notice_id: int, actor: Actor) -> None:
    if writes.retry(tx, notice_id):
        record(tx, "notice.retried", actor, ("notice", notice_id))


async def test(shop: Shop, channel: str, actor: Actor, *, to: str) -> Tried:
    """Send a test over a channel now, and say how it went. Raises Invalid for `to` or an unset channel, TooMany."""
    if channel == "mail" and not is_email(to):
        raise Invalid.of("to", "This is not an e-mail address.")
    if channel not in rules.channels(shop.settings):
        raise Invalid.of(channel, "This channel is not set up yet.")
    shop.limits.take("notice test", "")
    now = shop.clock.now()
    notice = Notice(0, "notice.test", channel, to, "{}", now, None, 1, None, "", None)
    await shop.db.write(_note_test, channel, actor)
    try:
        async with Channels(shop) as channels:
            await channels.send([notice])
    except NotSent as failed:
        return Tried(channel, failed.problem)
    return Tried(channel)


def _note_test(tx: Tx, channel: str, actor: Actor) -> None:
    record(tx, "notice.tested", actor, ("shop", 0), channel=channel)


async def new_webhook_key(shop: Shop, actor: Actor) -> str:
    """Make a new key for the webhook and give it out, this once. The old one signs no more."""
    key = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
    await settings.change(shop, {"notices.webhook_key": key}, actor)
    return key


async def _lane(shop: Shop, channel: str) -> int:
    """One channel's share of a run: until nothing is due, the channel fails, or the time is over."""
    sent = 0
    ends = asyncio.get_running_loop().time() + RUN_SECONDS
    async with Channels(shop) as channels:
        while asyncio.get_running_loop().time() < ends and await shop.db.read(reads.has_due, channel):
            batch = await shop.db.write(writes.take, channel)
            if not batch:
                break
            try:
                await channels.send(batch)
            except NotSent as failed:
                await shop.db.write(_note_failure, batch, failed)
                shop.log.warning("notice not sent", about=batch[0].about, channel=channel, problem=failed.code)
                if failed.code not in _OF_ONE:
                    break
            else:
                await shop.db.write(writes.mark_sent, [n.notice_id for n in batch])
                sent += len(batch)
    return sent


_OF_ONE = ("recipient_refused", "mail_refused", "secret_gone", "broken_seal", "too_slow", "bad_answer", "unexpected")
"""Failures that say nothing of the next notice; after any other, the channel rests until the next run."""


def _note_failure(tx: Tx, batch: Sequence[Notice], failed: NotSent) -> None:
    for notice in batch:
        is_over = writes.mark_failed(tx, notice, failed)
        if is_over and notice.channel != "mail" and notice.about != "notice.given_up":
            writes.tell(
                tx,
                "notice.given_up",
                to=accounts.owner_addresses(tx),
                what=notice.about,
                channel=notice.channel,
                problem=failed.code,
                detail=failed.detail,
            )
