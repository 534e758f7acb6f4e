"""The vault is sealed and unsealed while the shop sells: money is taken, deliveries wait, nothing is lost (I-28)."""

import asyncio
import io
import shutil
from pathlib import Path

import msgspec
import pytest

from kashop.analytics.invariants import INVARIANTS
from kashop.flows import deliver, recover, restock, settings, vault
from kashop.flows.vault import Given, WrongSecret
from kashop.lib.actor import CLI
from kashop.lib.errors import Conflict, Invalid, Unavailable
from kashop.orders import reads as orders
from kashop.settings.config import Config, Secret, load
from kashop.shop import Shop
from kashop.vault import Sealed, keyring, reads, unseal
from tests import beside
from tests.cast import TestClock, add_epay, add_product, call_back, codes_of, config, epay_notice, order

PASSPHRASE = "correct horse battery staple"


async def still_true(shop: Shop) -> None:
    for invariant in INVARIANTS:
        if invariant.needs_vault and shop.keyring.is_sealed:
            continue
        assert await shop.db.read(invariant.first_witness, shop.keyring) is None, invariant.id


async def state_of(shop: Shop, order_no: str) -> tuple[str, set[str]]:
    found = await shop.db.read(orders.find, order_no)
    assert found is not None
    return found.status, {e.kind for e in await shop.db.read(orders.open_exceptions, found.order_id)}


async def test_a_sealed_shop_sells_takes_money_and_delivers_all_of_it_when_unsealed(shop: Shop) -> None:
    await add_epay(shop)
    await add_product(shop, "card", codes=4)
    early = await order(shop, "card")
    await vault.seal(shop, CLI)
    later = await order(shop, "card", 2, contact="b@example.com")
    for placed, money, txn in ((early, "12.50", "T1"), (later, "25.00", "T2")):
        assert (await call_back(shop, epay_notice(placed, money=money, txn=txn))).body == b"success"
        assert await state_of(shop, placed.order.order_no) == ("paid", {"sealed"})
    await deliver.sweep(shop, older_than=0)
    assert (await vault.status(shop)).waiting == 2
    third = await order(shop, "card", contact="c@example.com")  # what waits is held: one of four is left
    with pytest.raises(Conflict):
        await order(shop, "card", contact="d@example.com")
    await still_true(shop)
    assert await vault.open_with(shop, Given(), CLI) == 2
    assert len({*await codes_of(shop, early), *await codes_of(shop, later)}) == 3
    for placed in (early, later):
        assert await state_of(shop, placed.order.order_no) == ("delivered", set())
    assert (await call_back(shop, epay_notice(third, txn="T3"))).body == b"success"
    assert await state_of(shop, third.order.order_no) == ("delivered", set())
    await still_true(shop)


async def test_sealed_nothing_is_opened_imported_or_delivered_by_hand_and_nothing_changes(shop: Shop) -> None:
    await add_epay(shop)
    await add_product(shop, "card", codes=2)
    placed = await order(shop, "card")
    await call_back(shop, epay_notice(placed))
    await vault.seal(shop, CLI)
    before = await shop.db.read(lambda db: db.value("SELECT MAX(seq) FROM events"))
    with pytest.raises(Sealed):
        await codes_of(shop, placed)
    with pytest.raises(Sealed):
        await restock.import_codes(shop, restock.Source(file=io.BytesIO(b"NEW-1\n"), name="x.txt", product="card"), CLI)
    with pytest.raises(Sealed):
        await vault.make_recovery(shop, CLI)
    assert await shop.db.read(lambda db: db.value("SELECT MAX(seq) FROM events")) == before
    assert shop.keyring.order_token("K1") == shop.keyring.order_token("K1")


async def test_an_order_that_breaks_when_the_vault_opens_holds_up_no_other(shop: Shop) -> None:
    await add_epay(shop)
    placed = []
    for slug in ("bad", "good"):
        await add_product(shop, slug, codes=1)
        placed.append(await order(shop, slug, contact=f"{slug}@example.com"))
    await vault.seal(shop, CLI)
    for each, txn in zip(placed, ("T1", "T2"), strict=True):
        await call_back(shop, epay_notice(each, txn=txn))
    wrong = "UPDATE stock_counts SET held = 0 WHERE sku_id = (SELECT sku_id FROM skus WHERE sku_code = 'bad')"
    await shop.db.write(lambda tx: tx.run(wrong))
    assert await vault.open_with(shop, Given(), CLI) == 1
    assert await state_of(shop, placed[0].order.order_no) == ("paid", {"sealed"})
    assert await state_of(shop, placed[1].order.order_no) == ("delivered", set())


