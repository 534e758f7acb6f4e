"""Confirm that it is you: when it is asked for, what answers it, and where it leads."""

import pytest

from kashop.accounts import rules
from kashop.audit import reads as audit
from kashop.flows import login
from kashop.lib.actor import CLI
from kashop.shop import Shop
from kashop.web.edge import Edge
from tests.admin.desk import Desk, complaints
from tests.cast import PASSWORD, TestClock

NEW = {"name": "pay", "label": "Pay"}
FORM = "/admin/gateways/new/practice"


async def names(shop: Shop) -> list[str]:
    return [e.name for e in await shop.db.read(audit.page, 0)]


async def test_a_fresh_log_in_by_password_is_a_proof_for_five_minutes(shop: Shop, owner: Desk, clock: TestClock) -> None:
    clock.pass_time(minutes=4.9)
    assert (await owner.post("/admin/settings", {})).status_code == 303
    clock.pass_time(minutes=0.2)
    refused = await owner.post("/admin/settings", {"shop.name": "Another"})
    assert refused.status_code == 403
    assert "Confirm that it is you" in refused.text
    assert shop.settings.text("shop.name") != "Another"


async def test_a_refused_form_leads_to_the_question_and_back(owner: Desk, clock: TestClock) -> None:
    clock.pass_time(minutes=6)
    refused = await owner.post(FORM, NEW, headers={"referer": f"http://shop.example{FORM}?x=1"})
    assert 'href="/admin/step-up?next=/admin/gateways/new/practice%3Fx%3D1"' in refused.text
    twin = await owner.post(FORM, NEW)
    assert f'href="/admin/step-up?next={FORM}"' in twin.text
    assert (await owner.get(f"/admin/step-up?next={FORM}")).status_code == 200
    proved = await owner.post("/admin/step-up", {"proof": PASSWORD, "next": FORM})
    assert (proved.status_code, proved.headers["location"]) == (303, FORM)
    assert (await owner.post("/admin/settings", {})).status_code == 303


async def test_a_script_is_told_by_a_code(owner: Desk, clock: TestClock) -> None:
    clock.pass_time(minutes=6)
    refused = await owner.post("/admin/settings", {}, headers={"accept": "application/json"})
    assert (refused.status_code, refused.json()["code"]) == (403, "step_up_required")


async def test_the_proof_is_written_down_and_so_is_a_wrong_one(shop: Shop, owner: Desk, clock: TestClock) -> None:
    clock.pass_time(minutes=6)
    wrong = await owner.post("/admin/step-up", {"proof": "not the password"})
    assert (wrong.status_code, complaints(wrong)) == (403, ["The password is not right."])
    assert (await owner.post("/admin/settings", {})).status_code == 403
    assert (await owner.post("/admin/step-up", {"proof": ""})).status_code == 422
    assert (await owner.post("/admin/step-up", {"proof": PASSWORD})).status_code == 303
    assert (await names(shop))[-2:] == ["staff.step_up_failed", "staff.stepped_up"]
    assert PASSWORD not in wrong.text


async def test_guesses_behind_a_stolen_session_are_few(owner: Desk, clock: TestClock) -> None:
    clock.pass_time(minutes=6)
    answers = [await owner.post("/admin/step-up", {"proof": f"guess {n}"}) for n in range(11)]
    assert [a.status_code for a in answers] == [403] * 10 + [429]
    assert (await owner.post("/admin/step-up", {"proof": PASSWORD})).status_code == 429
    clock.pass_time(minutes=11)
    assert (await owner.post("/admin/step-up", {"proof": PASSWORD})).status_code == 303


async def test_a_link_is_no_proof_and_a_first_password_is(shop: Shop, app: Edge) -> None:
    async def by_link() -> Desk:
        token = (await login.make_login_link(shop, 1, CLI)).rpartition("=")[2]
        desk = Desk(app)
        await desk.http.post("/admin/login/link", data={"token": token})
        await desk.learn()
        return desk

    desk = await by_link()
    assert (await desk.post("/admin/settings", {})).status_code == 403
    assert (await desk.post("/admin/step-up", {"proof": PASSWORD})).status_code == 303
    assert (await desk.post("/admin/settings", {})).status_code == 303
    new = "a first password 42"
    changed = await (desk := await by_link()).post(
        "/admin/account/password", {"old_password": PASSWORD, "new_password": new, "repeated": new}
    )
    assert changed.status_code == 303
    assert (await desk.post("/admin/settings", {})).status_code == 303


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/admin//evil.example", "/o/1", "/admin/\\x"])
async def test_a_proof_never_leads_out_of_the_panel(owner: Desk, wanted: str) -> None:
    proved = await owner.post("/admin/step-up", {"proof": PASSWORD, "next": wanted})
    assert proved.headers["location"] == "/admin"


def test_the_five_minutes_are_five_minutes() -> None:
    assert rules.STEP_UP == 300_000
