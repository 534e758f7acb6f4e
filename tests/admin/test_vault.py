"""The vault's page: an owner seals, unseals and changes what unseals; others look or do not."""

import re

import pytest

from kashop.accounts import reads as accounts
from kashop.shop import Shop
from kashop.web.edge import Edge
from tests.admin.desk import Desk, add_staff, complaints
from tests.cast import add_epay, add_product, call_back, epay_notice, order

PASSPHRASE = "correct horse battery staple"


async def step_up(shop: Shop) -> None:
    """As if every session had just proved itself; the page that asks for it has tests of its own."""
    await shop.db.write(lambda tx: tx.run("UPDATE sessions SET stepped_up_at = :now", now=tx.now))


@pytest.fixture
async def fresh(shop: Shop, owner: Desk) -> Desk:
    await step_up(shop)
    return owner


async def test_seal_and_unseal_with_an_order_in_between(shop: Shop, fresh: Desk) -> None:
    await add_epay(shop)
    await add_product(shop, "card", codes=1)
    placed = await order(shop, "card")
    assert "Unsealed" in (await fresh.get("/admin/vault")).text
    assert (await fresh.post("/admin/vault/seal")).status_code == 303
    await call_back(shop, epay_notice(placed))
    page = (await fresh.get("/admin/vault")).text
    assert "deliveries wait" in page
    assert "Somebody sealed it" in page
    assert "Vault sealed" in (await fresh.get("/admin/exceptions")).text
    shown = await fresh.http.get(f"/o/{placed.order.order_no}", params={"k": placed.token})
    assert "Your codes are set aside for you" in shown.text
    entry = re.findall(r"/admin/exceptions/(\d+)", (await fresh.get("/admin/exceptions")).text)[0]
    refused = await fresh.post(f"/admin/exceptions/{entry}/close", {f"reason-{entry}": "gone"})
    assert refused.status_code == 409
    assert (await fresh.post("/admin/vault/unseal/keyfile")).headers["location"].endswith("said=unsealed")
    assert "Vault sealed" not in (await fresh.get("/admin/exceptions")).text
    shown = await fresh.http.get(f"/o/{placed.order.order_no}", params={"k": placed.token})
    assert "Delivered" in shown.text


async def test_reveal_while_sealed_says_so_and_shows_nothing(shop: Shop, fresh: Desk) -> None:
    await add_epay(shop)
    await add_product(shop, "card", codes=1)
    placed = await order(shop, "card")
    await call_back(shop, epay_notice(placed))
    await fresh.post("/admin/vault/seal")
    url = f"/api/v1/orders/{placed.order.order_no}/reveal"
    answer = await fresh.http.post(url, headers={"authorization": f"Bearer {placed.token}", "accept": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (503, "sealed")
    assert "CARD-" not in answer.text


async def test_passphrase_and_recovery_code(shop: Shop, fresh: Desk) -> None:
    wrong = await fresh.post("/admin/vault/passphrases", {"new_passphrase": "short", "repeated": "other"})
    assert wrong.status_code == 422
    assert complaints(wrong) == ["The two do not match."]
    assert (
        await fresh.post("/admin/vault/passphrases", {"new_passphrase": PASSPHRASE, "repeated": PASSPHRASE})
    ).status_code == 303
    page = await fresh.post("/admin/vault/recovery")
    code = "-".join(re.findall(r"<span>([A-Z2-7]{4})</span>", page.text))
    assert len(code) == 49
    assert page.headers["cache-control"] == "no-store"
    assert code not in (await fresh.get("/admin/vault")).text
    for given in ({"passphrase": PASSPHRASE}, {"recovery": code.lower()}):
        await fresh.post("/admin/vault/seal")
        assert shop.keyring.is_sealed
        bad = await fresh.post("/admin/vault/unseal", {"passphrase": "wrong wrong wrong"})
        assert bad.status_code == 403
        assert PASSPHRASE not in bad.text
        assert (await fresh.post("/admin/vault/unseal", given)).status_code == 303
        assert not shop.keyring.is_sealed
    keyfile = re.findall(r"/admin/vault/methods/(\d+)/drop", (await fresh.get("/admin/vault")).text)[0]
    assert (await fresh.post(f"/admin/vault/methods/{keyfile}/drop")).status_code == 303
    last = re.findall(r"/admin/vault/methods/(\d+)/drop", (await fresh.get("/admin/vault")).text)[0]
    refused = await fresh.post(f"/admin/vault/methods/{last}/drop")
    assert refused.status_code == 409
    assert "Add another way" in refused.text


async def test_without_a_fresh_proof_nothing_is_sealed(shop: Shop, app: Edge, owner: Desk) -> None:
    await shop.db.write(lambda tx: tx.run("UPDATE sessions SET stepped_up_at = 0"))
    assert (await owner.post("/admin/vault/seal")).status_code == 403
    assert not shop.keyring.is_sealed
    await add_staff(shop, "auditor@example.com", "auditor")
    auditor = Desk(app)
    await auditor.log_in("auditor@example.com")
    assert "Seal the vault now" not in (await auditor.get("/admin/vault")).text
    assert len(await shop.db.read(accounts.everyone)) == 2
