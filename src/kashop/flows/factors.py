"""One-time codes and recovery codes: enrolled, asked for, replaced, given up.

Always true: an app's code works once and within half a minute of its time; a recovery code works once; after ten wrong ones in
a row the account takes none for a while, except from a browser that it knows, whose guesses are limited by themselves (B07, B08).
"""

from collections.abc import Sequence

import msgspec

from kashop.accounts.factors import reads, rules, writes
from kashop.accounts.factors.types import Tried
from kashop.accounts.types import Browser, SignedIn, Staff
from kashop.db import Tx
from kashop.flows import devices, suspicion
from kashop.lib import ids
from kashop.lib.actor import Actor
from kashop.lib.clock import MINUTE
from kashop.lib.errors import Conflict, Denied, Invalid, Refusal, TooMany
from kashop.notices import writes as notices
from kashop.shop import Shop
from kashop.vault import Tampered

_ENROL_WITHIN = 15 * MINUTE


class WrongCode(Denied):
    """The code is not right, was used before, or its time is over."""

    code = "wrong_code"


class Offer(msgspec.Struct, frozen=True):
    """A seed on its way to an app. `sealed` comes back with the code that confirms it; nothing is stored before."""

    seed: str
    uri: str
    sealed: str

    def __repr__(self) -> str:
        return "<Offer>"


async def check(shop: Shop, staff: Staff, text: str, browser: Browser, actor: Actor) -> str:
    """Spend a code of an enrolled account: `totp` or `recovery`. Raises WrongCode, TooMany."""
    seed = await shop.db.read(reads.find_seed, staff.staff_id)
    is_known = devices.is_known(shop, staff, browser.device)
    if is_known:
        await shop.limits.take_exactly(("code device", browser.device))
    code = rules.normal_code(text[:64])
    step, recovery = None, None
    if seed is not None and rules.is_totp(code):
        opened = shop.keyring.open_settings(seed.sealed, name=_name(staff.staff_id)).decode()
        step = rules.matching_step(opened, code, shop.clock.now())
    elif code:
        recovery = _hash(shop, staff.staff_id, code)
    tried = await shop.db.write(_try, staff, actor, browser, step=step, recovery=recovery, is_known=is_known)
    if not tried.is_right:
        raise (
            _wait(tried.locked_until, shop.clock.now())
            if tried.locked_until and not is_known
            else WrongCode("This code is not right, or it was used before. Wait for the next one and try again.")
        )
    if is_known:
        await shop.limits.forgive("code device", browser.device)
    return "totp" if step is not None else "recovery"


def _try(
    tx: Tx, staff: Staff, actor: Actor, browser: Browser, *, step: int | None, recovery: bytes | None, is_known: bool
) -> Tried:
    tried = writes.try_code(tx, staff.staff_id, actor, step=step, recovery=recovery, is_known=is_known)
    if tried.is_newly_locked:
        suspicion.warn(tx, staff, "codes", browser)
    if tried.is_right and recovery:
        notices.tell(tx, "factor.changed", to=[staff.email], change="recovery_used")
    return tried


def offer(shop: Shop, me: SignedIn, *, sealed: str = "") -> Offer:
    """A fresh seed to enrol, or the one that was offered to this session before. Raises Conflict when that is too old."""
    seed = _opened(shop, me, sealed) if sealed else rules.new_seed()
    uri = rules.provisioning_uri(seed, email=me.email, shop_name=shop.settings.text("shop.name"))
    return Offer(seed, uri, sealed or _sealed(shop, me, seed))


async def enrol(shop: Shop, me: SignedIn, sealed: str, text: str, actor: Actor) -> list[str]:
    """Enrol an offered seed by a code of it; the recovery codes, told this once. Raises Invalid for `code`, Conflict, TooMany."""
    await shop.limits.take_exactly(("enrol", str(me.staff_id)))
    seed = _opened(shop, me, sealed)
    code = rules.normal_code(text[:64])
    step = rules.matching_step(seed, code, shop.clock.now()) if rules.is_totp(code) else None
    if step is None:
        raise Invalid.of("code", "This is not the code that the app shows now. Check that the phone's clock is right.")
    codes = rules.new_recovery_codes()
    kept = shop.keyring.seal_settings(seed.encode(), name=_name(me.staff_id))
    await shop.db.write(_enrolled, me, kept, actor, step=step, code_hashes=_hashes(shop, me.staff_id, codes))
    return codes


