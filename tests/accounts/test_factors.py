"""Two-step log-in from outside: what is enrolled, what a code opens, and what spares nobody the code (B07, B08)."""

import asyncio
import re

import pytest

from kashop.accounts import writes
from kashop.accounts.factors import reads, rules
from kashop.audit import reads as audit
from kashop.flows import login, settings
from kashop.lib.actor import CLI
from kashop.notices import reads as notices
from kashop.shop import Shop
from kashop.web.edge import Edge
from tests import beside
from tests.accounts.phone import TOTP, Phone, enrol, give_code, half_way
from tests.accounts.test_login import is_in
from tests.admin.desk import SUPPORT, Desk, add_staff, complaints, value_of
from tests.cast import PASSWORD, TestClock


@pytest.fixture
async def desk(app: Edge) -> Desk:
    desk = Desk(app)
    await desk.log_in()
    return desk


async def events(shop: Shop) -> list[str]:
    return [e.name for e in await shop.db.read(audit.page, 0)]


async def told(shop: Shop, about: str) -> list[tuple[str, str]]:
    rows = await shop.db.read(notices.page, 2**62, limit=100)
    return [(n.recipient, n.facts) for n in reversed(rows) if n.about == about]


async def test_a_password_alone_opens_nothing_any_more(shop: Shop, app: Edge, desk: Desk, clock: TestClock) -> None:
    elsewhere = Desk(app)
    await elsewhere.log_in()
    phone, _ = await enrol(desk, clock)
    assert await is_in(desk)
    assert not await is_in(elsewhere)
    half = Desk(app)
    await half_way(half, next="/admin/orders")
    assert not await is_in(half)
    assert (await half.get("/admin/login/code")).status_code == 200
    answer = await give_code(half, phone.code(), next="/admin/orders")
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/orders")
    assert await is_in(half)
    assert "staff.factor_enrolled" in await events(shop)
    assert [(to, "enrolled" in facts) for to, facts in await told(shop, "factor.changed")] == [("owner@example.com", True)]


async def test_no_session_cookie_is_set_half_way(app: Edge, desk: Desk, clock: TestClock) -> None:
    await enrol(desk, clock)
    answer = await Desk(app).http.post("/admin/login", data={"email": "owner@example.com", "password": PASSWORD})
    cookies = answer.headers.get_list("set-cookie")
    assert [c.partition("=")[0] for c in cookies] == ["kashop_login"]
    assert all(part in cookies[0] for part in ("HttpOnly", "SameSite=lax", "Path=/admin/login", "Max-Age=300"))


async def test_a_seed_and_the_codes_are_kept_sealed_or_hashed_and_shown_once(
    shop: Shop, app: Edge, desk: Desk, clock: TestClock
) -> None:
    page = await desk.get(TOTP)
    seed = re.findall(r'class="secret mono">([A-Z2-7 ]+)<', page.text)[0].replace(" ", "")
    assert "<svg" in page.text
    done = await desk.post(TOTP, {"sealed": value_of(page, "sealed"), "code": Phone(seed, clock).code()})
    codes = re.findall(r"<li>([a-z0-9]{5}-[a-z0-9]{5})</li>", done.text)
    file = await desk.post("/admin/account/recovery-codes/file", {"codes": " ".join(codes)})
    assert file.headers["content-disposition"] == 'attachment; filename="recovery-codes.txt"'
    assert all(code in file.text for code in codes)
    strange = await desk.post("/admin/account/recovery-codes/file", {"codes": "aaaaa-aaaaa <script>"})
    assert strange.status_code == 404
    assert seed not in (await desk.get("/admin/account")).text
    stored = beside.stored(shop.config.place)
    plain = [seed, *codes, *(c.replace("-", "") for c in codes)]
    assert not [s for s in plain if s.encode() in stored or s.lower().encode() in stored]
    assert beside.value(shop.config.place, "SELECT COUNT(*) FROM recovery_codes") == 10  # what was read is what was written


def test_ten_different_codes_of_fifty_bits() -> None:
    codes = {code for _ in range(100) for code in rules.new_recovery_codes()}
    assert len(codes) == 1000
    assert all(re.fullmatch(r"[a-hjkmnp-tv-z0-9]{5}-[a-hjkmnp-tv-z0-9]{5}", code) for code in codes)
    assert len(set("".join(codes)) - {"-"}) == 32


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "000000\n", "🔑"])
async def test_what_is_no_code_enrols_nothing(shop: Shop, desk: Desk, code: str) -> None:
    sealed = value_of(await desk.get(TOTP), "sealed")
    answer = await desk.post(TOTP, {"sealed": sealed, "code": code})
    assert answer.status_code == 422
    assert value_of(answer, "sealed") == sealed  # the same QR code, so that the app that scanned it still fits
    assert await shop.db.read(reads.find_seed, 1) is None


