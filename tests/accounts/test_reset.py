"""A new password by mail, from outside (B11)."""

import time

import httpx
import pytest

from kashop.accounts import writes
from kashop.audit import reads as audit
from kashop.flows import password_reset, settings
from kashop.lib.actor import CLI
from kashop.notices import reads as notices
from kashop.notices.rules import opened_facts
from kashop.shop import Shop
from kashop.web.edge import Edge
from tests import beside
from tests.accounts.phone import enrol
from tests.accounts.test_login import is_in
from tests.admin.desk import SUPPORT, Desk, add_staff, complaints
from tests.cast import OWNER, PASSWORD, TestClock

NEW = "another long Secret 8"
FORGOT, RESET = "/admin/login/forgot", "/admin/login/reset"


@pytest.fixture(autouse=True)
async def mail(shop: Shop) -> None:
    """A shop that can send mail; nothing is sent here."""
    await settings.change(shop, {"mail.host": "mail.example.com", "mail.from": "shop@example.com"}, CLI)


async def ask(app: Edge, email: str = OWNER, *, ip: str = "203.0.113.50") -> httpx.Response:
    return await Desk(app, ip=ip).http.post(FORGOT, data={"email": email})


async def links(shop: Shop, email: str = OWNER) -> list[str]:
    """What was mailed, the oldest first."""
    rows = [n for n in reversed(await shop.db.read(notices.page, 2**62, limit=200)) if n.about == "password.reset"]
    return [opened_facts(shop.keyring, n.about, n.sealed)["link"] for n in rows if n.recipient == email]


async def use(app: Edge, link: str, password: str = NEW, **more: str) -> tuple[Desk, httpx.Response]:
    """Open a link and set a password."""
    desk = Desk(app)
    opened = await desk.get(link.removeprefix("http://shop.example"))
    assert (opened.status_code, opened.headers["location"]) == (303, RESET)
    return desk, await desk.http.post(RESET, data={"new_password": password, "repeated": password, **more})


async def test_b11_a_link_sets_a_password_once_and_logs_nobody_in(shop: Shop, app: Edge) -> None:
    inside = Desk(app)
    await inside.log_in()
    asked = await ask(app)
    assert (asked.status_code, asked.headers["location"]) == (303, "/admin/login?said=reset_asked")
    (link,) = await links(shop)
    desk, done = await use(app, link)
    assert (done.status_code, done.headers["location"]) == (303, "/admin/login?said=password_set")
    assert not await is_in(desk)
    assert not await is_in(inside)
    assert (await desk.log_in()).status_code == 403
    assert (await desk.log_in(password=NEW)).status_code == 303
    _, again = await use(app, link, "a third long Secret 9")
    assert again.status_code == 404
    assert (await Desk(app).log_in(password=NEW)).status_code == 303
    names = [e.name for e in await shop.db.read(audit.page, 0)]
    assert {"staff.reset_asked", "staff.reset_used", "staff.password_changed"} <= set(names)


async def test_b11_it_expires_and_dies_with_a_newer_one(shop: Shop, app: Edge, clock: TestClock) -> None:
    await ask(app)
    clock.pass_time(minutes=1)
    await ask(app)
    first, second = await links(shop)
    assert (await use(app, first))[1].status_code == 404
    assert (await Desk(app).get(f"{RESET}?token=x")).status_code == 303
    clock.pass_time(minutes=30)
    desk, late = await use(app, second)
    assert late.status_code == 404
    assert (await desk.get(RESET)).status_code == 404
    assert (await Desk(app).log_in()).status_code == 303


async def test_b11_it_is_for_its_own_account_whatever_else_is_sent(shop: Shop, app: Edge) -> None:
    await add_staff(shop, SUPPORT, "support")
    await ask(app, SUPPORT)
    (link,) = await links(shop, SUPPORT)
    assert (await use(app, link, email=OWNER, staff_id="1", token="x"))[1].status_code == 303
    assert (await Desk(app).log_in()).status_code == 303
    assert (await Desk(app).log_in(SUPPORT, NEW)).status_code == 303
    assert (await Desk(app).http.post(RESET, data={"new_password": NEW, "repeated": NEW})).status_code == 404


