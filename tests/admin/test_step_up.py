"""Confirm that it is you: when it is asked for, what answers it, and where it leads."""

import httpx
import pytest

from kashop.accounts import rules
from kashop.audit import reads as audit
from kashop.flows import login
from kashop.lib.actor import CLI
from kashop.shop import Shop
from kashop.web.edge import Edge
from kashop.web.forms import Form, Upload
from kashop.web.kept import MOST_BYTES, MOST_FORMS, KeptForms
from tests.admin.desk import Desk, complaints, value_of
from tests.cast import PASSWORD, TestClock


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


def kept_in(page: httpx.Response) -> str:
    return value_of(page, "_kept")


async def test_a_refused_form_waits_for_the_proof_and_then_goes_on_as_it_was(shop: Shop, owner: Desk, clock: TestClock) -> None:
    clock.pass_time(minutes=6)
    refused = await owner.post("/admin/settings", {"shop.name": "Later"})
    assert "Later" not in refused.text  # what was typed is not written into a page: it may be a key
    wrong = await owner.post("/admin/settings", {"_kept": kept_in(refused), "_proof": "not the password"})
    assert (wrong.status_code, kept_in(wrong)) == (403, kept_in(refused))
    assert "The password is not right." in wrong.text
    assert shop.settings.text("shop.name") != "Later"
    done = await owner.post("/admin/settings", {"_kept": kept_in(wrong), "_proof": PASSWORD})
    assert done.status_code == 303
    assert shop.settings.text("shop.name") == "Later"
    clock.pass_time(minutes=6)
    again = await owner.post("/admin/settings", {"_kept": kept_in(wrong), "_proof": PASSWORD})
    assert again.status_code == 409  # once; and nothing of it was done twice


async def test_a_kept_form_is_its_sessions_its_addresss_and_not_for_long(shop: Shop, app: Edge, clock: TestClock) -> None:
    mine, other = Desk(app), Desk(app)
    await mine.log_in()
    await other.log_in()
    clock.pass_time(minutes=6)
    token = kept_in(await mine.post("/admin/settings", {"shop.name": "Mine"}))
    assert (await other.post("/admin/settings", {"_kept": token, "_proof": PASSWORD})).status_code == 409
    clock.pass_time(minutes=6)
    token = kept_in(await mine.post("/admin/settings", {"shop.name": "Mine"}))
    assert (await mine.post("/admin/gateways/new/practice", {"_kept": token, "_proof": PASSWORD})).status_code == 409
    clock.pass_time(minutes=6)
    token = kept_in(await mine.post("/admin/settings", {"shop.name": "Mine"}))
    clock.pass_time(minutes=11)
    assert (await mine.post("/admin/settings", {"_kept": token, "_proof": PASSWORD})).status_code == 409
    assert shop.settings.text("shop.name") != "Mine"


async def test_a_page_that_asks_leads_to_the_question_and_back(owner: Desk, clock: TestClock) -> None:
    clock.pass_time(minutes=6)
    asked = await owner.get("/admin/account/totp")
    assert (asked.status_code, asked.headers["location"]) == (303, "/admin/step-up?next=/admin/account/totp")
    assert (await owner.get(asked.headers["location"])).status_code == 200
    proved = await owner.post("/admin/step-up", {"proof": PASSWORD, "next": "/admin/account/totp"})
    assert (proved.status_code, proved.headers["location"]) == (303, "/admin/account/totp")
    assert (await owner.get("/admin/account/totp")).status_code == 200


def test_kept_forms_are_bounded(clock: TestClock) -> None:
    forms = KeptForms(clock)
    big = Form([("note", "x" * 1000)], {"file": Upload("a.txt", bytes(MOST_BYTES // 3))})
    tokens = [forms.keep(b"s", "/p", big) for _ in range(4)]
    assert [forms.take(b"s", "/p", t) is not None for t in tokens] == [False, False, True, True]
    small = [forms.keep(b"s", "/p", Form([])) for _ in range(MOST_FORMS + 3)]
    assert sum(forms.take(b"s", "/p", t) is not None for t in small) == MOST_FORMS


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
