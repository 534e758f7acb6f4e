"""What is not plain JSON of the expected form is refused by its place, and nothing is stored (abuse cases A09 to A11)."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kashop.shop import Shop
from kashop.web.api.strict import MAX_DEPTH, read_json
from kashop.web.errors import Stopped
from tests.api.conftest import Api
from tests.api.test_orders import problem
from tests.beside import row_counts
from tests.hostile.tables import changed

LINE = b'{"sku":"steam-50","quantity":%s}'
ORDER = b'{"lines":[%s],"contact":{"type":"email","value":"a@example.com"},"gateway":"epay-main","method":"alipay"}'


async def raw(api: Api, body: bytes, content_type: str | None = "application/json", **headers: str):
    sent = {"idempotency-key": "strict", **({"content-type": content_type} if content_type is not None else {}), **headers}
    return await api.post("/orders", content=body, headers=sent)


async def test_the_plain_form_is_taken(api: Api) -> None:
    """The control for all refusals below."""
    assert (await raw(api, ORDER % (LINE % b"1"))).status_code == 201


MALFORMED = {
    "5,000 deep": b"[" * 5000 + b"]" * 5000,
    "5,000 deep in an ignored place": ORDER[:-1] % (LINE % b"1") + b',"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "33 deep": b'{"x":' * 33 + b"1" + b"}" * 33,
    "60,000 open": b"[" * 60_000,
    "a name twice": ORDER % b'{"sku":"steam-50","quantity":1,"quantity":2}',
    "a name twice, once escaped": ORDER % b'{"sku":"steam-50","quantity":1,"quantit\\u0079":2}',
    "NaN": ORDER % (LINE % b"NaN"),
    "Infinity": ORDER % (LINE % b"Infinity"),
    "-Infinity": ORDER % (LINE % b"-Infinity"),
    "1e400": ORDER % (LINE % b"1e400"),
    "a lone surrogate": ORDER % b'{"sku":"\\ud800","quantity":1}',
    "a lone surrogate as a name": ORDER % b'{"sku":"a","quantity":1,"\\udfff":1}',
    "surrogates in UTF-8": ORDER % b'{"sku":"\xed\xa0\x80","quantity":1}',
    "overlong UTF-8": ORDER % b'{"sku":"\xc0\xae","quantity":1}',
    "bad UTF-8": b'{"a":"\xff"}',
    "a byte order mark": b"\xef\xbb\xbf" + ORDER % (LINE % b"1"),
    "UTF-16": (ORDER % (LINE % b"1")).decode().encode("utf-16"),
    "two values": b"{} {}",
    "a trailing comma": b'{"lines":[],}',
    "a comment": b"{} // more",
    "single quotes": b"{'lines':[]}",
    "a raw newline in a text": b'{"gateway":"a\nb"}',
    "a number with a zero before": ORDER % (LINE % b"01"),
    "a number with a plus": ORDER % (LINE % b"+1"),
    "hexadecimal": ORDER % (LINE % b"0x1"),
    "nothing but blanks": b"   ",
    "a word": b"hello",
}


@pytest.mark.parametrize("name", MALFORMED)
async def test_malformed(api: Api, shop: Shop, name: str) -> None:
    before = row_counts(shop.config.place)
    assert problem(await raw(api, MALFORMED[name]), 400, "malformed") == {}
    assert changed(before, row_counts(shop.config.place)) == {}


QUANTITIES = [
    *(b"0", b"-1", b"-0", b"1.5", b"1.0", b"1e0", b"1e3", b'"1"', b'"1e3"', b"true", b"null", b"[]", b"{}", b'""'),
    *(b"2147483648", b"9007199254740993", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809"),
    *(b"18446744073709551616", b"9" * 5000, b"-" + b"9" * 5000, b"1001"),
]


@pytest.mark.parametrize("quantity", QUANTITIES, ids=lambda q: q[:24].decode())
async def test_what_is_no_quantity_is_told_by_its_place(api: Api, shop: Shop, quantity: bytes) -> None:
    before = row_counts(shop.config.place)
    assert problem(await raw(api, ORDER % (LINE % quantity)), 422, "invalid").keys() == {"lines.0.quantity"}
    assert changed(before, row_counts(shop.config.place)) == {}


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"x"', b"true"])
async def test_an_order_is_an_object(api: Api, body: bytes) -> None:
    assert problem(await raw(api, body), 422, "invalid").keys() == {""}


@pytest.mark.parametrize(
    "content_type",
    [
        *(None, "", "text/plain", "text/json", "application/xml", "application/x-www-form-urlencoded", "application/jsonx"),
        *("multipart/form-data; boundary=x", "application/json; charset=utf-16", "application/json; charset=gbk", "json"),
        *("application/json; charset=utf-8; charset=utf-16", "application/json, application/json", "application/*", "*/*"),
    ],
)
async def test_only_json_in_utf_8_is_understood(api: Api, shop: Shop, content_type: str | None) -> None:
    before = row_counts(shop.config.place)
    problem(await raw(api, ORDER % (LINE % b"1"), content_type), 415, "unsupported_media_type")
    assert changed(before, row_counts(shop.config.place)) == {}


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"']
)
async def test_ways_to_say_json(api: Api, content_type: str) -> None:
    assert (await raw(api, ORDER % (LINE % b"1"), content_type)).status_code == 201


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, identity", "x"])
async def test_a_compressed_body_is_refused(api: Api, encoding: str) -> None:
    answer = await raw(api, ORDER % (LINE % b"1"), **{"content-encoding": encoding})
    problem(answer, 415, "unsupported_encoding")


async def test_64_kib_are_enough(api: Api) -> None:
    fits = (ORDER % (LINE % b"1")).ljust(64 * 1024)
    assert (await raw(api, fits)).status_code == 201
    problem(await raw(api, fits + b" "), 413, "too_large")


@pytest.mark.parametrize("act", ["reveal", "cancel", "attempts"])
async def test_every_operation_stands_behind_the_same_door(api: Api, act: str) -> None:
    placed = (await api.order()).json()
    headers = {"content-type": "application/json"}
    assert problem(await api.of(placed, act, json={"status": "paid"}), 422, "invalid")["status"]
    deep = await api.client.post(f"/api/v1/orders/{placed['order_no']}/{act}", content=b"[" * 5000, headers=headers)
    problem(deep, 400, "malformed")
    text = await api.client.post(
        f"/api/v1/orders/{placed['order_no']}/{act}", content=b"{}", headers={"content-type": "text/plain"}
    )
    problem(text, 415, "unsupported_media_type")
    assert problem(await api.client.post(f"/api/v1/orders/{placed['order_no']}/{act}?x=1"), 422, "invalid").keys() == {"x"}


async def test_complaints_end_somewhere(api: Api) -> None:
    answer = await api.order({f"field{n}": n for n in range(3000)})
    assert len(problem(answer, 422, "invalid")) == 50
    long = await api.order({"x" * 5000: 1})
    assert all(len(field) < 200 for field in problem(long, 422, "invalid"))


@pytest.mark.parametrize("part", [b'"', b"\\", b'\\"', b'"\\', b'["', b"1", b"-", b"e", b'{"":', b"\xf0\x9f\x8e\x81"])
def test_hostile_texts_cost_no_time(part: bytes) -> None:
    began = time.thread_time()
    for text in (part * (65536 // len(part)), b'"' + part * (65000 // len(part))):
        try:
            read_json(text)
        except Stopped:
            continue
    assert time.thread_time() - began < 0.5


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
@settings(max_examples=200, deadline=None)
def test_what_is_json_comes_out_as_it_is(value: object) -> None:
    import json

    for ascii_only in (True, False):
        assert read_json(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_value_or_a_refusal(body: bytes) -> None:
    try:
        read_json(body)
    except Stopped as stopped:
        status = stopped.problem.status
    else:
        status = 200
    assert status in (200, 400)


def test_the_depth_that_is_allowed() -> None:
    assert read_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    assert read_json(b'"' + b"[" * 100 + b'"') == "[" * 100
    with pytest.raises(Stopped):
        read_json(b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1))
