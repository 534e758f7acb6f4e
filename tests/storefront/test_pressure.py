"""What a buyer meets under pressure: in the browser with and without JavaScript, and by the API."""

import html
import json
import re
from collections.abc import Callable

import altcha
import httpx
import pytest

from kashop.flows import checkout
from kashop.lib.actor import Actor
from kashop.shop import Shop
from tests.cast import TestClock, add_epay, add_product, wish

FIELDS = {"product": "steam-50", "sku": "steam-50", "quantity": "1", "contact": "me@example.com", "payment": "epay-main:alipay"}
SECRET = "my look-up word"


@pytest.fixture(autouse=True)
async def pressed(shop: Shop, clock: TestClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten of fifty codes are held by nobody's friends, and work is light."""
    monkeypatch.setattr("kashop.bundled.captcha_altcha.proof.TRIES_A_SECOND", 4)
    monkeypatch.setattr("kashop.bundled.captcha_altcha.proof.COST", 10)
    await add_epay(shop, mode="page")
    await add_product(shop, "steam-50", codes=50)
    for n in range(10):
        await checkout.place(shop, wish("steam-50", contact=f"h{n}@example.com"), Actor("buyer", ip=f"198.51.100.{n}"))
    clock.pass_time(seconds=2)


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, f"no {name}"
    return html.unescape(found.group(1))


def answer_to(challenge: dict[str, object]) -> str:
    told = altcha.Challenge.from_dict(challenge)
    solution = altcha.solve_challenge(told)
    assert solution is not None
    answer: str = altcha.Payload(told, solution).to_base64()
    return answer


def challenge_of(page: str) -> dict[str, object]:
    found = re.search(r'data-challenge="([^"]*)"', page)
    assert found
    challenge: dict[str, object] = json.loads(html.unescape(found.group(1)))
    return challenge


async def test_the_form_comes_back_with_the_proof_and_becomes_an_order(site: httpx.AsyncClient, shop: Shop) -> None:
    asked = await site.post("/checkout", data={**FIELDS, "lookup_password": SECRET})
    assert (asked.status_code, asked.headers["cache-control"]) == (428, "no-store")
    assert "noindex" in asked.headers["x-robots-tag"]
    assert SECRET not in asked.text
    assert "me@example.com" not in asked.text  # sealed with all the rest
    script = re.search(r'<script src="(/x/captcha_altcha/[^"]+)"', asked.text)
    assert script
    for path in (script.group(1), script.group(1).replace("proof.js", "pbkdf2.js")):
        got = await site.get(path)
        assert (got.status_code, got.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    sent = {"kept": field(asked.text, "kept"), "proof": answer_to(challenge_of(asked.text))}
    placed = await site.post("/checkout", data=sent)
    assert placed.status_code == 303
    number = placed.headers["location"].partition("?")[0].rpartition("/")[2]
    stored = await shop.db.read(lambda db: db.value("SELECT lookup_hash FROM orders WHERE order_no = :no", no=number))
    assert await shop.lookup_passwords.verify(stored, SECRET)
    cookie = next(c for c in placed.headers.get_list("set-cookie") if c.startswith("kashop_browser="))
    assert "HttpOnly" in cookie
    assert "Path=/checkout" in cookie
    assert "Max-Age=7200" in cookie


@pytest.mark.parametrize(
    "spoil", [lambda kept: kept[:-8] + "AAAAAAAA", lambda kept: "!!!", lambda kept: ""], ids=["altered", "nonsense", "none"]
)
async def test_a_kept_form_that_is_not_ours_is_no_form(site: httpx.AsyncClient, spoil: Callable[[str], str]) -> None:
    asked = await site.post("/checkout", data=FIELDS)
    sent = {"kept": spoil(field(asked.text, "kept")), "proof": answer_to(challenge_of(asked.text))}
    assert (await site.post("/checkout", data=sent)).status_code == 404


async def test_without_javascript_there_is_the_line(site: httpx.AsyncClient, clock: TestClock) -> None:
    asked = await site.post("/checkout", data=FIELDS)
    assert "<noscript>" in asked.text
    kept = field(asked.text, "kept")
    waits = await site.post("/checkout", data={"kept": kept, "turn": "1"})
    assert waits.status_code == 428
    assert "data-challenge" not in waits.text
    sent = {"kept": field(waits.text, "kept"), "ticket": field(waits.text, "ticket")}
    early = await site.post("/checkout", data=sent)
    assert early.status_code == 428
    assert field(early.text, "ticket") == sent["ticket"]  # the place is kept
    found = re.search(r'data-turn="(\d+)"', waits.text)
    assert found
    clock.pass_time(seconds=int(found.group(1)) + 1)
    assert (await site.post("/checkout", data=sent)).status_code == 303


async def test_whoever_holds_one_already_is_shown_the_way_to_it(site: httpx.AsyncClient) -> None:
    asked = await site.post("/checkout", data=FIELDS)
    sent = {"kept": field(asked.text, "kept"), "proof": answer_to(challenge_of(asked.text))}
    first = await site.post("/checkout", data=sent)
    again = await site.post("/checkout", data={**FIELDS, "contact": "another@example.com"})  # the browser is the same
    assert again.status_code == 409
    assert html.escape(first.headers["location"]) in again.text


async def test_a_form_that_is_sent_again_after_its_order_was_cancelled_asks_anew(site: httpx.AsyncClient, shop: Shop) -> None:
    asked = await site.post("/checkout", data=FIELDS)
    sent = {"kept": field(asked.text, "kept"), "proof": answer_to(challenge_of(asked.text))}
    placed = await site.post("/checkout", data=sent)
    number, _, token = placed.headers["location"].rpartition("/")[2].partition("?k=")
    assert (await site.post(f"/o/{number}/cancel", data={"k": token})).status_code == 303
    assert (await site.post("/checkout", data=sent)).status_code == 428


async def test_a_script_gets_the_challenge_and_sends_its_answer(site: httpx.AsyncClient) -> None:
    body = {
        "lines": [{"sku": "steam-50", "quantity": 1}],
        "contact": {"type": "email", "value": "me@example.com"},
        "gateway": "epay-main",
        "method": "alipay",
    }
    key = {"idempotency-key": "b8c1f0aa-0f2e-4d0a-9d6e-5d1f4c7b2a10"}
    asked = await site.post("/api/v1/orders", json=body, headers=key)
    told = asked.json()
    assert (asked.status_code, told["code"]) == (428, "proof_needed")
    proof = {"kashop-proof": answer_to(told["challenge"])}
    placed = await site.post("/api/v1/orders", json=body, headers=key | proof)
    assert placed.status_code == 201, placed.text
    again = await site.post("/api/v1/orders", json=body, headers=key)  # the same key: the same order, and no proof
    assert (again.status_code, again.json()["order_no"]) == (201, placed.json()["order_no"])
    other = await site.post("/api/v1/orders", json=body, headers=proof | {"idempotency-key": key["idempotency-key"][::-1]})
    assert (other.status_code, other.json()["code"]) == (409, "unpaid_orders")
    described = (await site.get("/api/v1/openapi.json")).json()["paths"]["/api/v1/orders"]["post"]
    assert "Kashop-Proof" in [parameter["name"] for parameter in described["parameters"]]
    assert "428" in described["responses"]
