"""The webhook and the notice file, on a real receiver and a real disk."""

import asyncio
import json
import socket
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks

from kashop.flows import channels, notices, settings
from kashop.lib.actor import CLI
from kashop.lib.addresses import networks
from kashop.notices import letters, rules
from kashop.notices.writes import tell
from kashop.plugins.http import Http, HttpForbidden
from kashop.plugins.reach import Reach, Unreachable
from kashop.shop import Shop
from tests.cast import OWNER, TestClock
from tests.notices.receivers import hook, mail_house
from tests.notices.setting_up import KEY, notices_of, set_file, set_hook, set_mail


async def alarm(shop: Shop, where: str = "code 1") -> None:
    await shop.db.write(tell, "vault.alarm", to=[], where=where)


def test_the_signature_is_the_sheets_and_the_packages() -> None:
    body = b'{"type":"order.paid","timestamp":"2026-11-01T04:01:00Z","data":{"order_no":"K202611010001"}}'
    signed = letters.signature("msg_0001", "1793505660", body, KEY)
    assert signed == "v1,qU75EiPD79YdL3d4yzc+OuMNHpHiqRYoXm2mUVllHzE="
    at = datetime.fromtimestamp(1_793_505_660, UTC)
    assert signed == standardwebhooks.Webhook(KEY).sign("msg_0001", at, body.decode())


async def test_a_notice_is_posted_signed_once(near: Shop, clock: TestClock) -> None:
    clock.ms = int(time.time() * 1000)  # the reference verifier looks at the machine's clock
    async with hook() as receiver:
        await set_hook(near, receiver)
        await alarm(near)
        assert await notices.send_due(near) == 1
        assert await notices.send_due(near) == 0
    ((headers, body),) = receiver.posts
    told = standardwebhooks.Webhook(KEY).verify(body, headers)
    assert told == {"type": "vault.alarm", "timestamp": told["timestamp"], "data": {"where": "code 1"}}
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook("whsec_" + "QUFB" * 8).verify(body, headers)
    assert (await notices_of(near))[0].state == "sent"


async def test_i37_it_is_posted_again_under_the_same_name_until_it_is_taken(near: Shop, clock: TestClock) -> None:
    async with hook() as receiver:
        await set_hook(near, receiver)
        receiver.answer = b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"
        await alarm(near)
        await alarm(near, "code 2")
        assert await notices.send_due(near) == 0
        assert len(receiver.posts) == 2  # one that fails holds up no other
        assert {n.problem for n in await notices_of(near)} == {"bad_answer: 500"}
        clock.pass_time(seconds=11)
        receiver.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
        assert await notices.send_due(near) == 2
    names = [headers["webhook-id"] for headers, _ in receiver.posts]
    assert names[:2] == names[2:]
    assert len(set(names)) == 2
    stamps = [headers["webhook-timestamp"] for headers, _ in receiver.posts]
    assert int(stamps[2]) == int(stamps[0]) + 11


async def test_h03_a_redirect_is_a_failure_and_is_not_followed(near: Shop) -> None:
    async with hook() as receiver, hook() as elsewhere:
        await set_hook(near, receiver)
        receiver.answer = f"HTTP/1.1 302 Go\r\nlocation: {elsewhere.url}\r\ncontent-length: 0\r\n\r\n".encode()
        await alarm(near)
        assert await notices.send_due(near) == 0
    assert elsewhere.posts == []
    assert (await notices_of(near))[0].problem == "bad_answer: 302"


@pytest.mark.parametrize("mood", ["endless", "hangs"])
async def test_h04_an_endless_or_silent_answer_is_cut(near: Shop, mood: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "POST_SECONDS", 1.0)
    async with hook() as receiver:
        await set_hook(near, receiver)
        receiver.mood, receiver.answer = mood, b"HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n"
        await alarm(near)
        async with asyncio.timeout(60):
            assert await notices.send_due(near) == 0
    assert (await notices_of(near))[0].problem in ("no_connection", "too_slow", "too_large")


async def test_what_the_receiver_wants_is_honoured(near: Shop, clock: TestClock) -> None:
    async with hook() as receiver:
        await set_hook(near, receiver)
        receiver.answer = b"HTTP/1.1 429 Slow\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n"
        await alarm(near)
        await notices.send_due(near)
        (notice,) = await notices_of(near)
        assert notice.next_try_at == clock.now() + 3_600_000
        await notices.retry(near, notice.notice_id, CLI)
        receiver.answer = b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"
        await notices.send_due(near)
        assert (await notices_of(near))[0].problem == "gone"


async def test_owners_are_told_by_mail_when_the_webhook_is_given_up(near: Shop, clock: TestClock) -> None:
    async with hook() as receiver, mail_house() as house:
        await set_hook(near, receiver)
        await set_mail(near, house)
        receiver.answer = b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"
        await alarm(near)
        for wait in (0, *rules.BACK_OFF):
            clock.ms += wait
            await notices.send_due(near)
        await notices.send_due(near)
        (mail,) = house.to(OWNER)
        plain = next(mail.iter_parts()).get_content()
        assert "vault.alarm" in plain
        assert "接收方返回了 503" in plain
        posts = len(receiver.posts)
        for wait in rules.BACK_OFF:
            clock.ms += wait
            await notices.send_due(near)
        assert len(house.mails) == 1  # that this notice could not be posted either is not told again
        assert len(receiver.posts) == posts + 8
        (first, *_) = await notices_of(near)
        assert first.state == "given_up"
        receiver.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
        await notices.retry(near, first.notice_id, CLI)
        assert await notices.send_due(near) == 1
    assert receiver.posts[0][0]["webhook-id"] == receiver.posts[-1][0]["webhook-id"]


