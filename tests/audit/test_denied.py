"""Vault's rule: what cannot be written into the audit is not done. A code whose reveal cannot be recorded is neither opened nor
shown, at any door; and what leaves is exactly what was recorded (F02, I-31).
"""

import json
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from kashop.app import make_app
from kashop.audit import reads
from kashop.db import Place
from kashop.flows import codes, exports
from kashop.flows.checkout import Placed
from kashop.flows.exports import Wish
from kashop.inventory.codelist.types import Sought
from kashop.lib.actor import Actor
from kashop.lib.errors import Unavailable
from kashop.shop import Shop
from tests import beside
from tests.cast import add_epay, add_product, call_back, epay_notice, order, stock

CODES = [f"DENIED-{n:04}-CANARY" for n in range(8)]
BOSS = Actor("staff", "1", ip="203.0.113.9")
REVEALS = ("code.revealed", "code.viewed", "code.exported")


async def sell(shop: Shop, quantity: int = 2) -> Placed:
    placed = await order(shop, "steam", quantity)
    money = f"{12.5 * quantity:.2f}"
    await call_back(shop, epay_notice(placed, money=money, txn=f"T{placed.order.order_no}"))
    return placed


@pytest.fixture
async def placed(shop: Shop) -> Placed:
    """A delivered order of two codes."""
    await add_epay(shop)
    await add_product(shop, "steam")
    await stock(shop, "steam", CODES)
    return await sell(shop)


@pytest.fixture
def site(shop: Shop) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=make_app(shop, is_strict=True), client=("203.0.113.7", 4711))
    return httpx.AsyncClient(transport=transport, base_url="http://shop.example")


async def by_page(site: httpx.AsyncClient, placed: Placed) -> httpx.Response:
    return await site.post(f"/o/{placed.order.order_no}/reveal", data={"k": placed.token})


async def by_file(site: httpx.AsyncClient, placed: Placed) -> httpx.Response:
    return await site.post(f"/o/{placed.order.order_no}/codes.txt", data={"k": placed.token})


async def by_api(site: httpx.AsyncClient, placed: Placed) -> httpx.Response:
    headers = {"authorization": f"Bearer {placed.token}", "accept": "application/json"}
    return await site.post(f"/api/v1/orders/{placed.order.order_no}/reveal", headers=headers)


Door = Callable[[httpx.AsyncClient, Placed], Awaitable[httpx.Response]]
DOORS: list[Door] = [by_page, by_file, by_api]


def disk_full(con: sqlite3.Connection) -> None:
    """Not a page more: what SQLite says on a full disk, from SQLite itself."""
    con.execute("CREATE TABLE ballast (a TEXT)")
    (pages,) = con.execute("PRAGMA page_count").fetchone()
    con.execute(f"PRAGMA max_page_count={pages}")
    for size in (4000, 400, 40, 4):  # fill what room is left in the pages there are
        with suppress(sqlite3.OperationalError):
            while True:
                con.execute("INSERT INTO ballast VALUES (?)", ("x" * size,))


def read_only(con: sqlite3.Connection) -> None:
    """A disk that was mounted anew, to be read only."""
    con.execute("PRAGMA query_only=1")


FAULTS = {"disk full": disk_full, "read only": read_only}


async def break_writer(shop: Shop, fault: Callable[[sqlite3.Connection], None]) -> None:
    """On the writer's own connection, between two groups."""
    await shop.db._writer.run(fault)  # type: ignore[attr-defined]


async def tamper(shop: Shop) -> None:
    """Any opening of a sold code would now raise the vault's alarm: the trace that a decryption leaves."""
    await shop.db.write(lambda tx: tx.run("UPDATE codes SET sealed = :none WHERE status = 'sold'", none=bytes(80)))


@pytest.mark.sqlite
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
@pytest.mark.parametrize("fault", FAULTS)
async def test_what_cannot_be_recorded_is_not_shown(
    shop: Shop, site: httpx.AsyncClient, placed: Placed, door: Door, fault: str
) -> None:
    await break_writer(shop, FAULTS[fault])
    shown = 0
    while (answer := await door(site, placed)).status_code == 200 and shown < 40:
        shown += 1  # a full disk takes what fits into the pages there are
    assert (answer.status_code, "CANARY" in answer.text) == (503, False)
    assert (shown > 0) == (fault == "disk full")
    assert len([e for e in await shop.db.read(reads.page, 0) if e.name in REVEALS]) == 2 * shown


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
async def test_what_the_audit_s_own_table_refuses_is_not_shown(
    shop: Shop, site: httpx.AsyncClient, placed: Placed, door: Door
) -> None:
    beside.poison(shop.config.place, "events", on="INSERT", only="NEW.name LIKE 'code.%'")
    answer = await door(site, placed)
    assert (answer.status_code, "CANARY" in answer.text) == (500, False)
    assert not [e for e in await shop.db.read(reads.page, 0) if e.name in REVEALS]


