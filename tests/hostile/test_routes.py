"""Every route of the app against input that nobody honest sends: never a 5xx, never a word too much, nothing stored (I-48)."""

import asyncio
import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.hostile.served import Served
from tests.hostile.tables import changed
from tests.hostile.wire import Answer, request, send, unsound

AT_ONCE = 20
MAY_GROW = {"callbacks", "login_counts"}
"""The inbox keeps what arrives before it believes anything; failed log-ins at unknown addresses are one row a day."""

FORM = b"Content-Type: application/x-www-form-urlencoded"
JSON = b"Content-Type: application/json"
KEY = b"Idempotency-Key: hostile"
TOKEN = b"Authorization: Bearer hostile"

PLACES = {
    "plain": b"1",
    "number beyond 63 bits": str(2**63).encode(),
    "below -2^63": str(-(2**63) - 1).encode(),
    "beyond 53 bits": str(2**53 + 1).encode(),
    "1,500 digits": b"9" * 1500,
    "NUL": b"a%00b",
    "bad UTF-8": b"%ff%fe",
    "overlong UTF-8": b"%c0%ae%c0%ae",
    "lone surrogate": b"%ed%a0%80",
    "broken escape": b"%zz",
    "backslashes": b"..%5c..%5cetc",
    "dots": b"%2e%2e",
    "quoted slash": b"..%2f..%2fetc%2fpasswd",
    "SQL": quote("1' OR 1=1 --").encode(),
    "template": quote("{{7*7}}${7*7}").encode(),
    "right to left": quote("\u202eabc").encode(),
    "newline": b"a%0d%0aSet-Cookie:%20x=1",
    "percent twice": b"%2500",
    "full width": quote("１").encode(),
    "long": b"x" * 1900,
    "over long": b"x" * 5000,
}

QUERIES = {
    "bad UTF-8": b"a=%ff",
    "NUL": b"a=%00",
    "broken escape": b"a=%",
    "beyond 63 bits": b"page=9223372036854775808&before=9223372036854775808&limit=9223372036854775808&after=9223372036854775808",
    "5,000 digits": b"&".join(n + b"=" + b"9" * 1200 for n in (b"page", b"before", b"limit", b"cursor")),
    "text for numbers": b"page=abc&before=1e3&limit=true&after=%EF%BC%91&cursor=%F0%9F%8E%81",
    "named twice": b"k=1&k=2&lang=en&lang=xx&q=1&q=2&status=a&status=b",
    "unknown words": b"lang=../../x&k=%27&status=%27%3B--&q=%25%25%25&sort=(select+1)",
    "1,200 names": b"&".join(b"a%d" % n for n in range(1200)),
    "64 KiB": b"a=" + b"x" * 65536,
}


Body = tuple[str, list[bytes], bytes]


def bodies() -> list[Body]:
    """(name, headers, body) for every operation that takes a body."""
    return [*_forms(), *_multiparts(), *_texts()]


def _forms() -> Iterator[Body]:
    yield "nothing", [], b""
    yield "form, nothing", [FORM], b""
    yield "form, unknown fields", [FORM], b"a=1&b=2"
    yield "form, bad UTF-8", [FORM], b"quantity=%ff&sku=%ff"
    yield "form, NUL", [FORM], b"sku=a%00b&contact=%00&email=%00&name=%00"
    yield "form, broken escape", [FORM], b"sku=%zz"
    yield "form, numbers too large", [FORM], b"&".join(n + b"=" + b"9" * 5000 for n in NAMES)
    yield "form, beyond 63 bits", [FORM], b"&".join(n + b"=9223372036854775808" for n in NAMES)
    yield "form, below zero", [FORM], b"&".join(n + b"=-1" for n in NAMES)
    yield "form, odd text", [FORM], b"&".join(n + b"=" + ODD for n in NAMES)
    yield "form, twice", [FORM], b"&".join(n + b"=1&" + n + b"=2" for n in NAMES)
    yield "form, 20,000 fields", [FORM], b"&".join(b"f%d=1" % n for n in range(20000))
    yield "form, 20,000 of one", [FORM], b"&".join([b"q=1"] * 20000)
    yield "form in another charset", [FORM + b"; charset=utf-16"], "sku=1".encode("utf-16")


