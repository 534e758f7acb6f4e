"""The abuse catalogue's cases B01 to B06 and B12, from outside. B07, B08 and B11 stand with what they are about."""

import asyncio
import threading
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from kashop.accounts import reads, writes
from kashop.accounts.factors import reads as factors
from kashop.audit import reads as audit
from kashop.flows import factors as factor_flow
from kashop.lib.actor import CLI
from kashop.lib.clock import DAY
from kashop.shop import Shop
from kashop.web.edge import Edge
from tests.accounts.counting import Counting
from tests.accounts.phone import enrol, give_code, half_way
from tests.accounts.test_login import is_in
from tests.admin.desk import SUPPORT, Desk, add_staff, complaints
from tests.cast import OWNER, PASSWORD, TestClock
from tests.serving import kashop, run

NEW = "another long Secret 8"


async def test_b01_one_account_is_slowed_and_its_owner_still_gets_in(shop: Shop, app: Edge, clock: TestClock) -> None:
    known = Desk(app)
    await known.log_in()
    judged = 0
    for n in range(50):
        guess = await Desk(app, ip=f"198.51.100.{n}").log_in(password=f"guess {n} 123456")
        judged += guess.status_code == 403
        clock.pass_time(seconds=1.2)
        if n % 10 == 9:
            assert (await known.log_in()).status_code == 303
    assert judged == 10  # what the owner gets right meanwhile does not let the guesser begin anew
    assert (await Desk(app, ip="192.0.2.9").log_in()).status_code == 429
    clock.pass_time(minutes=11)
    assert (await Desk(app, ip="192.0.2.9").log_in()).status_code == 303


async def test_b01_one_password_over_five_thousand_accounts_is_slowed_for_the_whole_shop(
    shop: Shop, app: Edge, clock: TestClock
) -> None:
    for n in range(20):
        await add_staff(shop, f"clerk{n}@example.com", "support")
    known = Desk(app)
    await known.log_in()
    before = (await shop.db.read(audit.head)).seq
    answers = []
    for n in range(5000):
        email = f"clerk{n // 250}@example.com" if n % 250 == 0 else f"user{n}@example.com"
        answers.append(await guess(app, email, ip=f"198.51.{n // 256}.{n % 256}"))
    assert answers.count(403) == 299  # of 300 in ten minutes one was the owner's own
    assert answers.count(429) == 4701
    assert (await known.log_in()).status_code == 303
    assert (await Desk(app, ip="192.0.2.9").log_in("clerk3@example.com")).status_code == 429
    events = (await shop.db.read(audit.head)).seq - before
    assert events <= 4  # two guesses at accounts that are there, one log-in: what is not there leaves no event
    assert await shop.db.read(factors.count_unknown, clock.now() // DAY * DAY) >= 297
    assert len(shop.limits._tries) < 700  # those that were turned away were not remembered either
    clock.pass_time(minutes=10)
    assert (await Desk(app, ip="192.0.2.9").log_in("clerk3@example.com")).status_code == 303


async def guess(app: Edge, email: str, *, ip: str) -> int:
    """One try to log in, without a client round it: five thousand clients take longer than what they ask."""
    body = urlencode({"email": email, "password": "Summer2026!"}).encode()
    form = [(b"content-type", b"application/x-www-form-urlencoded"), (b"content-length", b"%d" % len(body))]
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/admin/login",
        "raw_path": b"/admin/login",
        "query_string": b"",
        "headers": [(b"host", b"shop.example"), (b"accept", b"text/html"), *form],
        "client": (ip, 4711),
        "server": ("shop.example", 80),
    }
    statuses = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    return int(statuses[0])


