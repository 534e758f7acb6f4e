"""Log-ins from outside: who gets in, who is slowed, and what ends a session."""

import unicodedata

import pytest

from kashop.accounts import reads, rules, writes
from kashop.audit import reads as audit
from kashop.flows import login
from kashop.lib import ids
from kashop.lib.actor import CLI
from kashop.lib.errors import Conflict
from kashop.shop import Shop
from kashop.web.edge import Edge
from tests import beside
from tests.accounts.counting import Counting
from tests.admin.desk import SUPPORT, Desk, add_staff, complaints
from tests.cast import OWNER, PASSWORD, TestClock


async def is_in(desk: Desk) -> bool:
    return (await desk.get("/admin/account")).status_code == 200


async def test_a_right_password_opens_a_session_and_writes_it_down(shop: Shop, app: Edge) -> None:
    desk = Desk(app)
    answer = await desk.log_in()
    assert answer.status_code == 303
    assert answer.headers["location"] == "/admin"
    cookies = answer.headers.get_list("set-cookie")
    session = next(c for c in cookies if c.startswith("kashop_staff="))
    assert "HttpOnly" in session
    assert "SameSite=lax" in session
    assert "Path=/admin" in session
    assert "Secure" not in session  # this shop is reached by plain http
    token = desk.http.cookies["kashop_staff"]
    stored = await shop.db.read(reads.sessions_of, 1)
    assert [s.session_hash for s in stored] == [ids.digest(token)]
    assert stored[0].ip == "203.0.113.50"
    names = [e.name for e in await shop.db.read(audit.page, 0)]
    assert names[-1] == "staff.logged_in"


async def test_no_cookie_is_set_before_a_log_in(app: Edge) -> None:
    desk = Desk(app)
    for path in ("/admin/login", "/admin", "/admin/login/link?token=x", "/admin/assets/00000000/admin.css"):
        assert "set-cookie" not in (await desk.get(path)).headers
    assert "set-cookie" not in (await desk.log_in(password="wrong one 123")).headers


async def test_unknown_address_and_wrong_password_sound_alike(shop: Shop, app: Edge) -> None:
    await add_staff(shop, "never@example.com", "support", password="")
    disabled = await add_staff(shop, "gone@example.com", "support")
    await shop.db.write(writes.disable, disabled, CLI)
    texts = set()
    for email, password in (
        (OWNER, "wrong one 123"),
        ("nobody@example.com", PASSWORD),
        ("never@example.com", "nobody has this password"),
        ("gone@example.com", PASSWORD),
    ):
        answer = await Desk(app, ip="198.51.100.9").log_in(email, password)
        texts.add((answer.status_code, *complaints(answer)))
    ((status, text),) = texts
    assert status == 403
    assert text.startswith("The e-mail address or the password is not right.")


async def test_guessing_is_slowed_for_the_account_but_not_for_a_known_browser(shop: Shop, app: Edge, clock: TestClock) -> None:
    known = Desk(app)
    await known.log_in()
    for n in range(10):
        assert (await Desk(app, ip=f"198.51.100.{n}").log_in(password=f"guess {n} 123456")).status_code == 403
    stranger = await Desk(app, ip="198.51.100.99").log_in()
    assert stranger.status_code == 429
    assert complaints(stranger) == ["Too many log-ins failed. Please wait 10 min."]
    unknown = [await Desk(app, ip=f"192.0.2.{n}").log_in("nobody@example.com", "x" * 12) for n in range(11)]
    assert [a.status_code for a in unknown] == [403] * 10 + [429]
    assert (await known.log_in()).status_code == 303
    clock.pass_time(minutes=11)
    assert (await Desk(app, ip="198.51.100.99").log_in()).status_code == 303


async def test_one_client_cannot_try_many_accounts(app: Edge) -> None:
    answers = [await Desk(app).log_in(f"user{n}@example.com", PASSWORD) for n in range(21)]
    assert [a.status_code for a in answers] == [403] * 20 + [429]
    assert (await Desk(app, ip="2001:db8::1").log_in()).status_code == 303


