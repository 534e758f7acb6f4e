"""Orders in line: how many are inside, who is told to come back, and what the answer keeps."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from html import unescape
from itertools import pairwise
from typing import Any

import httpx
import pytest

from kashop.app import make_app
from kashop.lib.errors import Busy
from kashop.lib.line import AT_A_TIME, LONGEST, MEASURED, Line, Turn, step_aside
from kashop.shelf import memory
from kashop.shop import Shop
from kashop.web.admission import Admission
from tests.cast import add_epay, add_product

FORM = "application/x-www-form-urlencoded"


class Seconds:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def turns() -> None:
    """Let every task run that can."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_so_many_are_inside_and_the_rest_come_in_in_their_order() -> None:
    line, came = Line(at_once=3, patience=60), []

    async def buyer(n: int) -> Turn:
        turn = await line.enter()
        came.append(n)
        return turn

    buyers = [asyncio.create_task(buyer(n)) for n in range(10)]
    await turns()
    assert (came, line.waiting) == ([0, 1, 2], 7)
    buyers[1].result().end()
    buyers[1].result().end()  # again: nothing
    await turns()
    assert came == [0, 1, 2, 3]
    for n in range(10):
        (await buyers[n]).end()
    assert (came, line.waiting) == (list(range(10)), 0)


async def test_who_gives_up_waiting_leaves_the_place_to_the_next() -> None:
    line = Line(at_once=1, patience=60)
    first = await line.enter()
    quitter, next_one = asyncio.create_task(line.enter()), asyncio.create_task(line.enter())
    await turns()
    quitter.cancel()
    first.end()
    turn = await asyncio.wait_for(next_one, 30)
    late = asyncio.create_task(line.enter())
    await turns()
    turn.end()
    await asyncio.sleep(0)
    late.cancel()  # it was let in at the same moment
    await asyncio.gather(late, return_exceptions=True)
    (await asyncio.wait_for(line.enter(), 30)).end()


async def test_how_long_it_may_take_says_who_is_refused() -> None:
    seconds = Seconds()
    line = Line(at_once=1, patience=10, seconds=seconds)
    served = [asyncio.create_task(line.enter())]
    await turns()
    served += [asyncio.create_task(line.enter()) for _ in range(20 * MEASURED)]
    await turns()
    assert line.waiting == 20 * MEASURED  # a first guess of a millisecond each: less than a second
    for task in served[: 10 * MEASURED]:
        seconds.now += 1
        (await task).end()
        await turns()
    told = []
    for _ in range(60):
        with pytest.raises(Busy) as busy:  # hundreds wait, most of a second each
            await line.enter()
        told.append(busy.value.retry_after)
    assert told[0] <= 3, "so long the line itself bears"
    assert told[20] >= 10, "each place that becomes free is promised to one"
    assert told[-1] == LONGEST
    seconds.now += LONGEST
    with pytest.raises(Busy) as later:
        line.check()
    assert later.value.retry_after <= 3, "what was promised is over"
    for task in served:
        task.cancel()


async def test_few_are_let_in_between_two_looks_at_everybody_else() -> None:
    line, came = Line(at_once=100, patience=60), []
    inside = [await line.enter() for _ in range(100)]

    async def buyer() -> None:
        await line.enter()
        came.append(1)

    waiting = [asyncio.create_task(buyer()) for _ in range(100)]
    await turns()
    for turn in inside:
        turn.end()
    seen = []
    while len(came) < 100:
        await asyncio.sleep(0)
        seen.append(len(came))
    assert max(b - a for a, b in pairwise(seen)) <= AT_A_TIME
    await asyncio.gather(*waiting)


async def test_who_waits_for_the_network_lets_the_next_one_in() -> None:
    line = Line(at_once=1, patience=60)
    asked, answered = asyncio.Event(), asyncio.Event()

    async def order() -> None:
        turn = await line.enter()
        try:
            step_aside()
            asked.set()
            await answered.wait()
        finally:
            turn.end()

    first = asyncio.create_task(order())
    await asked.wait()
    (await asyncio.wait_for(line.enter(), 30)).end()
    answered.set()
    await first
    step_aside()  # nobody's turn: nothing happens
    assert line.waiting == 0