async def test_an_offer_is_for_one_session_and_not_for_long(app: Edge, desk: Desk, clock: TestClock) -> None:
    other = Desk(app)
    await other.log_in()
    page = await desk.get(TOTP)
    phone, sealed = Phone.scanning(page, clock), value_of(page, "sealed")
    assert (await other.post(TOTP, {"sealed": sealed, "code": phone.code()})).status_code == 409
    assert (await desk.post(TOTP, {"sealed": sealed[:-2] + "00", "code": phone.code()})).status_code == 409
    assert (await desk.post(TOTP, {"sealed": "x", "code": phone.code()})).status_code == 409
    clock.pass_time(minutes=16)
    await desk.post("/admin/step-up", {"proof": PASSWORD})
    assert (await desk.post(TOTP, {"sealed": sealed, "code": phone.code()})).status_code == 409


async def test_b07_a_code_opens_once(shop: Shop, app: Edge, desk: Desk, clock: TestClock) -> None:
    phone, _ = await enrol(desk, clock)
    code = phone.code()
    one, two = Desk(app), Desk(app)
    await half_way(one)
    await half_way(two)
    assert (await give_code(one, code)).status_code == 303
    again = await give_code(two, code)
    assert again.status_code == 403
    assert complaints(again) == ["This code is not right, or it was used before. Wait for the next one and try again."]
    clock.pass_time(seconds=29)
    assert (await give_code(two, code)).status_code == 403  # still in its window, still used
    clock.pass_time(seconds=1)
    assert (await give_code(two, phone.code())).status_code == 303


async def test_b07_of_parallel_uses_of_one_code_one_wins(app: Edge, desk: Desk, clock: TestClock) -> None:
    phone, _ = await enrol(desk, clock)
    desks = [Desk(app) for _ in range(8)]
    for half in desks:
        await half_way(half)
    answers = await asyncio.gather(*(d.http.post("/admin/login/code", data={"proof": phone.code()}) for d in desks))
    assert sorted(a.status_code for a in answers) == [303] + [403] * 7


@pytest.mark.parametrize(("off", "status"), [(-90, 403), (-60, 403), (-30, 303), (0, 303), (30, 303), (60, 403), (90, 403)])
async def test_b07_a_phones_clock_may_be_half_a_minute_off(
    app: Edge, desk: Desk, clock: TestClock, off: int, status: int
) -> None:
    clock.ms = clock.ms // 30_000 * 30_000
    phone, _ = await enrol(desk, clock)
    clock.pass_time(minutes=5)
    half = Desk(app)
    await half_way(half)
    assert (await give_code(half, phone.code(off=off))).status_code == status


async def test_b07_ten_wrong_codes_lock_and_the_right_one_too(shop: Shop, app: Edge, desk: Desk, clock: TestClock) -> None:
    phone, recovery = await enrol(desk, clock)
    half = Desk(app, ip="198.51.100.7")
    await half_way(half)
    answers = [await give_code(half, code) for code in phone.wrong_codes(10)]
    assert [a.status_code for a in answers] == [403] * 9 + [429]
    right = await give_code(half, phone.code())
    assert right.status_code == 429
    assert complaints(right) == ["Too many wrong codes. Please wait 15 min."]
    assert (await give_code(half, recovery[0])).status_code == 429
    assert {to for to, _ in await told(shop, "login.suspicious")} == {"owner@example.com"}
    clock.pass_time(minutes=15.1)
    assert (await give_code(half, phone.code())).status_code == 404  # the log-in itself is too old by now
    await half_way(half)
    assert (await give_code(half, phone.wrong_codes(1)[0])).status_code == 429  # the next wrong one locks at once, and for longer
    clock.pass_time(minutes=15.1)
    await half_way(half)
    assert (await give_code(half, phone.code())).status_code == 429
    await shop.db.write(writes.unlock, 1, CLI)
    assert (await give_code(half, phone.code())).status_code == 303


