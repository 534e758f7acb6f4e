"""The audit's pages: what did this person do, who saw this code, is it whole, and what has left the host."""

import html
import re

import pytest

from kashop.audit import notes, reads
from kashop.audit.writes import record
from kashop.flows import checkpoint
from kashop.lib.actor import Actor
from kashop.shop import Shop
from kashop.web.admin import event_words, words
from kashop.web.edge import Edge
from tests import beside
from tests.admin.desk import Desk, add_staff, complaints
from tests.cast import TestClock, add_epay, add_product, call_back, codes_of, epay_notice, order, stock
from tests.house.test_messages import CORE, catalogue

SEQ = re.compile(r"<small>#(\d+)</small>")


def seqs(text: str) -> list[int]:
    return [int(n) for n in SEQ.findall(text)]


@pytest.fixture
async def auditor(shop: Shop, app: Edge) -> Desk:
    await add_staff(shop, "auditor@example.com", "auditor")
    desk = Desk(app, ip="203.0.113.77")
    await desk.log_in("auditor@example.com")
    return desk


async def sold(shop: Shop, codes: list[str]) -> str:
    """A product with these codes, of which the first is sold and seen by its buyer; the order's number."""
    await add_epay(shop)
    await add_product(shop, "steam")
    await stock(shop, "steam", codes)
    placed = await order(shop, "steam", 1)
    await call_back(shop, epay_notice(placed))
    assert await codes_of(shop, placed) == codes[:1]
    return placed.order.order_no


async def test_what_did_this_person_do(shop: Shop, auditor: Desk, owner: Desk) -> None:
    await owner.post("/admin/categories", {"name": "Games", "slug": "games", "position": "1"})
    page = await auditor.get("/admin/audit?actor=staff:1")
    assert "<h1>What owner@example.com did</h1>" in page.text
    assert words.word("event", "category.added") in page.text
    assert "auditor@example.com</a>" not in page.text.partition("<tbody>")[2]
    assert "203.0.113.50" in page.text
    found = await shop.db.read(reads.page, 0)
    wanted = [e.seq for e in found if (e.actor_kind, e.actor_ref) == ("staff", "1")]
    assert sorted(seqs(page.text)) == wanted
    assert 'href="/admin/audit?actor=staff:1"' in (await owner.get("/admin/staff/1")).text
    both = await auditor.get("/admin/audit?actor=staff")
    assert sorted(seqs(both.text)) == [e.seq for e in found if e.actor_kind == "staff"]


async def test_who_saw_this_code(shop: Shop, auditor: Desk, caplog: pytest.LogCaptureFixture) -> None:
    number = await sold(shop, ["SECRET-CODE-0001", "SECRET-CODE-0002"])
    answer = await auditor.post("/admin/audit/code", {"code": "  SECRET-CODE-0001\r\n"})
    assert answer.status_code == 303
    page = await auditor.get(answer.headers["location"])
    text = html.unescape(page.text)
    for event in ("code.revealed", "line.delivered", "batch.opened", "batch.imported", "code.searched"):
        assert words.word("event", event) in text, event
    assert f'/admin/orders/{number}"' in text
    assert "codes.txt" in text
    assert "203.0.113.7" in text
    (searched,) = [e for e in await shop.db.read(reads.page, 0) if e.name == "code.searched"]
    assert answer.headers["location"].endswith(f"/{searched.object_id}")
    other = await auditor.post("/admin/audit/code", {"code": "SECRET-CODE-0002"})
    text = (await auditor.get(other.headers["location"])).text
    assert "Never: nobody has seen it." in text
    assert words.word("event", "line.delivered") not in text
    everywhere = [answer.headers["location"], page.text, caplog.text, (await auditor.get("/admin/audit")).text]
    stored = [path.read_bytes() for path in shop.config.data.rglob("*") if path.is_file()]
    assert not [place for place in everywhere if "SECRET-CODE" in place]
    assert not [place for place in stored if b"SECRET-CODE" in place]