@pytest.fixture
async def crowded(shop: Shop) -> AsyncIterator[tuple[httpx.AsyncClient, Admission]]:
    """A shop at whose door nobody more may wait, until the line is replaced."""
    await add_epay(shop, mode="page")
    await add_product(shop, "steam-50", codes=5, max_quantity=10)
    edge: Any = make_app(shop, is_strict=True)
    admission = edge._inward
    assert isinstance(admission, Admission)
    admission.line = full()
    transport = httpx.ASGITransport(app=edge, client=("203.0.113.7", 50000))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
        yield client, admission


def full() -> Line:
    return Line(at_once=0, patience=-1.0)


def open_line() -> Line:
    return Line(at_once=10, patience=60)


WISH = {
    "lines": [{"sku": "steam-50", "quantity": 1}],
    "contact": {"type": "email", "value": "a@example.com"},
    "gateway": "epay-main",
    "method": "alipay",
}


async def test_a_program_is_told_when_to_come_back(crowded: tuple[httpx.AsyncClient, Admission]) -> None:
    client, admission = crowded
    headers = {"idempotency-key": "6f1c2a9be3d84f0f9b1d"}
    refused = await client.post("/api/v1/orders", json=WISH, headers=headers)
    assert refused.status_code == 503
    assert refused.headers["content-type"] == "application/problem+json"
    assert int(refused.headers["retry-after"]) > 0
    assert refused.json()["code"] == "busy"
    admission.line = open_line()
    assert (await client.post("/api/v1/orders", json=WISH, headers=headers)).status_code == 201


async def test_who_asks_in_vain_stands_in_no_line(
    crowded: tuple[httpx.AsyncClient, Admission], shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """He hears what he would hear behind the line; the control, who could be served, is sent away."""
    monkeypatch.setattr(memory, "OLDEST_COUNTS", 0.0)
    client, admission = crowded
    await add_product(shop, "gone", codes=1)
    gone = {**WISH, "lines": [{"sku": "gone", "quantity": 1}]}
    admission.line = open_line()
    first = await client.post("/api/v1/orders", json=gone, headers={"idempotency-key": "first-6f1c2a9be3d84f0f9b"})
    assert first.status_code == 201
    form = await form_of(client, contact="b@example.com")
    admission.line = full()
    asked = {
        "sold out": (gone, 409, "sold_out"),
        "not for sale": ({**WISH, "lines": [{"sku": "no-such", "quantity": 1}]}, 422, "invalid"),
        "too many at once": ({**WISH, "lines": [{"sku": "steam-50", "quantity": 999}]}, 422, "invalid"),
        "not well-formed": ({"lines": 7}, 422, "invalid"),
        "nothing": ({**WISH, "lines": []}, 422, "invalid"),
        "control": (WISH, 503, "busy"),
    }
    for name, (wish, status, code) in asked.items():
        answer = await client.post("/api/v1/orders", json=wish, headers={"idempotency-key": f"{name:_<30}".replace(" ", "_")})
        assert (answer.status_code, answer.json()["code"]) == (status, code), name
    sold_out = await client.post("/checkout", data={**form, "product": "gone", "sku": "gone"})
    assert sold_out.status_code == 409
    assert (await client.post("/checkout", data=form)).status_code == 503


async def test_whose_order_was_placed_hears_so_though_it_is_sold_out(
    crowded: tuple[httpx.AsyncClient, Admission], shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "OLDEST_COUNTS", 0.0)
    client, admission = crowded
    await add_product(shop, "gone", codes=1)
    gone = {**WISH, "lines": [{"sku": "gone", "quantity": 1}]}
    admission.line = open_line()
    headers = {"idempotency-key": "first-6f1c2a9be3d84f0f9b"}
    first = await client.post("/api/v1/orders", json=gone, headers=headers)
    admission.line = full()
    again = await client.post("/api/v1/orders", json=gone, headers=headers)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    assert again.json()["order_no"] == first.json()["order_no"]
    other = {**gone, "contact": {"type": "email", "value": "other@example.com"}}
    assert (await client.post("/api/v1/orders", json=other, headers=headers)).json()["code"] == "idempotency_mismatch"


async def test_all_but_new_orders_pass(crowded: tuple[httpx.AsyncClient, Admission]) -> None:
    client, _ = crowded
    for path in ("/", "/p/steam-50", "/lookup", "/api/v1/products", "/admin/login", "/healthz"):
        assert (await client.get(path)).status_code == 200
    assert (await client.get("/pay/epay-main/callback?a=b")).status_code == 400


async def test_a_browser_keeps_its_form_and_orders_once(crowded: tuple[httpx.AsyncClient, Admission], shop: Shop) -> None:
    client, admission = crowded
    sent = await form_of(client, contact='a@example.com"><script>alert(1)</script>')
    refused = await client.post("/checkout", data=sent, headers={"accept-language": "zh-CN"})
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) > 0
    assert "no-store" in refused.headers["cache-control"]
    assert "不会重复下单" in refused.text
    assert "<script>alert" not in refused.text
    assert "Very many people" in (await client.post("/checkout", data=sent, headers={"accept-language": "en"})).text
    sent = await form_of(client, contact="a@example.com")
    again = fields((await client.post("/checkout", data=sent)).text, "data-again")
    assert again == sent
    admission.line = open_line()
    first, second = [await client.post("/checkout", data=again) for _ in range(2)]
    assert first.status_code == second.status_code == 303
    assert first.headers["location"] == second.headers["location"]


