"""The panel's pages about suppliers: add, compare, confirm; accept and decline what waits."""

import re

import pytest

from kashop.flows import supply
from kashop.shop import Shop
from kashop.supply import reads, sealedbatch
from kashop.vault import boxes
from kashop.web.edge import Edge
from tests.admin.desk import Desk, add_staff, complaints
from tests.cast import add_product
from tests.supply.sender import Sender, register, send

HOME = "/admin/suppliers"


@pytest.fixture(autouse=True)
async def stocked(shop: Shop) -> None:
    await add_product(shop, "steam")
    await add_product(shop, "by-hand", delivery="manual")


async def test_a_supplier_is_added_compared_and_confirmed(shop: Shop, owner: Desk) -> None:
    page = await owner.get(HOME)
    assert "商品 steam" in page.text
    assert "商品 by-hand" not in page.text
    added = await owner.post(HOME, {"name": "老张", "products": "1"})
    here = added.headers["location"].partition("?")[0]
    made = await owner.post(f"{here}/link")
    token = re.findall(r"/supply#join=([\w-]+)", made.text)[0]
    assert token not in (await owner.get(here)).text
    seed = boxes.new_seed()
    await register(shop, token, seed)
    page = await owner.get(here)
    shown = sealedbatch.grouped(sealedbatch.fingerprint(boxes.public_of(seed)))
    assert shown in page.text
    action = re.findall(r'action="([^"]+/confirm)"', page.text)[0]
    assert "Compare the fingerprint" in " ".join(complaints(await owner.post(action)))
    assert [k.status for k in await shop.db.read(reads.keys, 1)] == ["offered"]
    assert (await owner.post(action, {"compared": "1"})).status_code == 303
    assert [k.status for k in await shop.db.read(reads.keys, 1)] == ["confirmed"]
    assert (await owner.post(action, {"compared": "1"})).status_code == 409
    sender = Sender(shop, await shop.db.read(reads.get, 1), seed, await supply.import_key(shop))
    held = await send(shop, sender.sealed(["PANEL-0001", "PANEL-0002"]))
    assert held.status == "held"
    page = await owner.get(HOME)
    assert "PANEL-000" not in page.text
    accepted = await owner.post(f"{HOME}/batches/{held.sealed_batch_id}/accept")
    assert "said=batch_opened" in accepted.headers["location"]
    again = await owner.post(f"{HOME}/batches/{held.sealed_batch_id}/accept")
    assert (again.status_code, "decided already" in again.text) == (409, True)
    other = await send(shop, sender.sealed(["PANEL-0003"]))
    declined = await owner.post(f"{HOME}/batches/{other.sealed_batch_id}/decline", {"reason": "not ordered"})
    assert declined.status_code == 303
    assert (await shop.db.read(reads.get_batch, other.sealed_batch_id)).status == "refused"


async def test_what_is_wrong_is_told_in_its_place(owner: Desk) -> None:
    assert complaints(await owner.post(HOME, {"name": "", "products": "1"})) == ["Please fill in this field."]
    assert complaints(await owner.post(HOME, {"name": "A", "products": ""})) == ["Choose at least one product."]
    assert complaints(await owner.post(HOME, {"name": "A", "products": "99"})) == ["Choose at least one product."]
    await owner.post(HOME, {"name": "A", "products": "1"})
    assert complaints(await owner.post(HOME, {"name": "A", "products": "1"})) == ["This is already in use."]
    for path in ("/1/keys/9/confirm", "/9", "/9/link", "/9/disable", "/batches/9/accept", "/batches/9/decline"):
        assert (await owner.post(HOME + path, {"compared": "1"})).status_code in (404, 409, 422), path


async def test_the_stock_keeper_decides_batches_and_changes_no_supplier(shop: Shop, app: Edge, owner: Desk) -> None:
    await owner.post(HOME, {"name": "A", "products": "1"})
    await add_staff(shop, "stock@example.com", "stock")
    keeper = Desk(app)
    await keeper.log_in("stock@example.com")
    page = await keeper.get(HOME)
    assert page.status_code == 200
    assert f'href="{HOME}/1"' not in page.text
    assert "rotate" not in page.text
    assert (await keeper.post(f"{HOME}/1", {"name": "B", "products": "1"})).status_code == 403


async def test_disabling_rotating_and_a_changed_policy_hold_at_once(shop: Shop, owner: Desk) -> None:
    await owner.post(HOME, {"name": "A", "products": "1"})
    await owner.post(f"{HOME}/1", {"name": "A2", "products": "1", "is_trusted": "1"})
    supplier = await shop.db.read(reads.get, 1)
    assert (supplier.name, supplier.is_trusted) == ("A2", 1)
    await owner.post(f"{HOME}/1/disable")
    assert (await shop.db.read(reads.get, 1)).is_disabled
    assert (await owner.post(f"{HOME}/1/link")).status_code == 409
    await owner.post(f"{HOME}/1/enable")
    before = await supply.import_key(shop)
    await owner.post(f"{HOME}/import-key/rotate")
    assert (await supply.import_key(shop)).name != before.name
