"""Log-ins that look strange: told to the account and the owners, and shown until somebody has seen to them."""

import json
import re

import pytest

from kashop.audit import reads as audit
from kashop.notices import reads as notices
from kashop.shop import Shop
from kashop.web.edge import Edge
from tests.accounts.phone import enrol, half_way
from tests.admin.desk import SUPPORT, Desk, add_staff
from tests.cast import OWNER, TestClock

HOME, AWAY = "203.0.113.50", "198.51.100.77"


async def warned(shop: Shop) -> list[tuple[str, str]]:
    rows = reversed(await shop.db.read(notices.page, 2**62, limit=200))
    return [(n.recipient, json.loads(n.facts)["kind"]) for n in rows if n.about == "login.suspicious"]


async def suspected(shop: Shop) -> int:
    return [e.name for e in await shop.db.read(audit.page, 0)].count("staff.login_suspicious")


async def test_a_new_place_with_a_new_browser_is_told_and_shown_until_dismissed(shop: Shop, app: Edge) -> None:
    await add_staff(shop, SUPPORT, "support")
    home, away = Desk(app, ip=HOME), Desk(app, ip=AWAY)
    await home.log_in(SUPPORT)
    assert await suspected(shop) == 0  # the first place of all is not strange
    await away.log_in(SUPPORT)
    assert await suspected(shop) == 1
    assert await warned(shop) == [(SUPPORT, "new_place"), (OWNER, "new_place")]
    for path in ("/admin", "/admin/account"):
        page = (await home.get(path)).text
        assert "Something about your log-in seems strange" in page
        assert AWAY in page
    owner = Desk(app, ip=HOME)
    await owner.log_in()
    (alert,) = re.findall(r"/admin/account/alerts/(\d+)/dismiss", page)
    assert (await owner.post(f"/admin/account/alerts/{alert}/dismiss")).status_code == 404  # not theirs to put away
    assert (await home.post(f"/admin/account/alerts/{alert}/dismiss", {"next": "/admin"})).status_code == 303
    assert "seems strange" not in (await home.get("/admin")).text


@pytest.mark.parametrize("away", ["203.0.113.50", "::ffff:203.0.113.50"])
async def test_a_known_network_is_not_strange(shop: Shop, app: Edge, away: str) -> None:
    await Desk(app, ip=HOME).log_in()
    await Desk(app, ip=away).log_in()
    assert await suspected(shop) == 0


async def test_a_whole_ipv6_network_is_one_place(shop: Shop, app: Edge) -> None:
    for ip in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"):
        await Desk(app, ip=ip).log_in()
    assert await suspected(shop) == 1


async def test_a_known_browser_may_travel_and_a_place_is_forgotten_after_thirty_days(
    shop: Shop, app: Edge, clock: TestClock
) -> None:
    home = Desk(app, ip=HOME)
    await home.log_in()
    traveller = Desk(app, ip=AWAY)
    traveller.http.cookies.set("kashop_device", home.http.cookies["kashop_device"], domain="shop.example", path="/admin")
    await traveller.log_in()
    assert await suspected(shop) == 0
    clock.pass_time(hours=24 * 31)
    await Desk(app, ip=HOME).log_in()
    assert await suspected(shop) == 1


async def test_an_attack_is_told_once_a_day(shop: Shop, app: Edge, clock: TestClock) -> None:
    async def attack() -> None:
        for n in range(12):
            await Desk(app, ip=f"198.51.100.{n}").log_in(password=f"guess {n} 123456")

    await attack()
    assert await warned(shop) == [(OWNER, "failures")]
    clock.pass_time(hours=2)
    await attack()
    assert len(await warned(shop)) == 1
    clock.pass_time(hours=23)
    await attack()
    assert len(await warned(shop)) == 2


async def test_a_right_password_with_wrong_codes_is_told(shop: Shop, app: Edge, clock: TestClock) -> None:
    desk = Desk(app)
    await desk.log_in()
    phone, _ = await enrol(desk, clock)
    thief = Desk(app, ip=AWAY)
    await half_way(thief)
    for code in phone.wrong_codes(10):
        await thief.http.post("/admin/login/code", data={"proof": code})
    assert await warned(shop) == [(OWNER, "codes")]
    assert "somebody may know your password" in (await desk.get("/admin")).text