async def test_late_money_waits_for_the_vault_with_fresh_codes_in_hand(shop: Shop, clock: TestClock) -> None:
    from kashop.flows import checkout

    await add_epay(shop)
    await add_product(shop, "card", codes=1)
    placed = await order(shop, "card")
    clock.pass_time(minutes=16)
    await checkout.expire(shop, placed.order.order_id, CLI)
    await vault.seal(shop, CLI)
    await call_back(shop, epay_notice(placed))
    status, kinds = await state_of(shop, placed.order.order_no)
    assert (status, "sealed" in kinds) == ("paid", True)
    await still_true(shop)
    await vault.open_with(shop, Given(), CLI)
    assert await codes_of(shop, placed) == ["CARD-00000"]


async def test_a_seal_by_a_persons_word_outlasts_a_restart_and_one_by_a_start_does_not(data: Path, clock: TestClock) -> None:
    shop = await Shop.open(config(data), clock=clock, is_server=True)
    await vault.start(shop)
    await vault.seal(shop, CLI)
    await shop.close()
    shop = await Shop.open(config(data), clock=clock, is_server=True)
    await vault.start(shop)
    assert shop.keyring.is_sealed
    await vault.open_with(shop, Given(), CLI)
    await vault.add_passphrase(shop, PASSPHRASE, "", CLI)
    keyfile = await shop.db.read(reads.find_root, "keyfile")
    assert keyfile is not None
    await vault.drop_method(shop, keyfile.root_id, CLI)
    await shop.close()
    shop = await Shop.open(config(data), clock=clock, is_server=True)  # the key file serves, and opens no code
    await vault.start(shop)
    assert shop.keyring.is_sealed
    assert (await vault.status(shop)).state.why == "start"
    with pytest.raises(WrongSecret):
        await vault.open_with(shop, Given(), CLI)
    with pytest.raises(WrongSecret):
        await vault.open_with(shop, Given(passphrase="not the passphrase"), CLI)
    await vault.open_with(shop, Given(passphrase=PASSPHRASE), CLI)
    await shop.close()
    known = msgspec.structs.replace(config(data), unseal_passphrase=Secret(PASSPHRASE))
    shop = await Shop.open(known, clock=clock, is_server=True)
    await vault.start(shop)
    assert not shop.keyring.is_sealed
    assert (await vault.status(shop)).state.sealed_at is None
    await shop.close()


async def test_another_process_seals_and_unseals_a_running_server_by_letter(data: Path, clock: TestClock) -> None:
    server = await Shop.open(config(data), clock=clock, is_server=True)
    await vault.start(server)
    beside = await Shop.open(config(data), clock=clock)
    await vault.seal(beside, CLI)
    await vault.watch(server)
    assert server.keyring.is_sealed
    assert beside.keyring.is_sealed
    await vault.open_with(beside, Given(), CLI)
    await vault.watch(server)
    assert not server.keyring.is_sealed
    assert not await server.db.read(reads.letters, server.door.door_id if server.door else 0)
    await beside.close()
    await server.close()


async def test_a_letter_is_of_no_use_to_another_door_and_a_wrong_root_is_not_believed(shop: Shop) -> None:
    await vault.start(shop)
    assert shop.door is not None
    box = shop.keyring.box_root(shop.door.public_key)
    first = shop.door
    await vault.start(shop)
    assert shop.door.open(box) is None
    assert first.open(box) is not None
    forged = keyring.Keyring(shop.settings.text("shop.id"), bytes(32)).box_root(shop.door.public_key)
    await vault.seal(shop, CLI)
    await shop.db.write(
        lambda tx: tx.run(
            "INSERT INTO vault_letters (door_id, box, written_at) "  # what a writer of rows could do
            "VALUES (:door, :box, 0)",
            door=shop.door.door_id if shop.door else 0,
            box=forged,
        )
    )
    await vault.watch(shop)
    assert shop.keyring.is_sealed


