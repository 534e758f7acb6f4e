"""Staff in the panel: invitations by a link that works once, one member's page, and the shop's own roles."""

import html
import re

import pytest

from kashop.accounts import reads, writes
from kashop.accounts.invitations import reads as invitations
from kashop.accounts.roles import reads as roles
from kashop.audit import reads as audit
from kashop.lib.actor import CLI
from kashop.shop import Shop
from kashop.web.edge import Edge
from tests import beside
from tests.admin.desk import MANAGER, SUPPORT, Desk, add_role, add_staff, complaints, forget_proof, step_up, value_of
from tests.cast import OWNER, PASSWORD, TestClock

LINK = re.compile(r"<pre>http://shop\.example(/admin/login/invitation\?token=[\w-]+)</pre>")
SECRET = "my very own Secret 1"


def link_of(page_text: str) -> str:
    return html.unescape(LINK.findall(page_text)[0])


async def invited(owner: Desk, email: str = "new@example.com", role: str = "support") -> str:
    answer = await owner.post("/admin/staff/invite", {"email": email, "role": role})
    assert answer.status_code == 200, complaints(answer)
    return link_of(answer.text)


async def accept(app: Edge, link: str, password: str = SECRET, repeated: str | None = None) -> tuple[Desk, int, str]:
    desk = Desk(app)
    fields = {"token": link.rpartition("=")[2], "password": password, "repeated": password if repeated is None else repeated}
    answer = await desk.http.post("/admin/login/invitation", data=fields)
    return desk, answer.status_code, answer.headers.get("location", "")


async def names(shop: Shop) -> list[str]:
    return [e.name for e in await shop.db.read(audit.page, 0)]


async def test_somebody_new_comes_in_by_a_link_with_a_password_of_their_own(shop: Shop, app: Edge, owner: Desk) -> None:
    link = await invited(owner, "New@Example.com")
    assert link not in (await owner.get("/admin/staff")).text
    assert "new@example.com" in (await owner.get("/admin/staff")).text
    for _ in range(3):  # looking spends nothing
        page = await Desk(app).get(link)
        assert page.status_code == 200
        assert "You are invited as new@example.com, role: Support." in page.text
        assert (await Desk(app).http.head(link)).status_code == 200
    assert (await accept(app, link, "short"))[1] == 422
    assert (await accept(app, link, SECRET, "another Secret 9"))[1] == 422
    assert len(await shop.db.read(reads.everyone)) == 1
    desk, status, location = await accept(app, link)
    assert (status, location) == (303, "/admin")
    assert (await desk.get("/admin/account")).status_code == 200
    assert (await desk.get("/admin/settings")).status_code == 403
    assert (await Desk(app).log_in("new@example.com", SECRET)).status_code == 303
    assert (await accept(app, link))[1] == 404  # once
    assert (await Desk(app).get(link)).status_code == 404
    told = await names(shop)
    assert [n for n in told if n.startswith(("staff.i", "staff.a", "invitation"))][-3:] == [
        "staff.invited",
        "staff.added",
        "invitation.accepted",
    ]


async def test_no_file_of_the_shop_holds_a_link(shop: Shop, owner: Desk) -> None:
    token = (await invited(owner)).rpartition("=")[2]
    stored = b"".join(p.read_bytes() for p in shop.config.data.rglob("*") if p.is_file())
    if shop.config.database:
        stored += beside.stored(shop.config.place)
    assert token.encode() not in stored
    assert b"new@example.com" in stored  # the scan looks where invitations are


async def test_an_invitation_runs_out_is_renewed_and_withdrawn(shop: Shop, app: Edge, owner: Desk, clock: TestClock) -> None:
    first = await invited(owner)
    clock.pass_time(hours=47.9)
    assert (await Desk(app).get(first)).status_code == 200
    clock.pass_time(hours=0.2)
    assert (await accept(app, first))[1] == 404
    again = Desk(app)
    await again.log_in()
    await step_up(shop)
    assert "Run out" in (await again.get("/admin/staff")).text
    renewed = await again.post("/admin/staff/invitations/1/renew")
    second = link_of(renewed.text)
    assert (await Desk(app).get(first)).status_code == 404
    assert (await Desk(app).get(second)).status_code == 200
    assert (await again.post("/admin/staff/invitations/1/withdraw")).status_code == 303
    assert (await accept(app, second))[1] == 404
    assert await shop.db.read(invitations.pending) == []
    assert (await again.post("/admin/staff/invitations/1/renew")).status_code == 404
    assert len(await shop.db.read(reads.everyone)) == 1


async def test_whom_one_cannot_invite(owner: Desk) -> None:
    await invited(owner)
    for email, role in (
        ("new@example.com", "support"),
        (OWNER, "support"),
        ("not an address", "support"),
        ("a@example.com\r\nBcc: b@example.com", "support"),
        ("a@b.cn", "king"),
        ("a@b.cn", ""),
    ):
        refused = await owner.post("/admin/staff/invite", {"email": email, "role": role})
        assert refused.status_code == 422, email
        assert complaints(refused)