async def test_each_refused_buyer_sees_only_what_he_sent(crowded: tuple[httpx.AsyncClient, Admission]) -> None:
    client, _ = crowded
    mine = await client.post("/checkout", data={"contact": "mine@example.com", "lookup_password": "geheim"})
    other = await client.post("/checkout", data={"contact": "other@example.com"})
    assert "mine@example.com" not in other.text
    assert "geheim" in mine.text
    assert "geheim" not in other.text
    assert mine.headers["x-request-id"] in mine.text
    assert other.headers["x-request-id"] in other.text


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"{}", "application/json"),
        (b"a=%zz", FORM),
        (b"&".join([b"a=b"] * 100), FORM),
    ],
)
async def test_what_is_no_order_form_is_refused_without_one(
    crowded: tuple[httpx.AsyncClient, Admission], body: bytes, kind: str
) -> None:
    client, _ = crowded
    refused = await client.post("/checkout", content=body, headers={"content-type": kind})
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) > 0
    assert "data-again" not in refused.text


async def test_a_slow_sender_holds_nobody_up(crowded: tuple[httpx.AsyncClient, Admission]) -> None:
    """With one place inside, a body that does not come leaves it free."""
    client, admission = crowded
    admission.line = Line(at_once=1, patience=60)
    going, told = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"lines":'
        told.set()
        await going.wait()
        yield json.dumps(WISH).encode()[len('{"lines":') :]

    async def slow() -> int:
        headers = {"idempotency-key": "slow-6f1c2a9be3d84f0f9b1d", "content-type": "application/json"}
        return (await client.post("/api/v1/orders", content=slowly(), headers=headers)).status_code

    slow_one = asyncio.create_task(slow())
    await told.wait()
    quick = client.post("/api/v1/orders", json=WISH, headers={"idempotency-key": "quick-6f1c2a9be3d84f0f9b"})
    assert (await asyncio.wait_for(quick, 30)).status_code == 201
    going.set()
    assert await asyncio.wait_for(slow_one, 30) == 201


async def test_who_went_away_while_waiting_orders_nothing() -> None:
    heard, said = [], []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        heard.append((await receive())["body"])

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Any) -> None:
        said.append(message)

    class Cycle:
        disconnected = False

    admission = Admission(app, None, lambda *_: None, line=Line(at_once=1, patience=60))
    first = await admission.line.enter()
    gone, there = Cycle(), Cycle()
    scopes = [{"type": "http", "method": "POST", "path": "/checkout", "state": {"cycle": cycle}} for cycle in (gone, there)]
    waiting = [asyncio.create_task(admission(scope, receive, send)) for scope in scopes]
    await turns()
    assert heard == []
    gone.disconnected = True
    first.end()
    await asyncio.gather(*waiting)
    assert heard == [b"{}"]
    assert admission.line.waiting == 0


async def form_of(client: httpx.AsyncClient, **typed: str) -> dict[str, str]:
    page = await client.get("/p/steam-50")
    found = fields(page.text, "data-checkout")
    return {**found, "sku": "steam-50", "quantity": "1", "payment": "epay-main:alipay", **typed}


def fields(text: str, mark: str) -> dict[str, str]:
    """The hidden fields of the form that has a mark."""
    form = re.search(rf"<form[^>]*{mark}.*?</form>", text, re.S)
    assert form is not None
    return {n: unescape(v) for n, v in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form.group())}
