"""The inbox of callbacks in the panel: what was sent, why it was judged so, and judging it again."""

import msgspec
import pytest

from kashop.analytics import invariants
from kashop.audit import reads as audit
from kashop.flows import gateways, inbox
from kashop.flows.checkout import Placed
from kashop.lib.actor import CLI
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.payments.rows import Callback
from kashop.payments.types import CallbackRequest
from kashop.shop import Shop
from kashop.web.admin import raw
from tests.admin.desk import Desk
from tests.cast import EPAY, TestClock, add_epay, add_product, call_back, codes_of, epay_notice, order

MENDED = "KEYmended0000001"


@pytest.fixture
async def placed(shop: Shop) -> Placed:
    await add_epay(shop)
    await add_product(shop, "steam", codes=5)
    return await order(shop, "steam")


async def newest(shop: Shop) -> Callback:
    return (await shop.db.read(payments.callbacks, 2**62))[0]


async def status(shop: Shop, placed: Placed) -> str:
    return (await shop.db.read(orders.get, placed.order.order_id)).status


async def test_the_inbox_lists_by_verdict_and_account_and_says_why(shop: Shop, owner: Desk, placed: Placed) -> None:
    await call_back(shop, epay_notice(placed, sign_key="wrong"))
    await call_back(shop, epay_notice(placed), account="nobody")
    await call_back(shop, epay_notice(placed))
    page = (await owner.get("/admin/callbacks")).text
    for said in (
        "The signature is wrong",
        "There is no account of that name",
        "Settled",
        "kept for 90 days",
        "rejected ones for 7",
    ):
        assert said in page
    only = (await owner.get("/admin/callbacks?verdict=rejected&gateway=nobody")).text
    assert "There is no account of that name" in only
    assert "The signature is wrong" not in only
    for odd in ("verdict=%27", "gateway=%00", "before=-1", "before=" + "9" * 40):
        assert (await owner.get(f"/admin/callbacks?{odd}")).status_code in (200, 400)


async def test_one_callback_is_shown_without_what_proves_it(shop: Shop, owner: Desk, placed: Placed) -> None:
    notice = epay_notice(placed, name="<script>alert(7)</script>")
    headers = {"user-agent": "vendor/1", "x-vendor-signature": "CANARY-SIG", "content-type": "text/plain"}
    request = CallbackRequest(
        method="POST", query=notice, headers=headers, body=b'{"a":{"sign":"CANARY-A","ok":1},"api_key":"CANARY-B"}'
    )
    await inbox.receive_callback(shop, "epay-main", request, ip="198.51.100.1")
    page = (await owner.get(f"/admin/callbacks/{(await newest(shop)).callback_id}")).text
    for secret in ("CANARY", notice.decode().rpartition("sign=")[2], "<script>alert"):
        assert secret not in page
    for said in ("vendor/1", "out_trade_no", "198.51.100.1", "POST /pay/epay-main/callback", "&#34;ok&#34;: 1"):
        assert said in page


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (b"\xff\xfe\x00\x01", "ff fe 00 01"),
        (b"a\x00b", "61 00 62"),
        (b"sign=S&a=1", "sign = •••\na = 1"),
        (b"<xml><sign>S</sign><a>1</a></xml>", "<xml><sign>•••</sign><a>1</a></xml>"),
        (b"<xml><Sign><![CDATA[S]]></Sign></xml>", "<xml><Sign>•••</Sign></xml>"),
        (b'[{"Signature":"S"}]', '[\n  {\n    "Signature": "•••"\n  }\n]'),
        (b'{"deep":' * 2000, None),
        (b'{"sign":"CANARY', '{"sign": "•••"'),
        (b"just words", "just words"),
        (b"", ""),
    ],
)
def test_what_came_is_readable(sent: bytes, shown: str | None) -> None:
    assert shown in (None, raw.text(sent))


async def test_a_replay_changes_nothing_when_nothing_changed(shop: Shop, owner: Desk, placed: Placed) -> None:
    notices = (
        epay_notice(placed),
        epay_notice(placed),
        epay_notice(placed, sign_key="x"),
        epay_notice(placed, trade_status="WAIT"),
    )
    for notice in notices:
        await call_back(shop, notice)
    before = await shop.db.read(payments.callbacks, 2**62)
    for _ in range(2):
        for callback in before:
            done = await owner.post(f"/admin/callbacks/{callback.callback_id}/replay")
            assert done.headers["location"].endswith("said=judged_alike")
    assert await shop.db.read(payments.callbacks, 2**62) == before
    assert len(await shop.db.read(payments.receipts, placed.order.order_id)) == 1
    assert len(await codes_of(shop, placed)) == 1
    told = await shop.db.read(audit.timeline, "callback", before[0].callback_id)
    assert [t.name for t in told] == ["callback.replayed"] * 2


async def test_a_mended_key_lets_what_was_rejected_settle(shop: Shop, owner: Desk, placed: Placed, clock: TestClock) -> None:
    await call_back(shop, epay_notice(placed, sign_key=MENDED))
    callback = await newest(shop)
    assert (callback.verdict, await status(shop, placed)) == ("rejected", "pending")
    clock.pass_time(minutes=5)
    await gateways.configure(shop, "epay-main", type="epay", options={**EPAY, "key": MENDED}, actor=CLI)
    done = await owner.post(f"/admin/callbacks/{callback.callback_id}/replay")
    assert done.headers["location"].endswith("said=judged_anew")
    assert await status(shop, placed) == "delivered"
    assert (await newest(shop)).verdict == "settled"
    [told] = await shop.db.read(audit.timeline, "callback", callback.callback_id)
    facts = msgspec.json.decode(told.payload)
    assert (told.actor_kind, facts["was"], facts["verdict"]) == ("staff", "rejected", "settled")


async def test_what_brought_money_stays_settled_whatever_becomes_of_the_account(shop: Shop, owner: Desk, placed: Placed) -> None:
    await call_back(shop, epay_notice(placed))
    await gateways.configure(shop, "epay-main", type="epay", options={**EPAY, "key": MENDED}, actor=CLI)
    await owner.post(f"/admin/callbacks/{(await newest(shop)).callback_id}/replay")
    assert (await newest(shop)).verdict == "settled"
    found = {i.id: await shop.db.read(i.first_witness, shop.keyring) for i in invariants.INVARIANTS}
    assert {name: witness for name, witness in found.items() if witness} == {}


async def test_a_callback_for_an_account_that_was_made_later_is_bound_to_it(shop: Shop, owner: Desk, placed: Placed) -> None:
    """It came under a name that was mistyped when the account was set up: the account is made, and its money is found."""
    await call_back(shop, epay_notice(placed), account="epay-new")
    number = (await newest(shop)).callback_id
    await gateways.configure(shop, "epay-new", type="epay", options=EPAY, actor=CLI)
    await owner.post(f"/admin/callbacks/{number}/replay")
    assert ((await newest(shop)).verdict, (await newest(shop)).reason) == ("rejected", "attempt_of_other_account")
    assert (await newest(shop)).gateway_id is not None
    assert await status(shop, placed) == "pending"
