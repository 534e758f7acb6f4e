"""The practice cashier, driven as a browser drives it: pages through the Host, callbacks over HTTP to a
door that this test holds.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from kashop.payments.types import Begun, CallbackRequest, Gateway, Intent, Notice, Rejected
from kashop.plugins.context import RunningContext
from kashop.plugins.host import Host
from kashop.plugins.kit import Stage, open_stage
from kashop.plugins.types import PageRequest, PageResponse

KEY = "a-key-of-the-account"


@dataclass
class Cashier:
    """A buyer at the cashier, and the shop's door behind it."""

    host: Host
    stage: Stage
    gateway: Gateway
    intent: Intent
    begun: Begun

    async def get(self, *, locale: str = "en", key: str | None = None) -> PageResponse:
        url = urlsplit(self.begun.url)
        query = dict(parse_qsl(url.query)) if key is None else {"k": key}
        asked = PageRequest(method="GET", path=url.path.removeprefix("/x/practice/"), query=query, locale=locale)
        return await self.host.answer("practice", asked)

    async def press(self, act: str, **fields: str) -> PageResponse:
        page = (await self.get()).body.decode()
        return await self.post(act, **{**hidden(page), **fields})

    async def post(self, act: str, **fields: str) -> PageResponse:
        path = urlsplit(self.begun.url).path.removeprefix("/x/practice/")
        return await self.host.answer("practice", PageRequest(method="POST", path=path, form={**fields, "act": act}))

    def callbacks(self) -> list[bytes]:
        return [body for line, body in self.stage.mouth.heard if line.startswith("POST /pay/practice/callback ")]

    def notices(self) -> list[Notice]:
        return [self.gateway.read_callback(posted(body)) for body in self.callbacks()]


def posted(body: bytes) -> CallbackRequest:
    return CallbackRequest(method="POST", query=b"", headers={}, body=body)


def hidden(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page))


@pytest.fixture
async def cashier(tmp_path: Path) -> AsyncIterator[Cashier]:
    async with open_stage() as stage:
        stage.mouth.says(b"success")
        host = Host.load(tmp_path)
        host.equip(lambda plugin: _context(plugin, stage))
        gateway = host.gateway("practice", {"key": KEY})
        intent = Intent(
            attempt_no="A261101AAAA",
            amount_minor=1250,
            currency="CNY",
            method="practice",
            title="<b>Shop & Sons</b> K1",
            callback_url=f"{stage.mouth.url}/pay/practice/callback",
            return_url=f"{stage.mouth.url}/pay/practice/return",
            client_ip="203.0.113.7",
            locale="en",
            created_at=0,
            expires_at=900_000,
        )
        yield Cashier(host, stage, gateway, intent, await gateway.begin(intent))
        await host.stop()


def _context(plugin: str, stage: Stage) -> RunningContext:
    return RunningContext(plugin, base_url="https://shop.example", clock=stage.clock, store=stage.store, http=stage.ctx.http)


async def test_the_page_shows_what_is_to_be_paid_in_both_languages(cashier: Cashier) -> None:
    english, chinese = await cashier.get(locale="en"), await cashier.get(locale="zh_Hans")
    assert english.status == chinese.status == 200
    assert "Practice cashier" in english.body.decode()
    assert "练习收银台" in chinese.body.decode()
    for page in (english.body.decode(), chinese.body.decode()):
        assert "12.50 CNY" in page
        assert "&lt;b&gt;Shop &amp; Sons&lt;/b&gt;" in page
        assert "<script" not in page
        assert "style=" not in page
        assert "//" not in page.replace(cashier.intent.return_url, "")
    assert english.headers["cache-control"] == "no-store"


async def test_every_word_of_the_page_has_its_chinese(cashier: Cashier) -> None:
    page = (await cashier.get(locale="zh_Hans")).body.decode()
    text = re.sub(r"<[^>]+>", " ", page).replace("CNY", "").replace("Shop", "").replace("Sons", "")
    assert not re.findall(r"\b[A-Za-z]{3,}\b", text.replace(cashier.intent.attempt_no, "").replace("amp", ""))


async def test_without_its_key_the_cashier_does_not_exist(cashier: Cashier) -> None:
    for key in ("", "wrong", KEY):
        assert (await cashier.get(key=key)).status == 404
        assert (await cashier.post("pay", k=key, seen="0")).status == 404
    assert cashier.callbacks() == []
    assert (await cashier.host.answer("practice", PageRequest(method="GET", path="pay/NOSUCH"))).status == 404
    assert (await cashier.host.answer("practice", PageRequest(method="PUT", path="pay/NOSUCH"))).status == 405


async def test_the_accounts_key_is_in_no_page_no_address_and_no_memory(cashier: Cashier) -> None:
    await cashier.press("pay")
    seen = [(await cashier.get()).body.decode(), cashier.begun.url, repr(cashier.stage.store.texts), repr(cashier.callbacks())]
    assert not [text for text in seen if KEY in text]
    attempt_key = dict(parse_qsl(urlsplit(cashier.begun.url).query))["k"]
    assert attempt_key not in repr(cashier.stage.store.texts)