def _multiparts() -> Iterator[Body]:
    yield "multipart without a boundary", [b"Content-Type: multipart/form-data"], PART
    yield "multipart, boundary never comes", [MULTI], b"x" * 2000
    yield "multipart, cut", [MULTI], PART[:-20]
    yield "multipart, no name", [MULTI], PART.replace(b' name="file"', b"")
    yield "multipart, huge header", [MULTI], PART.replace(b"\r\n\r\n", b"\r\nX: " + b"x" * 60000 + b"\r\n\r\n")
    yield "multipart, 3,000 parts", [MULTI], _parts(3000)
    yield "multipart, bad UTF-8", [MULTI], PART.replace(b"hello", b"\xff\xfe").replace(b'filename="a.txt"', b"")
    yield "multipart, hostile file name", [MULTI], PART.replace(b"a.txt", b"../../\xe2\x80\xae/etc/passwd")


def _texts() -> Iterator[Body]:
    yield "JSON, 5,000 deep", [JSON], b"[" * 5000 + b"]" * 5000
    yield "JSON, 5,000 objects deep", [JSON], b'{"a":' * 5000 + b"1" + b"}" * 5000
    yield "JSON, never closed", [JSON], b"[" * 60000
    yield "JSON, a number of 60 KB", [JSON], b'{"lines":' + b"9" * 60000 + b"}"
    yield "JSON, 1e400", [JSON], b'{"lines":1e400}'
    yield "JSON, NaN", [JSON], b'{"lines":NaN}'
    yield "JSON, lone surrogate", [JSON], b'{"gateway":"\\ud800"}'
    yield "JSON, name twice", [JSON], b'{"gateway":"a","gateway":"b"}'
    yield "JSON, byte order mark", [JSON], b"\xef\xbb\xbf{}"
    yield "JSON, bad UTF-8", [JSON], b'{"gateway":"\xff"}'
    yield "JSON, a list", [JSON], b"[]"
    yield "JSON, null", [JSON], b"null"
    yield "JSON, odd values", [JSON], b'{"lines":[{"sku":{},"quantity":true},null,1],"contact":[],"fields":{"a":[]},"gateway":9}'
    yield "JSON as UTF-16", [JSON + b"; charset=utf-16"], "{}".encode("utf-16")
    yield "JSON as text", [b"Content-Type: text/plain"], b"{}"
    yield "XML", [b"Content-Type: application/xml"], b'<!DOCTYPE x [<!ENTITY a "a">]><x>&a;</x>'
    yield "odd content type", [b"Content-Type: ;;;=\xff"], b"a=1"
    yield "two content types", [JSON, FORM], b"{}"
    yield "compressed", [JSON, b"Content-Encoding: gzip"], b"\x1f\x8b" + b"\0" * 100


NAMES = [
    *(b"sku", b"quantity", b"payment", b"contact", b"product", b"lookup_password", b"subject", b"password", b"email", b"k"),
    *(b"idempotency_key", b"seen", b"field_a", b"name", b"slug", b"price", b"cost", b"position", b"amount", b"reference"),
    *(b"note", b"reason", b"role", b"token", b"next", b"locale", b"_csrf", b"state", b"attempt", b"merchant", b"sign"),
]
ODD = quote("=cmd|' /C calc'!A0<script>{{7*7}}\u202e\r\nBcc: x@example.com").encode()
MULTI = b"Content-Type: multipart/form-data; boundary=----kashop"
PART = (
    b'------kashop\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n'
    b"Content-Type: text/plain\r\n\r\nhello\r\n------kashop--\r\n"
)


def _parts(count: int) -> bytes:
    one = b'------kashop\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    return one * count + b"------kashop--\r\n"


def target(path: str, place: bytes = b"1") -> bytes:
    """A route's path with every place filled."""
    return re.sub(rb"\{\w+:\w+\}", lambda _: place, path.encode())


