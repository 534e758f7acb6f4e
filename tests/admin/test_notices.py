"""The panel's notices and secret settings: tried out, tried again, never shown (F07)."""

import ast
import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kashop.flows import notices, settings
from kashop.lib.actor import CLI
from kashop.notices import rules
from kashop.notices.writes import tell
from kashop.settings import SETTINGS
from kashop.settings.config import load
from kashop.shop import Shop
from kashop.web.admin import words
from tests.admin.desk import Desk, app_of, complaints
from tests.cast import TestClock
from tests.notices.receivers import hook, mail_house
from tests.notices.setting_up import notices_of, set_file, set_hook, set_mail

SECRET = "KANARI-mail-Passw0rd"


@pytest.fixture
async def near(data: Path, clock: TestClock) -> AsyncIterator[Shop]:
    config = load(data, {}, base_url="http://shop.example", private_networks=["127.0.0.0/8"])
    shop = await Shop.open(config, clock=clock, is_server=True)
    yield shop
    await shop.close()


@pytest.fixture
async def desk(near: Shop) -> Desk:
    desk = Desk(app_of(near))
    assert (await desk.log_in()).status_code == 303
    return desk


async def test_a_secret_goes_in_and_never_comes_out(near: Shop, desk: Desk) -> None:
    changed = await desk.post("/admin/settings", {"mail.host": "203.0.114.9", "mail.password": SECRET})
    assert changed.status_code == 303
    assert settings.secret(near, "mail.password") == SECRET
    for path in ("/admin/settings", "/admin/notices"):
        assert SECRET not in (await desk.get(path)).text
    refused = await desk.post("/admin/settings", {"mail.password": SECRET + "2", "mail.port": "x"})
    assert refused.status_code == 422
    assert SECRET not in refused.text
    assert settings.secret(near, "mail.password") == SECRET
    await desk.post("/admin/settings", {"mail.password": "", "mail.host": "203.0.114.9"})
    assert settings.secret(near, "mail.password") == SECRET
    await desk.post("/admin/settings", {"mail.password": "", "clear-mail.password": "1"})
    assert settings.secret(near, "mail.password") == ""


async def test_f07_what_does_not_fit_is_marked_at_its_field(near: Shop, desk: Desk) -> None:
    wrong = {
        "notices.webhook_url": "https://169.254.169.254/latest/meta-data",
        "mail.from": "a@example.com\nBcc: b@example.com",
        "mail.host": "10.0.0.1",
        "notices.file": str(near.config.data / "x"),
        "notices.webhook_key": "short",
    }
    for strange in ("mail.no_such", "shop.id", "__class__", "x"):
        refused = await desk.post("/admin/settings", {"shop.name": "kept", strange: "1"})
        assert (refused.status_code, near.settings.text("shop.name")) == (422, "测试小店")
        assert "There is no such setting." in refused.text
    refused = await desk.post("/admin/settings", wrong)
    assert refused.status_code == 422
    for name in wrong:
        assert f'id="wrong-{name}"' in refused.text
    assert all(not near.settings[name] for name in wrong)
    async with mail_house() as house:
        await set_mail(near, house)
        answer = await desk.post("/admin/notices/test", {"channel": "mail", "to": "a@example.com\r\nBcc: b@example.com"})
        assert answer.status_code == 422
        assert complaints(answer)
        for channel in ("sms", "", "webhook"):
            assert (await desk.post("/admin/notices/test", {"channel": channel})).status_code == 422
        assert house.connections == 0


async def test_a_channel_is_tried_out_and_tells_what_to_mend(near: Shop, desk: Desk, tmp_path: Path) -> None:
    assert "Mail is not set up" in (await desk.get("/admin/notices")).text
    (tmp_path / "out").mkdir()
    async with mail_house() as house, hook() as receiver:
        await set_mail(near, house)
        await set_hook(near, receiver)
        await set_file(near, tmp_path / "out" / "n.jsonl")
        assert "The test left well." in (await desk.post("/admin/notices/test", {"channel": "mail", "to": "me@example.com"})).text
        assert "The test left well." in (await desk.post("/admin/notices/test", {"channel": "webhook"})).text
        assert "The test left well." in (await desk.post("/admin/notices/test", {"channel": "file"})).text
        assert len(house.to("me@example.com")) == 1
        await settings.change(near, {"mail.security": "starttls"}, CLI)
        page = await desk.post("/admin/notices/test", {"channel": "mail", "to": "me@example.com"})
        assert "The server offers no STARTTLS: try TLS with port 465." in page.text
        for _ in range(7):
            await desk.post("/admin/notices/test", {"channel": "webhook"})
        assert (await desk.post("/admin/notices/test", {"channel": "webhook"})).status_code == 429


async def test_the_webhook_key_is_shown_once(near: Shop, desk: Desk) -> None:
    page = await desk.post("/admin/notices/key")
    (key,) = re.findall(r"whsec_[\w+/=]{44}", page.text)
    assert settings.secret(near, "notices.webhook_key") == key
    for path in ("/admin/notices", "/admin/settings"):
        assert key not in (await desk.get(path)).text


async def test_what_failed_is_shown_and_sent_again(near: Shop, desk: Desk, clock: TestClock) -> None:
    async with mail_house() as house:
        await set_mail(near, house)
        house.refuses = {"a@example.com": "550 <script>alert(1)</script>"}
        sealed = rules.sealed_facts(near.keyring, "staff.invited", link="http://shop.example/KANARI")
        await near.db.write(tell, "staff.invited", to=["a@example.com"], sealed=sealed, by="b", role="support", hours=72)
        await near.db.write(tell, "password.changed", to=["a@example.com"], email="a@example.com")
        await notices.send_due(near)
        page = (await desk.get("/admin/notices")).text
        assert "550 &lt;script&gt;" in page
        assert "KANARI" not in page
        assert page.count("Send again") == 1  # the invitation's link is gone
        invited, changed = await notices_of(near)
        assert (await desk.post(f"/admin/notices/{invited.notice_id}/retry")).status_code == 409
        assert (await desk.post("/admin/notices/999/retry")).status_code == 404
        assert (await desk.post(f"/admin/notices/{changed.notice_id}/retry")).status_code == 303
        house.refuses.clear()
        assert await notices.send_due(near) == 1
        assert (await desk.post(f"/admin/notices/{changed.notice_id}/retry")).status_code == 409


def test_every_group_of_settings_and_every_list_of_words_is_whole() -> None:
    """Words that were merged twice lose half of themselves silently."""
    assert {s.group for s in SETTINGS.values()} <= words.GROUP.keys()
    tree = ast.parse(Path(words.__file__).read_text(encoding="utf-8"))
    names = Counter(n.targets[0].id for n in tree.body if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name))
    assert [name for name, times in names.items() if times > 1] == []
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            keys = Counter(k.value for k in node.keys if isinstance(k, ast.Constant))
            assert [key for key, times in keys.items() if times > 1] == []
