"""Who is logged in proves again to be who they are, before what deserves it.

Always true: where one-time codes are enrolled a password is no proof; guesses are limited, and each wrong one is written down.
"""

from kashop.accounts import reads as accounts
from kashop.accounts.factors import writes
from kashop.accounts.types import Browser, SignedIn
from kashop.flows import factors
from kashop.flows.login import WrongLogin
from kashop.lib.actor import Actor
from kashop.lib.errors import Conflict, TooMany
from kashop.shop import Shop


async def prove(shop: Shop, me: SignedIn, given: str, browser: Browser, actor: Actor) -> None:
    """Take a code, or where none is enrolled the password, as proof for the next minutes.

    Raises WrongCode, WrongLogin, TooMany, and Conflict where the account has neither.
    """
    staff = await shop.db.read(accounts.get, me.staff_id)
    if me.has_totp:
        how = await factors.check(shop, staff, given, browser, actor)
    else:
        if not staff.password_hash:
            raise Conflict("You have no password yet. Set one under My account, then come back.", code="no_password")
        how = await _by_password(shop, me, staff.password_hash, given, actor)
    await shop.db.write(writes.step_up, me.staff_id, me.session_hash, actor, how=how)


async def has_proof(shop: Shop, me: SignedIn) -> bool:
    """Whether there is anything that somebody could prove themselves with."""
    return me.has_totp or bool((await shop.db.read(accounts.get, me.staff_id)).password_hash)


async def _by_password(shop: Shop, me: SignedIn, stored: str, given: str, actor: Actor) -> str:
    try:
        await shop.limits.take_exactly(("step up", str(me.staff_id)))
    except TooMany as refused:
        minutes = (refused.retry_after + 59) // 60
        text = "Too many wrong passwords. Please wait {minutes} min."
        raise TooMany(text, retry_after=refused.retry_after, minutes=minutes) from None
    if not await shop.staff_passwords.verify(stored, given):
        await shop.db.write(writes.note_failed_step_up, me.staff_id, actor)
        raise WrongLogin("The password is not right.")
    await shop.limits.forgive("step up", str(me.staff_id))
    return "password"
