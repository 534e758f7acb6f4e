"""Staff come in: by password, or once by a link, and where it is enrolled by a code besides; and go out.

Always true: a log-in makes a new session and ends the browser's old one; an unknown address, a wrong password
and a disabled account are told apart neither by text nor by time; neither a password nor a link spares the code;
guessing is slowed for the account, for the client and for the whole shop, but not for a browser that has logged in
before (abuse cases B01, B02, B05).
"""

import msgspec

from kashop.accounts import reads, rules, writes
from kashop.accounts.factors import reads as factor_reads
from kashop.accounts.factors import writes as factor_writes
from kashop.accounts.types import Browser, SignedIn, Staff
from kashop.db import Tx
from kashop.flows import devices, factors, password_reset, suspicion
from kashop.lib import ids, logs
from kashop.lib.actor import Actor
from kashop.lib.errors import Denied, NotFound, Refusal, TooMany
from kashop.risk import one_client
from kashop.shop import Shop

log = logs.get_logger("kashop.login")


class LoggedIn(msgspec.Struct, frozen=True):
    """What the browser gets: the session's secret, and the proof that it was here."""

    session: str
    device: str
    staff_id: int

    def __repr__(self) -> str:
        return f"<LoggedIn {self.staff_id}>"


class HalfWay(msgspec.Struct, frozen=True):
    """The first proof was right; `pending` is what the browser shows with its code."""

    pending: str

    def __repr__(self) -> str:
        return "<HalfWay>"


class WrongLogin(Denied):
    """Address and password do not fit together."""

    code = "wrong_login"


async def log_in(shop: Shop, email: str, password: str, browser: Browser) -> LoggedIn | HalfWay:
    """Open a session for an address and its password, or ask for a code first. Raises WrongLogin or TooMany."""
    email = rules.normal_email(email)[:254]
    staff = await shop.db.read(reads.find_by_email, email)
    is_known = staff is not None and devices.is_known(shop, staff, browser.device)
    await _slow_down(shop, email, browser, is_known=is_known)
    is_locked = staff is not None and staff.locked_until > shop.clock.now() and not is_known
    fits = await shop.staff_passwords.verify(staff.password_hash if staff else None, password)
    if staff is None or is_locked or not fits or staff.is_disabled:
        await _note_failure(shop, staff, browser)
        raise WrongLogin(  # a lock has no words of its own: they would say that there is such an account
            "The e-mail address or the password is not right. After many wrong ones, "
            "browsers that were not used before have to wait for up to 15 minutes."
        )
    # what its owner gets right at a known browser does not let strangers begin anew
    await shop.limits.forgive(*(("login device", browser.device) if is_known else ("login account", email)))
    return await _let_in(shop, staff, browser, is_proof=True)


async def log_in_by_link(shop: Shop, token: str, browser: Browser) -> LoggedIn | HalfWay:
    """Open a session for a one-time link, or ask for a code first. Raises NotFound."""
    await shop.limits.take_exactly(("login link", one_client(browser.ip)))
    staff_id = await shop.db.write(writes.use_login_link, ids.digest(token))
    if staff_id is None:
        raise NotFound("This log-in link was used already, or its ten minutes are over.")
    return await _let_in(shop, await shop.db.read(reads.get, staff_id), browser, is_proof=False)


async def finish(shop: Shop, pending: str, code: str, browser: Browser) -> LoggedIn:
    """Open the session that waited for a code. Raises NotFound, WrongCode, TooMany."""
    staff = await shop.db.read(factor_reads.find_pending, ids.digest(pending))
    if staff is None:
        raise _too_late()
    await factors.check(shop, staff, code, browser, Actor("anonymous", "", browser.ip, request_id=browser.request_id))
    if await shop.db.write(factor_writes.take_pending, ids.digest(pending)) is None:
        raise _too_late()
    return await _open(shop, staff, browser, is_proof=True, has_code=True)


async def is_half_way(shop: Shop, pending: str) -> bool:
    """Whether a browser's log-in waits for its code."""
    return bool(pending) and await shop.db.read(factor_reads.find_pending, ids.digest(pending)) is not None


async def make_login_link(shop: Shop, staff_id: int, actor: Actor) -> str:
    """A one-time log-in link for somebody, good for ten minutes: for `kashop demo`, `init` and `admin`."""
    token = ids.token()
    await shop.db.write(writes.add_login_link, staff_id, ids.digest(token), actor)
    return f"{shop.base_url}/admin/login/link?token={token}"


async def find_signed_in(shop: Shop, session: str) -> SignedIn | None:
    """Who a browser's session stands for now, noting that it was used."""
    signed_in = await shop.db.read(reads.find_signed_in, ids.digest(session))
    if signed_in is not None and shop.clock.now() > signed_in.seen_at + rules.TOUCH_EVERY:
        await shop.db.write(writes.touch_session, signed_in.session_hash)
    return signed_in