async def test_b07_a_thousand_guesses_at_once_are_ten(shop: Shop, app: Edge, desk: Desk, clock: TestClock) -> None:
    phone, _ = await enrol(desk, clock)
    half = Desk(app, ip="198.51.100.7")
    await half_way(half)
    guesses = (half.http.post("/admin/login/code", data={"proof": code}) for code in phone.wrong_codes(200))
    answers = await asyncio.gather(*guesses)
    assert sorted(a.status_code for a in answers) == [403] * 9 + [429] * 191
    assert (await events(shop)).count("staff.code_failed") == 10


async def test_b07_the_owners_own_browser_gets_in_while_others_are_locked_out(app: Edge, desk: Desk, clock: TestClock) -> None:
    phone, _ = await enrol(desk, clock)
    thief = Desk(app, ip="198.51.100.7")
    await half_way(thief)
    for code in phone.wrong_codes(11):
        await give_code(thief, code)
    await half_way(desk)
    assert (await give_code(desk, phone.code())).status_code == 303
    clock.pass_time(seconds=30)
    await half_way(desk)
    answers = [await give_code(desk, code) for code in phone.wrong_codes(11)]  # and its own guesses are few as well
    assert [a.status_code for a in answers] == [403] * 10 + [429]


async def test_b08_a_recovery_code_opens_once_however_it_is_typed(shop: Shop, app: Edge, desk: Desk, clock: TestClock) -> None:
    _, codes = await enrol(desk, clock)
    forms = [
        codes[0],
        codes[1].upper(),
        codes[2].replace("-", ""),
        " " + " ".join(codes[3]) + " ",
        codes[4].replace("0", "O").replace("1", "l").replace("v", "u"),
        codes[5].translate({ord(c): ord(c) + 0xFEE0 for c in "0123456789abcdefghijklmnopqrstuvwxyz-"}),
        codes[6].replace("-", "—"),
    ]
    for typed in forms:
        half = Desk(app)
        await half_way(half)
        assert (await give_code(half, typed)).status_code == 303, typed
        await half_way(half)
        assert (await give_code(half, typed)).status_code == 403, typed
    assert await shop.db.read(reads.count_recovery_codes, 1) == 3
    assert (await events(shop)).count("staff.recovery_code_used") == 7
    assert "3 recovery codes are left." in (await desk.get("/admin/account")).text


async def test_b08_of_parallel_uses_of_one_recovery_code_one_wins(app: Edge, desk: Desk, clock: TestClock) -> None:
    _, codes = await enrol(desk, clock)
    desks = [Desk(app) for _ in range(8)]
    for half in desks:
        await half_way(half)
    answers = await asyncio.gather(*(d.http.post("/admin/login/code", data={"proof": codes[0]}) for d in desks))
    assert sorted(a.status_code for a in answers) == [303] + [403] * 7


async def test_b08_anothers_recovery_code_opens_nothing(shop: Shop, app: Edge, desk: Desk, clock: TestClock) -> None:
    _, codes = await enrol(desk, clock)
    await add_staff(shop, SUPPORT, "support")
    other = Desk(app)
    await other.log_in(SUPPORT)
    await enrol(other, clock)
    await other.http.post("/admin/login", data={"email": SUPPORT, "password": PASSWORD})
    assert (await give_code(other, codes[0])).status_code == 403


async def test_fresh_recovery_codes_end_the_old_ones_and_other_sessions(app: Edge, desk: Desk, clock: TestClock) -> None:
    phone, old = await enrol(desk, clock)
    elsewhere = Desk(app)
    await half_way(elsewhere)
    await give_code(elsewhere, phone.code())
    page = await desk.post("/admin/account/recovery-codes")
    assert page.status_code == 200
    fresh = re.findall(r"<li>([a-z0-9]{5}-[a-z0-9]{5})</li>", page.text)
    assert not set(fresh) & set(old)
    assert await is_in(desk)
    assert not await is_in(elsewhere)
    half = Desk(app)
    await half_way(half)
    assert (await give_code(half, old[0])).status_code == 403
    assert (await give_code(half, fresh[0])).status_code == 303


