"""Every door of the whole app against one written table: who passes, and that no door was forgotten (I-34, F01).

The table's columns are the actors: `anonymous`, `buyer` (with the link of his own order), `supplier` (with his key), and each
role. A door with `Proven` opens only to somebody who has just proved who they are. To add a door, add its row; a door without
one fails here.
"""

import re

import pytest

from kashop.accounts.rules import PERMISSIONS, ROLES
from kashop.approvals.rules import KINDS
from kashop.shop import Shop
from kashop.web.edge import Edge
from tests.admin.desk import MANAGER, Desk, add_staff, step_up
from tests.admin.doors import Door, handlers, needs, path_of, refusal
from tests.cast import OWNER


class Proven(set[str]):
    """Who passes after a fresh step-up, and nobody without one."""


ALL, LEADS, ONLY_OWNER = set(ROLES), {"owner", "manager"}, {"owner"}
AUDIT = {"owner", "auditor"}
STOCK, MONEY = LEADS | {"stock"}, LEADS | {"finance"}
VIEW, REVEAL = STOCK | {"support", "auditor"}, LEADS | {"support"}
DESK = LEADS | {"support", "finance"}
ANYBODY, BY_LINK, BY_SIGNATURE = {"anonymous", "buyer", *ROLES}, {"buyer"}, {"supplier"}

