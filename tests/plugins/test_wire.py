"""Amounts and forms, read strictly."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kashop.lib.money import to_text
from kashop.payments.types import Rejected
from kashop.plugins.wire import (
    form_fields,
    is_line_trusted,
    is_same,
    is_web_address,
    json_object,
    minor_units,
    scrubbed,
    vendor_base,
)


@given(st.integers(0, 10**14), st.sampled_from(["CNY", "USD", "JPY", "KWD"]))
def test_what_we_write_we_read(minor: int, currency: str) -> None:
    assert minor_units(to_text(minor, currency), currency) == minor


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("12.5", "CNY", 1250), ("12.50", "CNY", 1250), ("12", "CNY", 1200), ("0.01", "CNY", 1), ("0", "CNY", 0), ("7", "JPY", 7)],
)
def test_fewer_places_are_fine(text: str, currency: str, minor: int) -> None:
    assert minor_units(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency"),
    [
        *((text, "CNY") for text in ("", " ", "1e1", "1E1", "-1", "+1", "NaN", "Infinity", "１２", "١", "1.234", "100.000")),
        *((text, "CNY") for text in (".5", "5.", "1,0", "1_0", "01", "00", "0x1", "1\n", "\n1", " 1", "1 ", "1.2.3", "9" * 16)),
        *((text, "JPY") for text in ("7.0", "7.5")),
        ("1000000000000.01", "CNY"),
    ],
)
def test_anything_else_is_no_amount(text: str, currency: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        minor_units(text, currency)


@given(st.text(max_size=20))
def test_no_text_breaks_the_reading_of_amounts(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert 0 <= minor_units(text, "CNY") <= 10**14


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reading_of_forms(raw: bytes) -> None:
    with contextlib.suppress(Rejected):
        fields = form_fields(raw)
        assert all("\0" not in k + v for k, v in fields.items())


def test_forms() -> None:
    assert form_fields(b"a=1&b=+%20%2B&c=&d&%E6%B5%8B=%e6%b5%8b&&") == {"a": "1", "b": "  +", "c": "", "d": "", "测": "测"}
    assert form_fields(b"") == {}
    for bad in (b"a=1&a=1", b"a=1&%61=2", b"a=%f", b"a=%00", b"a=\xff", b"a[]=1", b"%0a=1", b"x=" + b"y" * 20_000):
        with pytest.raises(Rejected):
            form_fields(bad)
    assert len(form_fields(b"&".join(b"f%d=1" % n for n in range(64)))) == 64
    with pytest.raises(Rejected):
        form_fields(b"&".join(b"f%d=1" % n for n in range(65)))


def test_nothing_is_the_same_as_nothing() -> None:
    assert is_same("abc", "abc")
    for told, expected in (("", ""), ("abc", ""), ("", "abc"), ("ABC", "abc"), ("abc\n", "abc"), ("é", "e"), ("\ud800", "a")):
        assert not is_same(told, expected)


def test_words_of_others_are_cut_and_cleaned() -> None:
    assert scrubbed("no\r\nkey k1k1 and k1", "k1", "k1k1", "") == "no key *** and ***"
    assert len(scrubbed("x" * 1000)) == 200


def test_json_keeps_numbers_as_they_were_written() -> None:
    told = json_object(b' {"a": 12.50, "b": "12.50", "c": {"d": [1e-7, -0]}, "e": null, "f": true} ')
    assert told == {"a": "12.50", "b": "12.50", "c": {"d": ["1e-7", "-0"]}, "e": None, "f": True}
    assert [type(told[name]).__name__ for name in "ab"] == ["Number", "str"]


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reading_of_json(raw: bytes) -> None:
    with contextlib.suppress(Rejected):
        assert isinstance(json_object(raw), dict)
    with contextlib.suppress(Rejected):
        json_object(b'{"a":' + raw + b"}")


def test_a_vendors_address() -> None:
    assert vendor_base("https://a.example", may_be_http=False) == vendor_base("https://a.example//", may_be_http=False)
    assert vendor_base("https://a.example:8443/pay/", may_be_http=False) == "https://a.example:8443/pay/"
    assert vendor_base("http://127.0.0.1:9", may_be_http=False) == "http://127.0.0.1:9/"
    assert vendor_base("http://10.0.0.1", may_be_http=True) == "http://10.0.0.1/"
    for bad in (
        "",
        "a.example",
        "http://10.0.0.1",
        "https://u@a.example",
        "https://a.example/?a",
        "https://a.example#a",
        "https://a b",
    ):
        with pytest.raises(ValueError, match=r"address|https"):
            vendor_base(bad, may_be_http=False)


def test_a_trusted_line() -> None:
    assert all(map(is_line_trusted, ("https://a.example/", "http://127.0.0.1:8/", "http://[::1]/", "http://localhost/")))
    assert not any(
        map(is_line_trusted, ("http://a.example/", "http://10.0.0.1/", "http://localhost.example/", "ftp://127.0.0.1.b/"))
    )


def test_where_a_buyer_may_be_sent() -> None:
    assert all(map(is_web_address, ("https://a.example/x?y#z", "http://127.0.0.1:8/")))
    assert not any(
        map(is_web_address, ("", None, 7, "javascript:alert(1)", "//a", "https://", "https://a b", "https://[", "data:x"))
    )
