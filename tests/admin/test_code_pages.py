"""Codes in the panel: never in the clear but where somebody may, proved who they are, and said why (F02, F05, I-31, I-33)."""

import html
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from kashop.approvals import reads as approvals
from kashop.audit import reads as audit
from kashop.db import Tx
from kashop.flows import settings
from kashop.inventory import reads as inventory
from kashop.inventory.codelist import reads as codelist
from kashop.inventory.codelist.types import Sought
from kashop.lib.actor import CLI
from kashop.shop import Shop
from kashop.vault import Keyring
from kashop.web.edge import Edge
from tests.admin.desk import MANAGER, SUPPORT, Desk, add_staff, complaints
from tests.cast import TestClock, add_epay, add_product, call_back, epay_notice, order
from tests.workbooks import codes as codes_in

WHY = {"reason": "a buyer complains"}
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


@pytest.fixture
def openings(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Grows by one whenever the vault opens a code."""
    opened: list[int] = []
    real = Keyring.open_code

    def counted(*args: Any, **more: Any) -> str:
        opened.append(1)
        return real(*args, **more)

    monkeypatch.setattr(Keyring, "open_code", counted)
    return iter([opened])


async def ids(shop: Shop, count: int = 1) -> list[int]:
    return [r.code_id for r in await shop.db.read(codelist.oldest, Sought(), limit=count)]


async def events(shop: Shop, *names: str) -> list[Any]:
    return [e for e in await shop.db.read(audit.page, 0, limit=100_000) if e.name in names]


async def no_proof(shop: Shop) -> None:
    """Every session's proof is too old."""
    await shop.db.write(lambda tx: tx.run("UPDATE sessions SET stepped_up_at = 0 WHERE stepped_up_at > :least", least=-1))


async def desk_of(shop: Shop, app: Edge, email: str, role: str) -> Desk:
    await add_staff(shop, email, role)
    desk = Desk(app)
    assert (await desk.log_in(email)).status_code == 303
    return desk


def hidden(page: httpx.Response) -> dict[str, str]:
    """The hidden fields of a page's last form."""
    return {name: html.unescape(value) for name, value in HIDDEN.findall(page.text.rpartition("<form")[2]) if name != "_csrf"}


def shows(page: httpx.Response, text: str) -> bool:
    return text in html.unescape(page.text)


async def test_f02_support_sees_codes_masked_and_reveals_one_with_reason_and_proof(shop: Shop, app: Edge) -> None:
    await add_product(shop, "goods", codes=3)
    desk = await desk_of(shop, app, SUPPORT, "support")
    (code_id,) = await ids(shop)
    pages = [await desk.get(p) for p in ("/admin/codes/list", f"/admin/codes/{code_id}", f"/admin/codes/reveal?code={code_id}")]
    assert all(p.status_code == 200 and not shows(p, "GOODS-0") for p in pages)
    unsaid = await desk.post("/admin/codes/reveal", {"code": code_id})
    await no_proof(shop)
    unproved = await desk.post("/admin/codes/reveal", {"code": code_id, **WHY})
    led = await desk.get(f"/admin/codes/reveal?code={code_id}")
    assert led.headers["location"] == f"/admin/step-up?next=/admin/codes/reveal%3Fcode%3D{code_id}"
    assert (unsaid.status_code, unproved.status_code) == (403, 403)
    assert not shows(unsaid, "GOODS-0")
    assert not shows(unproved, "GOODS-0")
    assert await events(shop, "code.viewed") == []
    await desk.log_in(SUPPORT)
    seen = await desk.post("/admin/codes/reveal", {"code": code_id, **WHY})
    assert shows(seen, "GOODS-00000")
    assert seen.headers["cache-control"] == "no-store"
    (told,) = await events(shop, "code.viewed")
    assert (told.object_id, told.reason, told.actor_kind) == (code_id, WHY["reason"], "staff")
    copied = await desk.post(f"/admin/codes/{code_id}/copied")
    assert (copied.status_code, [e.object_id for e in await events(shop, "code.copied")]) == (204, [code_id])


@pytest.mark.parametrize("act", ["reveal", "export"])
@pytest.mark.parametrize("lack", ["permission", "step-up", "reason", "second person"])
async def test_i33_no_code_leaves_without_all_that_is_asked(
    shop: Shop, app: Edge, owner: Desk, openings: Iterator[list[int]], act: str, lack: str
) -> None:
    """403, no decryption, no plaintext: for each of the four that may be lacking."""
    await settings.change(shop, {"codes.second_person_above": 2}, CLI)
    product = await add_product(shop, "goods", codes=5)
    assert product
    desk = await desk_of(shop, app, "keeper@example.com", "stock") if lack == "permission" else owner
    count = 4 if lack == "second person" else 2
    fields: dict[str, Any] = {} if lack == "reason" else dict(WHY)
    if act == "reveal":
        fields["code"] = await ids(shop, count)
    else:
        fields |= {"goods": "goods", "state": "free", "most": count, "expected": count}
    if lack == "step-up":
        await no_proof(shop)
    refused = await desk.post(f"/admin/codes/{act}", fields)
    assert refused.status_code == 403
    assert not shows(refused, "GOODS-0")
    assert next(openings) == []
    assert await events(shop, "code.viewed", "code.exported", "export.begun") == []


async def test_no_page_about_codes_shows_one(shop: Shop, owner: Desk) -> None:
    await add_epay(shop)
    await add_product(shop, "goods", codes=70)
    placed = await order(shop, "goods", 2)
    await call_back(shop, epay_notice(placed, money="25.00"))
    (sold,) = await ids(shop)
    pages = (
        "/admin/codes/list",
        "/admin/codes/list?goods=goods&state=sold",
        f"/admin/codes/{sold}",
        "/admin/codes/void?goods=goods",
        "/admin/codes/export?goods=goods",
        f"/admin/codes/reveal?code={sold}",
        "/admin/approvals",
    )
    for path in pages:
        page = await owner.get(path)
        assert page.status_code == 200, path
        assert not shows(page, "GOODS-0"), path
    page = await owner.get("/admin/codes/list?state=sold")
    assert page.text.count("/admin/orders/" + placed.order.order_no) == 2


async def test_the_list_is_paged_and_filtered_by_its_address(shop: Shop, owner: Desk) -> None:
    await add_product(shop, "goods", codes=120)
    await add_product(shop, "other", codes=3)
    numbers: list[str] = []
    path = "/admin/codes/list?goods=goods"
    while path:
        page = await owner.get(path)
        found = re.findall(r'class="mono" href="/admin/codes/(\d+)"', page.text)
        assert len(found) <= 50
        numbers += found
        older = re.findall(r'href="(/admin/codes/list\?[^"]*before=\d+)"', page.text)
        path = html.unescape(older[0]) if older else ""
    assert len(numbers) == len(set(numbers)) == 120
    assert numbers == sorted(numbers, key=int, reverse=True)
    batch = (await shop.db.read(inventory.batches))[0].batch_id
    page = await owner.get(f"/admin/codes/list?batch={batch}&state=free&expiry=none&pool=default")
    assert page.text.count('name="code" value="') == 3
    assert (await owner.get("/admin/codes/list?state=void")).text.count('name="code" value="') == 0


@pytest.mark.parametrize(
    "query",
    [
        "state=gone",
        "goods=nothing",
        "goods=goods/nothing",
        "batch=1%20OR%201=1",
        "expiry=(select+1)",
        "pool=x'--",
    ],
)
async def test_f04_a_filter_that_means_nothing_is_refused_and_not_left_out(shop: Shop, owner: Desk, query: str) -> None:
    await add_product(shop, "goods", codes=3)
    for page in ("list", "void", "export"):
        assert (await owner.get(f"/admin/codes/{page}?{query}")).status_code == 422
    name, value = re.split("=", query, maxsplit=1)
    refused = await owner.post("/admin/codes/void", {"goods": "goods", name: value, "expected": 3, **WHY})
    assert refused.status_code == 422
    assert await events(shop, "code.voided") == []
    sorted_ = await owner.get("/admin/codes/list?sort=(select+1)&limit=1000000000&before=x")
    assert sorted_.status_code == 200


async def test_a_code_is_found_by_its_whole_text(shop: Shop, owner: Desk) -> None:
    await add_product(shop, "goods", codes=3)
    wanted = (await ids(shop, 2))[1]
    found = await owner.post("/admin/codes/search", {"code": " GOODS-00001\r\n"})
    assert found.headers["location"] == f"/admin/codes/{wanted}?said=found"
    for typed, status in (("GOODS-9", 404), ("", 422)):
        page = await owner.post("/admin/codes/search", {"code": typed})
        assert page.status_code == status
        assert complaints(page)
        assert not typed or typed not in page.text  # what was typed is not put into the page again
    assert [e.object_id for e in await events(shop, "code.searched")] == [wanted, 0]


async def test_codes_are_noted_and_voided_and_the_page_tells_it(shop: Shop, owner: Desk) -> None:
    await add_product(shop, "goods", codes=2)
    code_id, other = await ids(shop, 2)
    page = await owner.get(f"/admin/codes/{code_id}")
    version = re.findall(r'name="version" value="(\d+)"', page.text)[0]
    change = {"version": version, "cost": "7.5", "expires_on": "2027-01-31", "note": "<b>second</b> box"}
    assert (await owner.post(f"/admin/codes/{code_id}/edit", change)).status_code == 303
    assert (await owner.post(f"/admin/codes/{code_id}/edit", change)).status_code == 409
    assert (await owner.post(f"/admin/codes/{other}/edit", {**change, "expires_on": "soon"})).status_code in (409, 422)
    assert (await owner.post(f"/admin/codes/{code_id}/void", {"reason": "x"})).status_code == 422
    assert (await owner.post(f"/admin/codes/{code_id}/void", {"reason": "lost by the supplier"})).status_code == 303
    assert (await owner.post(f"/admin/codes/{code_id}/void", {"reason": "lost by the supplier"})).status_code == 409
    page = await owner.get(f"/admin/codes/{code_id}")
    assert "<b>second" not in page.text
    for words in (
        "What is noted of it was changed",
        "CN¥0.00 → CN¥7.50",
        "lost by the supplier",
        "Imported",
        "owner@example.com",
    ):
        assert shows(page, words), words


async def test_many_are_voided_after_they_were_counted_again(shop: Shop, owner: Desk) -> None:
    await add_epay(shop)
    await add_product(shop, "goods", codes=12)
    page = await owner.get("/admin/codes/void?goods=goods")
    assert hidden(page) == {"goods": "goods", "expected": "12"}
    await order(shop, "goods", 2)
    again = await owner.post("/admin/codes/void", {**hidden(page), "reason": "expired at the supplier"})
    assert again.status_code == 409
    assert "now it is 10" in complaints(again)[0]
    assert hidden(again)["expected"] == "10"
    done = await owner.post("/admin/codes/void", {**hidden(again), "reason": "expired at the supplier"})
    assert done.status_code == 303
    (count,) = await shop.db.read(inventory.counts)
    assert (count.free, count.held, count.void) == (0, 2, 10)
    wide = await owner.post("/admin/codes/void", {"expected": 1, "reason": "expired at the supplier"})
    assert wide.status_code == 422


async def export(desk: Desk, **more: Any) -> httpx.Response:
    """As a browser would: look, then post what the page holds."""
    page = await desk.get("/admin/codes/export", params={"goods": "goods", **{k: v for k, v in more.items() if k == "most"}})
    return await desk.post("/admin/codes/export", {**hidden(page), **WHY, **more})


async def fetched(desk: Desk, made: httpx.Response) -> tuple[httpx.Response, str]:
    """The file behind a finished export, and the passphrase that was told."""
    ready = await desk.get(made.headers["location"])
    told = re.findall(r'<pre class="secret">([^<]+)</pre>', ready.text)
    return await desk.post(made.headers["location"]), told[0] if told else ""


async def test_an_export_is_fetched_sealed_by_the_session_that_made_it(
    shop: Shop, app: Edge, owner: Desk, clock: TestClock
) -> None:
    await add_product(shop, "goods", codes=30)
    mate = await desk_of(shop, app, MANAGER, "manager")
    made = await export(owner, most=10, take_out="1")
    assert made.status_code == 303, complaints(made)
    file, passphrase = await fetched(owner, made)
    assert codes_in(file.content, passphrase) == [f"GOODS-{n:05}" for n in range(10)]
    assert b"GOODS-0" not in file.content
    assert file.headers["cache-control"] == "no-store"
    assert file.headers["content-disposition"].endswith('.xlsx"')
    assert not re.findall('<pre class="secret">', (await owner.get(made.headers["location"])).text)  # told once
    assert (await mate.get(made.headers["location"])).status_code == 404
    assert (await mate.post(made.headers["location"])).status_code == 404
    names = ["export.begun", "export.made", "export.fetched"]
    told = await events(shop, *names)
    assert [e.name for e in told] == names
    clock.pass_time(minutes=4)
    again, _ = await fetched(owner, made)
    assert again.content == file.content
    clock.pass_time(minutes=4)
    await owner.log_in()
    assert (await owner.get(made.headers["location"])).status_code == 404  # another log-in, another session


async def test_ones_own_passphrase_is_typed_twice(shop: Shop, owner: Desk) -> None:
    await add_product(shop, "goods", codes=3)
    for first, second in (("only once typed", ""), ("typed one way 1", "typed one way 2"), ("short", "short")):
        refused = await export(owner, passphrase=first, passphrase_again=second)
        assert refused.status_code == 422
        assert complaints(refused)
        assert not shows(refused, first)
    assert await events(shop, "export.begun") == []
    made = await export(owner, passphrase="一个很长的密码 2026", passphrase_again="一个很长的密码 2026")
    file, told = await fetched(owner, made)
    assert told == ""
    assert len(codes_in(file.content, "一个很长的密码 2026")) == 3


async def test_f05_a_second_person_approves_in_the_panel(shop: Shop, app: Edge, owner: Desk, clock: TestClock) -> None:
    await add_product(shop, "goods", codes=60)
    alone = await export(owner, expected=60)
    assert alone.status_code == 403
    assert shows(alone, "nobody else here may approve it")
    mate, support = await desk_of(shop, app, MANAGER, "manager"), await desk_of(shop, app, SUPPORT, "support")
    asked = await export(owner)
    place = asked.headers["location"].partition("?")[0]
    assert place == "/admin/approvals/1"
    assert '<span class="waiting">1</span>' in (await mate.get("/admin")).text
    assert '<span class="waiting">' not in (await owner.get("/admin")).text
    assert (await support.get(place)).status_code == 404
    assert shows(await mate.get(place), WHY["reason"])
    own = await owner.post(f"{place}/decide", {"decision": "approve"})
    early = await owner.post(f"{place}/export")
    mute = await mate.post(f"{place}/decide", {"decision": "refuse"})
    assert [p.status_code for p in (own, early, mute)] == [403, 409, 422]
    await no_proof(shop)
    assert (await mate.post(f"{place}/decide", {"decision": "approve"})).status_code == 403
    await mate.log_in(MANAGER)
    assert (await mate.post(f"{place}/decide", {"decision": "approve", "note": "agreed"})).status_code == 303
    assert (await owner.post(f"{place}/export")).status_code == 403  # the proof is too old
    await owner.log_in()
    assert (await mate.post(f"{place}/export")).status_code == 409
    made = await owner.post(f"{place}/export")
    file, passphrase = await fetched(owner, made)
    assert len(codes_in(file.content, passphrase)) == 60
    assert (await owner.post(f"{place}/export")).status_code == 409
    assert (await shop.db.read(approvals.get, 1)).state(clock.now()) == "used"


async def test_a_reveal_above_the_bound_is_approved_too(shop: Shop, app: Edge) -> None:
    await settings.change(shop, {"codes.second_person_above": 2}, CLI)
    await add_product(shop, "goods", codes=5)
    mate, support = await desk_of(shop, app, MANAGER, "manager"), await desk_of(shop, app, SUPPORT, "support")
    three = await ids(shop, 3)
    asked = await support.post("/admin/codes/reveal", {"code": three, **WHY})
    assert asked.headers["location"].startswith("/admin/approvals/1")
    assert (await support.post("/admin/approvals/1/decide", {"decision": "approve"})).status_code == 403
    assert (await support.post("/admin/approvals/1/export")).status_code == 403
    assert (await mate.post("/admin/approvals/1/decide", {"decision": "approve"})).status_code == 303
    assert (await support.get("/admin/approvals/1")).status_code == 200
    seen = await support.post("/admin/approvals/1/reveal")
    assert [n for n in range(5) if shows(seen, f"GOODS-0000{n}")] == [0, 1, 2]
    again = await support.post("/admin/approvals/1/reveal")
    assert again.status_code == 409
    assert not shows(again, "GOODS-0")
    assert [e.object_id for e in await events(shop, "code.viewed")] == three


async def test_f05_a_second_file_within_a_minute_needs_a_second_person(
    shop: Shop, app: Edge, owner: Desk, clock: TestClock
) -> None:
    await add_product(shop, "goods", codes=9)
    await desk_of(shop, app, MANAGER, "manager")
    assert (await export(owner, most=1)).headers["location"].startswith("/admin/codes/export/")
    assert (await export(owner, most=1)).headers["location"].startswith("/admin/approvals/")
    clock.pass_time(seconds=61)
    assert (await export(owner, most=1)).headers["location"].startswith("/admin/codes/export/")


async def test_the_bound_is_an_owners_with_fresh_proof_to_change(shop: Shop, app: Edge, owner: Desk) -> None:
    mate = await desk_of(shop, app, MANAGER, "manager")
    raised = {"codes.second_person_above": "1000"}
    assert (await mate.post("/admin/settings", raised)).status_code == 403
    await no_proof(shop)
    assert (await owner.post("/admin/settings", raised)).status_code == 403
    assert shop.settings.number("codes.second_person_above") == 50


async def test_a_sealed_shop_still_lists_its_codes(shop: Shop, owner: Desk) -> None:
    await add_product(shop, "goods", codes=3)
    (code_id,) = await ids(shop)
    shop.keyring.seal()
    for path in ("/admin/codes/list", f"/admin/codes/{code_id}", "/admin/codes/export?goods=goods"):
        assert (await owner.get(path)).status_code == 200
    for act, fields in (("reveal", {"code": code_id}), ("export", {"goods": "goods", "expected": 3}), ("search", {"code": "x"})):
        refused = await owner.post(f"/admin/codes/{act}", {**fields, **WHY})
        assert refused.status_code == 503, act
    assert await events(shop, "code.viewed", "export.begun") == []


async def test_what_is_read_of_a_swapped_seal_is_nothing(shop: Shop, owner: Desk) -> None:
    await add_product(shop, "goods", codes=2)
    one, two = await ids(shop, 2)

    def swap(tx: Tx) -> None:
        sql = "UPDATE codes SET sealed = (SELECT sealed FROM codes WHERE code_id = :a) WHERE code_id = :b"
        tx.run(sql, a=one, b=two)

    await shop.db.write(swap)
    refused = await owner.post("/admin/codes/reveal", {"code": two, **WHY})
    assert refused.status_code == 503
    assert not shows(refused, "GOODS-0")
    assert len(await events(shop, "vault.alarm")) == 1