@pytest.mark.parametrize(("length", "status"), [(1_000_000, 413), (200_000, 422), (257, 422)])
async def test_b03_an_endless_password_is_refused_before_it_is_hashed(
    app: Edge, counting: Counting, length: int, status: int
) -> None:
    assert (await Desk(app).log_in(password="x" * length)).status_code == status
    assert counting.total == 0
    assert (await Desk(app).log_in(password="x" * 256)).status_code == 403
    assert counting.total == 1


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("length", [64, 128])
async def test_b03_long_ones_work_in_either_form_of_letters(shop: Shop, app: Edge, length: int, form: str) -> None:
    password = ("pässwörd Ångström " * 20)[:length]
    await add_staff(shop, "long@example.com", "support", unicodedata.normalize("NFC", password))
    assert (await Desk(app).log_in("long@example.com", unicodedata.normalize(form, password))).status_code == 303
    assert (await Desk(app).log_in("long@example.com", password[:-1])).status_code == 403


async def test_b04_fifty_at_once_are_hashed_two_at_a_time_and_never_by_the_loop(app: Edge, counting: Counting) -> None:
    counting.lasts = 0.01
    desks = [Desk(app, ip=f"198.51.100.{n}") for n in range(50)]
    answers = await asyncio.gather(*(d.log_in(f"user{n}@example.com") for n, d in enumerate(desks)))
    assert {a.status_code for a in answers} == {403}
    assert (counting.total, counting.most) == (50, 2)  # 64 MiB each: 128 MiB, however many ask
    assert len([t for t in threading.enumerate() if t.name.startswith("argon2")]) <= 4  # two for staff, two for look-ups
    assert all(name.startswith("argon2") for name in counting.threads)


async def test_b04_beyond_what_may_wait_they_are_turned_away(shop: Shop, app: Edge, counting: Counting) -> None:
    busy = threading.Event()  # nobody's hash ends before all have come: a slow machine would let some in one after the other
    for _ in range(2):
        shop.staff_passwords._crew.submit(busy.wait)
    desks = [Desk(app, ip=f"198.51.{n // 250}.{n % 250}") for n in range(90)]
    asking = [asyncio.create_task(d.log_in(f"user{n}@example.com")) for n, d in enumerate(desks)]
    turned_away = asyncio.as_completed(asking)
    for _ in range(26):
        await next(turned_away)
    busy.set()
    answers = await asyncio.gather(*asking)
    assert sorted(a.status_code for a in answers) == [403] * 64 + [429] * 26
    assert counting.total == 64


async def test_b05_a_log_in_makes_a_new_session_and_the_old_one_is_dead(shop: Shop, app: Edge, clock: TestClock) -> None:
    fixed = Desk(app)
    fixed.http.cookies.set("kashop_staff", "attackerchosen", domain="shop.example", path="/admin")
    await fixed.log_in()
    first = fixed.http.cookies["kashop_staff"]
    assert first != "attackerchosen"
    await enrol(fixed, clock)
    await half_way(fixed)
    assert await is_in(fixed)  # half of a log-in ends nothing
    clock.pass_time(seconds=30)
    for token in ("attackerchosen", fixed.http.cookies["kashop_login"]):
        thief = Desk(app)
        thief.http.cookies.set("kashop_staff", token, domain="shop.example", path="/admin")
        assert not await is_in(thief)


async def test_b05_the_second_step_makes_a_new_session_too(app: Edge, clock: TestClock) -> None:
    desk = Desk(app)
    await desk.log_in()
    old = desk.http.cookies["kashop_staff"]
    phone, _ = await enrol(desk, clock)
    await half_way(desk)
    await give_code(desk, phone.code())
    assert desk.http.cookies["kashop_staff"] != old
    thief = Desk(app)
    thief.http.cookies.set("kashop_staff", old, domain="shop.example", path="/admin")
    assert not await is_in(thief)


@pytest.fixture
async def two(shop: Shop, app: Edge) -> tuple[Desk, Desk, int]:
    """A manager at two browsers, and their id."""
    staff_id = await add_staff(shop, SUPPORT, "manager")
    here, there = Desk(app), Desk(app)
    await here.log_in(SUPPORT)
    await there.log_in(SUPPORT)
    assert (await there.get("/admin/gateways")).status_code == 200
    return here, there, staff_id


