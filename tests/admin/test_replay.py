"""I-35: whatever one buyer can ask for, asked for by anybody else, tells nothing of his; and a control that would be seen."""

import re
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from kashop.shop import Shop
from kashop.web.edge import Edge
from tests.admin.desk import MANAGER, SUPPORT, Desk, add_role, add_staff, step_up
from tests.cast import OWNER, add_epay, add_product, call_back, epay_notice, order

CONTACT, SECRET = "alice.of.the.first@example.com", "alice looks up 9"


@dataclass
class Visitor:
    """A browser that writes down what it asks."""

    http: httpx.AsyncClient
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def ask(self, method: str, url: str, **more: Any) -> httpx.Response:
        self.asked.append({"method": method, "url": url, **more})
        return await self.http.request(method, url, **more)


def browser(app: Edge, ip: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, client=(ip, 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://shop.example", headers={"accept-language": "en"})


@dataclass
class Recorded:
    """One buyer's whole day, and what of it nobody else may see."""

    asked: list[dict[str, Any]]
    secrets: dict[str, str]
    answers: list[str]


async def day_of_a_buyer(shop: Shop, app: Edge) -> Recorded:
    """Orders by page and by API, the cashier, a cancelled order, a paid one revealed, downloaded and looked up again."""
    alice = Visitor(browser(app, "203.0.113.7"))
    answers = []

    async def ask(method: str, url: str, **more: Any) -> httpx.Response:
        answer = await alice.ask(method, url, **more)
        assert answer.status_code < 400, (method, url, answer.text[:300])
        answers.append(answer.text)
        return answer

    page = (await ask("GET", "/p/steam")).text
    form = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page[page.index("<form") :]))
    form |= {"quantity": "1", "contact": CONTACT, "payment": "epay-main:alipay", "lookup_password": SECRET}
    place = (await ask("POST", "/checkout", data=form)).headers["location"]
    order_no, token = re.fullmatch(r"/o/([0-9A-Z]+)\?k=([\w-]+)", place).groups()  # type: ignore[union-attr]
    await ask("GET", place)
    await ask("GET", f"/o/{order_no}/status?k={token}&was=paid")
    await ask("POST", f"/o/{order_no}/attempts", data={"k": token, "payment": "epay-main:alipay"})
    wish = {"lines": [{"sku": "steam", "quantity": 1}], "contact": {"type": "email", "value": CONTACT}}
    wish |= {"gateway": "epay-main", "method": "alipay", "lookup_password": SECRET}
    other = (await ask("POST", "/api/v1/orders", json=wish, headers={"idempotency-key": "alice"})).json()
    bearer = {"authorization": f"Bearer {other['token']}"}
    await ask("GET", f"/api/v1/orders/{other['order_no']}", headers=bearer)
    await ask("POST", f"/api/v1/orders/{other['order_no']}/cancel", headers=bearer, json={})
    await pay(shop, order_no)
    revealed = (await ask("POST", f"/o/{order_no}/reveal", data={"k": token})).text
    code = re.findall(r"STEAM-\d{5}", revealed)[0]
    await ask("POST", f"/o/{order_no}/codes.txt", data={"k": token})
    mine = {"authorization": f"Bearer {token}"}
    await ask("GET", f"/api/v1/orders/{order_no}", headers=mine)
    await ask("POST", f"/api/v1/orders/{order_no}/reveal", headers=mine, json={})
    await ask("GET", "/lookup")
    await ask("POST", "/lookup", data={"query": order_no, "password": SECRET})
    await ask("GET", "/pay/epay-main/return")
    await ask("POST", "/lookup/forget")
    secrets = {"order_no": order_no, "token": token, "code": code, "contact": CONTACT}
    return Recorded(alice.asked, secrets | {"other no": other["order_no"], "other token": other["token"]}, answers)


async def pay(shop: Shop, order_no: str) -> None:
    from kashop.flows.checkout import placed
    from kashop.orders import reads as orders

    found = await shop.db.read(orders.find, order_no)
    assert found is not None
    await call_back(shop, epay_notice(await placed(shop, found.order_id), txn="T" + order_no))


def without_proof(asked: dict[str, Any], secrets: dict[str, str], instead: dict[str, str]) -> dict[str, Any]:
    """The same request with what proves possession taken out, or another's put in: what a stranger can know of it.

    An order's number is no secret; its token and the look-up password are.
    """
    table = {secrets["token"]: instead["token"], secrets["other token"]: instead["token"], SECRET: instead["password"]}
    return {name: swapped(value, table) for name, value in asked.items()}


def swapped(value: Any, table: dict[str, str]) -> Any:
    """A value with texts in it put in place of others, however deep."""
    if isinstance(value, dict):
        return {name: swapped(inner, table) for name, inner in value.items()}
    if isinstance(value, list):
        return [swapped(inner, table) for inner in value]
    if isinstance(value, str):
        for old, new in table.items():
            value = value.replace(old, new)
    return value


def leaks(answer: httpx.Response, asked: dict[str, Any], secrets: dict[str, str]) -> list[str]:
    """Which of the buyer's things an answer tells that its asker did not say himself."""
    told = answer.text + repr(sorted(answer.headers.items()))
    said = repr(asked)
    return [name for name, value in secrets.items() if value in told and value not in said]


@pytest.fixture
async def recorded(shop: Shop, app: Edge) -> Recorded:
    await add_epay(shop)
    await add_product(shop, "steam", codes=20)
    return await day_of_a_buyer(shop, app)


