"""Gateways, settings, staff, jobs: what the owner keeps in order."""

import re

import msgspec
import pytest

from kashop.lib.actor import CLI
from kashop.payments import reads as payments
from kashop.settings import reads as stored
from kashop.settings import writes as settings_writes
from kashop.shop import Shop
from kashop.web.edge import Edge
from tests.admin.desk import Desk, complaints
from tests.cast import TestClock, add_epay, ways_to_pay

EPAY = {
    "name": "epay-main",
    "option-pid": "1001",
    "option-key": "CANARY-epay-key-1",
    "option-url": "http://127.0.0.1:9",
    "is_enabled": "1",
}


async def options(owner: Desk, page: str) -> dict[str, str]:
    """What a browser would send back of a form: its inputs and first choices."""
    text = (await owner.get(page)).text
    found = dict(re.findall(r'<input id="f-[^"]*" name="(option-[^"]+)"[^>]* value="([^"]*)"', text))
    found |= dict(re.findall(r'<input type="hidden" name="(version)" value="([^"]*)"', text))
    for name, body in re.findall(r'<select id="f-[^"]*" name="(option-[^"]+)".*?>(.*?)</select>', text, re.S):
        found[name] = (re.findall(r'value="([^"]*)" selected', body) or re.findall(r'value="([^"]*)"', body))[0]
    return found


async def test_a_gateway_is_added_and_its_secret_never_shown(shop: Shop, owner: Desk) -> None:
    form = {**await options(owner, "/admin/gateways/new/epay"), **EPAY}
    added = await owner.post("/admin/gateways/new/epay", form)
    assert added.status_code == 303, complaints(added)
    pages = [(await owner.get(p)).text for p in ("/admin/gateways", "/admin/gateways/epay-main")]
    assert "http://shop.example/pay/epay-main/callback" in pages[1]
    before = await shop.db.read(payments.find_gateway, "epay-main")
    form = {**await options(owner, "/admin/gateways/epay-main"), "option-pid": "2002", "option-key": "", "label": "Main"}
    changed = await owner.post("/admin/gateways/epay-main", form)
    assert changed.status_code == 303, complaints(changed)
    after = await shop.db.read(payments.find_gateway, "epay-main")
    assert before is not None
    assert after is not None
    assert msgspec.json.decode(after.options)["pid"] == "2002"
    assert not after.is_enabled  # its box was not ticked
    secrets = shop.keyring.open_settings(after.secrets, name="gateway/epay-main")
    assert b"CANARY-epay-key-1" in secrets  # left empty, so kept
    wrong = await owner.post("/admin/gateways/epay-main", {**form, "option-url": "ftp://x", "option-key": "CANARY-epay-key-2"})
    assert wrong.status_code == 422
    assert complaints(wrong)
    tested = await owner.post("/admin/gateways/epay-main/test")
    assert tested.status_code == 200
    assert not [p for p in [*pages, wrong.text, tested.text] if "CANARY-epay" in p]
    files = b"".join(p.read_bytes() for p in shop.config.data.rglob("*") if p.is_file())
    assert b"CANARY-epay" not in files


async def test_a_name_in_use_or_a_missing_option_is_refused(shop: Shop, owner: Desk) -> None:
    await add_epay(shop)
    again = await owner.post("/admin/gateways/new/epay", EPAY)
    assert again.status_code == 422
    assert "This is already in use." in complaints(again)
    empty = await owner.post("/admin/gateways/new/epay", {**EPAY, "name": "other", "option-key": ""})
    assert empty.status_code == 422
    assert complaints(empty)
    assert await shop.db.read(payments.find_gateway, "other") is None
    for name in ("Other One", "../x", "x" * 33):
        assert (await owner.post("/admin/gateways/new/epay", {**EPAY, "name": name})).status_code == 422


async def test_a_gateway_is_switched_off_and_on(shop: Shop, owner: Desk) -> None:
    await add_epay(shop)
    assert (await owner.post("/admin/gateways/epay-main/disable")).status_code == 303
    assert await ways_to_pay(shop) == []
    assert (await owner.post("/admin/gateways/epay-main/enable")).status_code == 303
    assert await ways_to_pay(shop)
    assert (await owner.post("/admin/gateways/nobody/enable")).status_code == 404


async def test_a_real_shop_takes_no_practice_money(shop: Shop, owner: Desk) -> None:
    await shop.db.write(settings_writes.change, "shop.practice", False, CLI)
    shop.settings = await shop.db.read(stored.settings)
    assert "/admin/gateways/new/practice" not in (await owner.get("/admin/gateways")).text
    form = await options(owner, "/admin/gateways/new/practice")
    refused = await owner.post("/admin/gateways/new/practice", {**form, "name": "practice", "is_enabled": "1"})
    assert refused.status_code == 422
    assert await ways_to_pay(shop) == []


async def test_settings_are_changed_all_or_none(shop: Shop, owner: Desk) -> None:
    page = await owner.get("/admin/settings")
    assert page.status_code == 200
    ok = await owner.post("/admin/settings", {"shop.name": "小鹿 <卡铺>", "callbacks.keep_days": "30"})
    assert ok.status_code == 303
    assert shop.settings.text("shop.name") == "小鹿 <卡铺>"
    assert shop.settings.number("callbacks.keep_days") == 30
    assert "小鹿 &lt;卡铺&gt;" in (await owner.get("/admin/settings")).text
    wrong = await owner.post(
        "/admin/settings", {"shop.name": "Other", "callbacks.keep_days": "1e3", "shop.timezone": "Mars/Base"}
    )
    assert wrong.status_code == 422
    assert len(complaints(wrong)) == 2
    assert shop.settings.text("shop.name") == "小鹿 <卡铺>"


@pytest.mark.parametrize("theme", ["nothing", "../default", "default/", ""])
async def test_a_theme_that_is_not_there_is_not_chosen(shop: Shop, owner: Desk, theme: str) -> None:
    refused = await owner.post("/admin/settings", {"shop.theme": theme})
    assert refused.status_code == 422
    assert "There is no such theme, or it does not fit this kashop." in complaints(refused)
    assert shop.settings.text("shop.theme") == "default"
    assert (await owner.get("/")).status_code == 200


@pytest.mark.parametrize("name", ["shop.currency", "shop.practice", "shop.id", "no.such", "_csrf"])
async def test_fixed_and_unknown_settings_cannot_be_posted(shop: Shop, owner: Desk, name: str) -> None:
    before = await shop.db.read(stored.changes)
    await owner.post("/admin/settings", {name: "USD"} if name != "_csrf" else {})
    assert await shop.db.read(stored.changes) == before


async def test_jobs_tell_when_they_ran_and_what_is_wrong(shop: Shop, owner: Desk, clock: TestClock) -> None:
    page = (await owner.get("/admin/jobs")).text
    assert "This server runs no jobs" in page
    assert "expire_orders" in page


async def test_both_languages_and_the_choice_is_kept(app: Edge) -> None:
    desk = Desk(app)
    await desk.log_in()
    assert "Orders today" in (await desk.get("/admin")).text
    page = (await desk.get("/admin", params={"lang": "zh_Hans"})).text
    assert 'lang="zh-Hans"' in page
    assert "今日订单" in page
    assert "今日订单" in (await desk.get("/admin")).text
