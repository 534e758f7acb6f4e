"""A thief has the whole disk: data directory, write-ahead log, logs, and the key file beside it. With a passphrase vault he reads
no code; without the key file he reads no gateway secret, second factor or password of the mail either (I-25, threat A9).
"""

import secrets
import shutil
from pathlib import Path

import pyotp
import pytest

from kashop.accounts import reads as accounts
from kashop.accounts.types import SignedIn
from kashop.flows import factors, rotate, settings, supply, vault
from kashop.inventory import reads as inventory
from kashop.lib.actor import CLI
from kashop.lib.errors import Unavailable
from kashop.shop import Shop
from kashop.supply import sealedbatch
from kashop.vault import Sealed, Tampered, reads
from tests.canary.scanner import Scanner
from tests.cast import EPAY, TestClock, add_epay, add_product, call_back, codes_of, config, epay_notice, order, stock
from tests.supply.sender import join

PASSPHRASE = "KANARI correct horse battery staple"


async def lived(shop: Shop, clock: TestClock) -> dict[str, str]:
    """A life with every kind of secret; what they were."""
    kept = {"passphrase": PASSPHRASE, "gateway key": EPAY["key"], "mail password": f"KANARI-mail-{secrets.token_hex(8)}"}
    await vault.start(shop)
    await add_epay(shop)
    await add_product(shop, "card")
    codes = [f"KANARI-{n}-{secrets.token_hex(6)}-密=?/+" for n in range(8)]
    kept |= {f"code {n}": code for n, code in enumerate(codes)}
    await stock(shop, "card", codes)
    placed = await order(shop, "card", 2)
    await call_back(shop, epay_notice(placed, money="25.00"))
    assert set(await codes_of(shop, placed)) <= set(codes)
    kept["order token"] = placed.token
    await settings.change(shop, {"mail.password": kept["mail password"]}, CLI)
    kept |= await with_second_factor(shop, clock)
    kept["recovery code"] = await vault.make_recovery(shop, CLI)
    await vault.add_passphrase(shop, PASSPHRASE, "老板", CLI)
    await rotate.begin(shop, CLI)
    keyfile = await shop.db.read(reads.find_root, "keyfile")
    assert keyfile is not None
    await vault.drop_method(shop, keyfile.root_id, CLI)
    supplier = await join(shop, slugs=("card",))
    await vault.seal(shop, CLI)
    sent = [f"KANARI-sent-{secrets.token_hex(8)}"]
    await supplier.send(supplier.sealed(sent, product="card", sku="card"))
    return {**kept, "supplier's code": sent[0], "supplier's seed": sealedbatch.base64(supplier.seed)}


async def with_second_factor(shop: Shop, clock: TestClock) -> dict[str, str]:
    owner = await shop.db.read(accounts.get, 1)
    me = SignedIn(b"", "", 0, clock.ms, owner.staff_id, owner.email, owner.role)
    offer = factors.offer(shop, me)
    codes = await factors.enrol(shop, me, offer.sealed, pyotp.TOTP(offer.seed).at(clock.ms // 1000), CLI)
    return {"second factor": offer.seed, **{f"recovery code {n}": code for n, code in enumerate(codes)}}


@pytest.mark.sqlite
async def test_a_stolen_disk_holds_nothing_that_can_be_read(shop: Shop, data: Path, tmp_path: Path, clock: TestClock) -> None:
    kept = await lived(shop, clock)
    scanner = Scanner(kept)
    assert (data / "kashop.db-wal").stat().st_size > 0
    assert scanner.files(data) == []
    loot = tmp_path / "loot" / "shop"
    shutil.copytree(data, loot)
    with pytest.raises(Unavailable, match="missing"):
        await Shop.open(config(loot))
    shutil.copy2(data.with_name("shop.key"), loot.with_name("shop.key"))
    thief = await Shop.open(config(loot), clock=clock)
    try:
        await read_all_he_can(thief)
    finally:
        await thief.close()
    assert scanner.files(loot) == []


async def read_all_he_can(thief: Shop) -> None:
    """With the key file he serves the shop, and opens no code: not by what is stored, not by what he makes up."""
    assert thief.keyring.is_sealed
    keys = await thief.db.read(reads.data_keys)
    assert keys
    with pytest.raises(Sealed):
        thief.keyring.learn(keys)
    with pytest.raises(vault.WrongSecret):
        await vault.open_with(thief, vault.Given(), CLI)
    with pytest.raises(Tampered):
        thief.keyring.unseal(secrets.token_bytes(32))
    counts = await thief.db.read(inventory.counts)
    assert [(c.free, c.sold) for c in counts if c.sold] == [(6, 2)]
    assert await supply.open_due(thief) == 0


async def test_the_same_life_is_whole_again_for_who_knows_the_passphrase(shop: Shop, clock: TestClock) -> None:
    """The control: it is the passphrase that the thief lacked."""
    kept = await lived(shop, clock)
    await vault.open_with(shop, vault.Given(passphrase=PASSPHRASE), CLI)
    await rotate.go_on(shop, rotate.ALONE)
    await supply.open_due(shop)
    placed = await order(shop, "card", 6)
    await call_back(shop, epay_notice(placed, money="75.00", txn="T2"))
    assert set(await codes_of(shop, placed)) <= {*kept.values()}