async def test_i35_the_recording_holds_what_is_looked_for(recorded: Recorded) -> None:
    """A search that finds nothing anywhere proves nothing."""
    everything = "".join(recorded.answers)
    assert len(recorded.asked) == 16
    for name, value in recorded.secrets.items():
        assert value in everything, name


@pytest.mark.parametrize("who", ["another buyer", "anonymous", "support", "own role", "manager", "owner"])
async def test_i35_another_replays_all_of_it_and_learns_nothing(shop: Shop, app: Edge, recorded: Recorded, who: str) -> None:
    """As a buyer with an order and a cookie of his own, as nobody, and with a panel's session, which opens no buyer's page."""
    http, instead = browser(app, "198.51.100.20"), {"token": "", "password": "bob looks up 9"}
    if who == "another buyer":
        mallory = await order(shop, "steam", contact="bob@example.com", lookup_password=instead["password"], key="bob")
        instead["token"] = mallory.token
        await http.get(f"/o/{mallory.order.order_no}?k={mallory.token}")
    elif who != "anonymous":
        http = await session(shop, app, who)
    for each in recorded.asked:
        for tried in (
            without_proof(each, recorded.secrets, instead),
            without_proof(each, recorded.secrets, {**instead, "token": "x"}),
        ):
            if tried["url"] == "/api/v1/orders":
                tried["headers"] = {"idempotency-key": "another"}  # an order of one's own: what one says oneself
                tried["json"] = {**tried["json"], "contact": {"type": "email", "value": "bob@example.com"}}
            answer = await http.request(**tried)
            assert answer.status_code < 500
            assert not leaks(answer, tried, recorded.secrets), (who, tried, answer.status_code, answer.text[:400])
            if re.search(r"/(o|api/v1/orders)/[0-9A-Z]{10}", tried["url"]):
                assert answer.status_code in (401, 404, 429), (tried, answer.status_code)


async def test_i35_the_idempotency_key_of_another_opens_nothing(app: Edge, recorded: Recorded) -> None:
    """The same key from another place is another's key; with other words from the same place it is refused. Neither tells."""
    asked = next(a for a in recorded.asked if a["url"] == "/api/v1/orders")
    tried = {**asked, "json": {**asked["json"], "contact": {"type": "email", "value": "bob@example.com"}}}
    for ip, status in (("198.51.100.20", 201), ("203.0.113.7", 422)):
        answer = await browser(app, ip).request(**tried)
        assert answer.status_code == status
        assert not leaks(answer, tried, recorded.secrets)


async def test_i35_a_forged_list_of_own_orders_is_no_list(shop: Shop, app: Edge, recorded: Recorded) -> None:
    for value in (f"{recorded.secrets['order_no']}:x", recorded.secrets["order_no"], f"{recorded.secrets['order_no']}:"):
        http = browser(app, "198.51.100.20")
        http.cookies.set("kashop_orders", value)
        for path in ("/lookup", "/pay/epay-main/return"):
            answer = await http.get(path)
            assert not leaks(answer, {"cookie": ""}, recorded.secrets), path


async def test_i35_staff_without_the_permission_see_nothing_of_an_order(shop: Shop, app: Edge, recorded: Recorded) -> None:
    """Every page of the panel, by somebody who may see anything but orders."""
    from tests.admin.test_matrix import PANEL

    everything_else = {"products.view", "stock.view", "gateways.view", "jobs.view", "settings.edit"}
    http = await session(shop, app, "own role", *everything_else)
    for method, door in PANEL:
        if method == "GET" and door not in ("/admin", "/admin/account"):
            path = re.sub(r"{order_no}", recorded.secrets["order_no"], door)
            answer = await http.get(re.sub(r"{\w+}", "1", path))
            assert not leaks(answer, {"url": path}, recorded.secrets), door


@pytest.mark.parametrize("name", ["token", "other token", "code", "contact"])
async def test_i35_the_control_a_page_that_told_would_be_seen(recorded: Recorded, name: str) -> None:
    """Were one of the answers the buyer's own, the search above finds it."""
    given = {"method": "GET", "url": "/"}
    assert any(leaks(httpx.Response(200, text=text), given, recorded.secrets) for text in recorded.answers)
    assert leaks(httpx.Response(200, text=f"<p>{recorded.secrets[name]}</p>"), given, recorded.secrets) == [name]
    assert leaks(httpx.Response(200, headers={"x": recorded.secrets[name]}), given, recorded.secrets) == [name]


async def test_i35_the_control_the_right_proof_does_open(app: Edge, recorded: Recorded) -> None:
    """The same replay with the buyer's own token put back tells everything: it is the token that keeps the doors shut."""
    http, told = browser(app, "198.51.100.21"), []
    for each in recorded.asked:
        if "/cancel" not in each["url"] and each["url"] not in ("/checkout", "/api/v1/orders"):
            told += leaks(await http.request(**each), {"url": ""}, recorded.secrets)
    assert {"code", "contact", "order_no"} <= set(told)


async def session(shop: Shop, app: Edge, who: str, *permissions: str) -> httpx.AsyncClient:
    """A browser with a panel's session."""
    email = {"owner": OWNER, "manager": MANAGER}.get(who, SUPPORT)
    if email != OWNER:
        role = await add_role(shop, "Own", *(permissions or ("orders.view",))) if who == "own role" else who
        await add_staff(shop, email, role)
    desk = Desk(app)
    await desk.log_in(email)
    await step_up(shop)
    return desk.http