async def test_at_least_one_way_to_unseal_stays(shop: Shop) -> None:
    await vault.make_recovery(shop, CLI)
    keyfile = await shop.db.read(reads.find_root, "keyfile")
    assert keyfile is not None
    with pytest.raises(Conflict):
        await vault.drop_method(shop, keyfile.root_id, CLI)
    for weak in ("short", "aaaaaaaaaaaaaaaa"):
        with pytest.raises(Invalid):
            await vault.add_passphrase(shop, weak, "", CLI)


async def test_a_rekeyed_vault_forgets_every_old_secret(data: Path, clock: TestClock) -> None:
    shop = await Shop.open(config(data), clock=clock, is_server=True)
    await add_product(shop, "card", codes=1)
    await vault.add_passphrase(shop, PASSPHRASE, "", CLI)
    old_code = await vault.make_recovery(shop, CLI)
    old_file = shop.config.unseal_key_file.read_bytes()
    code = await vault.rekey(shop, CLI, passphrase="another long passphrase")
    for old in (Given(passphrase=PASSPHRASE), Given(recovery=old_code)):
        with pytest.raises(WrongSecret):
            await vault.open_with(shop, old, CLI)
    await vault.open_with(shop, Given(recovery=code.lower().replace("-", " ")), CLI)
    await shop.close()
    new_file = data.with_name("shop.key")
    assert new_file.read_bytes() != old_file
    assert new_file.stat().st_mode & 0o777 == 0o400
    shop = await Shop.open(config(data), clock=clock)
    await still_true(shop)
    await shop.close()
    new_file.chmod(0o600)
    new_file.write_bytes(old_file)
    with pytest.raises(Unavailable, match="another shop's key"):
        await Shop.open(config(data), clock=clock)


async def test_a_rekey_that_died_before_the_file_was_put_in_its_place_is_ended_by_the_next_start(data: Path) -> None:
    shop = await Shop.open(config(data))
    path = shop.config.unseal_key_file
    old = path.read_bytes()
    await vault.rekey(shop, CLI)
    await shop.close()
    path.rename(path.with_name("shop.key.new"))
    path.write_bytes(old)
    shop = await Shop.open(config(data))
    assert not shop.keyring.is_sealed
    assert path.read_bytes() != old
    assert not unseal.next_key_file(path).exists()
    await shop.close()