async def test_b06_log_out_refuses_the_very_next_request(two: tuple[Desk, Desk, int]) -> None:
    here, there, _ = two
    token = here.http.cookies["kashop_staff"]
    await here.post("/admin/logout")
    here.http.cookies.set("kashop_staff", token, domain="shop.example", path="/admin")
    assert not await is_in(here)
    assert await is_in(there)


async def test_b06_logging_out_everywhere_else_does(two: tuple[Desk, Desk, int]) -> None:
    here, there, _ = two
    assert (await here.post("/admin/account/sessions/end-others")).status_code == 303
    assert await is_in(here)
    assert not await is_in(there)


async def test_b06_disabling_does(shop: Shop, two: tuple[Desk, Desk, int]) -> None:
    here, there, staff_id = two
    await shop.db.write(writes.disable, staff_id, CLI)
    assert not await is_in(here)
    assert not await is_in(there)


async def test_b06_another_role_does(shop: Shop, two: tuple[Desk, Desk, int]) -> None:
    _, there, staff_id = two
    await shop.db.write(writes.change_role, staff_id, "support", CLI)
    assert (await there.get("/admin/gateways")).status_code != 200
    assert (await there.post("/admin/orders/K1/cancel", {})).status_code in (303, 403)


async def test_b06_another_password_does(two: tuple[Desk, Desk, int]) -> None:
    here, there, _ = two
    await here.post("/admin/account/password", {"old_password": PASSWORD, "new_password": NEW, "repeated": NEW})
    assert await is_in(here)
    assert not await is_in(there)


async def test_b06_resetting_the_factors_does(shop: Shop, two: tuple[Desk, Desk, int]) -> None:
    here, there, staff_id = two
    await factor_flow.reset(shop, await shop.db.read(reads.get, staff_id), CLI)
    assert not await is_in(here)
    assert not await is_in(there)


async def test_b06_the_terminal_takes_the_factors_away_and_writes_it_down(
    shop: Shop, app: Edge, clock: TestClock, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(app)
    await desk.log_in()
    await enrol(desk, clock)
    said = await asyncio.to_thread(kashop, "admin", "reset-2fa", OWNER, "--data", shop.config.data)
    assert said.startswith(f"{OWNER} logs in by password alone")
    assert not await is_in(desk)
    assert (await desk.log_in()).headers["location"] == "/admin"
    last = [e for e in await shop.db.read(audit.page, 0) if e.name == "staff.factor_removed"]
    assert [e.actor_kind for e in last] == ["cli"]


def test_b12_a_founding_raced_by_two_makes_one_owner(tmp_path: Path) -> None:
    data = tmp_path / "shop"
    done = []
    threads = [
        threading.Thread(target=lambda n=n: done.append(run("init", "--data", data, "--owner", f"o{n}@example.com")))
        for n in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(d.returncode for d in done) == [0, 1], [d.stderr for d in done]
    assert len(owners(data)) == 1
    again = run("init", "--data", data, "--owner", "third@example.com")
    assert again.returncode == 1
    assert len(owners(data)) == 1


def owners(data: Path) -> list[str]:
    listed = kashop("admin", "list", "--data", data)
    return [line for line in listed.splitlines() if "owner" in line]


async def test_b12_there_is_no_set_up_page_and_no_default_account(shop: Shop, app: Edge) -> None:
    desk = Desk(app)
    for path in ("/setup", "/install", "/admin/setup", "/admin/install", "/admin/register", "/admin/init"):
        assert (await desk.get(path)).status_code == 404
        assert (await desk.http.post(path, data={"email": "a@example.com", "password": NEW})).status_code in (404, 405)
    for n, (email, password) in enumerate([("admin", "admin"), ("admin@example.com", "admin123456"), (OWNER, "password")]):
        assert (await Desk(app, ip=f"192.0.2.{n}").log_in(email, password)).status_code == 403
    assert [s.email for s in await shop.db.read(reads.everyone)] == [OWNER]
    (said,) = complaints(await Desk(app).log_in("admin", "admin"))
    assert said.startswith("The e-mail address or the password is not right.")