async def is_live(shop: Shop, session_hash: bytes) -> bool:
    """Whether the session of that hash still lives; being asked does not lengthen it."""
    return await shop.db.read(reads.find_signed_in, session_hash) is not None


async def change_password(shop: Shop, signed_in: SignedIn, old: str, new: str, actor: Actor) -> None:
    """Change one's own password; every other session of the account ends. Raises Invalid or WrongLogin."""
    rules.checked_password(new, email=signed_in.email, field="new_password")
    await shop.limits.take_exactly(("password change", str(signed_in.staff_id)))
    staff = await shop.db.read(reads.get, signed_in.staff_id)
    # somebody who came by a link and never had a password proves nothing by one
    if staff.password_hash and not await shop.staff_passwords.verify(staff.password_hash, old):
        raise WrongLogin("The present password is not right.")
    hashed = await shop.staff_passwords.hash(new)
    await shop.db.write(_password_changed, signed_in, staff, hashed, actor)


def _password_changed(tx: Tx, me: SignedIn, staff: Staff, hashed: str, actor: Actor) -> None:
    if reads.get(tx, staff.staff_id).password_hash != staff.password_hash:  # somebody was quicker, who may want this one out
        raise WrongLogin("The present password is not right.")
    password_reset.changed(tx, staff, hashed, actor, keep=me.session_hash)
    if not me.has_totp:  # where there are codes, a password proves nothing
        factor_writes.step_up(tx, me.staff_id, me.session_hash, actor, how="password")


async def _let_in(shop: Shop, staff: Staff, browser: Browser, *, is_proof: bool) -> LoggedIn | HalfWay:
    if await shop.db.read(factor_reads.find_seed, staff.staff_id) is None:
        return await _open(shop, staff, browser, is_proof=is_proof)
    pending = ids.token()
    await shop.db.write(factor_writes.add_pending, staff.staff_id, ids.digest(pending))
    return HalfWay(pending)


async def _open(shop: Shop, staff: Staff, browser: Browser, *, is_proof: bool, has_code: bool = False) -> LoggedIn:
    session, csrf_token = ids.token(), ids.token()
    how = {"is_known": devices.is_known(shop, staff, browser.device), "is_proof": is_proof, "has_code": has_code}
    await shop.db.write(_opened, staff, ids.digest(session), csrf_token, browser, **how)
    return LoggedIn(session, devices.proof_for(shop, staff), staff.staff_id)


def _opened(
    tx: Tx,
    staff: Staff,
    session_hash: bytes,
    csrf_token: str,
    browser: Browser,
    *,
    is_known: bool,
    is_proof: bool,
    has_code: bool,
) -> None:
    _check_still(tx, staff, has_code=has_code)
    actor = Actor("staff", str(staff.staff_id), browser.ip, session_hash.hex()[:16], browser.request_id)
    suspicion.look_at(tx, staff, browser, actor, is_known=is_known)
    old = ids.digest(browser.session) if browser.session else b""
    writes.open_session(tx, staff.staff_id, session_hash, csrf_token, browser, old=old, is_proof=is_proof, is_known=is_known)


def _check_still(tx: Tx, staff: Staff, *, has_code: bool) -> None:
    """A password that was right before it was changed, while it still was compared, opens nothing. Raises NotFound."""
    now = reads.find(tx, staff.staff_id)
    is_as_proved = now is not None and now.password_hash == staff.password_hash and not now.is_disabled
    if not is_as_proved or (not has_code and factor_reads.find_seed(tx, staff.staff_id) is not None):
        raise _too_late()


async def _note_failure(shop: Shop, staff: Staff | None, browser: Browser) -> None:
    """Both ways are one commit, so that a clock outside does not tell them apart."""
    log.warning("log-in failed", is_known_account=staff is not None, ip=browser.ip)
    if staff is None:
        await shop.db.write(factor_writes.count_unknown)
    else:
        await shop.db.write(_failed, staff, browser)


def _failed(tx: Tx, staff: Staff, browser: Browser) -> None:
    actor = Actor("anonymous", "", browser.ip, request_id=browser.request_id)
    if writes.note_failure(tx, staff.staff_id, actor):
        suspicion.warn(tx, staff, "failures", browser)


async def _slow_down(shop: Shop, email: str, browser: Browser, *, is_known: bool) -> None:
    try:
        if is_known:
            await shop.limits.take_exactly(("login device", browser.device))
            return
        if shop.limits.is_spent("login shop", ""):  # then nothing new is remembered
            shop.limits.take("login shop", "")
        await shop.limits.take_exactly(("login client", one_client(browser.ip)), ("login account", email), ("login shop", ""))
    except TooMany as refused:
        raise _wait(refused.retry_after) from None


def _wait(seconds: int) -> Refusal:
    minutes = max(1, (seconds + 59) // 60)
    return TooMany("Too many log-ins failed. Please wait {minutes} min.", retry_after=max(1, seconds), minutes=minutes)


def _too_late() -> NotFound:
    return NotFound("This log-in took too long. Please begin again.")
