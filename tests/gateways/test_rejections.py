"""Every gateway of the box says the same to all that it does not believe: no answer tells a forger how near he came."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from kashop.payments import reads as payments
from kashop.payments.rules import AccountRules
from kashop.plugins.kit.simulators import simulators
from kashop.plugins.kit.vendorwords import How, Payment, Told
from kashop.risk.scopes import SCOPES, Scope
from tests.gateways.streets import ACCOUNT, Street, street
from tests.gateways.test_storm import RATES

FORGED = ("signature", "key", "merchant", "amount")


@pytest.fixture(params=sorted(simulators()))
async def vendor(data: Path, request: pytest.FixtureRequest) -> AsyncIterator[Street]:
    kind = simulators()[request.param]
    rules = None if kind.currency == "CNY" else AccountRules(currency=kind.currency, rate=RATES[kind.currency])
    async with street(data, kind, rules) as opened:
        yield opened


async def paid(vendor: Street) -> Payment:
    """A payment that was begun, and paid without anybody being told."""
    placed = await vendor.buy()
    attempt = await vendor.attempt(placed)
    assert attempt.kind, attempt.problem
    await asyncio.to_thread(vendor.vendor.visit, attempt.kind, attempt.url, attempt.fields)
    payment = vendor.vendor.find(attempt.attempt_no)
    await asyncio.to_thread(vendor.vendor.send, payment, How(lose=True))
    return payment


def mangled(told: Told) -> list[Told]:
    """What a stranger would send: nothing, half of it, junk, words of another form, the right words the wrong way."""
    bare = told.url.partition("?")[0]
    return [
        Told("GET", bare),
        Told("POST", bare),
        Told("POST", bare, {"content-type": "application/json"}, b"{}"),
        Told("POST", bare, {"content-type": "application/json"}, b'{"a":' * 500),
        Told("POST", bare, {"content-type": "text/xml"}, b"<xml><a>1</a></xml>"),
        Told("POST", bare, {"content-type": "application/x-www-form-urlencoded"}, b"a=1&a=2&sign=x"),
        Told("POST", bare, {}, b"\xff\xfe\x00\x00"),
        Told("GET", f"{bare}?a=%FF%FE"),
        Told(told.method, told.url[: len(told.url) - 3] if "?" in told.url else told.url, told.headers, told.body[:-3]),
        Told(told.method, told.url, {}, told.body) if told.body else Told("GET", f"{told.url}&sign=x"),
    ]


async def knock(told: Told) -> tuple[int, bytes, tuple[str, ...]]:
    """What is heard: status, body, and the headers that are not of the moment."""
    async with httpx.AsyncClient() as stranger:
        answer = await stranger.request(told.method, told.url, headers=dict(told.headers), content=told.body)
    kept = sorted(f"{k}: {v}" for k, v in answer.headers.items() if k not in ("date", "x-request-id"))
    return answer.status_code, answer.content, tuple(kept)


async def test_all_that_is_not_believed_is_answered_alike(vendor: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SCOPES, "rejected callbacks", Scope(1000, 600, "client"))
    payment = await paid(vendor)
    genuine = vendor.vendor.notification(payment, How())
    lies = [vendor.vendor.notification(payment, How(forge=forge)) for forge in FORGED] + mangled(genuine)
    heard = {}
    for told in lies:
        answer = await knock(told)
        newest = (await vendor.shop.db.read(payments.callbacks, 2**62, limit=1))[0]
        if newest.verdict == "rejected":
            heard.setdefault(answer, []).append(newest.reason)
    assert sum(len(reasons) for reasons in heard.values()) > len(FORGED), "the lies were believed"
    assert len(heard) == 1, heard
    [(status, body, _)] = heard
    assert 400 <= status < 500
    assert len({reason for reasons in heard.values() for reason in reasons}) > 1, "for several reasons"
    assert all(word.encode() not in body for word in ("signature", "merchant", "malformed"))


async def test_an_account_that_is_not_there_sounds_no_nearer(vendor: Street) -> None:
    url = urlsplit(vendor.shop.base_url)
    status, body, _ = await knock(Told("POST", f"{url.scheme}://{url.netloc}/pay/nobody/callback", {}, b"a=1"))
    mine, _, _ = await knock(Told("POST", f"{url.scheme}://{url.netloc}/pay/{ACCOUNT}/callback", {}, b"a=1"))
    assert (status // 100, body) == (4, b"fail")
    assert mine // 100 == 4