async def test_an_invitation_is_worth_no_more_than_who_gave_it(shop: Shop, app: Edge) -> None:
    """An insider's spare key: what he invited dies with his own rights."""
    role = await add_role(shop, "Deputy", "staff.edit", "orders.view")
    small = await add_role(shop, "Clerk", "orders.view")
    deputy_id = await add_staff(shop, MANAGER, role)
    desk = Desk(app)
    await desk.log_in(MANAGER)
    await step_up(shop)
    page = await desk.get("/admin/staff/invite")
    offered = re.findall(r'<option value="([^"]+)"', page.text)
    assert set(offered) == {role, small}  # no built-in role is as small as his
    link = await invited(desk, "spare@example.com", small)
    assert (await desk.post("/admin/staff/invite", {"email": "x@example.com", "role": "owner"})).status_code == 403
    assert (await Desk(app).get(link)).status_code == 200
    await shop.db.write(writes.disable, deputy_id, CLI)
    assert (await Desk(app).get(link)).status_code == 404
    assert (await accept(app, link))[1] == 404
    assert await shop.db.read(reads.find_by_email, "spare@example.com") is None


async def test_somebody_locked_out_sets_a_new_password_and_then_logs_in(shop: Shop, app: Edge, owner: Desk) -> None:
    staff_id = await add_staff(shop, SUPPORT, "support")
    theirs = Desk(app)
    await theirs.log_in(SUPPORT)
    answer = await owner.post(f"/admin/staff/{staff_id}/invite")
    link = link_of(answer.text)
    assert "Set a new password" in (await Desk(app).get(link)).text
    _, status, location = await accept(app, link)
    assert (status, location) == (
        303,
        "/admin/login?said=password_set",
    )  # the link itself opens nothing: a second factor may be due
    assert (await theirs.get("/admin/account")).status_code == 303  # old sessions are over
    assert (await Desk(app).log_in(SUPPORT, PASSWORD)).status_code == 403
    assert (await Desk(app).log_in(SUPPORT, SECRET)).status_code == 303
    link = link_of((await owner.post(f"/admin/staff/{staff_id}/invite")).text)
    await shop.db.write(writes.disable, staff_id, CLI)
    assert (await accept(app, link))[1] == 404
    assert (await owner.post(f"/admin/staff/{staff_id}/invite")).status_code == 409


async def test_guessing_links_is_slowed(app: Edge) -> None:
    desk = Desk(app)
    answers = [(await desk.get(f"/admin/login/invitation?token={n}")).status_code for n in range(40)]
    assert set(answers[:30]) == {404}
    assert set(answers[30:]) == {429}


async def test_the_owner_sees_everybodys_sessions_and_ends_them(shop: Shop, app: Edge, owner: Desk) -> None:
    staff_id = await add_staff(shop, SUPPORT, "support")
    one, two = Desk(app, ip="198.51.100.1"), Desk(app, ip="198.51.100.2")
    await one.log_in(SUPPORT)
    await two.log_in(SUPPORT)
    page = await owner.get(f"/admin/staff/{staff_id}")
    assert "198.51.100.1" in page.text
    assert "198.51.100.2" in page.text
    first = re.findall(rf'action="(/admin/staff/{staff_id}/sessions/\w{{16}}/end)"', page.text)
    assert len(first) == 2
    assert (await owner.post(first[0])).status_code == 303
    ended = [(await d.get("/admin/account")).status_code for d in (one, two)]
    assert sorted(ended) == [200, 303]
    assert (await owner.post(first[0])).status_code == 404
    assert (await owner.post(f"/admin/staff/{staff_id}/sessions/end")).status_code == 303
    assert [(await d.get("/admin/account")).status_code for d in (one, two)] == [303, 303]
    assert (await names(shop)).count("staff.logged_out") == 2
    await Desk(app).log_in()
    await step_up(shop)
    assert (await owner.post("/admin/staff/1/sessions/end")).status_code == 303
    assert (await owner.get("/admin/account")).status_code == 200  # his own present one stays
    assert len(await shop.db.read(reads.sessions_of, 1)) == 1


async def test_a_members_page_tells_role_history_and_state(shop: Shop, app: Edge, owner: Desk) -> None:
    role = await add_role(shop, "<b>Night</b>", "orders.note")
    staff_id = await add_staff(shop, SUPPORT, "support")
    await Desk(app).log_in(SUPPORT, "wrong one 123")
    assert (await owner.post(f"/admin/staff/{staff_id}/role", {"role": role})).status_code == 303
    assert (await owner.post(f"/admin/staff/{staff_id}/role", {"role": "king"})).status_code == 422
    page = html.unescape((await owner.get(f"/admin/staff/{staff_id}")).text)
    for words in ("Joined the staff", "Log-in failed", "Got another role", "Support → <b>Night</b>", "Write notes on orders"):
        assert words in page, words
    assert "<b>Night</b>" not in (await owner.get(f"/admin/staff/{staff_id}")).text
    assert (await owner.post(f"/admin/staff/{staff_id}/disable")).status_code == 303
    assert "This account is disabled" in (await owner.get(f"/admin/staff/{staff_id}")).text
    assert (await owner.post(f"/admin/staff/{staff_id}/enable")).status_code == 303
    assert (await owner.get("/admin/staff/99")).status_code == 404


