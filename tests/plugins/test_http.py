"""The bounded client: what it refuses, what it never tells."""

import gzip
import json
import logging
import traceback
from collections.abc import AsyncIterator

import pytest

from kashop.plugins.http import MOST_LIMIT, Http, HttpFailed
from kashop.plugins.kit import Mouth

LONG = f"http://{'a' * 70}.test/"


@pytest.fixture
async def mouth() -> AsyncIterator[Mouth]:
    mouth = Mouth()
    await mouth.open()
    yield mouth
    await mouth.close()


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    http = Http(total_seconds=2.0)
    yield http
    await http.close()


async def test_numbers_stay_as_they_were_sent(mouth: Mouth, http: Http) -> None:
    mouth.says(b'{"code":0,"money":12.50,"big":12345678901234567890123,"e":1e3,"s":"1","n":null,"l":[1]}')
    said = (await http.get(mouth.url)).json()
    assert said == {
        "code": "0",
        "money": "12.50",
        "big": "12345678901234567890123",
        "e": "1e3",
        "s": "1",
        "n": None,
        "l": ["1"],
    }


async def test_json_in_json_is_opened_once(mouth: Mouth, http: Http) -> None:
    mouth.says(json.dumps('{"code":1}').encode())
    assert (await http.get(mouth.url)).json() == {"code": "1"}
    mouth.says(b'\xef\xbb\xbf{"code":1}')
    assert (await http.get(mouth.url)).json() == {"code": "1"}


async def test_a_redirect_is_an_answer_and_is_not_followed(mouth: Mouth, http: Http) -> None:
    mouth.says(b"", status=302, location=f"{mouth.url}/elsewhere")
    reply = await http.post(mouth.url, form={"a": "1"})
    assert reply.status == 302
    assert len(mouth.heard) == 1


async def test_no_cookie_is_kept(mouth: Mouth, http: Http) -> None:
    mouth.says(b"{}", set_cookie="a=1; Path=/")
    for _ in range(2):
        await http.get(mouth.url)
    assert len(mouth.heads) == 2
    assert "cookie" not in "".join(mouth.heads).lower()


async def test_a_large_answer_is_cut_off_at_its_limit(mouth: Mouth, http: Http) -> None:
    mouth.says(b"x" * 1000)
    assert len((await http.get(mouth.url, limit=1000)).body) == 1000
    with pytest.raises(HttpFailed) as caught:
        await http.get(mouth.url, limit=999)
    assert caught.value.is_unclear
    mouth.says(b"x" * (MOST_LIMIT + 1))
    with pytest.raises(HttpFailed):
        await http.get(mouth.url, limit=10**9)


async def test_a_compressed_answer_is_refused(mouth: Mouth, http: Http) -> None:
    mouth.says(gzip.compress(b"x" * 10_000_000), content_encoding="gzip")
    with pytest.raises(HttpFailed, match="compressed"):
        await http.get(mouth.url)


@pytest.mark.parametrize(("mood", "is_unclear"), [("hangs", True), ("hangs_up", True), ("endless", True), ("gone", False)])
async def test_failures_say_whether_the_request_may_have_arrived(mouth: Mouth, http: Http, mood: str, is_unclear: bool) -> None:
    mouth.mood = mood
    if mood == "gone":
        await mouth.close()
    with pytest.raises(HttpFailed) as caught:
        await http.post(mouth.url, form={"a": "1"})
    assert caught.value.is_unclear is is_unclear


@pytest.mark.parametrize(
    "url",
    ["", "nonsense", "ftp://127.0.0.1/", "http://", "http://127.0.0.1:99999/", "file:///etc/passwd", LONG],
)
async def test_an_address_that_is_none_fails_clearly(http: Http, url: str) -> None:
    with pytest.raises(HttpFailed) as caught:
        await http.get(url)
    assert not caught.value.is_unclear


async def test_no_address_and_no_form_is_told(mouth: Mouth, http: Http, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("", "httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, logger=name)
    told = []
    secret = "hush-" + "hush"
    await http.get(mouth.url, params={"key": secret})
    for mood in ("hangs", "hangs_up", "gone"):
        mouth.mood = mood
        if mood == "gone":
            await mouth.close()
        with pytest.raises(HttpFailed) as caught:
            await http.post(f"{mouth.url}/?key={secret}", form={"key": secret}, headers={"authorization": secret})
        told.append("".join(traceback.format_exception(caught.value)) + repr(caught.value))
    assert secret not in caplog.text + "".join(told)


async def test_the_same_client_serves_one_loop_after_another(mouth: Mouth, http: Http) -> None:
    mouth.says(b"1")
    assert (await http.get(mouth.url)).body == b"1"
    await http.close()
    assert (await http.get(mouth.url)).body == b"1"
