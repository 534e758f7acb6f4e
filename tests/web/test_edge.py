"""The ring round every request: whose host, whose address, whose page, how large, and what every answer carries."""

import pytest

from kashop.web import edge
from kashop.web.edge import EdgeRules, body_limit
from tests.web.small import SECRET, client, pieces

PROXIED = EdgeRules.of("https://shop.example", ["10.0.0.0/8", "2001:db8::/32"])


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("shop.example", 200),
        ("SHOP.example:8443", 200),
        ("127.0.0.1:9000", 200),
        ("[::1]:9000", 200),
        ("localhost", 200),
        ("evil.example", 400),
        ("shop.example.evil.example", 400),
        ("shop.example@evil.example", 400),
        ("a:b:c", 400),
        ("", 400),
        ("shop.example/x", 400),
    ],
)
async def test_only_our_own_host_is_served(host: str, status: int) -> None:
    assert (await client().get("/", headers={"host": host})).status_code == status


@pytest.mark.parametrize(
    ("peer", "told", "seen"),
    [
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("10.1.2.3", "198.51.100.1", "198.51.100.1"),
        ("10.1.2.3", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
        ("10.1.2.3", "1.1.1.1, 198.51.100.1, 10.9.9.9", "198.51.100.1"),
        ("10.1.2.3", "198.51.100.1, <script>", "10.1.2.3"),
        ("10.1.2.3", "", "10.1.2.3"),
        ("10.1.2.3", "198.51.100.1:51000", "198.51.100.1"),
        ("10.1.2.3", "[2001:500::1]:443, 10.9.9.9:80", "2001:500::1"),
        ("10.1.2.3", "198.51.100.1:51000:1", "10.1.2.3"),
        ("::ffff:10.1.2.3", "198.51.100.1", "198.51.100.1"),
        ("::ffff:203.0.113.9", "198.51.100.1", "::ffff:203.0.113.9"),
        ("10.1.2.3", "10.0.0.1, 10.9.9.9", "10.0.0.1"),
        ("2001:db8::5", "2001:500::1", "2001:500::1"),
    ],
)
async def test_a_client_is_who_the_last_trusted_proxy_says(peer: str, told: str, seen: str) -> None:
    headers = {"x-forwarded-for": told, "x-real-ip": "9.9.9.9", "forwarded": "for=9.9.9.9", "x-forwarded-proto": "http"}
    told_app = (await client(PROXIED, ip=peer).get("/", headers=headers)).json()
    assert told_app["ip"] == seen
    assert told_app["scheme"] == "https"  # as configured, whatever anybody says


@pytest.mark.parametrize(
    ("lines", "seen"),
    [
        (["1.1.1.1", "198.51.100.1"], "198.51.100.1"),  # a stranger's line first, the proxy's after it
        (["1.1.1.1", "198.51.100.1", "10.9.9.9"], "198.51.100.1"),  # each proxy added a line of its own
        (["198.51.100.1", "10.9.9.9, 10.8.8.8"], "198.51.100.1"),
    ],
)
async def test_proxies_that_add_lines_are_read_as_those_that_add_words(lines: list[str], seen: str) -> None:
    headers = [("x-forwarded-for", line) for line in lines]
    assert (await client(PROXIED, ip="10.1.2.3").get("/", headers=headers)).json()["ip"] == seen


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "cross-site", "origin": "http://shop.example"}, 403),
        ({"origin": "http://shop.example"}, 200),
        ({"origin": "null"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://shop.example.evil.example"}, 403),
        ({"origin": "http://shop.example:8080"}, 403),
    ],
)
async def test_another_sites_page_posts_nothing(headers: dict[str, str], status: int) -> None:
    assert (await client().post("/form", data={"a": "1"}, headers=headers)).status_code == status
    assert (await client().post("/api/form", data={"a": "1"}, headers=headers)).status_code == 200
    assert (await client().post("/pay/x/callback", data={"a": "1"}, headers=headers)).status_code == 200
    assert (await client().get("/", headers=headers)).status_code == 200