async def test_pay(cashier: Cashier) -> None:
    answer = await cashier.press("pay")
    assert (answer.status, answer.headers["location"]) == (303, cashier.intent.return_url)
    [notice] = cashier.notices()
    assert (notice.state, notice.amount_minor, notice.currency, notice.method) == ("paid", 1250, "CNY", "practice")
    assert await cashier.gateway.query(cashier.intent) == notice
    assert "Already paid" in (await cashier.get()).body.decode()


async def test_a_double_click_pays_once_and_a_second_visit_pays_twice(cashier: Cashier) -> None:
    fields = hidden((await cashier.get()).body.decode())
    answers = await asyncio.gather(*(cashier.post("pay", **fields) for _ in range(8)))
    assert {a.status for a in answers} == {303}
    assert len(cashier.notices()) == 1
    await cashier.press("pay")
    assert len({n.gateway_txn for n in cashier.notices()}) == 2


async def test_pay_another_amount(cashier: Cashier) -> None:
    await cashier.press("amount", amount="0.5")
    await cashier.press("amount", amount="99")
    assert [n.amount_minor for n in cashier.notices()] == [50, 9900]
    for bad in ("", "0", "-1", "1e3", "1.234", "１", "NaN", "x"):
        answer = await cashier.press("amount", amount=bad)
        assert answer.status == 422
        assert 'role="alert"' in answer.body.decode()
    assert len(cashier.notices()) == 2


async def test_fail(cashier: Cashier) -> None:
    await cashier.press("fail")
    assert [n.state for n in cashier.notices()] == ["failed"]
    asked = await cashier.gateway.query(cashier.intent)
    assert asked is not None
    assert asked.state == "failed"


async def test_repeat(cashier: Cashier) -> None:
    await cashier.press("repeat")
    notices = cashier.notices()
    assert len(notices) == 10
    assert len({n.gateway_txn for n in notices}) == 1


async def test_lose(cashier: Cashier) -> None:
    await cashier.press("lose")
    assert cashier.callbacks() == []
    asked = await cashier.gateway.query(cashier.intent)
    assert asked is not None
    assert (asked.state, asked.amount_minor) == ("paid", 1250)


async def test_forge(cashier: Cashier) -> None:
    await cashier.press("forge")
    [body] = cashier.callbacks()
    with pytest.raises(Rejected) as caught:
        cashier.gateway.read_callback(posted(body))
    assert caught.value.reason == "signature"
    asked = await cashier.gateway.query(cashier.intent)
    assert asked is not None
    assert asked.state == "pending"


async def test_delay(cashier: Cashier) -> None:
    for bad in ("", "0", "-1", "3601", "１", "1.5", "x" * 9):
        assert (await cashier.press("delay", seconds=bad)).status == 422
    await cashier.press("delay", seconds="1")
    assert cashier.callbacks() == []
    asked = await cashier.gateway.query(cashier.intent)
    assert asked is not None
    assert asked.state == "paid", "paid at once, only told late"
    cashier.stage.clock.at += 1000
    await until(lambda: len(cashier.callbacks()) == 1)
    assert cashier.notices()[0].state == "paid"
    await until(lambda: cashier.stage.store.texts["delayed"] == "[]")


async def test_a_restart_loses_no_delayed_callback(cashier: Cashier, tmp_path: Path) -> None:
    await cashier.press("delay", seconds="3600")
    await cashier.host.start()
    await cashier.host.stop()
    assert cashier.callbacks() == []
    cashier.stage.clock.at += 3_600_000
    later = Host.load(tmp_path)
    await later.start(lambda plugin: _context(plugin, cashier.stage))
    await until(lambda: len(cashier.callbacks()) == 1)
    await later.stop()


async def test_a_shop_that_does_not_say_success_hears_it_again(cashier: Cashier) -> None:
    cashier.stage.mouth.says(b"oops", status=503)
    await cashier.press("pay")
    cashier.stage.mouth.says(b"success")
    await until(lambda: len(cashier.callbacks()) == 2)
    assert cashier.callbacks()[0] == cashier.callbacks()[1]


async def test_an_attempt_is_proved_by_its_own_key_only(cashier: Cashier) -> None:
    await cashier.press("pay")
    [body] = cashier.callbacks()
    with pytest.raises(Rejected):
        cashier.gateway.read_callback(posted(body.replace(b"A261101AAAA", b"A261101BBBB")))


async def test_an_unknown_button_is_refused(cashier: Cashier) -> None:
    assert (await cashier.press("steal")).status == 422
    assert cashier.callbacks() == []


async def test_beginning_again_keeps_what_was_paid(cashier: Cashier) -> None:
    await cashier.press("lose")
    assert await cashier.gateway.begin(cashier.intent) == cashier.begun
    asked = await cashier.gateway.query(cashier.intent)
    assert asked is not None
    assert asked.state == "paid"


async def until(holds: object) -> None:
    """Wait until something holds; a minute at most."""
    for _ in range(6000):
        if holds():  # type: ignore[operator]
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came true")


@pytest.mark.parametrize("number", ["你", "²", "A" * 200, "a", "A:B", "A.B"])
async def test_a_number_that_cannot_be_one_has_no_cashier(cashier: Cashier, number: str) -> None:
    for method in ("GET", "POST"):
        asked = PageRequest(method=method, path=f"pay/{number}", locale="en")
        assert (await cashier.host.answer("practice", asked)).status == 404