TABLE: dict[Door, set[str]] = {
    ("GET", "/"): ANYBODY,
    ("GET", "/c/{slug}"): ANYBODY,
    ("GET", "/p/{slug}"): ANYBODY,
    ("POST", "/checkout"): ANYBODY,
    ("GET", "/o/{order_no}"): BY_LINK,
    ("GET", "/o/{order_no}/status"): BY_LINK,
    ("GET", "/o/{order_no}/events"): BY_LINK,
    ("POST", "/o/{order_no}/reveal"): BY_LINK,
    ("POST", "/o/{order_no}/codes.txt"): BY_LINK,
    ("POST", "/o/{order_no}/check"): BY_LINK,
    ("POST", "/o/{order_no}/cancel"): BY_LINK,
    ("POST", "/o/{order_no}/attempts"): BY_LINK,
    ("GET", "/lookup"): ANYBODY,
    ("POST", "/lookup"): ANYBODY,
    ("POST", "/lookup/forget"): ANYBODY,
    ("GET", "/pay/{gateway}/callback"): ANYBODY,
    ("POST", "/pay/{gateway}/callback"): ANYBODY,
    ("GET", "/pay/{gateway}/return"): ANYBODY,
    ("POST", "/pay/{gateway}/return"): ANYBODY,
    ("GET", "/x/{plugin}/{rest}"): ANYBODY,
    ("POST", "/x/{plugin}/{rest}"): ANYBODY,
    ("GET", "/t/{theme}/{digest}/{path}"): ANYBODY,
    ("GET", "/uploads/{name}"): ANYBODY,
    ("GET", "/supply"): ANYBODY,
    ("GET", "/supply/assets/{digest}/{name}"): ANYBODY,
    ("GET", "/healthz"): ANYBODY,
    ("GET", "/robots.txt"): ANYBODY,
    ("GET", "/favicon.ico"): ANYBODY,
    ("GET", "/readyz"): ANYBODY,
    ("GET", "/api/v1/openapi.json"): ANYBODY,
    ("GET", "/api/v1/products"): ANYBODY,
    ("GET", "/api/v1/products/{slug}"): ANYBODY,
    ("POST", "/api/v1/orders"): ANYBODY,
    ("GET", "/api/v1/orders/{no}"): BY_LINK,
    ("POST", "/api/v1/orders/{no}/reveal"): BY_LINK,
    ("POST", "/api/v1/orders/{no}/cancel"): BY_LINK,
    ("POST", "/api/v1/orders/{no}/attempts"): BY_LINK,
    ("GET", "/api/v1/supply/key"): BY_SIGNATURE,
    ("GET", "/api/v1/supply/sent"): BY_SIGNATURE,
    ("GET", "/api/v1/supply/batches/{batch}"): BY_SIGNATURE,
    ("POST", "/api/v1/supply/batches"): BY_SIGNATURE,
    ("POST", "/api/v1/supply/keys"): BY_SIGNATURE,
    ("GET", "/admin/login"): ANYBODY,
    ("POST", "/admin/login"): ANYBODY,
    ("GET", "/admin/login/link"): ANYBODY,
    ("POST", "/admin/login/link"): ANYBODY,
    ("GET", "/admin/login/code"): ANYBODY,
    ("POST", "/admin/login/code"): ANYBODY,
    ("GET", "/admin/login/forgot"): ANYBODY,
    ("POST", "/admin/login/forgot"): ANYBODY,
    ("GET", "/admin/login/reset"): ANYBODY,
    ("POST", "/admin/login/reset"): ANYBODY,
    ("GET", "/admin/login/invitation"): ANYBODY,
    ("POST", "/admin/login/invitation"): ANYBODY,
    ("GET", "/admin/assets/{digest}/{name}"): ANYBODY,
    ("GET", "/admin"): ALL,
    ("POST", "/admin/logout"): ALL,
    ("GET", "/admin/account"): ALL,
    ("POST", "/admin/account/password"): ALL,
    ("POST", "/admin/account/sessions/{session}/end"): ALL,
    ("POST", "/admin/account/sessions/end-others"): ALL,
    ("POST", "/admin/account/alerts/{alert}/dismiss"): ALL,
    ("GET", "/admin/account/totp"): Proven(ALL),
    ("POST", "/admin/account/totp"): Proven(ALL),
    ("POST", "/admin/account/totp/off"): Proven(ALL),
    ("POST", "/admin/account/recovery-codes"): Proven(ALL),
    ("POST", "/admin/account/recovery-codes/file"): ALL,
    ("GET", "/admin/step-up"): ALL,
    ("POST", "/admin/step-up"): ALL,
    ("GET", "/admin/orders"): ALL,
    ("GET", "/admin/orders/{order_no}"): ALL,
    ("POST", "/admin/orders/{order_no}/note"): DESK,
    ("POST", "/admin/orders/{order_no}/query"): DESK,
    ("POST", "/admin/orders/{order_no}/confirm"): Proven(MONEY),
    ("GET", "/admin/orders/{order_no}/refund"): MONEY,
    ("POST", "/admin/orders/{order_no}/refund"): Proven(MONEY),
    ("POST", "/admin/orders/{order_no}/cancel"): LEADS,
    ("POST", "/admin/orders/{order_no}/lines/{line}/deliver"): LEADS,
    ("GET", "/admin/exceptions"): ALL,
    ("GET", "/admin/statements"): MONEY | {"auditor"},
    ("GET", "/admin/statements/{gateway}/{day}"): MONEY | {"auditor"},
    ("POST", "/admin/statements/{gateway}/{day}/fetch"): MONEY,
    ("GET", "/admin/statements/upload/{gateway}"): MONEY,
    ("POST", "/admin/statements/files/{gateway}"): MONEY,
    ("GET", "/admin/statements/upload/{gateway}/{token}"): MONEY,
    ("POST", "/admin/statements/upload/{gateway}/{token}"): MONEY,
    ("POST", "/admin/differences/{difference}/close"): MONEY,
    ("POST", "/admin/differences/{difference}/take"): MONEY,
    ("POST", "/admin/differences/{difference}/confirm"): Proven(MONEY),
    ("GET", "/admin/exceptions/{exception}"): ALL,
    ("POST", "/admin/exceptions/{exception}/owner"): DESK,
    ("POST", "/admin/exceptions/{exception}/notes"): DESK,
    ("POST", "/admin/exceptions/{exception}/deliver"): LEADS,
    ("POST", "/admin/exceptions/{exception}/ask"): DESK,
    ("POST", "/admin/exceptions/{exception}/close"): MONEY,
    ("GET", "/admin/orders/{order_no}/evidence/{evidence}"): MONEY | {"auditor"},
    ("GET", "/admin/callbacks"): MONEY | {"auditor"},
    ("GET", "/admin/callbacks/{callback}"): MONEY | {"auditor"},
    ("POST", "/admin/callbacks/{callback}/replay"): {"owner", "finance"},
    ("GET", "/admin/products"): ALL,
    ("GET", "/admin/products/{product}"): ALL,
    ("POST", "/admin/products/{product}"): LEADS,
    ("GET", "/admin/products/new"): LEADS,
    ("POST", "/admin/products/new"): LEADS,
    ("POST", "/admin/products/{product}/hide"): LEADS,
    ("POST", "/admin/products/{product}/show"): LEADS,
    ("POST", "/admin/products/{product}/delete"): LEADS,
    ("GET", "/admin/categories"): LEADS,
    ("POST", "/admin/categories/{category}/delete"): LEADS,
    ("POST", "/admin/categories"): LEADS,
    ("GET", "/admin/categories/{category}"): LEADS,
    ("POST", "/admin/categories/{category}"): LEADS,
    ("GET", "/admin/codes"): STOCK,
    ("GET", "/admin/codes/import"): STOCK,
    ("GET", "/admin/codes/import/{token}"): STOCK,
    ("POST", "/admin/codes/import/files"): STOCK,
    ("POST", "/admin/codes/import/files/{token}"): STOCK,
    ("GET", "/admin/codes/import/{token}/rules"): STOCK,
    ("POST", "/admin/codes/import/{token}/rules"): STOCK,
    ("GET", "/admin/codes/import/{token}/preview"): STOCK,
    ("GET", "/admin/codes/import/{token}/options"): STOCK,
    ("POST", "/admin/codes/import/{token}/options"): STOCK,
    ("GET", "/admin/codes/import/{token}/run"): STOCK,
    ("POST", "/admin/codes/import/{token}/cancel"): STOCK,
    ("POST", "/admin/codes/import/{token}/again"): STOCK,
    ("POST", "/admin/codes/import/{token}/leave"): STOCK,
    ("GET", "/admin/codes/batches/{batch}"): ALL,
    ("GET", "/admin/codes/list"): VIEW,
    ("POST", "/admin/codes/search"): VIEW,
    ("GET", "/admin/codes/{code}"): VIEW,
    ("POST", "/admin/codes/{code}/edit"): STOCK,
    ("POST", "/admin/codes/{code}/void"): STOCK,
    ("GET", "/admin/codes/void"): STOCK,
    ("POST", "/admin/codes/void"): Proven(STOCK),
    ("GET", "/admin/codes/reveal"): Proven(REVEAL),
    ("POST", "/admin/codes/reveal"): Proven(REVEAL),
    ("POST", "/admin/codes/{code}/copied"): REVEAL,
    ("GET", "/admin/codes/export"): Proven(LEADS),
    ("POST", "/admin/codes/export"): Proven(LEADS),
    ("GET", "/admin/codes/export/{token}"): Proven(LEADS),
    ("POST", "/admin/codes/export/{token}"): Proven(LEADS),
    ("GET", "/admin/approvals"): ALL,
    ("GET", "/admin/approvals/{approval}"): ALL,
    ("POST", "/admin/approvals/{approval}/decide"): Proven(ALL),  # who may is looked up with the decision, by the request's kind
    ("POST", "/admin/approvals/{approval}/confirm"): Proven(MONEY),
    ("POST", "/admin/approvals/{approval}/export"): Proven(LEADS),
    ("POST", "/admin/approvals/{approval}/reveal"): Proven(REVEAL),
    ("POST", "/admin/approvals/{approval}/refund"): Proven(MONEY),
    ("GET", "/admin/codes/batches/{batch}/rejects"): ALL,
    ("POST", "/admin/codes/batches/{batch}"): STOCK,
    ("POST", "/admin/codes/batches/{batch}/stop"): STOCK,
    ("POST", "/admin/codes/batches/{batch}/undo"): Proven(STOCK),
    ("GET", "/admin/stock"): ALL,
    ("GET", "/admin/suppliers"): STOCK,
    ("POST", "/admin/suppliers"): Proven(LEADS),
    ("GET", "/admin/suppliers/{supplier}"): LEADS,
    ("POST", "/admin/suppliers/{supplier}"): Proven(LEADS),
    ("POST", "/admin/suppliers/{supplier}/link"): Proven(LEADS),
    ("POST", "/admin/suppliers/{supplier}/keys/{key}/confirm"): Proven(LEADS),
    ("POST", "/admin/suppliers/{supplier}/keys/{key}/reject"): Proven(LEADS),
    ("POST", "/admin/suppliers/{supplier}/disable"): Proven(LEADS),
    ("POST", "/admin/suppliers/{supplier}/enable"): Proven(LEADS),
    ("POST", "/admin/suppliers/import-key/rotate"): Proven(LEADS),
    ("POST", "/admin/suppliers/batches/{batch}/accept"): STOCK,
    ("POST", "/admin/suppliers/batches/{batch}/decline"): STOCK,
    ("GET", "/admin/gateways"): MONEY | {"auditor"},
    ("GET", "/admin/gateways/{name}"): MONEY | {"auditor"},
    ("POST", "/admin/gateways/{name}/test"): MONEY | {"auditor"},
    ("GET", "/admin/gateways/new/{kind}"): ONLY_OWNER,
    ("POST", "/admin/gateways/new/{kind}"): Proven(ONLY_OWNER),
    ("POST", "/admin/gateways/{name}"): Proven(ONLY_OWNER),
    ("POST", "/admin/gateways/{name}/enable"): Proven(ONLY_OWNER),
    ("POST", "/admin/gateways/{name}/disable"): Proven(ONLY_OWNER),
    ("POST", "/admin/gateways/{name}/delete"): Proven(ONLY_OWNER),
    ("POST", "/admin/gateways/{name}/move"): Proven(ONLY_OWNER),
    ("POST", "/admin/gateways/{name}/copy"): Proven(ONLY_OWNER),
    ("GET", "/admin/settings"): ONLY_OWNER,
    ("GET", "/admin/notices"): ONLY_OWNER,
    ("POST", "/admin/notices/test"): ONLY_OWNER,
    ("POST", "/admin/notices/key"): Proven(ONLY_OWNER),
    ("POST", "/admin/notices/{notice}/retry"): ONLY_OWNER,
    ("POST", "/admin/settings"): Proven(ONLY_OWNER),
    ("GET", "/admin/staff"): ONLY_OWNER,
    ("GET", "/admin/staff/invite"): Proven(ONLY_OWNER),
    ("POST", "/admin/staff/invite"): Proven(ONLY_OWNER),
    ("POST", "/admin/staff/invitations/{invitation}/renew"): Proven(ONLY_OWNER),
    ("POST", "/admin/staff/invitations/{invitation}/withdraw"): Proven(ONLY_OWNER),
    ("GET", "/admin/staff/{staff}"): Proven(ONLY_OWNER),
    ("POST", "/admin/staff/{staff}/role"): Proven(ONLY_OWNER),
    ("POST", "/admin/staff/{staff}/disable"): Proven(ONLY_OWNER),
    ("POST", "/admin/staff/{staff}/enable"): Proven(ONLY_OWNER),
    ("POST", "/admin/staff/{staff}/delete"): Proven(ONLY_OWNER),
    ("POST", "/admin/staff/{staff}/invite"): Proven(ONLY_OWNER),
    ("POST", "/admin/staff/{staff}/sessions/end"): Proven(ONLY_OWNER),
    ("POST", "/admin/staff/{staff}/sessions/{session}/end"): Proven(ONLY_OWNER),
    ("GET", "/admin/roles"): ONLY_OWNER,
    ("GET", "/admin/roles/new"): Proven(ONLY_OWNER),
    ("POST", "/admin/roles/new"): Proven(ONLY_OWNER),
    ("GET", "/admin/roles/{role}"): Proven(ONLY_OWNER),
    ("POST", "/admin/roles/{role}"): Proven(ONLY_OWNER),
    ("POST", "/admin/roles/{role}/delete"): Proven(ONLY_OWNER),
    ("GET", "/admin/vault"): LEADS | {"auditor"},
    ("POST", "/admin/vault/seal"): Proven(ONLY_OWNER),
    ("POST", "/admin/vault/unseal"): ONLY_OWNER,
    ("POST", "/admin/vault/unseal/keyfile"): Proven(ONLY_OWNER),
    ("POST", "/admin/vault/passphrases"): Proven(ONLY_OWNER),
    ("POST", "/admin/vault/keyfile"): Proven(ONLY_OWNER),
    ("POST", "/admin/vault/recovery"): Proven(ONLY_OWNER),
    ("POST", "/admin/vault/methods/{method}/drop"): Proven(ONLY_OWNER),
    ("GET", "/admin/jobs"): LEADS | {"auditor"},
    ("GET", "/admin/audit"): AUDIT,
    ("GET", "/admin/audit/code"): AUDIT,
    ("POST", "/admin/audit/code"): AUDIT,
    ("GET", "/admin/audit/codes/{code}"): AUDIT,
    ("GET", "/admin/audit/checkpoints"): AUDIT,
    ("POST", "/admin/audit/checkpoints"): AUDIT,
    ("GET", "/admin/audit/checkpoints/{seq}"): AUDIT,
    ("GET", "/admin/audit/key"): AUDIT,
    ("POST", "/admin/audit/verify"): AUDIT,
}
COMING: set[str] = set()
STRANGE = ["x", "%00", "%ff", "0", "-1", "1e3", "9223372036854775808", "9" * 400, "<script>", "' OR 1=1 --", "%E5%95%86"]
PANEL = {door: who for door, who in TABLE.items() if who != ANYBODY and door[1].startswith("/admin")}
FRONT = {door: who for door, who in TABLE.items() if door not in PANEL}


