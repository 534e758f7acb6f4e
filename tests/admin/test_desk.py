"""The exceptions desk as staff work it: found by kind, owner and age, acted on by who may, and never past another."""

import html
import re
import shutil

import httpx
import pytest

from kashop.flows import checkout
from kashop.flows import settings as settings_flow
from kashop.flows.checkout import Placed
from kashop.lib.actor import CLI, SYSTEM
from kashop.orders import reads as orders
from kashop.orders import writes
from kashop.shop import Shop
from kashop.web.edge import Edge
from tests.admin.desk import Desk, add_staff, complaints, step_up
from tests.cast import TestClock, add_epay, add_product, call_back, codes_of, epay_notice, let_a_crowd_in, order
from tests.flows.test_confirm import PDF, picture

MARK = "<script>alert(7)</script>"


@pytest.fixture
async def placed(shop: Shop, owner: Desk, clock: TestClock) -> Placed:
    """An order whose money came too late, in a shop that hands it to staff."""
    await add_epay(shop)
    await add_product(shop, "steam", codes=5)
    await settings_flow.change(shop, {"orders.late_payment": "hold"}, CLI)
    placed = await order(shop, "steam", 2)
    clock.pass_time(minutes=16)
    await checkout.expire(shop, placed.order.order_id, SYSTEM)
    await call_back(shop, epay_notice(placed, money="25.00", txn="TLATE"))
    await step_up(shop)  # the time that passed has ended the owner's
    return placed


async def entry_of(shop: Shop, placed: Placed) -> str:
    [entry] = await shop.db.read(orders.open_exceptions, placed.order.order_id)
    return f"/admin/exceptions/{entry.exception_id}"


def words_of(page: httpx.Response) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


async def test_an_entry_tells_its_story(shop: Shop, owner: Desk, placed: Placed, clock: TestClock) -> None:
    clock.pass_time(hours=3)
    told = words_of(await owner.get("/admin/exceptions"))
    for said in (
        *("Paid late", "3 hours", "Whose: nobody yet", "CN¥25.00", "TLATE", "epay-main says that", "was paid"),
        *("2 to deliver, 5 on the shelf", "Hold again and deliver", "Refund", "Contact the buyer", "Take on"),
    ):
        assert said in told
    entry = await owner.get(await entry_of(shop, placed))
    assert "mailto:a@example.com?subject=" in entry.text
    assert placed.token not in entry.text
    assert "STEAM-0000" not in entry.text


async def test_it_is_found_by_kind_owner_and_age(shop: Shop, owner: Desk, placed: Placed, clock: TestClock) -> None:
    number = placed.order.order_no
    assert 'href="/admin/exceptions"' in (await owner.get("/admin")).text
    for query, is_there in (
        ("kind=paid_late", True),
        ("kind=mismatch", False),
        ("owner=nobody", True),
        ("owner=mine", False),
        ("age=hour", False),
        ("kind=nonsense&owner=x&age=y&after=1-2-3", True),
    ):
        assert (number in (await owner.get(f"/admin/exceptions?{query}")).text) == is_there, query
    await owner.post(f"{await entry_of(shop, placed)}/owner", {"to": "staff:1", "seen": ""})
    clock.pass_time(hours=2)
    assert number in (await owner.get("/admin/exceptions?owner=mine&age=hour")).text
    assert number not in (await owner.get("/admin/exceptions?owner=nobody")).text


async def test_a_long_desk_goes_on_oldest_first(shop: Shop, owner: Desk, clock: TestClock) -> None:
    await let_a_crowd_in(shop)
    await add_epay(shop)
    await add_product(shop, "steam", codes=60)
    numbers = []
    for _ in range(23):
        placed = await order(shop, "steam")
        await shop.db.write(writes.open_exception, placed.order.order_id, "disputed", SYSTEM)
        numbers.append(placed.order.order_no)
        clock.pass_time(seconds=1)
    first = (await owner.get("/admin/exceptions?kind=disputed")).text
    more = html.unescape(re.findall(r'href="(/admin/exceptions\?[^"]*after=[^"]*)"', first)[0])
    second = (await owner.get(more)).text
    assert [n for n in numbers if n in first] == numbers[:20]
    assert [n for n in numbers if n in second] == numbers[20:]


async def test_taken_on_noted_delivered(shop: Shop, owner: Desk, placed: Placed) -> None:
    path = await entry_of(shop, placed)
    assert (await owner.post(f"{path}/owner", {"to": "staff:1", "seen": ""})).headers["location"].endswith("taken_on")
    assert (await owner.post(f"{path}/notes", {"note": ""})).status_code == 422
    assert (await owner.post(f"{path}/notes", {"note": f"rang twice {MARK}"})).status_code == 303
    page = await owner.get(path)
    assert "rang twice" in page.text
    assert MARK not in page.text
    assert (await owner.post(f"{path}/deliver", {"seen": "staff:1"})).headers["location"].endswith("said=delivered")
    assert len(await codes_of(shop, placed)) == 2
    closed = words_of(await owner.get(path))
    assert "Closed at" in closed
    assert "delivered from stock by staff" in closed
    assert (await owner.post(f"{path}/deliver", {"seen": "staff:1"})).status_code == 409
    assert placed.order.order_no not in (await owner.get("/admin/exceptions")).text


