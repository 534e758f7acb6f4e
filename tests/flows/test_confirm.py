"""Manual confirmation: what it rests on is kept and audited, and above the merchant's bounds nobody below the owner is alone."""

import hashlib
import io
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from kashop.accounts import writes as accounts
from kashop.approvals import reads as approvals
from kashop.audit import reads as audit
from kashop.flows import attempts, checkout, confirm, evidence, second_person
from kashop.flows import settings as settings_flow
from kashop.flows.codes import Asked
from kashop.lib.actor import CLI, SYSTEM, Actor
from kashop.lib.errors import Conflict, Denied, Invalid, Refusal
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.shop import Shop
from tests.admin.desk import add_staff
from tests.cast import BUYER, TestClock, add_epay, add_product, call_back, epay_notice, order

OWNER = Actor("staff", "1")
PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n"


def picture(kind: str = "PNG", size: tuple[int, int] = (60, 40)) -> bytes:
    out = io.BytesIO()
    made = Image.new("RGB", size, "white")
    exif = Image.Exif()
    exif[0x010E] = "CANARY-EXIF at home"
    made.save(out, kind, exif=exif)
    return out.getvalue()


@pytest.fixture(autouse=True)
async def stocked(shop: Shop) -> None:
    await add_epay(shop)
    await add_product(shop, "steam", codes=9)
    await settings_flow.change(shop, {"orders.confirm_alone_most": 3000, "orders.confirm_alone_per_day": 5000}, CLI)


@pytest.fixture
async def finance(shop: Shop) -> Actor:
    return Actor("staff", str(await add_staff(shop, "finance@example.com", "finance")))


def kept_files(shop: Shop) -> list[Path]:
    return list((shop.config.data / "uploads" / "evidence").glob("*"))


async def status(shop: Shop, placed: checkout.Placed) -> str:
    return (await shop.db.read(orders.get, placed.order.order_id)).status


async def vouch(shop: Shop, placed: checkout.Placed, actor: Actor, reference: str = "B1", **more: object) -> str | Asked:
    return await confirm.confirm(shop, placed.order.order_no, reference=reference, note="on the slip", actor=actor, **more)  # type: ignore[arg-type]


async def told(shop: Shop, placed: checkout.Placed, name: str) -> list[tuple[str, dict[str, object]]]:
    found = await shop.db.read(audit.timeline, "order", placed.order.order_id)
    return [(t.reason, msgspec.json.decode(t.payload)) for t in found if t.name == name]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "PDF"])
async def test_evidence_is_kept_apart_and_its_digest_is_in_the_audit(shop: Shop, kind: str) -> None:
    placed = await order(shop, "steam")
    assert await vouch(shop, placed, OWNER, file=PDF if kind == "PDF" else picture(kind)) == "delivered"
    [kept] = await shop.db.read(payments.evidence, placed.order.order_id)
    data = await evidence.read(shop, kept)
    assert hashlib.sha256(data).hexdigest() == kept.digest
    assert kept.content_type == ("application/pdf" if kind == "PDF" else "image/webp")
    assert b"CANARY-EXIF" not in data
    file = shop.config.data / "uploads" / "evidence" / kept.name
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    [(reason, facts)] = await told(shop, placed, "payment.confirmed")
    assert (reason, facts["txn"], facts["digest"], facts["amount"]) == ("on the slip", "B1", kept.digest, 1250)
    file.write_bytes(data + b"x")
    with pytest.raises(Refusal):
        await evidence.read(shop, kept)


@pytest.mark.parametrize(
    "sent",
    [
        b"<svg onload=alert(1)>",
        b"MZ\x90\x00",
        b"GIF89a<script>",
        b"%PDF-1.4 without an end",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 20,
        b"x" * (evidence.MOST_BYTES + 1),
    ],
)
async def test_what_is_no_evidence_is_refused_and_nothing_of_it_stays(shop: Shop, sent: bytes) -> None:
    placed = await order(shop, "steam")
    with pytest.raises(Invalid) as caught:
        await vouch(shop, placed, OWNER, file=sent)
    assert caught.value.fields[0].field == "evidence"
    assert await status(shop, placed) == "pending"
    assert not kept_files(shop)


async def test_a_refused_confirmation_leaves_no_file(shop: Shop) -> None:
    first, second = await order(shop, "steam"), await order(shop, "steam")
    await vouch(shop, first, OWNER, file=picture())
    with pytest.raises(Invalid):
        await vouch(shop, second, OWNER, file=picture())
    with pytest.raises(Conflict):
        await vouch(shop, first, OWNER, "B2", file=picture())
    assert len(kept_files(shop)) == 1


async def test_a_large_payment_needs_a_second_person(shop: Shop, finance: Actor) -> None:
    placed = await order(shop, "steam", 3)
    asked = await vouch(shop, placed, finance, file=picture())
    assert isinstance(asked, Asked)
    assert await status(shop, placed) == "pending"
    found = await shop.db.read(approvals.get, asked.approval_id)
    assert (found.kind, found.value_minor, found.reason) == ("orders.confirm", 3750, "on the slip")
    with pytest.raises(Conflict):
        await confirm.confirm_approved(shop, asked.approval_id, finance)
    with pytest.raises(Denied):
        await shop.db.write(second_person.decide, asked.approval_id, finance, is_approved=True, note="")
    await shop.db.write(second_person.decide, asked.approval_id, OWNER, is_approved=True, note="")
    with pytest.raises(Conflict):
        await confirm.confirm_approved(shop, asked.approval_id, OWNER)  # the one who asked does it
    assert await confirm.confirm_approved(shop, asked.approval_id, finance) == (placed.order.order_no, "delivered")
    with pytest.raises(Conflict):
        await confirm.confirm_approved(shop, asked.approval_id, finance)
    [(_, facts)] = await told(shop, placed, "payment.confirmed")
    assert facts["approval"] == asked.approval_id
    assert facts["digest"]
    assert len(await shop.db.read(payments.receipts, placed.order.order_id)) == 1