async def test_the_table_names_every_door_and_its_proof(app: Edge) -> None:
    known = handlers(app)
    assert known.keys() == TABLE.keys()
    assert {d for d, h in known.items() if needs(h)[1]} == {d for d, who in TABLE.items() if isinstance(who, Proven)}
    assert {d for d, h in known.items() if needs(h)[0]} == PANEL.keys()


@pytest.mark.parametrize("door", [("GET", "/admin/new-page"), ("POST", "/o/{order_no}/new-act"), ("GET", "/api/v1/new")])
async def test_a_door_without_a_row_is_seen(shop: Shop, app: Edge, door: Door) -> None:
    """The control: what nobody wrote into the table breaks the test above."""
    assert (handlers(app) | {door: None}).keys() != TABLE.keys()


async def test_nobody_passes_without_a_session(app: Edge) -> None:
    desk = Desk(app)
    for method, door in PANEL:
        assert await refusal(desk, method, path_of(door), csrf="x") == "login_required", door
        page = await (desk.get if method == "GET" else desk.post)(path_of(door))
        assert page.status_code == 303
        assert page.headers["location"].startswith("/admin/login")


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_passes_where_the_table_says(shop: Shop, app: Edge, role: str) -> None:
    email = OWNER if role == "owner" else f"{role}@example.com"
    if email != OWNER:
        await add_staff(shop, email, role)
    desk = Desk(app)
    await desk.log_in(email)
    await step_up(shop)
    ends = ("POST", "/admin/logout")
    for (method, door), who in sorted(PANEL.items(), key=lambda row: row[0] == ends):
        path = path_of(door)
        got = await refusal(desk, method, path, csrf="stale")
        wanted = "denied" if role not in who else "stale_page" if method == "POST" else "passed"
        assert got == wanted, (method, door, role)
        for csrf in ("", desk.csrf[:-1], desk.csrf + "x"):
            assert method == "GET" or role not in who or await refusal(desk, method, path, csrf=csrf) == "stale_page"


