"""Who stands at the doors: ex-staff, roles of the shop's own, buyers and strangers, against the table of `test_matrix.py`."""

import re

import httpx
import pytest

from kashop.accounts import writes as accounts
from kashop.accounts.rules import PERMISSIONS, ROLES
from kashop.lib.actor import CLI
from kashop.shop import Shop
from kashop.web.edge import Edge
from tests.admin.desk import SUPPORT, Desk, add_role, add_staff, forget_proof, step_up
from tests.admin.doors import JSON, code_of, handlers, needs, path_of, refusal
from tests.admin.test_matrix import BY_LINK, BY_SIGNATURE, FRONT, PANEL, Proven
from tests.cast import OWNER, add_epay, add_product, call_back, epay_notice, order


@pytest.mark.parametrize("how", ["disabled", "logged out", "logged out by the owner", "another role", "password changed"])
async def test_the_session_of_who_is_gone_opens_nothing(shop: Shop, app: Edge, how: str) -> None:
    """An ex-employee's browser, with its cookies and its token, at every door (F01, B06)."""
    staff_id = await add_staff(shop, SUPPORT, "owner")
    desk = Desk(app)
    await desk.log_in(SUPPORT)
    await step_up(shop)
    assert await refusal(desk, "GET", "/admin/settings") == "passed"
    cookies = dict(desk.http.cookies)
    if how == "disabled":
        await shop.db.write(accounts.disable, staff_id, CLI)
    elif how == "logged out":
        await desk.post("/admin/logout")
    elif how == "logged out by the owner":
        await shop.db.write(accounts.log_out, staff_id, CLI)
    elif how == "password changed":
        await shop.db.write(accounts.change_password, staff_id, "x", CLI)
    else:
        await shop.db.write(accounts.change_role, staff_id, "stock", CLI)
    desk.http.cookies.update(cookies)
    for (method, door), who in PANEL.items():
        got = await refusal(desk, method, path_of(door), csrf="stale")
        if how != "another role":
            assert got == "login_required", door
        elif "stock" not in who:
            assert got == "denied", door


@pytest.mark.parametrize(
    "held", [set(), {"orders.note", "orders.view"}, {"codes.view", "codes.reveal"}, {"staff.edit"}, set(PERMISSIONS)]
)
async def test_a_role_of_the_shops_own_passes_where_it_holds_the_permission(shop: Shop, app: Edge, held: set[str]) -> None:
    await add_staff(shop, SUPPORT, await add_role(shop, "Own", *held))
    desk = Desk(app)
    await desk.log_in(SUPPORT)
    await step_up(shop)
    known, held = handlers(app), held | {"dashboard.view", "self.edit"}
    for method, door in sorted(PANEL, key=lambda d: d[1] == "/admin/logout"):
        got = await refusal(desk, method, path_of(door), csrf="stale")
        may = needs(known[method, door])[0] in held
        assert got == ("denied" if not may else "stale_page" if method == "POST" else "passed"), (method, door)


async def test_i33_what_wants_a_proof_is_refused_without_one(shop: Shop, owner: Desk) -> None:
    await forget_proof(shop)
    for (method, door), who in PANEL.items():
        if isinstance(who, Proven):
            assert await refusal(owner, method, path_of(door)) == "step_up_required", door
        elif method == "GET":
            assert await refusal(owner, method, path_of(door)) == "passed", door
    await step_up(shop)
    for (method, door), who in PANEL.items():
        if isinstance(who, Proven) and method == "GET":
            assert await refusal(owner, method, path_of(door)) == "passed", door


class Buyer:
    """Somebody at the shop's front: with a link or without, with a panel's session or without."""

    def __init__(self, desk: Desk, token: str):
        self.desk, self.token = desk, token

    async def try_door(self, method: str, door: str, names: dict[str, str]) -> httpx.Response:
        path = re.sub(r"{(\w+)}", lambda m: names.get(m.group(1), "1"), door)
        headers = {**JSON, "authorization": f"Bearer {self.token}", "idempotency-key": "matrix"}
        if door.startswith("/api/"):
            body = {"gateway": "epay-main", "method": "alipay"} if door.endswith("attempts") else {}
            return await self.desk.http.request(method, path, headers=headers, json=body if method == "POST" else None)
        if method == "GET":
            return await self.desk.get(path, params={"k": self.token}, headers=JSON)
        return await self.desk.post(path, {"k": self.token, "payment": "epay-main/alipay"}, headers=JSON)


@pytest.mark.parametrize("actor", ["anonymous", "another buyer", "buyer", *ROLES])
async def test_the_shops_front_opens_to_whom_the_table_says(shop: Shop, app: Edge, actor: str) -> None:
    """Nobody's role opens an order's link, not the owner's; only its own token does."""
    await add_epay(shop)
    await add_product(shop, "steam", codes=3)
    mine, others = await order(shop, "steam"), await order(shop, "steam")
    await call_back(shop, epay_notice(mine))
    desk = Desk(app)
    if actor in ROLES:
        email = OWNER if actor == "owner" else SUPPORT
        if email != OWNER:
            await add_staff(shop, SUPPORT, actor)
        await desk.log_in(email)
        await step_up(shop)
    tokens = {"buyer": mine.token, "another buyer": others.token, "anonymous": ""}
    visitor = Buyer(desk, tokens.get(actor, "guess"))
    names = {"order_no": mine.order.order_no, "no": mine.order.order_no, "slug": "steam", "gateway": "epay-main"}
    for (method, door), who in FRONT.items():
        answer = await visitor.try_door(method, door, names)
        assert answer.status_code < 500, (method, door)
        if who == BY_LINK:
            is_in = answer.status_code not in (401, 404, 429)
            assert is_in == (actor == "buyer"), (method, door, answer.status_code, answer.text[:200])
        elif who == BY_SIGNATURE:
            assert 400 <= answer.status_code < 500, (method, door, answer.status_code)
        else:
            assert code_of(answer) not in ("login_required", "denied", "stale_page", "step_up_required"), (method, door)