def _enrolled(tx: Tx, me: SignedIn, sealed: bytes, actor: Actor, *, step: int, code_hashes: Sequence[bytes]) -> None:
    writes.enrol(tx, me.staff_id, sealed, actor, step=step, code_hashes=code_hashes, keep=me.session_hash)
    notices.tell(tx, "factor.changed", to=[me.email], change="enrolled")


async def renew_recovery_codes(shop: Shop, me: SignedIn, actor: Actor) -> list[str]:
    """Ten fresh recovery codes, told this once; the old ones work no more. Raises Conflict without a seed."""
    if not me.has_totp:
        raise Conflict("Set up two-step log-in first.")
    codes = rules.new_recovery_codes()
    await shop.db.write(_renewed, me, _hashes(shop, me.staff_id, codes), actor)
    return codes


def _renewed(tx: Tx, me: SignedIn, code_hashes: Sequence[bytes], actor: Actor) -> None:
    writes.replace_recovery_codes(tx, me.staff_id, code_hashes, actor, keep=me.session_hash)
    notices.tell(tx, "factor.changed", to=[me.email], change="recovery_codes")


def is_demanded(shop: Shop, me: SignedIn) -> bool:
    """Whether the shop lets somebody of this role do nothing without codes."""
    return rules.must_enrol(shop.settings.text("staff.require_totp"), me.role, has_totp=False)


async def turn_off(shop: Shop, me: SignedIn, actor: Actor) -> None:
    """Ask for codes no more; every other session of the account ends. Raises Conflict where the shop demands them."""
    if is_demanded(shop, me):
        raise Conflict("This shop demands two-step log-in of your role.")
    await shop.db.write(_removed, me.staff_id, me.email, actor, keep=me.session_hash)


async def reset(shop: Shop, staff: Staff, actor: Actor) -> bool:
    """Take away the factors of somebody who lost theirs, and end their sessions; whether there were any."""
    return await shop.db.write(_removed, staff.staff_id, staff.email, actor)


def _removed(tx: Tx, staff_id: int, email: str, actor: Actor, *, keep: bytes = b"") -> bool:
    had = writes.remove(tx, staff_id, actor, keep=keep)
    if had:
        notices.tell(tx, "factor.changed", to=[email], change="removed" if keep else "reset")
    return had


async def are_own_codes(shop: Shop, me: SignedIn, codes: Sequence[str]) -> bool:
    """Whether these are recovery codes of one's own, none used: before they are written into a file."""
    hashes = _hashes(shop, me.staff_id, codes)
    found = [await shop.db.read(reads.is_recovery_code, me.staff_id, code_hash) for code_hash in hashes]
    return bool(found) and all(found)


def _hashes(shop: Shop, staff_id: int, codes: Sequence[str]) -> list[bytes]:
    return [_hash(shop, staff_id, rules.normal_code(code)) for code in codes]


def _hash(shop: Shop, staff_id: int, code: str) -> bytes:
    """Keyed: a copy of the database holds nothing that fifty bits could be tried against."""
    return ids.digest(shop.keyring.sign("recovery code", f"{staff_id}/{rules.normal_recovery(code)}"))


def _sealed(shop: Shop, me: SignedIn, seed: str) -> str:
    until = shop.clock.now() + _ENROL_WITHIN
    return shop.keyring.seal_settings(f"{until} {seed}".encode(), name=_offer_name(me)).hex()


def _opened(shop: Shop, me: SignedIn, sealed: str) -> str:
    try:
        opened = shop.keyring.open_settings(bytes.fromhex(sealed), name=_offer_name(me)).decode()
    except (ValueError, Tampered):
        opened = "0 "
    until, _, seed = opened.partition(" ")
    if int(until) <= shop.clock.now():
        raise Conflict("This QR code is too old. Begin again with a fresh one.")
    return seed


def _offer_name(me: SignedIn) -> str:
    return f"staff/{me.staff_id}/totp/{me.session_hash.hex()}"


def _name(staff_id: int) -> str:
    return f"staff/{staff_id}/totp"


def _wait(until: int, now: int) -> Refusal:
    seconds = max(1, -(-(until - now) // 1000))
    text = "Too many wrong codes. Please wait {minutes} min."
    return TooMany(text, retry_after=seconds, minutes=(seconds + 59) // 60)