async def test_a_session_fixed_before_the_log_in_is_worth_nothing(app: Edge) -> None:
    desk = Desk(app)
    headers = {"cookie": "kashop_staff=attackerchosen"}
    answer = await desk.http.post("/admin/login", data={"email": OWNER, "password": PASSWORD}, headers=headers)
    assert answer.status_code == 303
    assert "attackerchosen" not in answer.headers["set-cookie"]
    other = Desk(app)
    other.http.cookies.set("kashop_staff", "attackerchosen", path="/admin")
    assert not await is_in(other)


async def test_a_new_log_in_ends_the_browsers_old_session(app: Edge) -> None:
    desk = Desk(app)
    await desk.log_in()
    old = desk.http.cookies["kashop_staff"]
    await desk.log_in()
    thief = Desk(app)
    thief.http.cookies.set("kashop_staff", old, path="/admin")
    assert not await is_in(thief)
    assert await is_in(desk)


async def test_log_out_ends_it_at_the_server_and_only_by_post(app: Edge) -> None:
    desk = Desk(app)
    await desk.log_in()
    token = desk.http.cookies["kashop_staff"]
    assert (await desk.get("/admin/logout")).status_code == 405
    assert await is_in(desk)
    assert (await desk.post("/admin/logout")).status_code == 303
    desk.http.cookies.set("kashop_staff", token, path="/admin")
    assert not await is_in(desk)


async def test_sessions_sleep_in_and_die_of_age(shop: Shop, app: Edge, clock: TestClock) -> None:
    desk = Desk(app)
    await desk.log_in()
    for _ in range(13):
        clock.pass_time(hours=11)
        assert await is_in(desk)  # used in between, so awake
    clock.pass_time(hours=12.1)
    assert not await is_in(desk)
    await desk.log_in()
    for _ in range(15):
        clock.pass_time(hours=11)
        await is_in(desk)
    clock.pass_time(hours=4)
    assert not await is_in(desk)  # seven days, however busy
    assert await shop.db.write(writes.sweep) >= 1


async def test_what_ends_other_sessions_at_once(shop: Shop, app: Edge) -> None:
    staff_id = await add_staff(shop, SUPPORT, "manager")
    here, elsewhere = Desk(app), Desk(app)
    await here.log_in(SUPPORT)
    await elsewhere.log_in(SUPPORT)
    new = "another long Secret 8"
    changed = await here.post("/admin/account/password", {"old_password": PASSWORD, "new_password": new, "repeated": new})
    assert changed.status_code == 303
    assert await is_in(here)
    assert not await is_in(elsewhere)
    await elsewhere.log_in(SUPPORT, new)
    assert (await here.get("/admin/gateways")).status_code == 200
    await shop.db.write(writes.change_role, staff_id, "support", CLI)
    assert (await here.get("/admin/gateways")).status_code == 403
    await shop.db.write(writes.disable, staff_id, CLI)
    assert not await is_in(here)
    assert not await is_in(elsewhere)
    assert (await elsewhere.log_in(SUPPORT, new)).status_code == 403


async def test_ones_own_other_session_can_be_ended(app: Edge) -> None:
    here, elsewhere = Desk(app), Desk(app)
    await here.log_in()
    await elsewhere.log_in()
    name = ids.digest(elsewhere.http.cookies["kashop_staff"]).hex()[:16]
    assert (await here.post(f"/admin/account/sessions/{name}/end")).status_code == 303
    assert not await is_in(elsewhere)
    assert (await here.post(f"/admin/account/sessions/{'0' * 16}/end")).status_code == 404


async def test_a_link_lets_in_once_and_only_by_post(shop: Shop, app: Edge, clock: TestClock) -> None:
    link = (await login.make_login_link(shop, 1, CLI)).removeprefix("http://shop.example")
    token = link.rpartition("=")[2]
    desk = Desk(app)
    assert (await desk.get(link)).status_code == 200
    assert (await desk.http.head(link)).status_code == 200
    assert (await desk.http.post("/admin/login/link", data={"token": token})).status_code == 303
    assert await is_in(desk)
    assert (await Desk(app).http.post("/admin/login/link", data={"token": token})).status_code == 404
    late = (await login.make_login_link(shop, 1, CLI)).rpartition("=")[2]
    clock.pass_time(minutes=10)
    assert (await Desk(app).http.post("/admin/login/link", data={"token": late})).status_code == 404
    assert (await Desk(app).http.post("/admin/login/link", data={"token": "guess"})).status_code == 404


