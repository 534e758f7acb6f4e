"""拨测: keys, clock, whether the callback address leads to this very shop, and what to fix when something is wrong."""

import asyncio
from collections.abc import AsyncIterator
from email.utils import formatdate
from pathlib import Path
from time import time

import httpx
import msgspec
import pytest
import uvicorn

from kashop.app import Running, make_app, running
from kashop.flows import self_test
from kashop.lib.actor import CLI
from kashop.payments.types import Finding
from kashop.plugins.kit.stage import Mouth
from kashop.settings import reads as stored
from kashop.settings import writes as settings
from kashop.settings.config import load
from kashop.shop import Shop
from tests.admin.desk import Desk
from tests.cast import TestClock
from tests.gateways.counter import COUNTER, add_counter
from tests.serving import free_port

GOOD = Finding(subject="Merchant number and key", is_ok=True)


@pytest.fixture
async def work(data: Path) -> AsyncIterator[Running]:
    """A shop that is served on loopback, and is no practice shop any more."""
    port = free_port()
    config = load(data, {}, base_url=f"http://127.0.0.1:{port}", port=port)
    async with running(config, with_jobs=False, is_strict=True) as at_work:
        await leave_practice(at_work.shop)
        server = uvicorn.Server(uvicorn.Config(at_work.app, port=port, log_config=None, lifespan="off"))
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110  # uvicorn has no event to wait for
            await asyncio.sleep(0.01)
        yield at_work
        server.should_exit = True
        await serving


async def leave_practice(shop: Shop) -> None:
    await shop.db.write(settings.change, "shop.practice", False, CLI)
    shop.settings = await shop.db.read(stored.settings)


def line(findings: list[Finding], subject: str) -> Finding:
    (found,) = [f for f in findings if f.subject == subject]
    return found


def said(finding: Finding) -> str:
    return finding.advice.format(**dict(finding.params))


async def test_a_served_shop_finds_itself_and_says_that_nobody_outside_can(work: Running) -> None:
    await add_counter(work.shop, "main", findings=[GOOD])
    found = await self_test.run(work.shop, "main")
    assert line(found, "Merchant number and key").is_ok
    answers = line(found, "Callback address answers")
    assert answers.is_ok
    assert "cannot be shown from here" in said(answers)
    public = line(found, "Callback address is public")
    assert not public.is_ok
    assert "Set base_url in kashop.toml" in said(public)
    clock = line(found, "Clock")
    assert (clock.is_ok, clock.is_sure) == (True, False), "its test asked nobody"
    assert await work.shop.db.read(lambda db: db.value("SELECT COUNT(*) FROM callbacks")) == 0, "a probe is no callback"


async def test_a_command_beside_the_server_is_answered_too(work: Running) -> None:
    await add_counter(work.shop, "main")
    beside = await Shop.open(work.shop.config)
    try:
        await add_counter(beside, "other")
        assert line(await self_test.run(beside, "other"), "Callback address answers").is_ok
    finally:
        await beside.close()


async def test_another_server_at_the_address_is_told_from_this_one(work: Running) -> None:
    await add_counter(work.shop, "main")
    mouth = Mouth()
    await mouth.open()
    mouth.says(b"success")
    work.shop.config = msgspec.structs.replace(work.shop.config, base_url=mouth.url)
    answers = line(await self_test.run(work.shop, "main"), "Callback address answers")
    await mouth.close()
    assert not answers.is_ok
    assert "Something else answers" in said(answers)
    nobody = line(await self_test.run(work.shop, "main"), "Callback address answers")
    assert not nobody.is_ok
    assert "is the shop running" in said(nobody)


async def test_a_probe_is_good_for_its_account_and_its_minute(shop: Shop, clock: TestClock) -> None:
    token = self_test._probe(shop, "main")
    query = f"{self_test.PROBE}={token}".encode()
    assert self_test.answer_probe(shop, "main", query) not in (None, token)
    assert self_test.answer_probe(shop, "other", query) is None
    assert self_test.answer_probe(shop, "main", query[:-1] + (b"A" if query[-1:] != b"A" else b"B")) is None
    assert self_test.answer_probe(shop, "main", b"kashop-probe=main.x.99999999999999.") is None
    assert self_test.answer_probe(shop, "main", b"a=b") is None
    clock.pass_time(minutes=2)
    assert self_test.answer_probe(shop, "main", query) is None


@pytest.mark.parametrize(
    ("skew", "is_ok", "told"), [(2, True, ""), (300, False, "300 seconds ahead"), (-300, False, "300 seconds behind")]
)
async def test_a_clock_that_is_off_is_named(shop: Shop, skew: int, is_ok: bool, told: str) -> None:
    await leave_practice(shop)
    mouth = Mouth()
    await mouth.open()
    mouth.says(b"{}", date=formatdate(time() - skew, usegmt=True))
    await add_counter(shop, "main", visits=mouth.url)
    clock = line(await self_test.run(shop, "main"), "Clock")
    await mouth.close()
    assert (clock.is_ok, clock.is_sure) == (is_ok, True)
    seconds = dict(clock.params).get("seconds", "0")
    assert said(clock).replace(seconds, "300").find(told) >= 0
    assert abs(int(seconds) - abs(skew)) <= 2 or is_ok


async def test_an_account_that_nobody_is_offered_says_why(shop: Shop) -> None:
    await add_counter(shop, "main")
    shop.plugins._gateways["counter"] = ("counter", msgspec.structs.replace(COUNTER, currencies=("USD",)))
    offered = line(await self_test.run(shop, "main"), "Offered to buyers")
    assert said(offered) == "This gateway is not asked in CNY, but in USD: choose one and a rate."


async def test_in_a_practice_shop_what_only_the_world_could_show_is_not_wrong(shop: Shop) -> None:
    await add_counter(shop, "main", findings=[GOOD])
    found = await self_test.run(shop, "main")
    assert all(f.is_ok for f in found)
    assert not line(found, "Callback address is public").is_sure


async def test_the_panel_shows_each_line_in_the_readers_words(shop: Shop) -> None:
    await leave_practice(shop)
    await add_counter(
        shop, "main", findings=[GOOD, Finding(subject="Clock", is_ok=False, advice="x {y}", params=(("y", "<b>"),))]
    )
    desk = Desk(make_app(shop, is_strict=True))
    await desk.log_in()
    page = await desk.post("/admin/gateways/main/test")
    assert page.status_code == 200
    assert "x &lt;b&gt;" in page.text
    assert "http://shop.example/pay/main/callback" in page.text
    chinese = await desk.http.post("/admin/gateways/main/test", data={"_csrf": desk.csrf}, headers={"accept-language": "zh-CN"})
    assert "回调地址可从公网访问" in chinese.text
    assert "未能确认" in chinese.text


async def test_the_door_answers_a_stranger_as_before(shop: Shop) -> None:
    await add_counter(shop, "main")
    transport = httpx.ASGITransport(app=make_app(shop), client=("203.0.113.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as http:
        forged = await http.get("/pay/main/callback", params={self_test.PROBE: "main.x.99999999999999.forged"})
        plain = await http.get("/pay/main/callback", params={"a": "b"})
    assert (forged.status_code, forged.content) == (plain.status_code, plain.content)
