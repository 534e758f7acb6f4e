"""`kashop admin`: the staff. Whoever can run this owns the shop's files, so it asks for no password of its own."""

import secrets
from pathlib import Path
from typing import Any

import rich_click as click

from kashop.accounts import reads, rules, writes
from kashop.accounts.roles import reads as roles
from kashop.accounts.types import Staff
from kashop.cli import frame, show
from kashop.db import Reader, Tx
from kashop.flows import factors, invitations, login
from kashop.flows import password_reset as password_reset_flow
from kashop.lib.actor import Actor
from kashop.lib.errors import NotFound
from kashop.shop import Shop

PASSWORD_FILE = click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="F",
    help="Holds the password on its first line; `-` reads stdin. Without it one is made up and shown once.",
)


ROLE_HELP = f"One of {', '.join(rules.ROLES)}, or the name of a role of the shop's own."


@click.group()
def admin() -> None:
    """The staff: who may log in to the panel."""


@admin.command("create")
@click.argument("email")
@frame.shop_options
@click.option("--role", default="owner", show_default=True, metavar="ROLE", help=ROLE_HELP)
@PASSWORD_FILE
def create(*, email: str, data: Path, is_json: bool, role: str, password_file: Path | None) -> None:
    """Add a member of staff.

    Example: kashop admin create 小王@example.com --role support
    """
    given = frame.read_secret(password_file, field="password_file")

    async def work(shop: Shop) -> tuple[int, str]:
        password, hashed = await _password(shop, given, email)
        return await shop.db.write(_add, email, role, hashed, frame.actor()), password

    staff_id, password = frame.run(data, work)
    _tell_password(is_json, {"staff_id": staff_id, "email": rules.normal_email(email), "role": role}, "" if given else password)


@admin.command("list")
@frame.shop_options
def list_(*, data: Path, is_json: bool) -> None:
    """Everyone, and whether they can log in."""

    async def work(shop: Shop) -> tuple[list[Staff], dict[str, str], int, str]:
        labels = {each.role: each.name for each in await shop.db.read(roles.own)}
        return await shop.db.read(reads.everyone), labels, shop.clock.now(), shop.settings.text("shop.timezone")

    everyone, labels, now, timezone = frame.run(data, work)
    if is_json:
        show.as_json([_plain(s, now) for s in everyone])
        return
    rows = [(s.email, labels.get(s.role, s.role), _state(s, now), show.when(s.seen_at, timezone)) for s in everyone]
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


@admin.command("role")
@click.argument("email")
@click.argument("role")
@frame.shop_options
def role(*, email: str, role: str, data: Path, is_json: bool) -> None:
    """Give somebody another role; it holds from their next request on. The last owner stays.

    Example: kashop admin role 小王@example.com 夜班客服
    """

    async def work(shop: Shop) -> str:
        return await shop.db.write(_give, email, role, frame.actor())

    given = frame.run(data, work)
    show.as_json({"email": email, "role": given}) if is_json else show.line(f"{email} is {role} now.")


@admin.command("roles")
@frame.shop_options
def roles_(*, data: Path, is_json: bool) -> None:
    """Every role, how many have it, and what it may do."""

    async def work(shop: Shop) -> list[dict[str, Any]]:
        return await shop.db.read(_roles)

    found = frame.run(data, work)
    if is_json:
        show.as_json(found)
        return
    show.table(("ROLE", ">PEOPLE", "MAY"), [(r["name"], r["people"], " ".join(r["permissions"])) for r in found])


@admin.command("invite")
@click.argument("email")
@frame.shop_options
@click.option("--role", required=True, metavar="ROLE", help=ROLE_HELP)
def invite(*, email: str, data: Path, is_json: bool, role: str) -> None:
    """Invite somebody: a link that works once, within two days, and by which they set their own password.

    Example: kashop admin invite 小王@example.com --role support
    """

    async def work(shop: Shop) -> str:
        named = await shop.db.read(roles.named, role)
        return (await invitations.invite(shop, email, named, frame.actor())).link

    url = frame.run(data, work)
    show.as_json({"email": rules.normal_email(email), "url": url}) if is_json else show.line(url)


@admin.command("delete")
@click.argument("email")
@frame.shop_options
def delete(*, email: str, data: Path, is_json: bool) -> None:
    """Take somebody off the list who never did anything; whoever did is disabled instead. The last owner stays."""
    _change(data, email, writes.remove)
    show.as_json({"email": email}) if is_json else show.line(f"{email} is off the list.")


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


def _add(tx: Tx, email: str, role: str, hashed: str, actor: Actor) -> int:
    return writes.add_staff(tx, email, roles.named(tx, role), hashed, actor)


def _give(tx: Tx, email: str, role: str, actor: Actor) -> str:
    named = roles.named(tx, role)
    writes.change_role(tx, _get(tx, email).staff_id, named, actor)
    return named


def _roles(db: Reader) -> list[dict[str, Any]]:
    heads = roles.head_counts(db)
    known = [(role, role, rules.permissions_of(role)) for role in rules.ROLES]
    known += [(each.role, each.name, each.permissions) for each in roles.own(db)]
    return [{"role": key, "name": name, "people": heads.get(key, 0), "permissions": sorted(may)} for key, name, may in known]


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
