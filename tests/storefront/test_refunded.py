"""What a buyer sees of money that goes back: on his page and by the API, with the link where he takes it."""

import httpx

from kashop.payments.types import RefundWord
from kashop.shop import Shop
from tests.cast import add_product
from tests.flows.till import add_till, refunded, send, sold

CLAIM = "https://pay.example/claim/1"


async def test_the_page_and_the_api_tell_of_refunds(shop: Shop, site: httpx.AsyncClient) -> None:
    await add_product(shop, "steam", codes=5)
    till = await add_till(shop)
    placed = await sold(shop)
    path = f"/o/{placed.order.order_no}"
    till.says = RefundWord(state="failed", problem="balance too low")
    await send(shop, placed, 100)
    till.says = RefundWord(state="pending", claim_url=CLAIM)
    await send(shop, placed, 500)
    page = (await site.get(path, params={"k": placed.token})).text
    assert CLAIM in page
    assert "5.00" in page
    assert "balance too low" not in page
    headers = {"authorization": f"Bearer {placed.token}"}
    told = (await site.get(f"/api/v1/orders/{placed.order.order_no}", headers=headers)).json()
    (refund,) = told["refunds"]
    assert (refund["status"], refund["claim_url"], refund["done_at"]) == ("open", CLAIM, None)
    assert (refund["amount"]["amount"], told["refunded"]["amount"], told["status"]) == ("5.00", "0.00", "delivered")
    await refunded(shop, placed, refund_no=till.asked[-1].refund_no)
    told = (await site.get(f"/api/v1/orders/{placed.order.order_no}", headers=headers)).json()
    assert (told["refunds"][0]["status"], told["refunded"]["amount"], told["status"]) == ("done", "5.00", "refunded")


async def test_codes_are_no_more_on_offer_when_all_went_back(shop: Shop, site: httpx.AsyncClient) -> None:
    await add_product(shop, "steam", codes=5)
    till = await add_till(shop)
    placed = await sold(shop)
    path, key = f"/o/{placed.order.order_no}", {"k": placed.token}
    assert f'action="{path}/reveal"' in (await site.get(path, params=key)).text
    till.says = "pending"
    await send(shop, placed)
    assert f'action="{path}/reveal"' not in (await site.get(path, params=key)).text
    assert (await site.post(f"{path}/reveal", data=key)).status_code == 409


async def test_only_links_of_the_web_are_claim_links(shop: Shop, site: httpx.AsyncClient) -> None:
    await add_product(shop, "steam", codes=5)
    till = await add_till(shop)
    placed = await sold(shop)
    till.says = RefundWord(state="pending", claim_url="javascript:alert(1)")
    assert (await send(shop, placed)).claim_url == ""