async def test_very_long_passwords_cost_nothing_and_forms_of_letters_agree(shop: Shop, app: Edge, counting: Counting) -> None:
    refused = await Desk(app).log_in(password="x" * 200_000)
    assert refused.status_code == 422
    assert counting.total == 0
    for length in (64, 128):
        email = f"long{length}@example.com"
        await add_staff(shop, email, "support", ("pässwörd " * 20)[:length])
        assert (await Desk(app).log_in(email, ("pässwörd " * 20)[:length])).status_code == 303
    typed = unicodedata.normalize("NFD", "Ångström über alles 9")
    await add_staff(shop, "nfc@example.com", "support", unicodedata.normalize("NFC", typed))
    assert (await Desk(app).log_in("NFC@example.com ", typed)).status_code == 303


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "https://evil.example", "/admin//evil.example", "/admin/\\evil", "/", "/admin/\r\nx: y", "javascript:1"],
)
async def test_a_log_in_never_leads_out_of_the_panel(app: Edge, wanted: str) -> None:
    desk = Desk(app)
    answer = await desk.http.post("/admin/login", data={"email": OWNER, "password": PASSWORD, "next": wanted})
    assert answer.headers["location"] == "/admin"
    answer = await desk.http.post("/admin/login", data={"email": OWNER, "password": PASSWORD, "next": "/admin/orders"})
    assert answer.headers["location"] == "/admin/orders"


@pytest.mark.parametrize(
    ("password", "problem"),
    [
        ("short", "From 10 to 128 characters."),
        ("x" * 129, "From 10 to 128 characters."),
        ("aaaaaaaaaaaa", "Too easy"),
        ("kashop 2026 shop", "Too easy"),
        ("owner is my name", "Too easy"),
        ("password123", "Too easy"),
    ],
)
async def test_a_weak_new_password_is_refused(app: Edge, password: str, problem: str) -> None:
    desk = Desk(app)
    await desk.log_in()
    answer = await desk.post(
        "/admin/account/password", {"old_password": PASSWORD, "new_password": password, "repeated": password}
    )
    assert answer.status_code == 422
    assert complaints(answer)[0].startswith(problem)
    assert PASSWORD not in answer.text
    assert (await Desk(app).log_in()).status_code == 303


async def test_the_last_owner_stays(shop: Shop) -> None:
    with pytest.raises(Conflict):
        await shop.db.write(writes.disable, 1, CLI)
    with pytest.raises(Conflict):
        await shop.db.write(writes.change_role, 1, "manager", CLI)
    second = await add_staff(shop, "second@example.com", "owner")
    await shop.db.write(writes.disable, 1, CLI)
    assert await shop.db.read(reads.count_able_owners) == 1
    with pytest.raises(Conflict):
        await shop.db.write(writes.disable, second, CLI)


async def test_nothing_kept_is_a_password_or_a_token(shop: Shop, app: Edge, data: object) -> None:
    desk = Desk(app)
    await desk.log_in()
    link = (await login.make_login_link(shop, 1, CLI)).rpartition("=")[2]
    secrets = [PASSWORD, desk.http.cookies["kashop_staff"], link, desk.http.cookies["kashop_device"]]
    stored = beside.stored(shop.config.place)
    assert desk.csrf.encode() in stored  # what is read here is what was written
    assert not [s for s in secrets if s.encode() in stored]


def test_permissions_name_known_roles() -> None:
    assert all(who <= set(rules.ROLES) and "owner" in who for who in rules.PERMISSIONS.values())
    assert rules.permissions_of("owner") == rules.PERMISSIONS.keys()
    assert not rules.permissions_of("nobody")
