"""A new password by mail, for who forgot theirs.

Always true: an answer tells nobody whether an address is one of the staff's, neither by its words nor by its time;
an account gets one mail a minute and five an hour; a token works once, for half an hour, until another is asked for;
it sets a password and does no more: every session ends, and where codes are enrolled the log-in still asks for one
(B11).
"""

import asyncio

from kashop.accounts import reads as accounts
from kashop.accounts import rules
from kashop.accounts import writes as account_writes
from kashop.accounts.factors import reads, writes
from kashop.accounts.types import Browser, Staff
from kashop.db import Tx
from kashop.lib import ids
from kashop.lib.actor import Actor
from kashop.lib.clock import HOUR, MINUTE
from kashop.lib.errors import NotFound
from kashop.notices import writes as notices
from kashop.notices.rules import channels, sealed_facts
from kashop.risk import one_client
from kashop.shop import Shop

_A_MINUTE, _AN_HOUR = 1, 5
_ANSWER_SECONDS = 0.2
"""Every answer takes this long, so that what was done meanwhile does not show."""

MINUTES = 30


def is_possible(shop: Shop) -> bool:
    """Whether the shop can send the mail."""
    return "mail" in channels(shop.settings)


async def ask(shop: Shop, email: str, browser: Browser) -> None:
    """Send a link, if the address is that of somebody who may log in. Raises TooMany, whoever it is."""
    await shop.limits.take_exactly(("reset client", one_client(browser.ip)), ("reset shop", ""))
    answered = asyncio.create_task(asyncio.sleep(_ANSWER_SECONDS))
    staff = await shop.db.read(accounts.find_by_email, rules.normal_email(email)[:254])
    if staff is not None and not staff.is_disabled:
        token = ids.token()
        sealed = sealed_facts(shop.keyring, "password.reset", link=f"{shop.base_url}/admin/login/reset?token={token}")
        await shop.db.write(_ask, staff, ids.digest(token), sealed, _stranger(browser))
    await answered


def _ask(tx: Tx, staff: Staff, reset_hash: bytes, sealed: bytes, actor: Actor) -> None:
    if reads.count_resets(tx, staff.staff_id, tx.now - MINUTE) >= _A_MINUTE:
        return
    if reads.count_resets(tx, staff.staff_id, tx.now - HOUR) >= _AN_HOUR:
        return
    writes.add_reset(tx, staff.staff_id, reset_hash, actor)
    notices.tell(tx, "password.reset", to=[staff.email], sealed=sealed, email=staff.email, minutes=MINUTES)


async def is_good(shop: Shop, token: str) -> bool:
    """Whether a token still sets a password."""
    return bool(token) and await shop.db.read(reads.find_reset_owner, ids.digest(token)) is not None


async def set_password(shop: Shop, token: str, new: str, browser: Browser) -> None:
    """Set a new password by a token. Raises NotFound, Invalid for `new_password`, TooMany."""
    await shop.limits.take_exactly(("reset try", one_client(browser.ip)))
    staff = await shop.db.read(reads.find_reset_owner, ids.digest(token))
    if staff is None:
        raise _gone()
    hashed = await shop.staff_passwords.hash(rules.checked_password(new, email=staff.email, field="new_password"))
    await shop.db.write(_set, staff, ids.digest(token), hashed, _stranger(browser))
    await shop.limits.forgive("login account", staff.email)


def _set(tx: Tx, staff: Staff, reset_hash: bytes, hashed: str, actor: Actor) -> None:
    if not writes.take_reset(tx, staff.staff_id, reset_hash, actor):
        raise _gone()
    changed(tx, staff, hashed, actor)


def changed(tx: Tx, staff: Staff, hashed: str, actor: Actor, *, keep: bytes = b"") -> None:
    """Set somebody's password, end their sessions but `keep`, and tell them."""
    account_writes.change_password(tx, staff.staff_id, hashed, actor, keep=keep)
    notices.tell(tx, "password.changed", to=[staff.email], email=staff.email)


def _stranger(browser: Browser) -> Actor:
    return Actor("anonymous", "", browser.ip, request_id=browser.request_id)


def _gone() -> NotFound:
    return NotFound("This link was used already, or its half hour is over. Ask for a new one.")