async def test_a_code_that_never_was_is_not_shown_again(shop: Shop, auditor: Desk) -> None:
    answer = await auditor.post("/admin/audit/code", {"code": "NOT-OURS-0001"})
    assert (answer.status_code, "NOT-OURS" in answer.text) == (404, False)
    assert "The shop never had this code." in answer.text
    empty = await auditor.post("/admin/audit/code", {"code": " "})
    assert (empty.status_code, complaints(empty)) == (422, ["Paste one whole code."])
    assert [e.payload for e in await shop.db.read(reads.page, 0) if e.name == "code.searched"] == ['{"is_found":false}']


async def test_a_sealed_vault_finds_no_code_and_says_so(shop: Shop, auditor: Desk) -> None:
    await sold(shop, ["SECRET-CODE-0001"])
    shop.keyring.seal()
    assert "The vault is sealed" in (await auditor.get("/admin/audit/code")).text
    answer = await auditor.post("/admin/audit/code", {"code": "SECRET-CODE-0001"})
    assert answer.status_code == 503
    assert "SECRET-CODE" not in answer.text
    for path in ("/admin/audit", "/admin/audit/checkpoints"):
        assert (await auditor.get(path)).status_code == 200


async def test_nobody_tries_codes_out(shop: Shop, auditor: Desk) -> None:
    answers = [(await auditor.post("/admin/audit/code", {"code": f"TRY-{n}"})).status_code for n in range(70)]
    assert set(answers[:60]) == {404}
    assert 429 in answers[60:]


async def test_filters_stand_in_the_address(shop: Shop, auditor: Desk, clock: TestClock) -> None:
    number = await sold(shop, ["SECRET-CODE-0001"])
    before = clock.now()
    clock.pass_time(hours=48)
    await auditor.log_in("auditor@example.com")
    who = Actor("staff", "1")
    changed = [await shop.db.write(record, "settings.changed", who, ("shop", 0), names=["shop.name"]) for _ in range(3)]
    every = {e.seq: e for e in await shop.db.read(reads.page, 0)}
    # 2026-11-01 04:00 UTC is noon in Shanghai
    assert before == 1_793_505_600_000
    cases = {
        "since=2026-11-02T12:01": [n for n, e in every.items() if e.at > before],
        "until=2026-11-01T12:00": [n for n, e in every.items() if e.at <= before],
        "since=2026-11-01T12:00&until=2026-11-01T12:00": [n for n in every if every[n].at == before],
        "group=orders": [n for n, e in every.items() if e.name.startswith(("order.", "line.", "exception."))],
        f"kind=order&number={number.lower()}": [n for n, e in every.items() if e.object_kind == "order"],
        "kind=gateway&number=epay-main": [n for n, e in every.items() if e.object_kind == "gateway"],
        "kind=staff&number=auditor@example.com": [n for n, e in every.items() if (e.object_kind, e.object_id) == ("staff", 2)],
        "actor=buyer": [n for n, e in every.items() if e.actor_kind == "buyer"],
        "actor=buyer&since=2026-11-02T12:00": [],
        "actor=gateway": [n for n, e in every.items() if e.actor_kind == "gateway"],
        "actor=cli&group=goods": [
            n for n, e in every.items() if e.actor_kind == "cli" and e.name.startswith(("product.", "sku.", "category."))
        ],
        "actor=gateway&since=2026-11-02T12:00": [],
        "kind=shop&number=&actor=staff:1": changed,
    }
    for asked, wanted in cases.items():
        page = await auditor.get(f"/admin/audit?{asked}")
        assert page.status_code == 200, asked
        assert sorted(seqs(page.text)) == sorted(wanted), asked


