"""Staff come in: by password, or once by a link; and go out.

Always true: a log-in makes a new session and ends the browser's old one; an unknown address, a wrong password
and a disabled account are told apart neither by text nor by time; guessing is slowed for the account, for the
client and for the whole shop, but not for a browser that has logged in before (abuse cases B01, B02, B05).
"""

import secrets

import msgspec
import structlog

from kashop.accounts import reads, rules, writes
from kashop.accounts.types import Browser, SignedIn, Staff
from kashop.lib import ids
from kashop.lib.actor import Actor
from kashop.lib.errors import Denied, NotFound, Refusal, TooMany
from kashop.risk import one_client
from kashop.shop import Shop

log = structlog.get_logger("kashop.login")

_DEVICE = "staff device"
_PER_ACCOUNT, _PER_CLIENT, _PER_SHOP, _PER_DEVICE = 10, 20, 300, 20
_WINDOW = 600
"""Tries in so many seconds."""


class LoggedIn(msgspec.Struct, frozen=True):
    """What the browser gets: the session's secret, and the proof that it was here."""

    session: str
    device: str
    staff_id: int


class WrongLogin(Denied):
    """Address and password do not fit together."""

    code = "wrong_login"


async def log_in(shop: Shop, email: str, password: str, browser: Browser) -> LoggedIn:
    """Open a session for an address and its password. Raises WrongLogin or TooMany."""
    email = rules.normal_email(email)[:254]
    staff = await shop.db.read(reads.find_by_email, email)
    is_known = staff is not None and _is_device_of(shop, staff, browser.device)
    _slow_down(shop, email, browser, is_known=is_known)
    if staff is not None and staff.locked_until > shop.clock.now() and not is_known:
        raise _wait((staff.locked_until - shop.clock.now()) // 1000 + 1)
    fits = await shop.staff_passwords.verify(staff.password_hash if staff else None, password)
    if staff is None or not fits or staff.is_disabled:
        await _note_failure(shop, staff, browser)
        raise WrongLogin("The e-mail address or the password is not right.")
    shop.limits.forgive("login account", email)
    return await _open(shop, staff, browser)


async def log_in_by_link(shop: Shop, token: str, browser: Browser) -> LoggedIn:
    """Open a session for a one-time link. Raises NotFound."""
    shop.limits.take("login link", one_client(browser.ip), most=30, seconds=_WINDOW)
    staff_id = await shop.db.write(writes.use_login_link, ids.digest(token))
    if staff_id is None:
        raise NotFound("This log-in link was used already, or its ten minutes are over.")
    return await _open(shop, await shop.db.read(reads.get, staff_id), browser)


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


async def change_password(shop: Shop, signed_in: SignedIn, old: str, new: str, actor: Actor) -> None:
    """Change one's own password; every other session of the account ends. Raises Invalid or WrongLogin."""
    rules.checked_password(new, email=signed_in.email, field="new_password")
    shop.limits.take("password change", str(signed_in.staff_id), most=_PER_ACCOUNT, seconds=_WINDOW)
    staff = await shop.db.read(reads.get, signed_in.staff_id)
    # somebody who came by a link and never had a password proves nothing by one
    if staff.password_hash and not await shop.staff_passwords.verify(staff.password_hash, old):
        raise WrongLogin("The present password is not right.")
    hashed = await shop.staff_passwords.hash(new)
    await shop.db.write(writes.change_password, staff.staff_id, hashed, actor, keep=signed_in.session_hash)


async def _open(shop: Shop, staff: Staff, browser: Browser) -> LoggedIn:
    session, csrf_token = ids.token(), ids.token()
    old = ids.digest(browser.session) if browser.session else b""
    await shop.db.write(writes.open_session, staff.staff_id, ids.digest(session), csrf_token, browser, old=old)
    return LoggedIn(session, _device_of(shop, staff), staff.staff_id)


async def _note_failure(shop: Shop, staff: Staff | None, browser: Browser) -> None:
    log.warning("log-in failed", is_known_account=staff is not None, ip=browser.ip)
    actor = Actor("anonymous", "", browser.ip, request_id=browser.request_id)
    if staff is not None:
        await shop.db.write(writes.note_failure, staff.staff_id, actor)


def _slow_down(shop: Shop, email: str, browser: Browser, *, is_known: bool) -> None:
    try:
        if is_known:
            shop.limits.take("login device", browser.device, most=_PER_DEVICE, seconds=_WINDOW)
            return
        shop.limits.take("login client", one_client(browser.ip), most=_PER_CLIENT, seconds=_WINDOW)
        shop.limits.take("login account", email, most=_PER_ACCOUNT, seconds=_WINDOW)
        shop.limits.take("login shop", "", most=_PER_SHOP, seconds=_WINDOW)
    except TooMany as refused:
        raise _wait(refused.retry_after) from None


def _wait(seconds: int) -> Refusal:
    minutes = max(1, (seconds + 59) // 60)
    return TooMany("Too many log-ins failed. Please wait {minutes} min.", retry_after=max(1, seconds), minutes=minutes)


def _device_of(shop: Shop, staff: Staff) -> str:
    nonce = secrets.token_urlsafe(9)
    return f"{nonce}.{shop.keyring.sign(_DEVICE, _device_text(staff, nonce))}"


def _is_device_of(shop: Shop, staff: Staff, device: str) -> bool:
    nonce, _, mac = device.partition(".")
    return bool(mac) and shop.keyring.is_signed(_DEVICE, _device_text(staff, nonce), mac)


def _device_text(staff: Staff, nonce: str) -> str:
    """Bound to the password too: a changed one makes every device a stranger."""
    return f"{staff.staff_id}/{nonce}/{staff.password_hash[-16:]}"