async def all_of(served: Served, requests: list[tuple[str, bytes]]) -> list[tuple[str, Answer]]:
    """Every request, some at once."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(name: str, data: bytes) -> tuple[str, Answer]:
        async with gate:
            return name, await send(served, data)

    return await asyncio.gather(*(one(*r) for r in requests))


def complaints(answers: list[tuple[str, Answer]]) -> str:
    return "\n".join(f"{name}: {wrong} [{a.status}] {a.text[:200]!r}" for name, a in answers if (wrong := unsound(a)))


async def hold(served: Served, requests: list[tuple[str, bytes]]) -> list[tuple[str, Answer]]:
    """Send them; every answer is sound, nothing is stored, the server still serves."""
    before = served.rows()
    answers = await all_of(served, requests)
    wrong = complaints(answers)
    if wrong:
        pytest.fail(f"{wrong}\n{served.errors()}", pytrace=False)
    assert changed(before, served.rows()).keys() <= MAY_GROW
    assert (await send(served, request(served, "GET", b"/healthz"))).status == 200
    return answers


def test_the_route_table_is_walked(served: Served) -> None:
    paths = {r.path for r in served.routes}
    assert len(paths) > 50
    assert {"/checkout", "/lookup", "/admin/login", "/api/v1/orders", "/pay/{gateway:str}/callback"} <= paths


async def test_head_is_answered_like_get_without_a_body(served: Served) -> None:
    gets = [r for r in served.routes if "GET" in r.methods]
    asked = [(f"{m} {r.path}", request(served, m, target(r.path))) for r in gets for m in ("GET", "HEAD")]
    answers = dict(await all_of(served, asked))
    for route in gets:
        whole, head = answers[f"GET {route.path}"], answers[f"HEAD {route.path}"]
        assert head.status == whole.status, route.path
        assert not head.body, route.path
        assert not complaints([(route.path, whole)])


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "PUT", "DELETE", "PATCH", "MKCOL", "get", "PoSt", "BREW"])
async def test_unknown_methods(served: Served, method: str) -> None:
    before = served.rows()
    asked = [(f"{method} {r.path}", request(served, method, target(r.path), body=b"")) for r in served.routes]
    for name, answer in await all_of(served, asked):
        assert answer.status in (400, 403, 405), name
        assert b"Traceback" not in answer.body
        if answer.status == 405:
            assert {"GET", "POST"} & set(answer.headers["allow"].split(", ")), name
            assert not complaints([(name, answer)])
    assert changed(before, served.rows()) == {}


async def test_post_where_only_get_is_and_get_where_only_post_is(served: Served) -> None:
    asked = []
    for route in served.routes:
        for method in {"GET", "POST"} - route.methods:
            asked.append((f"{method} {route.path}", request(served, method, target(route.path), body=b"")))
    answers = await hold(served, asked)
    assert {a.status for _, a in answers} == {405}


@pytest.mark.parametrize("name", PLACES)
async def test_odd_paths(served: Served, name: str) -> None:
    routes = [r for r in served.routes if "{" in r.path]
    asked = []
    for route in routes:
        for method in route.methods - {"OPTIONS"}:
            data = request(served, method, target(route.path, PLACES[name]), TOKEN, FORM, body=b"" if method == "POST" else None)
            asked.append((f"{method} {route.path}", data))
    answers = await hold(served, asked)
    if name in ("NUL", "bad UTF-8", "overlong UTF-8", "lone surrogate", "broken escape", "backslashes", "dots", "quoted slash"):
        assert {a.status for _, a in answers} <= {400, 404}


@pytest.mark.parametrize(
    "path",
    [
        *(b"/../etc/passwd", b"//etc/passwd", b"/%2e%2e/etc/passwd", b"/..%5cetc", b"/%00", b"/%c0%ae%c0%ae/", b"/.", b"/a/./b"),
        *(b"/uploads/../kashop.db", b"/uploads/..%2fkashop.db", b"/uploads/%2e%2e%2fkashop.db", b"/uploads/....//kashop.db"),
        *(
            b"/t/default/0/../../../theme.toml",
            b"/t/default/0/%2e%2e/theme.toml",
            b"/t/../0/x.css",
            b"/admin/assets/0/../login.html",
        ),
        *(b"/uploads/kashop.db", b"/uploads/.", b"/uploads//etc/passwd", b"/t/default/0//etc/passwd", b"*", b"/\xff", b"/?\xff"),
    ],
)
async def test_no_file_outside_the_shop_s_own(served: Served, path: bytes) -> None:
    answer = await send(served, request(served, "GET", path))
    assert answer.status in (400, 404), answer.text
    assert b"root:" not in answer.body
    assert b"SQLite" not in answer.body


@pytest.mark.parametrize("name", QUERIES)
async def test_odd_queries(served: Served, name: str) -> None:
    asked = [
        (
            f"{m} {r.path}",
            request(served, m, target(r.path) + b"?" + QUERIES[name], TOKEN, FORM, body=b"" if m == "POST" else None),
        )
        for r in served.routes
        for m in r.methods - {"OPTIONS"}
    ]
    await hold(served, asked)


@pytest.mark.parametrize(("name", "headers", "body"), [pytest.param(*b, id=b[0]) for b in bodies()])
async def test_odd_bodies(served: Served, name: str, headers: list[bytes], body: bytes) -> None:
    posts = [r for r in served.routes if "POST" in r.methods]
    asked = [
        (f"POST {r.path}", request(served, "POST", target(r.path, b"steam-50"), *headers, KEY, TOKEN, body=body)) for r in posts
    ]
    answers = await hold(served, asked)
    if name == "compressed":
        assert {a.status for _, a in answers} == {415}
