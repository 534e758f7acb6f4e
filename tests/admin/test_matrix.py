"""Every door of the panel against a written table: who passes, and that no door was forgotten (I-34, F01)."""

import re

import pytest
from litestar.routes import HTTPRoute

from kashop.accounts.rules import PERMISSIONS, ROLES
from kashop.shop import Shop
from kashop.web.edge import Edge
from tests.admin.desk import MANAGER, Desk, add_staff
from tests.cast import OWNER

OPEN = {("GET", "/admin/login"), ("POST", "/admin/login"), ("GET", "/admin/login/link"), ("POST", "/admin/login/link")}
OPEN |= {("GET", "/admin/login/code"), ("POST", "/admin/login/code"), ("GET", "/admin/login/forgot")}
OPEN |= {("POST", "/admin/login/forgot"), ("GET", "/admin/login/reset"), ("POST", "/admin/login/reset")}
OPEN |= {("GET", "/admin/assets/{digest}/{name}")}

ALL, LEADS, ONLY_OWNER = set(ROLES), {"owner", "manager"}, {"owner"}
AUDIT = {"owner", "auditor"}
STOCK, MONEY = LEADS | {"stock"}, LEADS | {"finance"}
DESK = LEADS | {"support", "finance"}

TABLE: dict[tuple[str, str], set[str]] = {
    ("GET", "/admin"): ALL,
    ("POST", "/admin/logout"): ALL,
    ("GET", "/admin/account"): ALL,
    ("POST", "/admin/account/password"): ALL,
    ("POST", "/admin/account/sessions/{session}/end"): ALL,
    ("POST", "/admin/account/sessions/end-others"): ALL,
    ("POST", "/admin/account/alerts/{alert}/dismiss"): ALL,
    ("GET", "/admin/account/totp"): ALL,
    ("POST", "/admin/account/totp"): ALL,
    ("POST", "/admin/account/totp/off"): ALL,
    ("POST", "/admin/account/recovery-codes"): ALL,
    ("POST", "/admin/account/recovery-codes/file"): ALL,
    ("GET", "/admin/step-up"): ALL,
    ("POST", "/admin/step-up"): ALL,
    ("GET", "/admin/orders"): ALL,
    ("GET", "/admin/orders/{order_no}"): ALL,
    ("POST", "/admin/orders/{order_no}/note"): DESK,
    ("POST", "/admin/orders/{order_no}/query"): DESK,
    ("POST", "/admin/orders/{order_no}/confirm"): MONEY,
    ("POST", "/admin/orders/{order_no}/cancel"): LEADS,
    ("POST", "/admin/orders/{order_no}/lines/{line}/deliver"): LEADS,
    ("GET", "/admin/exceptions"): ALL,
    ("POST", "/admin/exceptions/{exception}/close"): MONEY,
    ("GET", "/admin/products"): ALL,
    ("GET", "/admin/products/{product}"): ALL,
    ("POST", "/admin/products/{product}"): LEADS,
    ("GET", "/admin/products/new"): LEADS,
    ("POST", "/admin/products/new"): LEADS,
    ("POST", "/admin/products/{product}/hide"): LEADS,
    ("POST", "/admin/products/{product}/show"): LEADS,
    ("GET", "/admin/categories"): LEADS,
    ("POST", "/admin/categories"): LEADS,
    ("GET", "/admin/categories/{category}"): LEADS,
    ("POST", "/admin/categories/{category}"): LEADS,
    ("GET", "/admin/codes"): STOCK,
    ("POST", "/admin/codes/import"): STOCK,
    ("POST", "/admin/codes/import/{token}"): STOCK,
    ("GET", "/admin/codes/batches/{batch}"): ALL,
    ("GET", "/admin/stock"): ALL,
    ("GET", "/admin/suppliers"): STOCK,
    ("POST", "/admin/suppliers"): LEADS,
    ("GET", "/admin/suppliers/{supplier}"): LEADS,
    ("POST", "/admin/suppliers/{supplier}"): LEADS,
    ("POST", "/admin/suppliers/{supplier}/link"): LEADS,
    ("POST", "/admin/suppliers/{supplier}/keys/{key}/confirm"): LEADS,
    ("POST", "/admin/suppliers/{supplier}/keys/{key}/reject"): LEADS,
    ("POST", "/admin/suppliers/{supplier}/disable"): LEADS,
    ("POST", "/admin/suppliers/{supplier}/enable"): LEADS,
    ("POST", "/admin/suppliers/import-key/rotate"): LEADS,
    ("POST", "/admin/suppliers/batches/{batch}/accept"): STOCK,
    ("POST", "/admin/suppliers/batches/{batch}/decline"): STOCK,
    ("GET", "/admin/gateways"): MONEY | {"auditor"},
    ("GET", "/admin/gateways/{name}"): MONEY | {"auditor"},
    ("POST", "/admin/gateways/{name}/test"): MONEY | {"auditor"},
    ("GET", "/admin/gateways/new/{kind}"): ONLY_OWNER,
    ("POST", "/admin/gateways/new/{kind}"): ONLY_OWNER,
    ("POST", "/admin/gateways/{name}"): ONLY_OWNER,
    ("POST", "/admin/gateways/{name}/enable"): ONLY_OWNER,
    ("POST", "/admin/gateways/{name}/disable"): ONLY_OWNER,
    ("GET", "/admin/settings"): ONLY_OWNER,
    ("POST", "/admin/settings"): ONLY_OWNER,
    ("GET", "/admin/notices"): ONLY_OWNER,
    ("POST", "/admin/notices/test"): ONLY_OWNER,
    ("POST", "/admin/notices/key"): ONLY_OWNER,
    ("POST", "/admin/notices/{notice}/retry"): ONLY_OWNER,
    ("GET", "/admin/staff"): ONLY_OWNER,
    ("POST", "/admin/staff"): ONLY_OWNER,
    ("POST", "/admin/staff/{staff}/role"): ONLY_OWNER,
    ("POST", "/admin/staff/{staff}/disable"): ONLY_OWNER,
    ("POST", "/admin/staff/{staff}/enable"): ONLY_OWNER,
    ("POST", "/admin/staff/{staff}/link"): ONLY_OWNER,
    ("GET", "/admin/vault"): LEADS | {"auditor"},
    ("POST", "/admin/vault/seal"): ONLY_OWNER,
    ("POST", "/admin/vault/unseal"): ONLY_OWNER,
    ("POST", "/admin/vault/unseal/keyfile"): ONLY_OWNER,
    ("POST", "/admin/vault/passphrases"): ONLY_OWNER,
    ("POST", "/admin/vault/keyfile"): ONLY_OWNER,
    ("POST", "/admin/vault/recovery"): ONLY_OWNER,
    ("POST", "/admin/vault/methods/{method}/drop"): ONLY_OWNER,
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
COMING = {"codes.view", "codes.edit", "codes.void", "codes.reveal", "codes.export", "codes.approve"}
JSON = {"accept": "application/json"}
STRANGE = ["x", "%00", "%ff", "0", "-1", "1e3", "9223372036854775808", "9" * 400, "<script>", "' OR 1=1 --", "%E5%95%86"]


def doors(app: Edge) -> set[tuple[str, str]]:
    """Every method and path below /admin that the program knows, the framework's own OPTIONS and HEAD aside."""
    found = set()
    for route in app._app.routes:  # type: ignore[attr-defined]
        if isinstance(route, HTTPRoute) and route.path.startswith("/admin"):
            path = re.sub(r":\w+}", "}", route.path_format)
            found |= {(method, path) for method in route.methods if method != "OPTIONS"}
    return found


def path_of(door: str) -> str:
    return re.sub(r"{\w+}", "1", door)


async def refusal(desk: Desk, method: str, path: str, *, csrf: str | None = None) -> str:
    """The code of a refusal; `passed` when the guard let the request through."""
    if method == "GET":
        answer = await desk.get(path, headers=JSON)
    else:
        answer = await desk.post(path, {}, csrf=csrf, headers=JSON)
    code = answer.json()["code"] if "problem+json" in answer.headers.get("content-type", "") else ""
    assert answer.status_code < 500, (method, path, answer.status_code)
    return code if code in ("login_required", "denied", "stale_page") else "passed"


async def test_the_table_names_every_door(app: Edge) -> None:
    assert doors(app) == TABLE.keys() | OPEN


async def test_nobody_passes_without_a_session(app: Edge) -> None:
    desk = Desk(app)
    for method, door in TABLE:
        assert await refusal(desk, method, path_of(door), csrf="x") == "login_required", door
        page = await (desk.get if method == "GET" else desk.post)(path_of(door))
        assert page.status_code == 303
        assert page.headers["location"].startswith("/admin/login")
    for method, door in OPEN:
        assert await refusal(desk, method, path_of(door)) == "passed", door


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_passes_where_the_table_says(shop: Shop, app: Edge, role: str) -> None:
    email = OWNER if role == "owner" else f"{role}@example.com"
    if email != OWNER:
        await add_staff(shop, email, role)
    desk = Desk(app)
    await desk.log_in(email)
    ends = ("POST", "/admin/logout")
    for (method, door), who in sorted(TABLE.items(), key=lambda row: row[0] == ends):
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
    for method, door in TABLE:
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
    for method, door in TABLE:
        if door in ("/admin/logout", "/admin/account/password"):
            continue
        path = re.sub(r"{\w+}", strange, door)
        answer = await owner.get(path) if method == "GET" else await owner.post(path, wild)
        assert answer.status_code < 500, (method, path)
        assert "<script>" not in answer.text


async def test_no_permission_is_without_a_door(app: Edge) -> None:
    named = set()
    for route in app._app.routes:  # type: ignore[attr-defined]
        for handler in getattr(route, "route_handlers", ()):
            named |= {getattr(guard, "permission", "") for guard in handler.resolve_guards()}
    assert PERMISSIONS.keys() - COMING <= named