async def test_a_rekey_after_one_that_died_keeps_the_only_key_until_the_database_knows_another(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal's rekey is killed just before the file; beside the running server another one begins, and is killed too."""
    shop = await Shop.open(config(data))
    await add_product(shop, "card", codes=1)

    class Killed(Exception):
        pass

    def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as first:
        first.setattr(unseal, "take_next_key_file", killed)
        with pytest.raises(Killed):
            await vault.rekey(shop, CLI)
    with monkeypatch.context() as second:
        second.setattr(shop.db, "write", killed)
        with pytest.raises(Killed):
            await vault.rekey(shop, CLI)
    await shop.close()
    again = await Shop.open(config(data))
    assert not again.keyring.is_sealed
    await still_true(again)
    await again.close()


async def test_two_who_rekey_at_once_leave_one_key_that_opens(data: Path) -> None:
    shop = await Shop.open(config(data))
    await add_product(shop, "card", codes=1)
    other = await Shop.open(config(data))
    done = await asyncio.gather(*(vault.rekey(s, CLI) for s in (shop, other, shop)), return_exceptions=True)
    codes = [each for each in done if isinstance(each, str)]
    assert len(codes) == 1
    assert all(isinstance(each, str | Conflict) for each in done)
    await other.close()
    await shop.close()
    again = await Shop.open(config(data))
    assert not again.keyring.is_sealed
    await vault.open_with(again, Given(recovery=codes[0]), CLI)
    await again.close()


async def test_a_lost_key_file_comes_back_by_the_recovery_code_alone(data: Path) -> None:
    shop = await Shop.open(config(data), is_server=True)
    await add_epay(shop)
    await add_product(shop, "card", codes=1)
    code = await vault.make_recovery(shop, CLI)
    token = shop.keyring.order_token("K1")
    await shop.close()
    with pytest.raises(Conflict):
        await asyncio.to_thread(recover.run, config(data), Given(recovery=code), CLI)
    config(data).unseal_key_file.unlink()
    other = unseal.new_recovery_code()
    with pytest.raises(WrongSecret):
        await asyncio.to_thread(recover.run, config(data), Given(recovery=other), CLI)
    assert not config(data).unseal_key_file.exists()
    await asyncio.to_thread(recover.run, config(data), Given(recovery=code), CLI)
    shop = await Shop.open(config(data), is_server=True)
    assert shop.keyring.order_token("K1") == token
    await still_true(shop)  # the gateway's secrets and every code open
    await shop.close()


async def test_a_shop_of_before_gets_its_service_keys_at_its_next_start(data: Path) -> None:
    beside.change(config(data).place, "DELETE FROM vault_roots WHERE method = 'service'")
    shop = await Shop.open(config(data), is_server=True)
    token = shop.keyring.order_token("K1")
    await vault.start(shop)
    assert await shop.db.read(reads.find_root, "service") is not None
    await shop.close()
    shop = await Shop.open(config(data))
    assert shop.keyring.order_token("K1") == token
    await shop.close()


async def test_an_alarm_is_told_and_seals_if_the_merchant_chose_so(shop: Shop) -> None:
    await add_epay(shop)
    await add_product(shop, "card", codes=2)
    placed = await order(shop, "card")
    await call_back(shop, epay_notice(placed))
    await shop.db.write(
        lambda tx: tx.run(
            "UPDATE codes SET sealed = (SELECT c.sealed FROM codes c WHERE c.status = 'free') WHERE status = 'sold'"
        )
    )
    with pytest.raises(Unavailable):
        await codes_of(shop, placed)
    assert await state_of(shop, placed.order.order_no) == ("delivered", {"delivery_failed"})
    told = await shop.db.read(lambda db: db.values("SELECT about FROM notices ORDER BY notice_id"))
    assert "vault.alarm" in told
    assert not shop.keyring.is_sealed
    await settings.change(shop, {"vault.on_alarm": "seal"}, CLI)
    with pytest.raises(Unavailable):
        await codes_of(shop, placed)
    assert shop.keyring.is_sealed
    assert (await vault.status(shop)).state.why == "alarm"


def test_the_passphrase_is_taken_from_the_environment_alone_and_shown_nowhere(data: Path, tmp_path: Path) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE + "\n")
    given: Config = load(data, {"KASHOP_UNSEAL_PASSPHRASE_FILE": str(secret)})
    assert given.unseal_passphrase == PASSPHRASE
    assert PASSPHRASE not in repr(given)
    (data / "kashop.toml").write_text(f'unseal_passphrase = "{PASSPHRASE}"\n')
    with pytest.raises(Invalid) as refused:
        load(data, {})
    assert PASSPHRASE not in str(refused.value)


@pytest.mark.parametrize("wrong", ["", "x" * 200, "0" * 40, "AAAA-BBBB", "é" * 40])
def test_a_mistyped_recovery_code_is_told_from_a_wrong_one(wrong: str) -> None:
    with pytest.raises(Invalid):
        unseal.recovery_key(wrong)
    code = unseal.new_recovery_code()
    assert unseal.recovery_key(code.replace("O", "0").replace("I", "1")) == unseal.recovery_key(code)
    swapped = code[:-1] + ("A" if code[-1] != "A" else "B")
    with pytest.raises(Invalid):
        unseal.recovery_key(swapped)


async def test_the_data_directory_without_passphrase_opens_no_code(data: Path, tmp_path: Path) -> None:
    """Passphrase alone: disk and key file together hold nothing that opens a code."""
    shop = await Shop.open(config(data), is_server=True)
    await add_product(shop, "card", codes=1)
    await vault.add_passphrase(shop, PASSPHRASE, "", CLI)
    keyfile = await shop.db.read(reads.find_root, "keyfile")
    assert keyfile is not None
    await vault.drop_method(shop, keyfile.root_id, CLI)
    await shop.close()
    shutil.copytree(data, tmp_path / "stolen" / "shop")
    shutil.copy2(data.with_name("shop.key"), tmp_path / "stolen" / "shop.key")
    thief = await Shop.open(config(tmp_path / "stolen" / "shop"))
    assert thief.keyring.is_sealed
    with pytest.raises(Sealed):
        thief.keyring.learn(await thief.db.read(reads.data_keys))
    await thief.close()