async def test_neither_a_link_nor_a_password_proves_what_a_code_has_to(
    shop: Shop, app: Edge, desk: Desk, clock: TestClock
) -> None:
    phone, recovery = await enrol(desk, clock)
    token = (await login.make_login_link(shop, 1, CLI)).rpartition("=")[2]
    by_link = Desk(app)
    answer = await by_link.http.post("/admin/login/link", data={"token": token})
    assert answer.headers["location"] == "/admin/login/code"
    assert not await is_in(by_link)
    assert (await give_code(by_link, phone.code())).status_code == 303
    clock.pass_time(minutes=6)
    wrong = await by_link.post("/admin/step-up", {"proof": PASSWORD})
    assert wrong.status_code == 403
    assert (await by_link.post("/admin/settings", {})).status_code == 403
    new = "another long Secret 8"
    await by_link.post("/admin/account/password", {"old_password": PASSWORD, "new_password": new, "repeated": new})
    assert (await by_link.post("/admin/settings", {})).status_code == 403  # a password is no proof where there are codes
    assert (await by_link.post("/admin/step-up", {"proof": phone.code()})).status_code == 303
    assert (await by_link.post("/admin/settings", {})).status_code == 303
    clock.pass_time(minutes=6)
    assert (await by_link.post("/admin/step-up", {"proof": recovery[0]})).status_code == 303


async def test_a_log_in_half_way_waits_five_minutes_and_dies_with_the_password(
    shop: Shop, app: Edge, desk: Desk, clock: TestClock
) -> None:
    phone, _ = await enrol(desk, clock)
    half = Desk(app)
    await half_way(half)
    clock.pass_time(minutes=5)
    assert (await give_code(half, phone.code())).status_code == 404
    assert (await half.get("/admin/login/code")).headers["location"] == "/admin/login"
    await half_way(half)
    new = "another long Secret 8"
    await desk.post("/admin/account/password", {"old_password": PASSWORD, "new_password": new, "repeated": new})
    assert (await give_code(half, phone.code())).status_code == 404
    assert (await Desk(app).http.post("/admin/login/code", data={"proof": phone.code()})).status_code == 404


async def test_turning_it_off_asks_who_it_is_and_ends_other_sessions(shop: Shop, app: Edge, desk: Desk, clock: TestClock) -> None:
    phone, _ = await enrol(desk, clock)
    elsewhere = Desk(app)
    await half_way(elsewhere)
    await give_code(elsewhere, phone.code())
    clock.pass_time(minutes=6)
    assert (await desk.post("/admin/account/totp/off")).status_code == 403
    assert (await desk.post("/admin/account/recovery-codes")).status_code == 403
    assert (await desk.get(TOTP)).status_code == 303
    await desk.post("/admin/step-up", {"proof": phone.code()})
    assert (await desk.post("/admin/account/totp/off")).status_code == 303
    assert not await is_in(elsewhere)
    assert (await Desk(app).log_in()).headers["location"] == "/admin"
    assert await shop.db.read(reads.count_recovery_codes, 1) == 0
    to, facts = (await told(shop, "factor.changed"))[-1]
    assert (to, "removed" in facts) == ("owner@example.com", True)


@pytest.mark.parametrize(("demanded", "role", "is_held"), [("all", "support", True), ("owners", "support", False)])
async def test_who_must_enrol_reaches_nothing_else(
    shop: Shop, app: Edge, clock: TestClock, demanded: str, role: str, is_held: bool
) -> None:
    await add_staff(shop, SUPPORT, role)
    await settings.change(shop, {"staff.require_totp": demanded}, CLI)
    held = Desk(app)
    await held.log_in(SUPPORT)
    for path in ("/admin", "/admin/orders", "/admin/products"):
        answer = await held.get(path)
        assert answer.status_code == (303 if is_held else 200)
        assert not is_held or answer.headers["location"] == TOTP
    note = await held.post("/admin/orders/K1/note", {"note": "x"})
    assert (note.status_code == 303) is is_held  # to enrol; else the order is not there
    owner = Desk(app)
    await owner.log_in()
    assert (await owner.get("/admin")).status_code == 303  # both settings concern an owner
    if is_held:
        assert "This shop demands" in (await held.get(TOTP)).text
        await enrol(held, clock)
        assert (await held.get("/admin")).status_code == 200
        assert (await held.post("/admin/account/totp/off")).status_code == 409


async def test_a_script_that_must_enrol_is_told_so(shop: Shop, app: Edge) -> None:
    await settings.change(shop, {"staff.require_totp": "owners"}, CLI)
    desk = Desk(app)
    await desk.log_in()
    answer = await desk.post("/admin/settings", {}, headers={"accept": "application/json"})
    assert answer.json()["code"] == "enrol_first"