async def test_b11_the_token_is_in_no_referer_and_stored_nowhere(shop: Shop, app: Edge) -> None:
    await ask(app)
    (link,) = await links(shop)
    token = link.rpartition("=")[2]
    desk = Desk(app)
    opened = await desk.get(f"{RESET}?token={token}")
    assert opened.headers["referrer-policy"] == "no-referrer"
    cookie = opened.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", f"Path={RESET}", "Max-Age=1800", "SameSite=lax"))
    page = await desk.get(RESET)
    assert page.status_code == 200
    assert token not in page.text
    stored = beside.stored(shop.config.place)
    assert b"password.reset" in stored  # what is read here is what was written
    assert token.encode() not in stored


async def test_b11_a_hundred_asks_are_one_mail_a_minute(
    shop: Shop, app: Edge, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(password_reset, "_ANSWER_SECONDS", 0)  # what each answer waits
    answers = [await ask(app, ip=f"198.51.100.{n % 50}") for n in range(55)]
    assert {a.status_code for a in answers} == {303}
    assert len(await links(shop)) == 1
    answers = [await ask(app, ip=f"198.51.100.{n % 50}") for n in range(45)]
    assert {a.status_code for a in answers} == {303, 429}  # by then the whole shop is slow
    for _ in range(30):
        clock.pass_time(minutes=2)
        await ask(app, ip="198.51.100.1")
    assert 6 <= len(await links(shop)) <= 7  # five an hour


async def test_b11_every_address_gets_the_same_answer_in_the_same_time(shop: Shop, app: Edge) -> None:
    await add_staff(shop, SUPPORT, "support")
    gone = await add_staff(shop, "gone@example.com", "support")
    await shop.db.write(writes.disable, gone, CLI)
    seen, took = set(), {}
    for email in (OWNER, OWNER, "nobody@example.com", "gone@example.com"):
        begun = time.perf_counter()
        answer = await ask(app, email)
        took[email] = time.perf_counter() - begun
        seen.add((answer.status_code, answer.headers["location"], answer.text))
    assert len(seen) == 1
    assert min(took.values()) >= 0.2
    assert await links(shop, "gone@example.com") == []


async def test_b11_it_does_not_spare_the_code(shop: Shop, app: Edge, clock: TestClock) -> None:
    desk = Desk(app)
    await desk.log_in()
    await enrol(desk, clock)
    await ask(app)
    (link,) = await links(shop)
    other, _ = await use(app, link)
    half = await other.http.post("/admin/login", data={"email": OWNER, "password": NEW})
    assert half.headers["location"] == "/admin/login/code"
    assert not await is_in(other)


async def test_a_weak_or_mistyped_password_spends_nothing(shop: Shop, app: Edge) -> None:
    await ask(app)
    (link,) = await links(shop)
    desk, weak = await use(app, link, "password123")
    assert (weak.status_code, complaints(weak)[0][:8]) == (422, "Too easy")
    mistyped = await desk.http.post(RESET, data={"new_password": NEW, "repeated": PASSWORD})
    assert mistyped.status_code == 422
    assert (await desk.http.post(RESET, data={"new_password": NEW, "repeated": NEW})).status_code == 303


async def test_a_changed_password_ends_what_was_asked_for_before(shop: Shop, app: Edge) -> None:
    await ask(app)
    (link,) = await links(shop)
    desk = Desk(app)
    await desk.log_in()
    await desk.post("/admin/account/password", {"old_password": PASSWORD, "new_password": NEW, "repeated": NEW})
    assert (await use(app, link))[1].status_code == 404


async def test_without_mail_the_page_says_whom_to_ask(shop: Shop, app: Edge) -> None:
    await settings.change(shop, {"mail.host": ""}, CLI)
    assert "This shop sends no mail yet." in (await Desk(app).get(FORGOT)).text
    assert (await ask(app)).headers["location"] == FORGOT
    assert await links(shop) == []
