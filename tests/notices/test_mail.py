"""Mail over a real SMTP server on loopback: what arrives, what is refused, what a failure says."""

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from kashop.flows import mail, notices, settings
from kashop.lib.actor import CLI
from kashop.lib.errors import Invalid, TooMany
from kashop.notices import rules
from kashop.notices.writes import tell
from kashop.shop import Shop
from tests import beside
from tests.cast import TestClock
from tests.notices.receivers import PASSWORD, USER, certificate, mail_house
from tests.notices.setting_up import notices_of, set_mail

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS:UserWarning")  # inside TLS it is right

LINK = "http://shop.example/admin/invited?token=KANARI-invitation"


def trust(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Let the shop trust a test's certificate, and `mail.test` be this machine."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_verify_locations(path)
    monkeypatch.setattr(mail, "tls_context", lambda: context)
    name_is_here(monkeypatch, "mail.test")


def name_is_here(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    real = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **more: Any) -> Sequence[Any]:
        return real("127.0.0.1" if host in names else host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


async def test_a_mail_in_the_shops_language_arrives_and_is_marked(near: Shop, clock: TestClock) -> None:
    async with mail_house() as house:
        await set_mail(near, house)
        facts = {"kind": "new_place", "account": "a@example.com", "ip": "203.0.113.9", "user_agent": "Firefox"}
        await near.db.write(tell, "login.suspicious", to=["a@example.com"], **facts)
        assert await notices.send_due(near) == 1
        assert await notices.send_due(near) == 0
    (sent,) = house.to("a@example.com")
    assert sent["subject"] == "[测试小店] 账号 a@example.com 登录异常"
    assert sent["from"] == "测试小店 <shop@example.com>"
    assert sent["auto-submitted"] == "auto-generated"
    plain, rich = (part.get_content() for part in sent.iter_parts())
    for body in (plain, rich):
        assert "从未用过的浏览器和网络登录成功，来自 203.0.113.9（Firefox）" in body
        assert "http://shop.example/admin/account" in body
        assert "2026-11-01" in body
    (notice,) = await notices_of(near)
    assert (notice.state, notice.tries, notice.sent_at) == ("sent", 1, clock.now())
    assert sent["message-id"] == f"<{notice.number}@example.com>"


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_it_logs_in_under_verified_tls(near: Shop, security: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, path = certificate(tmp_path, "mail.test")
    trust(monkeypatch, path)
    async with mail_house(security, context=context, auth=True) as house:
        await set_mail(near, house, security=security, host="mail.test", username=USER, password=PASSWORD)
        tried = await notices.test(near, "mail", CLI, to="a@example.com")
        assert tried.problem == ""
        assert house.logins[-1] == (USER, PASSWORD)
        assert len(house.to("a@example.com")) == 1
        await settings.change(near, {"mail.password": "wrong"}, CLI)
        tried = await notices.test(near, "mail", CLI, to="a@example.com")
        assert tried.problem.startswith("wrong_login")
        assert PASSWORD not in tried.problem


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_that_is_not_trusted_or_of_another_name_gets_nothing(
    near: Shop, security: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, path = certificate(tmp_path, "other.test")
    name_is_here(monkeypatch, "mail.test")
    async with mail_house(security, context=context, auth=True) as house:
        await set_mail(near, house, security=security, host="mail.test", username=USER, password=PASSWORD)
        assert (await notices.test(near, "mail", CLI, to="a@example.com")).problem == "bad_certificate"
        trust(monkeypatch, path)
        assert (await notices.test(near, "mail", CLI, to="a@example.com")).problem == "bad_certificate"
    assert (house.logins, house.mails) == ([], [])


async def test_what_is_wrong_is_told_as_what_to_mend(near: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def problem(**more: object) -> str:
        await set_mail(near, house, **more)  # type: ignore[arg-type]
        return (await notices.test(near, "mail", CLI, to="a@example.com")).problem

    async with mail_house() as house:
        assert await problem(security="starttls") == "no_starttls"
        await near.limits.forgive("notice test", "")
        assert await problem(security="tls") == "wrong_security"
        assert await problem(username=USER, password=PASSWORD) == "password_in_clear"
        assert await problem(username="") == ""
        house.refuses["a@example.com"] = "550 no such person"
        assert await problem() == "recipient_refused: 550 no such person"
        house.refuses.clear()
        house.sender_answer = "553 not yours"
        assert await problem() == "sender_refused: 553 not yours"
        house.sender_answer, house.data_answer = "", "554 spam"
        assert await problem() == "mail_refused: 554 spam"
    await near.limits.forgive("notice test", "")
    assert await problem() == "no_connection"
    assert await problem(host="no-such-host.example.com") == "no_such_host"
    assert not near.settings.text("mail.username")


async def test_a_server_that_hangs_is_left(near: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "COMMAND_SECONDS", 0.5)
    async with mail_house() as house:
        house.hangs_at = "ehlo"
        await set_mail(near, house)
        assert (await notices.test(near, "mail", CLI, to="a@example.com")).problem == "too_slow"
        monkeypatch.setattr(mail, "COMMAND_SECONDS", 15.0)
        monkeypatch.setattr(mail, "TOTAL_SECONDS", 0.5)
        assert (await notices.test(near, "mail", CLI, to="a@example.com")).problem == "too_slow"


async def test_f07_a_test_to_what_is_no_address_is_refused(near: Shop) -> None:
    async with mail_house() as house:
        await set_mail(near, house)
        for to in ("a@example.com\r\nBcc: b@example.com", "a@example.com\n", "a", "", "a@example.com, b@example.com", "@x.yz"):
            with pytest.raises(Invalid) as caught:
                await notices.test(near, "mail", CLI, to=to)
            assert caught.value.fields[0].field == "to"
        assert house.connections == 0
        for _ in range(10):
            await notices.test(near, "mail", CLI, to="a@example.com")
        with pytest.raises(TooMany):
            await notices.test(near, "mail", CLI, to="a@example.com")


async def test_facts_stand_as_text_whatever_they_hold(near: Shop) -> None:
    wild = "<script>alert(1)</script>\r\nBcc: evil@example.com\u202e{shop}%s"
    async with mail_house() as house:
        await set_mail(near, house)
        await near.db.write(tell, "codes.low", to=["a@example.com"], product=wild, left=3)
        assert await notices.send_due(near) == 1
    (sent,) = house.to("a@example.com")
    assert sent["bcc"] is None
    assert sent["subject"].startswith("[测试小店] 库存不足：<script>alert(1)</script> Bcc: evil@example.com{shop}%s")
    plain, rich = (part.get_content() for part in sent.iter_parts())
    assert "<script>" not in rich
    assert "&lt;script&gt;" in rich
    assert "\u202e" not in plain + rich


async def test_a_sealed_link_reaches_its_reader_and_nobody_else(near: Shop) -> None:
    sealed = rules.sealed_facts(near.keyring, "staff.invited", link=LINK)
    async with mail_house() as house:
        await set_mail(near, house)
        await near.db.write(tell, "staff.invited", to=["new@example.com"], sealed=sealed, by="老板", role="support", hours=72)
        assert await notices.send_due(near) == 1
    (sent,) = house.to("new@example.com")
    plain, rich = (part.get_content() for part in sent.iter_parts())
    assert LINK in plain
    assert f'<a href="{LINK}">' in rich
    assert "客服" in plain
    (notice,) = await notices_of(near)
    assert notice.sealed is None
    stored = beside.stored(near.config.place)
    assert b"new@example.com" in stored  # what is read here is what was written
    assert LINK.encode() not in stored


async def test_many_of_a_kind_become_one_mail(near: Shop, clock: TestClock) -> None:
    async with mail_house() as house:
        await set_mail(near, house)
        await near.db.write(tell, "codes.low", to=["a@example.com"], product="P0", left=1)
        assert await notices.send_due(near) == 1
        for n in range(1, 31):
            await near.db.write(tell, "codes.low", to=["a@example.com"], product=f"P{n}", left=1)
        await near.db.write(tell, "codes.low", to=["b@example.com"], product="P1", left=1)
        await near.db.write(tell, "password.changed", to=["a@example.com"], email="a@example.com")
        assert await notices.send_due(near) == 2
        clock.pass_time(minutes=4)
        await near.db.write(tell, "codes.low", to=["a@example.com"], product="P31", left=1)
        assert await notices.send_due(near) == 0
        clock.pass_time(minutes=2)
        assert await notices.send_due(near) == 31
    assert [len(house.to(f"{who}@example.com")) for who in "ab"] == [3, 1]
    together = house.to("a@example.com")[-1]
    assert together["subject"] == "[测试小店] 库存不足：P31 (×31)"
    plain = next(together.iter_parts()).get_content()
    assert "P31" in plain
    assert "P12" in plain
    assert "P11" not in plain
    assert "另有 11 条" in plain
    assert {n.state for n in await notices_of(near)} == {"sent"}


async def test_invitations_are_never_put_together(near: Shop) -> None:
    async with mail_house() as house:
        await set_mail(near, house)
        for n in range(3):
            sealed = rules.sealed_facts(near.keyring, "staff.invited", link=f"{LINK}{n}")
            await near.db.write(tell, "staff.invited", to=["new@example.com"], sealed=sealed, by="b", role="support", hours=72)
        assert await notices.send_due(near) == 3
        assert house.connections == 1
    assert len(house.mails) == 3


async def test_mails_wait_a_day_for_mail_to_be_set_up(near: Shop, clock: TestClock) -> None:
    await near.db.write(tell, "vault.alarm", to=["a@example.com"], where="code 1")
    assert await notices.send_due(near) == 0
    assert [n.state for n in await notices_of(near)] == ["waiting"]
    clock.pass_time(hours=25)
    await near.db.write(tell, "vault.alarm", to=["a@example.com"], where="code 2")
    assert await notices.send_due(near) == 0
    assert [(n.state, n.problem) for n in await notices_of(near)] == [("given_up", "not_set_up"), ("waiting", "")]
    async with mail_house() as house:
        await set_mail(near, house)
        assert await notices.send_due(near) == 1
        old, _ = await notices_of(near)
        await notices.retry(near, old.notice_id, CLI)
        clock.pass_time(minutes=6)
        assert await notices.send_due(near) == 1
    assert len(house.mails) == 2


async def test_one_recipient_that_fails_holds_up_no_other(near: Shop, clock: TestClock) -> None:
    async with mail_house() as house:
        await set_mail(near, house)
        house.refuses = {"gone@example.com": "550 no such person", "full@example.com": "452 mailbox full"}
        to = ["gone@example.com", "full@example.com", "c@example.com"]
        await near.db.write(tell, "vault.alarm", to=to, where="code 1")
        assert await notices.send_due(near) == 1
        states = {n.recipient: (n.state, n.problem) for n in await notices_of(near)}
        assert states["gone@example.com"] == ("given_up", "recipient_refused: 550 no such person")
        assert states["full@example.com"] == ("failing", "recipient_refused: 452 mailbox full")
        house.refuses.clear()
        for seconds in (5, 6):
            clock.pass_time(seconds=seconds)
            await notices.send_due(near)
        assert len(house.to("full@example.com")) == 1


async def test_the_schedule_is_kept_and_ends(near: Shop, clock: TestClock) -> None:
    async with mail_house() as house:
        await set_mail(near, house)
        house.data_answer = "451 later"
        await near.db.write(tell, "vault.alarm", to=["a@example.com"], where="code 1")
        waits = []
        for _ in range(20):
            before = house.connections
            assert await notices.send_due(near) == 0
            (notice,) = await notices_of(near)
            assert house.connections == before + 1
            if notice.next_try_at is None:
                break
            waits.append(notice.next_try_at - clock.now())
            clock.ms = notice.next_try_at - 1
            assert await notices.send_due(near) == 0
            assert house.connections == before + 1
            clock.ms += 1
    assert waits == list(rules.BACK_OFF)
    assert (notice.state, notice.tries, notice.problem) == ("given_up", 9, "mail_refused: 451 later")


async def test_a_killed_sender_is_followed_by_another(near: Shop, clock: TestClock) -> None:
    async with mail_house() as house:
        await set_mail(near, house)
        await near.db.write(tell, "vault.alarm", to=["a@example.com"], where="code 1")
        house.hangs_at = "data"  # the server has the mail, and its answer never comes
        sending = asyncio.create_task(notices.send_due(near))
        while not house.mails:  # noqa: ASYNC110  # the server has no event to wait for
            await asyncio.sleep(0.01)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        house.gate.set()
        assert await notices.send_due(near) == 0  # it is leased
        clock.pass_time(seconds=121)
        assert await notices.send_due(near) == 1
    first, again = house.to("a@example.com")
    assert first["message-id"] == again["message-id"]


async def test_two_senders_at_once_send_once(near: Shop) -> None:
    async with mail_house() as house:
        await set_mail(near, house)
        for n in range(10):
            await near.db.write(tell, "vault.alarm", to=[f"p{n}@example.com"], where="code 1")
        done = await asyncio.gather(*(notices.send_due(near) for _ in range(4)))
    assert sum(done) == 10
    assert len(house.mails) == 10


async def test_no_private_mail_server_is_reached_unless_it_is_named(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    async with mail_house() as house:
        with pytest.raises(Invalid):
            await set_mail(shop, house)
        await set_mail(shop, house, host="203.0.114.7")
        name_is_here(monkeypatch, "203.0.114.7")  # the name that was public when it was set leads inwards now
        assert (await notices.test(shop, "mail", CLI, to="a@example.com")).problem == "not_public"
    assert house.connections == 0