@pytest.mark.sqlite
@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
async def test_what_cannot_be_recorded_is_not_even_opened(
    shop: Shop, site: httpx.AsyncClient, placed: Placed, door: Door
) -> None:
    await tamper(shop)
    await break_writer(shop, read_only)
    with capture_logs() as told:
        answer = await door(site, placed)
    assert answer.status_code == 503
    assert not [line for line in told if line["event"] == "vault alarm"]
    assert not shop.keyring.is_sealed


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
async def test_control_the_same_doors_show_when_the_audit_takes_it(
    shop: Shop, site: httpx.AsyncClient, placed: Placed, door: Door
) -> None:
    """Without the fault the codes are shown; and an opening that fails leaves the trace that is looked for above."""
    answer = await door(site, placed)
    assert answer.status_code == 200
    assert CODES[0] in answer.text
    assert CODES[1] in answer.text
    await tamper(shop)
    with capture_logs() as told:
        answer = await door(site, placed)
    assert answer.status_code == 503
    assert [line for line in told if line["event"] == "vault alarm"]


@pytest.mark.sqlite
async def test_staff_see_and_export_nothing_that_cannot_be_recorded(shop: Shop, placed: Placed) -> None:
    (code_id,) = await shop.db.read(lambda db: db.values("SELECT min(code_id) FROM codes WHERE status = 'free'"))
    wish = Wish(sought=Sought(status="free"), most=100, reason="moved to the partner")
    await break_writer(shop, read_only)
    with pytest.raises(Unavailable):
        await codes.reveal(shop, [code_id], BOSS, reason="a buyer complains")
    with pytest.raises(Unavailable):
        await exports.export(shop, wish, BOSS, expected=6, passphrase="a long enough passphrase 7")


class Tap:
    """All that leaves through the web, and what the audit held on disk when the first byte of each answer left."""

    def __init__(self, app: Any, place: Place):
        self.app, self.place = app, place
        self.answers: list[tuple[bytes, dict[int, int]]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, held = bytearray(), self._held()

        async def tapped(message: Any) -> None:
            nonlocal held
            if message["type"] == "http.response.start":
                held = self._held()
            body.extend(message.get("body", b""))
            await send(message)

        await self.app(scope, receive, tapped)
        self.answers.append((bytes(body), held))

    def _held(self) -> dict[int, int]:
        """Reveals by code, as another connection sees them: committed ones."""
        names = ", ".join(f"'{name}'" for name in REVEALS)
        sql = f"SELECT object_id, COUNT(*) FROM events WHERE name IN ({names}) GROUP BY object_id"
        return dict(beside.rows(self.place, sql))


async def test_i31_what_leaves_is_what_was_recorded_before_it_left(shop: Shop, placed: Placed) -> None:
    tap = Tap(make_app(shop, is_strict=True), shop.config.place)
    site = httpx.AsyncClient(transport=httpx.ASGITransport(app=tap, client=("203.0.113.7", 4711)), base_url="http://shop.example")
    other = await sell(shop, 1)
    for door in (by_page, by_file, by_api, by_page):
        assert (await door(site, placed)).status_code == 200
    assert (await by_api(site, other)).status_code == 200
    for path in ("/", "/p/steam", f"/o/{placed.order.order_no}?k={placed.token}", "/lookup"):
        await site.get(path)
    stranger = await site.post(f"/o/{placed.order.order_no}/reveal", data={"k": other.token})
    assert stranger.status_code == 404
    ids = {code: await shop.db.read(_id, shop.keyring.fingerprint(code)) for code in CODES}
    shown: dict[int, int] = {}
    for body, held in tap.answers:
        for code, code_id in ids.items():
            if code.encode() in body:
                shown[code_id] = shown.get(code_id, 0) + 1
                assert held.get(code_id, 0) >= shown[code_id], "a code left before its event was committed"
    recorded = tap._held()
    assert shown == recorded
    assert sorted(shown.values()) == [1, 4, 4]


def _id(db: Any, fingerprint: bytes) -> int:
    return int(db.value("SELECT code_id FROM codes WHERE fingerprint = :fingerprint", fingerprint=fingerprint))


async def test_no_payload_holds_what_it_should_not(shop: Shop, placed: Placed) -> None:
    for event in await shop.db.read(reads.page, 0):
        assert "CANARY" not in event.payload + event.reason
        assert isinstance(json.loads(event.payload), dict)