@pytest.mark.parametrize("path", ["/form", "/pay/x/callback"])
async def test_a_body_is_measured_with_and_without_a_length(path: str) -> None:
    limit = body_limit(path)
    kind = {"content-type": "application/x-www-form-urlencoded"}
    fits, over = b"a=" + b"x" * (limit - 2), b"a=" + b"x" * (limit - 1)
    assert (await client().post(path, content=fits, headers=kind)).status_code == 200
    assert (await client().post(path, content=pieces(fits[:99], fits[99:]), headers=kind)).status_code == 200
    declared = await client().post(path, content=over, headers=kind)
    assert declared.status_code == 413
    assert declared.headers["connection"] == "close"
    read = 0

    async def endless():  # type: ignore[no-untyped-def]
        nonlocal read
        while read < 100 * limit:
            read += 4096
            yield b"x" * 4096

    assert (await client().post(path, content=endless(), headers=kind)).status_code == 413
    assert read <= limit + 2 * 4096  # cut off, not swallowed


async def test_callbacks_have_the_smallest_limit() -> None:
    assert body_limit("/pay/epay/callback") == 64 * 1024 < body_limit("/checkout") < body_limit("/admin/codes/import/files")


async def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    monkeypatch.setattr(edge, "BODY_SECONDS", 0.2)

    async def slow():  # type: ignore[no-untyped-def]
        yield b"a="
        await asyncio.sleep(5)
        yield b"x"

    kind = {"content-type": "application/x-www-form-urlencoded"}
    assert (await client().post("/form", content=slow(), headers=kind)).status_code == 408


async def test_compressed_bodies_are_refused() -> None:
    assert (await client().post("/form", content=b"\x1f\x8b", headers={"content-encoding": "gzip"})).status_code == 415


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/%00", 400),
        ("/%ff", 400),
        ("/%c0%ae", 400),
        ("/%zz", 400),
        ("/a%5cb", 400),
        ("/a%0d%0ab", 400),
        ("/?q=%ff", 400),
        ("/?q=%00", 400),
        ("/%2e%2e/etc/passwd", 404),
        ("/a/%2e%2e/b", 404),
        ("/a%2fb", 404),
        ("/" + "a" * 3000, 414),
        ("/?q=" + "a" * 9000, 414),
        ("/?q=%E5%95%86", 200),
    ],
)
async def test_addresses_are_whole_text_without_ways_up(path: str, status: int) -> None:
    assert (await client().get(path)).status_code == status


async def test_many_or_large_headers_are_refused() -> None:
    assert (await client().get("/", headers={f"x-{n}": "1" for n in range(120)})).status_code == 431
    assert (await client().get("/", headers={"x-large": "x" * 40_000})).status_code == 431


@pytest.mark.parametrize("path", ["/", "/no/sold_out", "/bug", "/nothing", "/%ff"])
async def test_every_answer_carries_the_headers_that_protect_it(path: str) -> None:
    answers = [await client(PROXIED).get(path) for _ in range(2)]
    for answer in answers:
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert answer.headers["strict-transport-security"]
        assert "server" not in answer.headers
    assert answers[0].headers["x-request-id"] != answers[1].headers["x-request-id"]


async def test_head_is_get_without_a_body() -> None:
    for path in ("/", "/nothing", "/bug"):
        page, head = await client().get(path), await client().head(path)
        assert (head.status_code, head.content) == (page.status_code, b"")
        assert head.headers["content-length"] == str(len(page.content))


async def test_a_bug_is_told_by_its_number_alone() -> None:
    for accept in ("text/html", "application/json"):
        answer = await client().get("/bug", headers={"accept": accept})
        assert answer.status_code == 500
        assert answer.headers["x-request-id"] in answer.text
        for word in (SECRET, "SELECT", "RuntimeError", "Traceback", ".py", "litestar"):
            assert word not in answer.text
    assert (await client().get("/deep")).status_code == 400
