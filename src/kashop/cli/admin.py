"""`kashop admin`: the staff. Whoever can run this owns the shop's files, so it asks for no password of its own."""

import secrets
from pathlib import Path
from typing import Any

import rich_click as click

from kashop.accounts import reads, rules, writes
from kashop.accounts.types import Staff
from kashop.cli import frame, show
from kashop.db import Reader
from kashop.flows import factors, login
from kashop.flows import password_reset as password_reset_flow
from kashop.lib.errors import NotFound
from kashop.shop import Shop

PASSWORD_FILE = click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="F",
    help="Holds the password on its first line; `-` reads stdin. Without it one is made up and shown once.",
)


@click.group()
def admin() -> None:
    """The staff: who may log in to the panel."""


@admin.command("create")
@click.argument("email")
@frame.shop_options
@click.option("--role", type=click.Choice(rules.ROLES), default="owner", show_default=True)
@PASSWORD_FILE
def create(*, email: str, data: Path, is_json: bool, role: str, password_file: Path | None) -> None:
    """Add a member of staff.

    Example: kashop admin create 小王@example.com --role support
    """
    given = frame.read_secret(password_file, field="password_file")

    async def work(shop: Shop) -> tuple[int, str]:
        password, hashed = await _password(shop, given, email)
        return await shop.db.write(writes.add_staff, email, role, hashed, frame.actor()), password

    staff_id, password = frame.run(data, work)
    _tell_password(is_json, {"staff_id": staff_id, "email": rules.normal_email(email), "role": role}, "" if given else password)


@admin.command("list")
@frame.shop_options
def list_(*, data: Path, is_json: bool) -> None:
    """Everyone, and whether they can log in."""

    async def work(shop: Shop) -> tuple[list[Staff], int, str]:
        return await shop.db.read(reads.everyone), shop.clock.now(), shop.settings.text("shop.timezone")

    everyone, now, timezone = frame.run(data, work)
    if is_json:
        show.as_json([_plain(s, now) for s in everyone])
        return
    rows = [(s.email, s.role, _state(s, now), show.when(s.seen_at, timezone)) for s in everyone]
    show.table(("EMAIL", "ROLE", "", "LAST LOG-IN"), rows)


@admin.command("reset-password")
@click.argument("email")
@frame.shop_options
@PASSWORD_FILE
def reset_password(*, email: str, data: Path, is_json: bool, password_file: Path | None) -> None:
    """Set a new password and end every session of the account."""
    given = frame.read_secret(password_file, field="password_file")

    async def work(shop: Shop) -> str:
        staff = await shop.db.read(_get, email)
        password, hashed = await _password(shop, given, email)
        await shop.db.write(password_reset_flow.changed, staff, hashed, frame.actor())
        return password

    password = frame.run(data, work)
    _tell_password(is_json, {"email": rules.normal_email(email)}, "" if given else password)


@admin.command("reset-2fa")
@click.argument("email")
@frame.shop_options
def reset_2fa(*, email: str, data: Path, is_json: bool) -> None:
    """Take away the app and the recovery codes of somebody who lost them, and end their sessions; they are told by mail.

    Their password alone lets them in again, so make sure that it is them who asks.
    """

    async def work(shop: Shop) -> bool:
        return await factors.reset(shop, await shop.db.read(_get, email), frame.actor())

    had = frame.run(data, work)
    if is_json:
        show.as_json({"email": rules.normal_email(email), "had": had})
    else:
        said = "logs in by password alone until they set up an app again." if had else "had no app set up. Their sessions ended."
        show.line(f"{rules.normal_email(email)} {said}")


@admin.command("unlock")
@click.argument("email")
@frame.shop_options
def unlock(*, email: str, data: Path, is_json: bool) -> None:
    """Forget an account's failed log-ins and wrong codes."""
    _change(data, email, writes.unlock)
    show.as_json({"email": email}) if is_json else show.line(f"{email} may try again.")


@admin.command("disable")
@click.argument("email")
@frame.shop_options
def disable(*, email: str, data: Path, is_json: bool) -> None:
    """Let somebody in no more, and end their sessions. The last owner stays."""
    _change(data, email, writes.disable)
    show.as_json({"email": email}) if is_json else show.line(f"{email} can log in no more.")


@admin.command("enable")
@click.argument("email")
@frame.shop_options
def enable(*, email: str, data: Path, is_json: bool) -> None:
    """Let somebody in again."""
    _change(data, email, writes.enable)
    show.as_json({"email": email}) if is_json else show.line(f"{email} can log in again.")


@admin.command("link")
@click.argument("email", required=False)
@frame.shop_options
def link(*, email: str | None, data: Path, is_json: bool) -> None:
    """A one-time log-in link, good for ten minutes; for the first owner unless you say for whom."""

    async def work(shop: Shop) -> str:
        staff = await shop.db.read(_get, email) if email else await shop.db.read(first_owner)
        return await login.make_login_link(shop, staff.staff_id, frame.actor())

    url = frame.run(data, work)
    show.as_json({"url": url}) if is_json else show.line(url)


def first_owner(db: Reader) -> Staff:
    """The owner who can log in and has been there longest."""
    for staff in reads.everyone(db):
        if staff.role == "owner" and not staff.is_disabled:
            return staff
    raise NotFound("No owner can log in: `kashop admin create` makes one.")


def _change(data: Path, email: str, change: Any) -> None:
    async def work(shop: Shop) -> None:
        staff = await shop.db.read(_get, email)
        await shop.db.write(change, staff.staff_id, frame.actor())

    frame.run(data, work)


def _get(db: Reader, email: str) -> Staff:
    staff = reads.find_by_email(db, rules.normal_email(email))
    if staff is None:
        raise NotFound("Nobody has the address {email}: `kashop admin list` shows who there is.", email=email)
    return staff


async def _password(shop: Shop, given: str, email: str) -> tuple[str, str]:
    password = given or secrets.token_urlsafe(12)
    checked = rules.checked_password(password, email=rules.normal_email(email))
    return password, await shop.staff_passwords.hash(checked)


def _tell_password(is_json: bool, known: dict[str, Any], made_up: str) -> None:
    if is_json:
        show.as_json({**known, "password": made_up or None})
        return
    show.line(f"Done for {known['email']}.")
    if made_up:
        show.line(f"Password, shown this once: {made_up}")


def _state(staff: Staff, now: int) -> str:
    return "disabled" if staff.is_disabled else "locked" if staff.locked_until > now else ""


def _plain(staff: Staff, now: int) -> dict[str, Any]:
    return {
        "staff_id": staff.staff_id,
        "email": staff.email,
        "role": staff.role,
        "is_disabled": bool(staff.is_disabled),
        "is_locked": staff.locked_until > now,
        "seen_at": staff.seen_at,
    }