@pytest.mark.parametrize("field", ["since", "until", "number"])
async def test_a_filter_that_says_nothing_is_refused_in_its_place(auditor: Desk, field: str) -> None:
    asked = {"since": "since=yesterday", "until": "until=2026-13-01T00:00", "number": "kind=order&number=nothing"}[field]
    page = await auditor.get(f"/admin/audit?{asked}")
    assert (page.status_code, len(complaints(page)), seqs(page.text)) == (422, 1, [])
    assert f'id="wrong-{field}"' in page.text


@pytest.mark.parametrize("asked", ["", "actor=staff", "group=staff", "since=2026-01-01T00:00", "kind=staff&number=7"])
async def test_pages_go_on_where_the_last_one_ended(shop: Shop, auditor: Desk, asked: str) -> None:
    who = Actor("staff", "1")
    await shop.db.write(lambda tx: [record(tx, "staff.unlocked", who, ("staff", 7)) for _ in range(120)])
    found, path = [], f"/admin/audit?{asked}"
    for _ in range(5):
        page = (await auditor.get(path)).text
        found += seqs(page)
        older = re.findall(r'href="(/admin/audit\?[^"]*before=\d+)"', page)
        if not older:
            break
        path = html.unescape(older[0])
    assert len(found) == len(set(found)) >= 120
    # by the clock, where one asks by the clock: the shop was founded by another clock than the test's
    assert found == sorted(found, reverse=True) or "since" in asked


async def test_checkpoints_are_signed_fetched_and_checked(shop: Shop, auditor: Desk) -> None:
    assert "Nothing is signed yet." in (await auditor.get("/admin/audit/checkpoints")).text
    assert (await auditor.post("/admin/audit/checkpoints")).headers["location"] == "/admin/audit/checkpoints?said=signed"
    page = (await auditor.get("/admin/audit/checkpoints")).text
    (path,) = set(re.findall(r'href="(/admin/audit/checkpoints/\d+)"', page))
    fetched = await auditor.get(path)
    assert fetched.headers["content-disposition"].startswith('attachment; filename="checkpoint-')
    (key,) = notes.find_keys((await auditor.get("/admin/audit/key")).text)
    (note,) = notes.find_notes(fetched.text)
    assert note.is_signed_by(key)
    assert key.fingerprint in page
    assert str(key) in html.unescape(page)
    assert key == await checkpoint.public_key(shop)


async def test_verify_now_says_whole_and_names_what_is_broken(shop: Shop, auditor: Desk) -> None:
    await auditor.post("/admin/audit/verify")
    page = (await auditor.get("/admin/audit/checkpoints?said=verified")).text
    head = (await shop.db.read(reads.head)).seq
    assert f"{head - 1} events were read." in page
    beside.change(shop.config.place, "UPDATE events SET reason = 'x' WHERE seq = 2", past=("events_never_updated",))
    await auditor.post("/admin/audit/verify")
    page = (await auditor.get("/admin/audit/checkpoints")).text
    assert "Event 2:" in page
    assert "does not follow from the one before it" in page


async def test_an_erased_address_is_gone_from_the_pages(shop: Shop, auditor: Desk, clock: TestClock) -> None:
    await shop.db.write(record, "staff.unlocked", Actor("staff", "1", ip="198.51.100.99"), ("staff", 7))
    assert "198.51.100.99" in (await auditor.get("/admin/audit?kind=staff&number=7")).text
    clock.pass_time(hours=24 * 1097)
    assert await checkpoint.forget_personal(shop)
    await auditor.log_in("auditor@example.com")
    page = (await auditor.get("/admin/audit?kind=staff&number=7")).text
    assert len(seqs(page)) == 1
    assert "198.51.100.99" not in page


def test_every_word_of_the_audit_is_translated() -> None:
    known = catalogue(CORE)
    for table in (event_words.EVENTS, event_words.GROUP_WORDS, event_words.THINGS, event_words.FACTS, event_words.VALUES):
        assert not [said for said in table.values() if said not in known]