async def test_who_may_not_confirm_cannot_approve(shop: Shop, finance: Actor) -> None:
    support = Actor("staff", str(await add_staff(shop, "support@example.com", "support")))
    asked = await vouch(shop, await order(shop, "steam", 3), finance)
    assert isinstance(asked, Asked)
    with pytest.raises(Denied):
        await shop.db.write(second_person.decide, asked.approval_id, support, is_approved=True, note="")


async def test_an_approval_is_for_that_amount_and_for_who_may_still_confirm(shop: Shop, finance: Actor) -> None:
    placed = await order(shop, "steam", 3)
    asked = await vouch(shop, placed, finance)
    assert isinstance(asked, Asked)
    await shop.db.write(second_person.decide, asked.approval_id, OWNER, is_approved=True, note="")
    await shop.db.write(accounts.change_role, int(finance.ref), "support", CLI)
    with pytest.raises(Denied):
        await confirm.confirm_approved(shop, asked.approval_id, finance)
    await shop.db.write(accounts.change_role, int(finance.ref), "finance", CLI)
    await call_back(shop, epay_notice(placed, money="1.00", txn="T1"))
    with pytest.raises(Conflict):
        await confirm.confirm_approved(shop, asked.approval_id, finance)
    assert (await shop.db.read(approvals.get, asked.approval_id)).status == "approved", "nothing was spent"
    assert await status(shop, placed) == "pending"


async def test_many_small_ones_are_a_large_one(shop: Shop, finance: Actor, clock: TestClock) -> None:
    placed = [await order(shop, "steam", 1) for _ in range(5)]
    done = [await vouch(shop, each, finance, f"B{n}") for n, each in enumerate(placed)]
    assert done[:4] == ["delivered"] * 4, "four times 12.50 is the bound of 50.00"
    assert isinstance(done[4], Asked)
    clock.pass_time(hours=25)
    fresh = await order(shop, "steam", 1)
    assert await vouch(shop, fresh, finance, "B9") == "delivered"


async def test_the_owner_and_the_terminal_need_nobody_and_0_is_no_bound(shop: Shop, finance: Actor) -> None:
    assert await vouch(shop, await order(shop, "steam", 3), OWNER, "B1") == "delivered"
    assert await vouch(shop, await order(shop, "steam", 3), CLI, "B2") == "delivered"
    await settings_flow.change(shop, {"orders.confirm_alone_most": 0, "orders.confirm_alone_per_day": 0}, CLI)
    assert await vouch(shop, await order(shop, "steam", 3), finance, "B3") == "delivered"


async def test_without_anybody_else_it_is_refused(shop: Shop) -> None:
    finance = Actor("staff", str(await add_staff(shop, "finance@example.com", "finance")))
    await add_staff(shop, "boss@example.com", "owner")
    for owner in (1, 3):
        await shop.db.write(lambda tx, n=owner: tx.run("UPDATE staff SET is_disabled = 1 WHERE staff_id = :n", n=n))
    placed = await order(shop, "steam", 3)
    with pytest.raises(Denied):
        await vouch(shop, placed, finance, file=picture())
    assert not kept_files(shop)


async def test_a_payment_is_confirmed_at_the_account_that_took_it(shop: Shop) -> None:
    """The buyer paid the first way, then chose another: vouched for at the first, its late callback is a repetition."""
    await add_epay(shop, "epay-two")
    placed = await order(shop, "steam")
    await attempts.change(shop, placed.order, gateway="epay-two", method="alipay", actor=BUYER)
    with pytest.raises(Invalid):
        await vouch(shop, placed, OWNER, "T1", gateway="nobody")
    assert await vouch(shop, placed, OWNER, "T1", gateway="epay-main") == "delivered"
    assert (await call_back(shop, epay_notice(placed, txn="T1"))).body == b"success"
    assert await shop.db.read(orders.open_exceptions, placed.order.order_id) == []


async def test_money_that_did_not_fit_says_so_and_is_accepted_under_another_number(shop: Shop) -> None:
    placed = await order(shop, "steam")
    await call_back(shop, epay_notice(placed, type="wxpay", txn="T1"))
    with pytest.raises(Invalid) as caught:
        await vouch(shop, placed, OWNER, "T1")
    assert "T1-A" in str(caught.value)
    assert await vouch(shop, placed, OWNER, "T1-A") == "delivered"


async def test_late_and_out_of_stock_it_is_recorded_and_waits(shop: Shop, clock: TestClock) -> None:
    placed = await order(shop, "steam", 5)
    clock.pass_time(minutes=16)
    await checkout.expire(shop, placed.order.order_id, SYSTEM)
    await vouch(shop, await order(shop, "steam", 5), OWNER, "B1")
    assert await vouch(shop, placed, OWNER, "B2") == "expired"
    assert [e.kind for e in await shop.db.read(orders.open_exceptions, placed.order.order_id)] == ["paid_late"]
