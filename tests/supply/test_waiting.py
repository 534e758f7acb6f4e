"""Batches that wait: for the vault, for staff, for the job; and the keys that open them."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from kashop.db import Reader
from kashop.flows import supply
from kashop.inventory import reads as inventory
from kashop.inventory import writes as inventory_writes
from kashop.lib.actor import CLI
from kashop.lib.errors import Conflict, Denied, NotFound, TooMany
from kashop.shop import Shop
from kashop.supply import reads, sealedbatch, writes
from kashop.vault import Sealed, boxes
from tests.canary.scanner import Scanner
from tests.cast import TestClock, add_product
from tests.supply.sender import Sender, confirm, join, register, send

DAY = 24 * 3600


@pytest.fixture(autouse=True)
async def stocked(shop: Shop) -> None:
    await add_product(shop, "steam")


async def free(shop: Shop) -> int:
    return sum(count.free for count in await shop.db.read(inventory.counts))


class Vault:
    """Seals a shop and unseals it again."""

    def __init__(self, shop: Shop):
        self.shop = shop
        held = shop.keyring._vault
        assert held is not None
        self.root = held.root

    def seal(self) -> None:
        self.shop.keyring.seal()

    def unseal(self) -> None:
        self.shop.keyring.unseal(self.root)


async def test_a_sealed_shop_keeps_a_batch_as_it_came_and_opens_it_later(shop: Shop, data: Path) -> None:
    sender, vault = await join(shop), Vault(shop)
    vault.seal()
    waiting = await send(shop, sender.sealed(["WAIT-0001", "WAIT-0002"]))
    assert (waiting.status, waiting.added) == ("waiting", 0)
    assert await supply.open_due(shop) == 0
    vault.unseal()
    # the data keys are learnt anew, as flows/vault does when it unseals
    assert await supply.open_due(shop) == 1
    assert await supply.open_due(shop) == 0
    (done,) = await shop.db.read(reads.batches)
    assert (done.status, done.added, await free(shop)) == ("done", 2, 2)


async def test_a_sealed_shop_cannot_open_a_batch_nor_make_a_key(shop: Shop) -> None:
    vault = Vault(shop)
    vault.seal()
    with pytest.raises(Sealed):
        await supply.import_key(shop)
    with pytest.raises(Sealed):
        await supply.rotate_import_key(shop, CLI)
    vault.unseal()
    key = await supply.import_key(shop)
    assert key == await supply.import_key(shop)
    vault.seal()
    assert (await supply.import_key(shop)).name == key.name
    assert key.sealed is not None
    with pytest.raises(Sealed):
        shop.keyring.open_in_vault(key.sealed, name=f"supply/import/{key.name}")


async def test_nothing_that_is_written_holds_a_code_or_a_secret(
    shop: Shop, data: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    sender, vault = await join(shop), Vault(shop)
    codes = [f"KANARI-{n:04}-+密=?" for n in range(20)]
    seed = sealedbatch.base64(sender.seed)
    scanner = Scanner({**{f"code {n}": code for n, code in enumerate(codes)}, "seed": seed})
    vault.seal()
    await send(shop, sender.sealed(codes))
    assert scanner.files(data) == []
    vault.unseal()
    await supply.open_due(shop)
    assert await free(shop) == 20
    assert scanner.files(data) == []
    assert list(scanner.hits(f"{caplog.text}{capsys.readouterr()}".encode(), "logs")) == []
    plain = data / "plain.txt"
    plain.write_text("\n".join(codes))
    assert scanner.files(data)  # the scanner can see


async def test_a_supplier_who_is_not_trusted_waits_for_staff(shop: Shop) -> None:
    sender = await join(shop, is_trusted=False)
    held = await send(shop, sender.sealed(["HELD-0001"]))
    assert (held.status, await free(shop)) == ("held", 0)
    assert await supply.open_due(shop) == 0
    done = await supply.accept(shop, held.sealed_batch_id, CLI)
    assert (done.status, done.added, await free(shop)) == ("done", 1, 1)
    with pytest.raises(Conflict):
        await supply.accept(shop, held.sealed_batch_id, CLI)
    other = await send(shop, sender.sealed(["HELD-0002"]))
    await shop.db.write(writes.decline, other.sealed_batch_id, CLI, reason="not ordered")
    with pytest.raises(Conflict):
        await supply.accept(shop, other.sealed_batch_id, CLI)
    declined = await shop.db.read(reads.get_batch, other.sealed_batch_id)
    assert (declined.status, declined.reason, await free(shop)) == ("refused", "declined", 1)


async def test_what_waits_of_a_disabled_supplier_needs_staff(shop: Shop) -> None:
    sender, vault = await join(shop), Vault(shop)
    vault.seal()
    sent = await send(shop, sender.sealed(["LATE-0001"]))
    await shop.db.write(writes.set_disabled, sender.supplier.supplier_id, True, CLI)
    vault.unseal()
    assert await supply.open_due(shop) == 0
    assert (await shop.db.read(reads.get_batch, sent.sealed_batch_id)).status == "held"


@pytest.mark.parametrize("shut", ["disabled", "product", "key"])
async def test_a_supplier_who_is_shut_out_while_he_sends_brings_nothing(shop: Shop, shut: str) -> None:
    """E13: what was so when the first lines came need not be so when the last bytes do."""
    sender = await join(shop)
    supplier = sender.supplier
    file = sender.sealed(["SLOW-0001"])

    async def slowly() -> AsyncIterator[bytes]:
        yield file[:-10]
        if shut == "disabled":
            await shop.db.write(writes.set_disabled, supplier.supplier_id, True, CLI)
        elif shut == "product":
            await shop.db.write(
                writes.change_supplier, supplier.supplier_id, supplier.name, products=(), is_trusted=True, actor=CLI
            )
        else:
            (key,) = await shop.db.read(reads.keys, supplier.supplier_id)
            other = boxes.public_of(boxes.new_seed())
            offered = await shop.db.write(writes.offer_key, supplier.supplier_id, other, CLI)
            await shop.db.write(writes.confirm_key, supplier.supplier_id, offered, CLI)
            assert key.supplier_key_id != offered
        yield file[-10:]

    with pytest.raises(sealedbatch.BatchRefused):
        await supply.receive(shop, slowly(), ip="198.51.100.9")
    assert await free(shop) == 0
    assert await shop.db.read(reads.batches) == []


async def test_a_large_batch_is_opened_by_the_job(shop: Shop) -> None:
    sender = await join(shop)
    sent = await send(shop, sender.sealed([f"LARGE-{n:05}" for n in range(supply.OPEN_AT_ONCE + 1)]))
    assert sent.status == "waiting"
    assert await supply.open_due(shop) == 1
    assert await free(shop) == supply.OPEN_AT_ONCE + 1


async def test_a_row_changed_in_the_database_does_not_open(shop: Shop, data: Path) -> None:
    sender, vault = await join(shop), Vault(shop)
    vault.seal()
    first, second = [await send(shop, sender.sealed([f"SWAP-{n}"])) for n in range(2)]

    def swap(tx: object) -> None:
        sql = """UPDATE sealed_batches SET body = (SELECT body FROM sealed_batches WHERE sealed_batch_id = :b)
                 WHERE sealed_batch_id = :a"""
        tx.run(sql, a=first.sealed_batch_id, b=second.sealed_batch_id)  # type: ignore[attr-defined]

    await shop.db.write(swap)
    vault.unseal()
    assert await supply.open_due(shop) == 1
    assert [(b.status, b.reason) for b in await shop.db.read(reads.batches)] == [("done", ""), ("refused", "digest")]


async def test_old_keys_open_what_is_on_its_way_and_are_dropped_then(shop: Shop, clock: TestClock) -> None:
    sender = await join(shop)
    before = sender.sealed(["OLD-0001"])
    new = await supply.rotate_import_key(shop, CLI)
    assert new.name != sender.key.name
    assert (await send(shop, before)).status == "done"
    vault = Vault(shop)
    vault.seal()
    waits = await send(shop, sender.sealed(["OLD-0002"]))
    clock.pass_time(seconds=15 * DAY)
    assert await supply.forget_keys(shop) == 0  # one batch still needs it
    vault.unseal()
    await supply.open_due(shop)
    assert (await shop.db.read(reads.get_batch, waits.sealed_batch_id)).status == "done"
    assert await supply.forget_keys(shop) == 1
    assert [key.name for key in await shop.db.read(reads.import_keys)] == [new.name]
    with pytest.raises(sealedbatch.BatchRefused) as refused:
        await send(shop, sender.sealed(["OLD-0003"]))
    assert refused.value.code == "batch_key"


def _told(db: Reader) -> list[str]:
    return db.values("SELECT facts FROM notices WHERE about = 'supplier.registered' AND channel = 'mail'")


async def test_a_link_registers_one_key_once(shop: Shop, clock: TestClock) -> None:
    supplier_id = await shop.db.write(writes.add_supplier, "Wang", products=[1], is_trusted=True, actor=CLI)
    first = (await supply.invite(shop, supplier_id, CLI)).partition("#join=")[2]
    second = (await supply.invite(shop, supplier_id, CLI)).partition("#join=")[2]
    seed = boxes.new_seed()
    with pytest.raises(NotFound):
        await register(shop, first, seed)
    assert (await register(shop, second, seed)).name == "Wang"
    assert await shop.db.read(_told) == ['{"name":"Wang"}']
    with pytest.raises(NotFound):
        await register(shop, second, boxes.new_seed())
    third = (await supply.invite(shop, supplier_id, CLI)).partition("#join=")[2]
    with pytest.raises(Conflict):
        await register(shop, third, seed)  # a known key
    public = boxes.public_of(boxes.new_seed())
    with pytest.raises(Denied):
        await supply.join(shop, third, public, boxes.sign(seed, sealedbatch.join_text(third, public)), CLI)
    clock.pass_time(seconds=7 * DAY)
    with pytest.raises(NotFound):
        await register(shop, third, boxes.new_seed())
    await confirm(shop, supplier_id)
    assert [key.public_key for key in await shop.db.read(reads.keys, supplier_id)] == [boxes.public_of(seed)]


async def test_a_signed_call_is_known_for_an_hour(shop: Shop, clock: TestClock) -> None:
    sender = await join(shop)
    made = {"shop": shop.settings.text("shop.id"), "supplier": sender.supplier.ref}
    token = sealedbatch.call_token(sender.seed, now=clock.now(), **made)
    assert (await supply.caller(shop, token, ip="192.0.2.1"))[0] == sender.supplier
    for wrong in ("", "x", f"{sender.supplier.ref}..", token[:-1], token + "A", token.replace(".", ".0", 1)):
        with pytest.raises(Denied):
            await supply.caller(shop, wrong, ip="192.0.2.1")
    other = sealedbatch.call_token(sender.seed, now=clock.now(), shop="0" * 32, supplier=sender.supplier.ref)
    with pytest.raises(Denied):
        await supply.caller(shop, other, ip="192.0.2.1")
    clock.pass_time(seconds=3601)
    with pytest.raises(Denied) as stale:
        await supply.caller(shop, token, ip="192.0.2.1")
    assert stale.value.code == "stale"


async def test_what_a_supplier_may_leave_waiting_is_bounded(shop: Shop) -> None:
    sender = await join(shop, is_trusted=False)
    for n in range(supply.MOST_OPEN):
        await send(shop, sender.sealed([f"BOUND-{n}"]))
    with pytest.raises(TooMany):
        await send(shop, sender.sealed(["BOUND-X"]))


async def test_an_opening_that_was_cut_short_is_finished_and_counted_once(
    shop: Shop, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, vault = await join(shop), Vault(shop)
    chunks, add = 0, inventory_writes.add_codes

    def sealed_at_the_third(*args: Any, **more: Any) -> Any:
        nonlocal chunks
        chunks += 1
        if chunks == 3:
            vault.seal()
        return add(*args, **more)

    monkeypatch.setattr(inventory_writes, "add_codes", sealed_at_the_third)
    sent = await send(shop, sender.sealed([f"SHORT-{n:05}" for n in range(5000)]))
    assert (sent.status, shop.keyring.is_sealed) == ("waiting", True)
    assert 0 < await free(shop) < 5000
    vault.unseal()
    assert await supply.open_due(shop) == 1
    done = await shop.db.read(reads.get_batch, sent.sealed_batch_id)
    assert (done.status, done.added, done.duplicates, await free(shop)) == ("done", 5000, 0, 5000)


async def test_a_code_that_was_sent_before_is_counted_as_known(shop: Shop) -> None:
    sender: Sender = await join(shop)
    await sender.send(sender.sealed(["TWICE-1"]))
    done = await sender.send(sender.sealed(["TWICE-1", "TWICE-2"]))
    assert (done.added, done.duplicates) == (1, 1)
