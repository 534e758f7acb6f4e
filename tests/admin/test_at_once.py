"""F06: two people edit the same thing. The second is told what he has beside what stands now; nothing is lost unseen."""

import html

import pytest

from kashop.catalog import reads, writes
from kashop.flows import products
from kashop.lib.actor import CLI
from kashop.orders import reads as orders
from kashop.payments import reads as payments
from kashop.shop import Shop
from tests.admin.desk import Desk, value_of
from tests.cast import add_epay, add_product, order, ways_to_pay

SAVED_FIRST = "Someone else saved this while you were at it"


def cells(page: str) -> list[list[str]]:
    """The rows of the difference: label, mine, theirs."""
    import re

    part = page.partition(SAVED_FIRST)[2].partition("</table>")[0]
    rows = re.findall(r"<tr>(<td>.*?)</tr>", part, re.S)
    return [[html.unescape(re.sub(r"<[^>]+>", "", c)).strip() for c in re.findall(r"<td.*?</td>", r, re.S)] for r in rows]


async def test_f06_a_product(shop: Shop, owner: Desk) -> None:
    product_id = await add_product(shop, "steam", price=1000)
    sku = (await shop.db.read(reads.skus, product_id))[0]
    page = await owner.get(f"/admin/products/{product_id}")
    form = {
        "name": "Mine <b>",
        "delivery": "auto",
        "version": value_of(page, "version"),
        "sku-0-id": str(sku.sku_id),
        "sku-0-sku_code": "steam",
        "sku-0-price": "9.00",
    }
    theirs = {**form, "name": "Theirs", "summary": "new words", "sku-0-price": "11.00"}
    assert (await owner.post(f"/admin/products/{product_id}", theirs)).status_code == 303
    stale = await owner.post(f"/admin/products/{product_id}", form)
    assert stale.status_code == 409
    assert cells(stale.text) == [
        ["Name", "Mine <b>", "Theirs"],
        ["One line about it", "—", "new words"],
        ["Price · steam", "9.00", "11.00"],
    ]
    assert "Mine <b>" not in stale.text
    assert (await shop.db.read(reads.get_product, product_id)).name == "Theirs"
    assert value_of(stale, "name") == "Mine <b>"
    seen = {**form, "version": value_of(stale, "version")}
    await shop.db.write(writes.edit_sku, sku.sku_id, (await shop.db.read(products.sku_drafts, product_id))[0][1], CLI)
    assert (await owner.post(f"/admin/products/{product_id}", seen)).status_code == 409  # changed once more, by the terminal
    latest = await owner.get(f"/admin/products/{product_id}")
    seen = {**form, "version": value_of(latest, "version")}
    assert (await owner.post(f"/admin/products/{product_id}", seen)).status_code == 303
    assert (await shop.db.read(reads.skus, product_id))[0].price_minor == 900


@pytest.mark.parametrize("version", ["", "0", "1", "99"])
async def test_f06_a_form_without_the_right_version_saves_nothing(shop: Shop, owner: Desk, version: str) -> None:
    product_id = await add_product(shop, "steam")
    await products.set_hidden(shop, product_id, True, CLI)
    sent = {"name": "X", "delivery": "auto", "version": version, "sku-0-sku_code": "b", "sku-0-price": "1"}
    assert (await owner.post(f"/admin/products/{product_id}", sent)).status_code == 409


async def test_f06_a_gateway(shop: Shop, owner: Desk) -> None:
    await add_epay(shop, mode="page")
    page = await owner.get("/admin/gateways/epay-main")
    version = value_of(page, "version")
    form = {"label": "Mine", "version": version, "is_enabled": "1", "option-pid": "1001", "option-url": "http://127.0.0.1:9"}
    form |= {"option-mode": "page"}
    theirs = {**form, "label": "Theirs", "option-pid": "2002"}
    saved = await owner.post("/admin/gateways/epay-main", theirs)
    assert saved.status_code == 303, saved.text
    stale = await owner.post("/admin/gateways/epay-main", {**form, "option-key": "a new Secret key 77"})
    assert stale.status_code == 409
    told = cells(stale.text)
    assert ["Name for yourself", "Mine", "Theirs"] in told
    assert any(row[1:] == ["1001", "2002"] for row in told)
    assert any(row[1:] == ["•••", "•••"] for row in told)
    assert "a new Secret key 77" not in stale.text
    account = await shop.db.read(payments.find_gateway, "epay-main")
    assert account is not None
    assert account.label == "Theirs"
    again = await owner.post("/admin/gateways/epay-main", {**form, "version": value_of(stale, "version")})
    assert again.status_code == 303
    assert next(c.account_label for c in await ways_to_pay(shop)) == "Mine"


async def test_f06_a_note_on_an_order(shop: Shop, owner: Desk) -> None:
    await add_epay(shop)
    await add_product(shop, "steam", codes=1)
    placed = await order(shop, "steam")
    at = f"/admin/orders/{placed.order.order_no}"
    assert (await owner.post(f"{at}/note", {"note": "first", "was": ""})).status_code == 303
    stale = await owner.post(f"{at}/note", {"note": "second", "was": ""})
    assert stale.status_code == 409
    assert cells(stale.text) == [["Note for the staff", "second", "first"]]
    assert (await shop.db.read(orders.get, placed.order.order_id)).note == "first"
    assert (await owner.post(f"{at}/note", {"note": "second", "was": value_of(stale, "was")})).status_code == 303
    assert (await shop.db.read(orders.get, placed.order.order_id)).note == "second"
