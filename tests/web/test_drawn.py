"""A page as bytes: squeezed as it is plain, a key of its own each time, told as unchanged only where that is right."""

import gzip
import random

import pytest

from kashop.web.drawn import GAP, OWN_KEYS, Drawn

ZIP = {b"accept-encoding": b"gzip, br"}
CHANCE = random.Random(7)  # any text will do


def words(count: int) -> str:
    return "".join(CHANCE.choice("<p>卡密 key=\"_-AZ09'\n") for _ in range(count))


@pytest.mark.parametrize("gaps", [0, 1, 2, 5])
@pytest.mark.parametrize("length", [0, 3, 900, 70_000])
def test_what_is_squeezed_opens_to_what_is_plain(gaps: int, length: int) -> None:
    pieces = [words(length) for _ in range(gaps + 1)]
    page = Drawn(GAP.join(pieces), vary="Cookie")
    for headers in ({}, ZIP):
        status, told, body = page.answer(headers)
        assert status == 200
        assert dict(told)[b"content-length"] == b"%d" % len(body)
        text = (gzip.decompress(body) if headers else body).decode()
        key = text[len(pieces[0]) :][: len(GAP)] if gaps else ""
        assert text == key.join(pieces)
        assert key != GAP


def test_every_sending_has_a_key_of_its_own() -> None:
    page = Drawn(f"<{GAP}>", vary="Cookie")
    sent = [page.answer({})[2] for _ in range(20)] + [gzip.decompress(page.answer(ZIP)[2]) for _ in range(20)]
    assert len(set(sent)) == 40


def test_a_page_without_keys_is_always_the_same() -> None:
    page = Drawn("<p>", vary="Cookie")
    assert page.answer(ZIP) == page.answer(ZIP)


@pytest.mark.parametrize(
    ("text", "cookie", "status"),
    [
        ("<p>", b"", 304),
        (f"<{GAP}>", b"", 200),
        (f"<{GAP}>", b"kashop_locale=en", 200),
        (f"<{GAP}>", b"a=b; " + OWN_KEYS, 304),
    ],
    ids=["a page without a form", "no cookie", "another cookie", "keys of its own"],  # a gap is another in each process
)
def test_unchanged_is_said_only_to_who_makes_keys_himself(text: str, cookie: bytes, status: int) -> None:
    page = Drawn(text, vary="Cookie")
    _, told, _ = page.answer({})
    etag = dict(told)[b"etag"]
    assert etag.startswith(b'W/"')
    said, again, body = page.answer({b"if-none-match": etag, b"cookie": cookie})
    assert said == status
    assert (body == b"") is (status == 304)
    assert set(told[-3:]) <= set(again), "RFC 9110 §15.4.5: what would have been told with the page"
    assert page.answer({b"if-none-match": b'W/"other"', b"cookie": cookie})[0] == 200


def test_the_tag_is_of_the_content() -> None:
    tags = {Drawn(text, vary="x").etag for text in ("a", "b", f"a{GAP}b", f"ab{GAP}", "ab")}
    assert len(tags) == 5
    assert Drawn(f"a{GAP}b", vary="x").etag == Drawn(f"a{GAP}b", vary="x").etag


@pytest.mark.parametrize(
    "torn", [GAP[:10], GAP[4:], GAP[-9:], f"{GAP} {GAP[:12]}"], ids=["head", "tail", "end", "whole and head"]
)
def test_a_key_that_a_theme_cut_up_is_nobodys_to_share(torn: str) -> None:
    assert not Drawn(f"<{torn}>", vary="x").is_shareable
    assert Drawn(f"<{GAP}>", vary="x").is_shareable