async def test_another_sessions_token_does_not_pass(shop: Shop, app: Edge) -> None:
    await add_staff(shop, MANAGER, "manager")
    mine, theirs = Desk(app), Desk(app)
    await mine.log_in()
    await theirs.log_in(MANAGER)
    assert await refusal(mine, "POST", "/admin/settings", csrf=theirs.csrf) == "stale_page"
    assert await refusal(mine, "POST", "/admin/settings") == "passed"


async def test_pages_answer_head_and_keep_nothing_in_a_browser(owner: Desk) -> None:
    for method, door in PANEL:
        if method == "GET":
            page, head = await owner.get(path_of(door)), await owner.http.head(path_of(door))
            assert (page.status_code, head.content) == (head.status_code, b""), door
            assert page.headers["cache-control"] == "no-store"
            assert "form-action 'self'" in page.headers["content-security-policy"]


@pytest.mark.parametrize("strange", STRANGE)
async def test_strange_names_and_forms_are_refused_and_never_break(owner: Desk, strange: str) -> None:
    wild = dict.fromkeys(("name", "slug", "price", "role", "email", "reason", "version", "reference", "do", "sku"), strange)
    wild |= {
        "sku-0-price": strange,
        "sku-0-id": strange,
        "question-0-kind": strange,
        "note": "x" * 3000,
        "shop.timezone": strange,
    }
    for method, door in PANEL:
        if door in ("/admin/logout", "/admin/account/password"):
            continue
        path = re.sub(r"{\w+}", strange, door)
        answer = await owner.get(path) if method == "GET" else await owner.post(path, wild)
        assert answer.status_code < 500, (method, path)
        assert "<script>" not in answer.text


async def test_no_permission_is_without_a_door(app: Edge) -> None:
    named = {needs(handler)[0] for handler in handlers(app).values()}
    by_kind = {kind.approve for kind in KINDS.values()}  # looked up with the decision
    assert PERMISSIONS.keys() - COMING - by_kind <= named