async def test_a_dead_channel_holds_up_no_other(near: Shop, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    async with hook() as receiver, mail_house() as house:
        await set_hook(near, receiver)
        await set_mail(near, house)
        await set_file(near, tmp_path / "out" / "n.jsonl")
        receiver.mood = "hangs"
        await near.db.write(tell, "vault.alarm", to=["a@example.com"], where="code 1")
        sending = asyncio.create_task(notices.send_due(near))
        async with asyncio.timeout(60):
            while not (house.mails and (tmp_path / "out" / "n.jsonl").exists()):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert not sending.done()
        receiver.gate.set()
        assert await sending == 3


def flips(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """A name server that gives another answer each time, the last for ever."""
    real, asked = socket.getaddrinfo, []

    def look_up(host: Any, *args: Any, **more: Any) -> Sequence[Any]:
        if host not in ("rebinding.example.com", b"rebinding.example.com"):
            return real(host, *args, **more)
        asked.append(answers[min(len(asked), len(answers) - 1)])
        return [row for ip in asked[-1].split() for row in real(ip, *args, **more)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


@pytest.mark.parametrize("answers", [("203.0.114.1", "127.0.0.1"), ("127.0.0.1",), ("203.0.114.1", "203.0.114.1 127.0.0.1")])
async def test_h02_a_name_that_turns_inwards_gets_nothing(
    near: Shop, monkeypatch: pytest.MonkeyPatch, answers: tuple[str, ...]
) -> None:
    async with hook() as receiver:
        asked = flips(monkeypatch, *answers)
        url = f"https://rebinding.example.com:{receiver.port}/"
        http = Http(reach=Reach(), total_seconds=3)
        if len(answers) > 1:
            await settings.change(near, {"notices.webhook_url": url}, CLI)  # public when it is set
        with pytest.raises(HttpForbidden):
            await http.post(url.replace("https", "http"), body=b"{}")
        await http.close()
        assert receiver.posts == []
        assert asked == list(answers)
        control = Http(total_seconds=3)
        await control.post(f"http://rebinding.example.com:{receiver.port}/", body=b"{}")
        await control.close()
        assert len(receiver.posts) == 1


async def test_h02_the_connected_socket_is_judged(near: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even when the look was fooled: a judge that lets every address pass, and a socket that tells the truth."""

    async def fooled(self: Reach, host: str, port: int) -> list[Any]:
        return [ip_address("127.0.0.1")]

    async with hook() as receiver:
        monkeypatch.setattr(Reach, "addresses", fooled)
        http = Http(reach=Reach(), total_seconds=3)
        with pytest.raises(HttpForbidden):
            await http.post(receiver.url, body=b"{}")
        await http.close()
        with pytest.raises(Unreachable):
            await Reach().connect("mail.example.com", receiver.port, seconds=3)
        assert receiver.posts == []
        allowed = Http(reach=Reach(networks(["127.0.0.1"])), total_seconds=3)
        assert (await allowed.post(receiver.url, body=b"{}")).status == 204
        await allowed.close()


async def test_the_file_gets_a_line_that_survives(near: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    path = folder / "notices.jsonl"
    path.write_bytes(b'{"cut short')
    await set_file(near, path)
    await near.db.write(tell, "vault.alarm", to=["a@example.com"], where="第 1 个\n卡密")
    await near.db.write(tell, "audit.checkpoint", to=[], size=1000, note="kashop/audit\n1000\nabc\n")
    assert await notices.send_due(near) == 2
    torn, first, second = path.read_text(encoding="utf-8").splitlines()
    assert torn == '{"cut short'
    assert json.loads(first)["data"] == {"where": "第 1 个\n卡密"}
    assert json.loads(second)["data"]["note"] == "kashop/audit\n1000\nabc\n"
    assert json.loads(first)["id"] != json.loads(second)["id"]
    assert (await notices.test(near, "file", CLI, to="")).problem == ""


async def test_a_file_that_cannot_be_written_is_told(near: Shop, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    await set_file(near, folder / "notices.jsonl")
    (folder / "notices.jsonl").mkdir()
    assert (await notices.test(near, "file", CLI, to="")).problem == "file: Is a directory"
    (folder / "notices.jsonl").rmdir()
    (folder / "notices.jsonl").symlink_to(near.config.data / "notices.jsonl")
    assert (await notices.test(near, "file", CLI, to="")).problem == "file_inside"
    assert not (near.config.data / "notices.jsonl").exists()


async def test_sent_ones_are_forgotten_after_thirty_days(near: Shop, clock: TestClock, tmp_path: Path) -> None:
    from kashop.jobs.schedule import forget

    (tmp_path / "out").mkdir()
    await set_file(near, tmp_path / "out" / "n.jsonl")
    await near.db.write(tell, "vault.alarm", to=["a@example.com"], where="code 1")
    await notices.send_due(near)
    clock.pass_time(hours=24 * 29)
    await forget(near)
    assert len(await notices_of(near)) == 2
    clock.pass_time(hours=25)
    await forget(near)
    assert [n.channel for n in await notices_of(near)] == ["mail"]  # it waits still