async def test_f06_the_second_is_told_and_changes_nothing(shop: Shop, owner: Desk, app: Edge, placed: Placed) -> None:
    mate = await add_staff(shop, "mate@example.com", "manager")
    other = Desk(app, ip="203.0.113.51")
    await other.log_in("mate@example.com")
    path = await entry_of(shop, placed)
    assert (await other.post(f"{path}/owner", {"to": f"staff:{mate}", "seen": ""})).status_code == 303
    number = path.rpartition("/")[2]
    for act, form in (("owner", {"to": "staff:1"}), ("deliver", {}), ("close", {f"reason-{number}": "done"})):
        stale = await owner.post(f"{path}/{act}", {"seen": "", **form})
        assert stale.status_code == 409, act
        assert "Somebody else took this on meanwhile." in stale.text
        assert "mate@example.com" in stale.text, "the page shows who"
    assert [e.kind for e in await shop.db.read(orders.open_exceptions, placed.order.order_id)] == ["paid_late"]


async def test_it_is_handed_only_to_who_may_work_on_it(shop: Shop, owner: Desk, placed: Placed) -> None:
    keeper = await add_staff(shop, "stock@example.com", "stock")
    path = await entry_of(shop, placed)
    for stranger in (f"staff:{keeper}", "staff:999", "cli", "x" * 300):
        assert (await owner.post(f"{path}/owner", {"to": stranger, "seen": ""})).status_code == 422, stranger[:20]
    assert (await shop.db.read(orders.open_exceptions, placed.order.order_id))[0].owner == ""


async def test_a_gateway_is_asked_and_not_hammered(shop: Shop, owner: Desk, placed: Placed) -> None:
    path = await entry_of(shop, placed)
    said = [(await owner.post(f"{path}/ask", {})).status_code for _ in range(11)]
    assert said == [303] * 10 + [429]


async def test_evidence_is_seen_by_who_may_and_at_no_public_address(shop: Shop, owner: Desk, app: Edge, placed: Placed) -> None:
    fresh = await order(shop, "steam")
    base = f"/admin/orders/{fresh.order.order_no}"
    form, junk = {"reference": "B1", "confirm_note": "slip"}, {"evidence": ("a.png", b"nothing")}
    refused = await owner.post(f"{base}/confirm", form, files=junk)
    assert refused.status_code == 422
    assert any("neither a picture nor a PDF" in text for text in complaints(refused))
    done = await owner.post(f"{base}/confirm", form, files={"evidence": ("../../x.svg", picture())})
    assert done.headers["location"].endswith("said=confirmed")
    shown = await owner.get(f"{base}/evidence/1")
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/webp")
    assert "sandbox" in shown.headers["content-security-policy"]
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert (await owner.get(f"/admin/orders/{placed.order.order_no}/evidence/1")).status_code == 404, "of another order"
    await add_staff(shop, "support@example.com", "support")
    support = Desk(app, ip="203.0.113.52")
    await support.log_in("support@example.com")
    assert (await support.get(f"{base}/evidence/1")).status_code == 403
    assert "evidence/1" not in (await support.get(base)).text
    [file] = (shop.config.data / "uploads" / "evidence").iterdir()
    stranger = Desk(app, ip="203.0.113.53")
    for path in (
        f"/uploads/{file.name}",
        f"/uploads/evidence/{file.name}",
        f"/uploads/evidence%2f{file.name}",
        f"/t/x/y/{file.name}",
    ):
        assert (await stranger.get(path)).status_code == 404, path


async def test_a_pdf_is_only_ever_downloaded(shop: Shop, owner: Desk, placed: Placed) -> None:
    fresh = await order(shop, "steam")
    base = f"/admin/orders/{fresh.order.order_no}"
    form = {"reference": "B1", "confirm_note": "slip"}
    assert (await owner.post(f"{base}/confirm", form, files={"evidence": ("slip.html", PDF)})).status_code == 303
    shown = await owner.get(f"{base}/evidence/1")
    assert shown.headers["content-disposition"].startswith("attachment;")
    assert shown.content == PDF


async def test_a_shop_whose_evidence_folder_is_gone_says_so(shop: Shop, owner: Desk, placed: Placed) -> None:
    fresh = await order(shop, "steam")
    base = f"/admin/orders/{fresh.order.order_no}"
    form = {"reference": "B1", "confirm_note": "slip"}
    await owner.post(f"{base}/confirm", form, files={"evidence": ("slip.png", picture())})
    shutil.rmtree(shop.config.data / "uploads" / "evidence")
    assert (await owner.get(f"{base}/evidence/1")).status_code == 404