async def test_the_last_owner_cannot_lock_himself_out(owner: Desk) -> None:
    for path, fields in (("/admin/staff/1/disable", {}), ("/admin/staff/1/role", {"role": "support"})):
        refused = await owner.post(path, fields)
        assert refused.status_code == 409
        assert "At least one owner must be able to log in." in refused.text
    refused = await owner.post("/admin/staff/1/delete")
    assert refused.status_code == 409
    assert "entries in the audit" in refused.text
    assert (await owner.get("/admin/staff")).status_code == 200


async def test_changes_want_a_fresh_proof(shop: Shop, owner: Desk) -> None:
    await forget_proof(shop)
    assert (await owner.get("/admin/staff/1")).headers["location"].startswith("/admin/step-up")
    for path, fields in (
        ("/admin/staff/invite", {"email": "a@b.cn", "role": "support"}),
        ("/admin/roles/new", {"name": "A", "permissions": "orders.view"}),
    ):
        assert (await owner.post(path, fields)).status_code == 403
    assert await shop.db.read(invitations.pending) == []
    assert await shop.db.read(roles.own) == []


async def test_a_role_is_made_changed_and_taken_away(shop: Shop, owner: Desk) -> None:
    made = await owner.post("/admin/roles/new", {"name": "夜班 <i>", "permissions": ["orders.note", "jobs.view"]})
    assert made.status_code == 303, complaints(made)
    (role,) = await shop.db.read(roles.own)
    page = await owner.get("/admin/roles")
    assert "夜班 &lt;i&gt;" in page.text
    form = await owner.get(f"/admin/roles/{role.role}")
    ticked = re.findall(r'value="([a-z.]+)" checked', form.text)
    assert set(ticked) == {"orders.note", "orders.view", "jobs.view"}
    edit = {"name": "夜班", "permissions": ["orders.view"], "version": value_of(form, "version")}
    assert (await owner.post(f"/admin/roles/{role.role}", edit)).status_code == 303
    refused = await owner.post("/admin/roles/new", {"name": "夜班", "permissions": ["orders.view"]})
    assert "This is already in use." in complaints(refused)
    assert (await owner.post("/admin/roles/new", {"name": "X", "permissions": ["orders.magic"]})).status_code == 422
    await add_staff(shop, SUPPORT, role.role)
    kept = await owner.post(f"/admin/roles/{role.role}/delete")
    assert kept.status_code == 409
    assert "1 people have it" in kept.text
    for built_in in ("owner", "support", "own-1", "../x"):
        assert (await owner.get(f"/admin/roles/{built_in}")).status_code in (400, 404)
        assert (await owner.post(f"/admin/roles/{built_in}/delete")).status_code in (400, 404)


async def test_f06_two_owners_edit_one_role(shop: Shop, owner: Desk) -> None:
    """The second is told what stands now, beside what he has; nothing is lost and nothing is put over it unseen."""
    role = await add_role(shop, "Night shift", "orders.note", "jobs.view")
    mine = {"name": "Night shift", "permissions": ["orders.note", "codes.view"], "version": "1"}
    theirs = {"name": "Late shift", "permissions": ["orders.note"], "version": "1"}
    assert (await owner.post(f"/admin/roles/{role}", theirs)).status_code == 303
    stale = await owner.post(f"/admin/roles/{role}", mine)
    assert stale.status_code == 409
    assert "Someone else saved this while you were at it" in stale.text
    assert re.search(r"See codes, masked.*?>Yes<.*?>No<", stale.text, re.S)
    assert "Late shift" in stale.text
    assert (await shop.db.read(roles.get, role)).name == "Late shift"
    assert value_of(stale, "name") == "Night shift"
    seen = {**mine, "version": value_of(stale, "version")}
    assert (await owner.post(f"/admin/roles/{role}", {**seen, "name": ""})).status_code == 422
    assert (await owner.post(f"/admin/roles/{role}", seen)).status_code == 303
    assert (await shop.db.read(roles.get, role)).permissions >= {"codes.view"}


@pytest.mark.parametrize("who", ["manager", "auditor", "support"])
async def test_others_see_nothing_of_the_staff(shop: Shop, app: Edge, who: str) -> None:
    await add_staff(shop, SUPPORT, who)
    desk = Desk(app)
    await desk.log_in(SUPPORT)
    for path in ("/admin/staff", "/admin/staff/1", "/admin/roles", "/admin/staff/invite"):
        page = await desk.get(path)
        assert page.status_code == 403
        assert OWNER not in page.text
