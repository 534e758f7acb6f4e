"""What somebody outside, or on the way out, tries against the log-in: found by attacking it, kept so that it stays shut."""

from typing import Any

import pytest

from kashop.accounts import reads, rules, writes
from kashop.accounts.factors import writes as factor_writes
from kashop.accounts.types import Browser, SignedIn
from kashop.audit import reads as audit
from kashop.flows import login
from kashop.lib.actor import CLI, Actor
from kashop.lib.clock import DAY, MINUTE
from kashop.notices import reads as notices
from kashop.shop import Shop
from kashop.web.edge import Edge
from tests.accounts.test_login import is_in
from tests.admin.desk import MANAGER, Desk, add_staff, complaints, step_up
from tests.admin.test_staff import accept, link_of
from tests.cast import OWNER, PASSWORD, TestClock

NEW = "quite another Secret 8"


async def test_b02_a_lock_does_not_tell_who_works_here(shop: Shop, app: Edge, clock: TestClock) -> None:
    """The lock of an account outlasts the limit that every address has: it may not be seen in that time."""

    async def tried(email: str) -> list[tuple[Any, ...]]:
        said = []
        for n in range(14):
            if n >= 10:
                clock.pass_time(minutes=11 if n == 10 else 0.1)
            answer = await Desk(app, ip=f"198.51.100.{n}").log_in(email, f"guess {n} 123456")
            said.append((answer.status_code, *complaints(answer)))
        return said

    known, unknown = await tried(OWNER), await tried("nobody@example.com")
    staff = await shop.db.read(reads.get, 1)
    assert staff.locked_until > clock.now() - 14 * MINUTE  # there was a lock
    assert known == unknown


async def test_b02_a_locked_account_takes_no_password_from_strangers(shop: Shop, app: Edge, clock: TestClock) -> None:
    at_home = Desk(app)
    await at_home.log_in()
    for n in range(10):
        await Desk(app, ip=f"198.51.100.{n}").log_in(password=f"guess {n} 123456")
    clock.pass_time(minutes=11)
    await Desk(app, ip="198.51.100.77").log_in(password="guess 11 12345")
    locked = (await shop.db.read(reads.get, 1)).locked_until
    assert locked > clock.now()
    for _ in range(3):
        assert (await Desk(app, ip="198.51.100.78").log_in()).status_code == 403
    assert (await shop.db.read(reads.get, 1)).locked_until == locked  # and tries make it no longer
    assert [e.name for e in await shop.db.read(audit.page, 0)].count("staff.login_failed") == 14
    assert (await at_home.log_in()).status_code == 303
    for n in range(10):
        await Desk(app, ip=f"198.51.100.{n}").log_in(password=f"guess {n} 123456")
    clock.pass_time(minutes=16)
    assert (await Desk(app, ip="198.51.100.79").log_in()).status_code == 303


@pytest.mark.parametrize("meanwhile", ["password", "disabled", "enrolled"])
async def test_b06_what_was_right_a_moment_ago_opens_nothing(
    shop: Shop, app: Edge, monkeypatch: pytest.MonkeyPatch, meanwhile: str
) -> None:
    """A flood of log-ins makes the crew that compares passwords late: whoever waits there with the old one is too late."""
    staff_id = await add_staff(shop, MANAGER, "manager")
    right = shop.staff_passwords.verify

    async def slow(stored: str | None, password: str, **more: Any) -> bool:
        fits = await right(stored, password, **more)
        if meanwhile == "password":
            await shop.db.write(writes.change_password, staff_id, await shop.staff_passwords.hash(NEW), CLI)
        elif meanwhile == "disabled":
            await shop.db.write(writes.disable, staff_id, CLI)
        return fits

    monkeypatch.setattr(shop.staff_passwords, "verify", slow)
    if meanwhile == "enrolled":
        real_open = login._open

        async def enrolled_first(*args: Any, **more: Any) -> Any:
            await shop.db.write(factor_writes.enrol, staff_id, b"sealed", CLI, step=1, code_hashes=[])
            return await real_open(*args, **more)

        monkeypatch.setattr(login, "_open", enrolled_first)
    thief = Desk(app)
    answer = await thief.http.post("/admin/login", data={"email": MANAGER, "password": PASSWORD})
    assert answer.status_code == 404
    assert not await shop.db.read(reads.sessions_of, staff_id)
    if meanwhile == "disabled":
        await shop.db.write(writes.enable, staff_id, CLI)
    assert not await is_in(thief)


async def test_b06_a_thief_who_is_slower_does_not_set_the_password(
    shop: Shop, app: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner resets the password while the thief's own change, by the old one, is still being compared."""
    thief, right = Desk(app), shop.staff_passwords.verify
    await thief.log_in()

    async def slow(stored: str | None, password: str, **more: Any) -> bool:
        fits = await right(stored, password, **more)
        await shop.db.write(writes.change_password, 1, await shop.staff_passwords.hash(NEW), CLI)
        return fits

    with monkeypatch.context() as patched:
        patched.setattr(shop.staff_passwords, "verify", slow)
        fields = {"old_password": PASSWORD, "new_password": "the thief's Own 99", "repeated": "the thief's Own 99"}
        assert (await thief.post("/admin/account/password", fields)).status_code in (303, 403)
    assert (await Desk(app).log_in(password="the thief's Own 99")).status_code == 403
    assert (await Desk(app).log_in(password=NEW)).status_code == 303


async def test_logging_somebody_out_everywhere_forgets_no_browser(shop: Shop) -> None:
    """Whoever opened very many sessions kept the oldest of them; a log-in half way and a link outlived it too."""
    staff_id = await add_staff(shop, MANAGER, "manager")
    how = {"is_proof": False, "is_known": False}
    for n in range(60):
        browser = Browser(ip="203.0.113.9", user_agent=str(n))
        await shop.db.write(writes.open_session, staff_id, b"session %d" % n, "csrf", browser, old=b"", **how)
    link = (await login.make_login_link(shop, staff_id, CLI)).rpartition("=")[2]
    assert await shop.db.write(writes.log_out, staff_id, Actor("staff", "1")) == 60
    assert not await shop.db.read(reads.sessions_of, staff_id)
    with pytest.raises(Exception, match="used already"):
        await login.log_in_by_link(shop, link, Browser(ip="203.0.113.9"))


def test_a_clock_that_was_set_back_makes_no_proof_last() -> None:
    now = 1_793_505_600_000
    session = SignedIn(b"", "", now, now + DAY, 1, OWNER, "owner")
    assert not rules.has_stepped_up(session, now)


async def test_who_is_invited_again_hears_that_the_password_is_another(shop: Shop, app: Edge) -> None:
    """The link is shown to who made it: he could use it himself, so the account's owner is told when it is used."""
    staff_id = await add_staff(shop, MANAGER, "manager")
    owner = Desk(app)
    await owner.log_in()
    await step_up(shop)
    link = link_of((await owner.post(f"/admin/staff/{staff_id}/invite")).text)
    assert (await accept(app, link, NEW))[1] == 303
    told = [(n.about, n.recipient) for n in await shop.db.read(notices.page, 2**62, limit=50)]
    assert ("password.changed", MANAGER) in told
