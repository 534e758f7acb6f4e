"""The panel's own doors against hostile input from somebody who is logged in: the guard lets pass, so the pages must hold."""

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.cast import OWNER, PASSWORD
from tests.conftest import NewShop
from tests.hostile.served import Route, Served, serve
from tests.hostile.test_routes import FORM, MULTI, NAMES, ODD, PLACES, QUERIES, all_of, bodies, complaints, target
from tests.hostile.wire import request, send

WAYS_OUT = {
    "/admin/logout",
    "/admin/login",
    "/admin/login/link",
    "/admin/account/password",
    "/admin/account/sessions/{session:str}/end",
    "/admin/staff/{staff:str}/sessions/end",
    "/admin/vault/seal",
}
"""They would end the session that this test lives by, or make 503 a right answer elsewhere."""

PLACES_OF_OURS = (b"1", b"steam-50", b"epay-main", b"practice")
"""A route's place is one of these, where there is anything for it to name."""

FORMS = re.compile(r'<form\b[^>]*\baction="([^"?]*)[^>]*>(.*?)</form>', re.S)


class Panel:
    """A served shop of this module's own, with its owner logged in."""

    def __init__(self, served: Served):
        self.served = served
        self.posts, self.gets = ([r.path for r in _ours(served) if method in r.methods] for method in ("POST", "GET"))
        with httpx.Client(base_url=served.url, headers={"origin": served.url}, timeout=60) as client:
            answer = client.post("/admin/login", data={"email": OWNER, "password": PASSWORD})
            assert answer.status_code == 303, answer.text
            self.cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
            page = client.get("/admin/account")
            assert page.status_code == 200, page.text
            self.csrf = re.search(r'name="_csrf" value="([^"]+)"', page.text)[1]
            deleting_last = sorted(self.posts, key=lambda path: path.endswith("/delete"))
            self.places = {path: self._standing(client, path) for path in deleting_last}

    def _standing(self, client: httpx.Client, path: str) -> list[bytes]:
        """Those of our places at which a route has something: elsewhere "not found" is said before a body is looked at."""
        tried = PLACES_OF_OURS if "{" in path else ()
        found = [p for p in tried if client.post(target(path, p).decode(), data={"_csrf": self.csrf}).status_code != 404]
        return found or [PLACES_OF_OURS[0]]

    def post(self, path: bytes, *headers: bytes, body: bytes) -> bytes:
        """With the session and its token, as the guard wants it."""
        more = (b"X-CSRF-Token: " + self.csrf.encode(), b"Sec-Fetch-Site: same-origin", *headers)
        return request(self.served, "POST", path, *more, body=body, cookie=self.cookie)

    def get(self, path: bytes) -> bytes:
        return request(self.served, "GET", path, cookie=self.cookie)

    async def hold(self, requests: list[tuple[str, bytes]]) -> set[int]:
        answers = await all_of(self.served, requests)
        if wrong := complaints(answers):
            pytest.fail(f"{wrong}\n{self.served.errors()}", pytrace=False)
        inside = await send(self.served, self.get(b"/admin"))
        assert inside.status == 200, "the session is gone"
        return {a.status for _, a in answers}


def _ours(served: Served) -> list[Route]:
    return [r for r in served.routes if r.path.startswith("/admin") and r.path not in WAYS_OUT]


@pytest.fixture(scope="module")
def panel(new_shop: NewShop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Panel]:
    with new_shop(tmp_path_factory.mktemp("panel")) as data:
        served = serve(data)
        try:
            yield Panel(served)
        finally:
            served.stop()


@pytest.mark.parametrize("name", PLACES)
async def test_odd_paths(panel: Panel, name: str) -> None:
    asked = [(f"GET {p}", panel.get(target(p, PLACES[name]))) for p in panel.gets if "{" in p]
    asked += [(f"POST {p}", panel.post(target(p, PLACES[name]), FORM, body=b"")) for p in panel.posts if "{" in p]
    await panel.hold(asked)


@pytest.mark.parametrize("name", QUERIES)
async def test_odd_queries(panel: Panel, name: str) -> None:
    await panel.hold([(f"GET {p}", panel.get(target(p) + b"?" + QUERIES[name])) for p in panel.gets])


@pytest.mark.parametrize(("name", "headers", "body"), [pytest.param(*b, id=b[0]) for b in bodies()])
async def test_odd_bodies(panel: Panel, name: str, headers: list[bytes], body: bytes) -> None:
    asked = [
        (f"POST {path} {place!r}", panel.post(target(path, place), *headers, body=body))
        for path in panel.posts
        for place in panel.places[path]
    ]
    await panel.hold(asked)


@pytest.fixture(scope="module")
def fields(panel: Panel) -> dict[str, set[str]]:
    """The names that the panel's own forms send, by the route they are sent to."""
    found: dict[str, set[str]] = {path: set() for path in panel.posts}
    routes = {path: re.compile(re.sub(rb"\{\w+:\w+\}", rb"[^/]+", path.encode()).decode()) for path in panel.posts}
    with httpx.Client(base_url=panel.served.url, headers={"cookie": panel.cookie}, timeout=60) as client:
        for page in {target(path, place) for path in panel.gets for place in (*PLACES_OF_OURS, b"epay")}:
            for action, form in re.findall(
                r'<form\b[^>]*\baction="([^"?]*)[^>]*>(.*?)</form>', client.get(page.decode()).text, re.S
            ):
                for path in [p for p, route in routes.items() if route.fullmatch(action)]:
                    found[path] |= set(re.findall(r'<(?:input|select|textarea|button)[^>]*\bname="([^"]+)"', form))
    assert sum(map(len, found.values())) > 40
    return found


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"9" * 5000,
        b"9223372036854775808",
        b"-1",
        b"1e400",
        b"NaN",
        b"%ff",
        b"a%00b",
        ODD,
        b"x" * 100_000,
        b"%E2%80%AE",
        b"1.005",
    ],
    ids=lambda v: v[:16].decode(),
)
async def test_every_field_of_every_form(panel: Panel, fields: dict[str, set[str]], value: bytes) -> None:
    """Each field alone is odd, and then all of them are."""
    every = sorted({name.encode() for names in fields.values() for name in names} - {b"_csrf"} | set(NAMES))
    asked = []
    for path in panel.posts:
        for name in sorted({n.encode() for n in fields[path]} - {b"_csrf"}):
            asked.append((f"POST {path} {name!r}", panel.post(target(path, b"1"), FORM, body=name + b"=" + value)))
        whole = b"&".join(name + b"=" + value[:2000] for name in every)
        asked.append((f"POST {path} all", panel.post(target(path, b"1"), FORM, body=whole)))
        parts = b"".join(
            b'------kashop\r\nContent-Disposition: form-data; name="' + name + b'"\r\n\r\n' + value[:2000] + b"\r\n"
            for name in every
        )
        asked.append((f"POST {path} multipart", panel.post(target(path, b"1"), MULTI, body=parts + b"------kashop--\r\n")))
    assert await panel.hold(asked) & {422, 303, 400}, "nothing came past the guard"
