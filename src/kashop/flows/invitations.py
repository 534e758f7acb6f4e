"""Invite people to the staff, and let them in by the link they got.

Always true: an invitation's link is told once to who invites and mailed once to who is invited; it is stored only as a hash,
and sealed in the notice until that is sent; a renewed or withdrawn invitation's old link opens nothing.
See `docs/decisions/0018-who-invites-vouches.md`.
"""

from typing import Any

import msgspec

from kashop.accounts import reads as staff
from kashop.accounts import rules
from kashop.accounts.invitations import reads, writes
from kashop.accounts.roles import reads as roles
from kashop.accounts.types import Browser, Invitation
from kashop.db import Tx
from kashop.lib import ids
from kashop.lib.actor import Actor
from kashop.lib.clock import HOUR
from kashop.lib.errors import NotFound
from kashop.notices.rules import sealed_facts
from kashop.notices.writes import tell
from kashop.risk import one_client
from kashop.shop import Shop


class Invited(msgspec.Struct, frozen=True):
    """A fresh invitation with its link, to be shown once."""

    email: str
    link: str

    def __repr__(self) -> str:
        return f"<Invited {self.email}>"


async def invite(shop: Shop, email: str, role: str, actor: Actor) -> Invited:
    """Invite somebody new. Raises Invalid by field, Denied for rights that the actor lacks."""
    return await _make(shop, writes.invite, actor, email, role)


async def invite_again(shop: Shop, staff_id: int, actor: Actor) -> Invited:
    """Let somebody who is here set a new password. Raises Conflict, Denied, NotFound."""
    return await _make(shop, writes.invite_again, actor, staff_id)


async def renew(shop: Shop, invitation_id: int, actor: Actor) -> Invited:
    """Another link, good for two days from now. Raises Denied, NotFound."""
    return await _make(shop, writes.renew, actor, invitation_id)


async def find(shop: Shop, token: str, browser: Browser) -> Invitation:
    """The invitation that a link opens; looking spends nothing. Raises NotFound, TooMany."""
    shop.limits.take("invitation", one_client(browser.ip))
    found = await shop.db.read(reads.find_by_link, ids.digest(token))
    if found is None:
        raise NotFound("This invitation is used, withdrawn or older than two days. Ask for a new one.")
    return found


async def accept(shop: Shop, token: str, password: str, browser: Browser) -> Invitation:
    """Use an invitation and set one's own password; what was accepted. Raises Invalid for `password`, NotFound, TooMany."""
    invitation = await find(shop, token, browser)
    rules.checked_password(password, email=invitation.email)
    hashed = await shop.staff_passwords.hash(password)
    guest = Actor("anonymous", ip=browser.ip, request_id=browser.request_id)
    await shop.db.write(_accept, invitation, ids.digest(token), hashed, guest)
    return invitation


def _accept(tx: Tx, invitation: Invitation, link_hash: bytes, hashed: str, guest: Actor) -> None:
    writes.accept(tx, link_hash, hashed, guest)
    if invitation.staff_id is not None:  # who made the link saw it too: its owner hears of it, whoever used it
        tell(tx, "password.changed", to=[invitation.email], email=invitation.email)


async def _make(shop: Shop, change: Any, actor: Actor, *args: Any) -> Invited:
    token = ids.token()
    link = f"{shop.base_url}/admin/login/invitation?token={token}"
    sealed = sealed_facts(shop.keyring, "staff.invited", link=link)
    made = await shop.db.write(_and_tell, change, (*args, ids.digest(token), actor), sealed)
    return Invited(made.email, link)


def _and_tell(tx: Tx, change: Any, args: tuple[Any, ...], sealed: bytes) -> Invitation:
    made: Invitation = change(tx, *args)
    labels = {each.role: each.name for each in roles.own(tx)}
    inviter = staff.find(tx, int(made.inviter_ref)) if made.inviter_kind == "staff" else None
    by, role = inviter.email if inviter else made.inviter_ref, labels.get(made.role, made.role)
    hours = rules.INVITATION_LIFETIME // HOUR
    tell(tx, "staff.invited", to=[made.email], sealed=sealed, by=by, role=role, hours=hours)
    return made
