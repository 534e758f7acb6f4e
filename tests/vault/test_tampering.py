"""Somebody changed the database: what does not open where it stands is refused, told and put on the desk (promises, I-26)."""

import random
from collections.abc import Callable

import pytest

from kashop.flows import rotate, vault
from kashop.flows import settings as setting_flows
from kashop.lib.actor import CLI
from kashop.lib.errors import Unavailable
from kashop.orders import reads as orders
from kashop.shop import Shop
from kashop.vault import Keyring
from kashop.vault.rotation import reads
from tests.admin.desk import Desk, app_of
from tests.cast import OWNER, TestClock, add_epay, add_product, call_back, codes_of, epay_notice, order
from tests.vault.contents import epochs, keys, rows, spoil, texts

Code = tuple[int, int, int, bytes]


@pytest.fixture
async def sold(shop: Shop) -> list:
    """Paid orders of two products: three of one, one of the other."""
    await add_epay(shop)
    await add_product(shop, "steam-50", codes=12)
    await add_product(shop, "xbox-100", codes=6)
    placed = [await order(shop, slug) for slug in ("steam-50", "steam-50", "steam-50", "xbox-100")]
    for number, each in enumerate(placed):
        await call_back(shop, epay_notice(each, txn=f"T{number}"))
        assert len(await codes_of(shop, each)) == 1
    return placed


def codes(shop: Shop) -> list[Code]:
    return rows(shop, "SELECT code_id, product_id, epoch, sealed FROM codes WHERE status = 'sold' ORDER BY code_id")


def set_seal(shop: Shop, code: Code, sealed: bytes) -> None:
    spoil(shop, "UPDATE codes SET sealed = :sealed WHERE code_id = :id", sealed=sealed, id=code[0])


def swapped_rows(shop: Shop, all_: list[Code]) -> None:
    set_seal(shop, all_[0], all_[1][3])


def swapped_products(shop: Shop, all_: list[Code]) -> None:
    set_seal(shop, all_[0], all_[3][3])


def moved_product(shop: Shop, all_: list[Code]) -> None:
    spoil(shop, "UPDATE codes SET product_id = 2 WHERE code_id = :id", id=all_[0][0])


def moved_epoch(shop: Shop, all_: list[Code]) -> None:
    spoil(shop, "UPDATE codes SET epoch = 2 WHERE code_id = :id", id=all_[0][0])


def another_shops(shop: Shop, all_: list[Code]) -> None:
    other = Keyring("another shop", shop.keyring._vault.root)
    other.learn([other.new_data_key(1, 1)])
    set_seal(shop, all_[0], other.seal_code("FORGED", product_id=1, epoch=1, code_id=all_[0][0]))


def another_root(shop: Shop, all_: list[Code]) -> None:
    other = Keyring(shop.settings.text("shop.id"), bytes(32))
    other.learn([other.new_data_key(1, 1)])
    set_seal(shop, all_[0], other.seal_code("FORGED", product_id=1, epoch=1, code_id=all_[0][0]))


def cut(shop: Shop, all_: list[Code]) -> None:
    set_seal(shop, all_[0], all_[0][3][:30])


def emptied(shop: Shop, all_: list[Code]) -> None:
    set_seal(shop, all_[0], b"")


TAMPERINGS = (swapped_rows, swapped_products, moved_product, moved_epoch, another_shops, another_root, cut, emptied)


async def refused(shop: Shop, placed: object) -> None:
    """The reveal says no, and what follows is written."""
    with pytest.raises(Unavailable) as no:
        await codes_of(shop, placed)
    assert no.value.code == "delivery_failed"


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda t: t.__name__)
async def test_i26_what_was_moved_or_changed_is_refused_with_an_alarm(
    shop: Shop, sold: list, tamper: Callable[[Shop, list[Code]], None]
) -> None:
    before = codes(shop)
    tamper(shop, before)
    await refused(shop, sold[0])
    assert [e.kind for e in await shop.db.read(orders.open_exceptions, sold[0].order.order_id)] == ["delivery_failed"]
    assert rows(shop, "SELECT object_kind, object_id FROM events WHERE name = 'vault.alarm'") == [("code", before[0][0])]
    told = rows(shop, "SELECT recipient, facts FROM notices WHERE about = 'vault.alarm' AND channel = 'mail'")
    assert [to for to, _ in told] == [OWNER]
    assert "STEAM" not in str(told) + str(rows(shop, "SELECT payload FROM events"))
    for untouched in sold[1:]:
        assert len(await codes_of(shop, untouched)) == 1


async def test_i26_every_flipped_bit_of_a_hundred_is_noticed(shop: Shop, sold: list) -> None:
    seed = random.SystemRandom().getrandbits(32)
    print(f"seed {seed}")
    chance, code = random.Random(seed), codes(shop)[0]
    for _ in range(100):
        changed = bytearray(code[3])
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        set_seal(shop, code, bytes(changed))
        await refused(shop, sold[0])
    assert len(rows(shop, "SELECT 1 FROM events WHERE name = 'vault.alarm'")) == 100
    assert len(rows(shop, "SELECT 1 FROM notices WHERE about = 'vault.alarm'")) == 1, "the owner was flooded"
    assert len(await shop.db.read(orders.open_exceptions, sold[0].order.order_id)) == 1
    set_seal(shop, code, code[3])
    assert await codes_of(shop, sold[0]) == ["STEAM-50-00000"]


async def test_i26_a_seal_of_an_earlier_epoch_does_not_come_back(shop: Shop, sold: list) -> None:
    code = codes(shop)[0]
    await rotate.begin(shop, CLI)
    await rotate.go_on(shop, rotate.ALONE)
    set_seal(shop, code, code[3])
    await refused(shop, sold[0])
    spoil(shop, "UPDATE codes SET epoch = 1 WHERE code_id = :id", id=code[0])
    await refused(shop, sold[0])


async def test_the_owners_are_told_again_after_an_hour(shop: Shop, sold: list, clock: TestClock) -> None:
    set_seal(shop, codes(shop)[0], b"")
    for minutes, notices in ((0, 1), (59, 1), (61, 2)):
        clock.pass_time(minutes=minutes)
        await refused(shop, sold[0])
        assert len(rows(shop, "SELECT 1 FROM notices WHERE about = 'vault.alarm'")) == notices


async def test_a_broken_seal_is_left_and_keeps_its_key(shop: Shop, sold: list) -> None:
    before, broken = texts(shop), codes(shop)[0]
    set_seal(shop, broken, b"spoilt " * 9)
    await rotate.begin(shop, CLI)
    assert await rotate.go_on(shop, rotate.ALONE) == len(before) - 1
    ended = await shop.db.read(reads.find_newest)
    assert (ended.status, ended.unreadable, ended.keys_before, ended.keys_after) == ("incomplete", 1, 2, 3)
    assert ended.witness == f"code {broken[0]} of product 1, epoch 1: does not open"
    assert [(k.product_id, k.epoch) for k in keys(shop)] == [(1, 1), (1, 2), (2, 2)]
    assert epochs(shop) == {(1, 1): 1, (1, 2): 11, (2, 2): 6}
    assert rows(shop, "SELECT object_id FROM events WHERE name = 'vault.alarm'") == [(broken[0],)]
    assert [e.kind for e in await shop.db.read(orders.open_exceptions, sold[0].order.order_id)] == ["delivery_failed"]
    set_seal(shop, broken, broken[3])
    assert texts(shop) == before
    await rotate.begin(shop, CLI)
    assert await rotate.go_on(shop, rotate.ALONE) == len(before)
    assert (await shop.db.read(reads.find_newest)).status == "done"
    assert [(k.product_id, k.epoch) for k in keys(shop)] == [(1, 3), (2, 3)]
    assert texts(shop) == before


async def test_a_code_that_was_put_under_another_product_keeps_both_keys(shop: Shop, sold: list) -> None:
    moved_product(shop, codes(shop))
    await rotate.begin(shop, CLI)
    await rotate.go_on(shop, rotate.ALONE)
    assert [(k.product_id, k.epoch) for k in keys(shop)] == [(1, 1), (1, 2), (2, 1), (2, 2)]


async def test_a_whole_table_of_broken_seals_is_a_hundred_alarms_and_one_notice(shop: Shop) -> None:
    await add_product(shop, "steam-50", codes=150)
    spoil(shop, "UPDATE codes SET sealed = :sealed", sealed=b"x" * 60)
    await rotate.begin(shop, CLI)
    await rotate.go_on(shop, rotate.ALONE)
    assert (await shop.db.read(reads.find_newest)).unreadable == 150
    assert len(rows(shop, "SELECT 1 FROM events WHERE name = 'vault.alarm'")) == rotate.MOST_ALARMS
    assert len(rows(shop, "SELECT 1 FROM notices WHERE about = 'vault.alarm'")) == 1


async def test_the_merchant_may_have_the_vault_sealed_by_an_alarm(shop: Shop, sold: list) -> None:
    before, root, broken = texts(shop), shop.keyring._vault.root, codes(shop)[0]
    await setting_flows.change(shop, {"vault.on_alarm": "seal"}, CLI)
    set_seal(shop, broken, b"")
    await rotate.begin(shop, CLI)
    await rotate.go_on(shop, rotate.Pace(step=5, slice=5, share=1.0, per_second=0))
    assert shop.keyring.is_sealed
    assert (await shop.db.read(reads.find_newest)).status == "running"
    await vault.open_with(shop, vault.Given(), CLI)
    assert not shop.keyring.is_sealed
    assert shop.keyring._vault.root == root
    await rotate.go_on(shop, rotate.ALONE)
    ended = await shop.db.read(reads.find_newest)
    assert (ended.status, ended.unreadable, ended.done) == ("incomplete", 1, len(before) - 1)


async def test_the_panel_shows_it(shop: Shop, sold: list) -> None:
    desk = Desk(app_of(shop))
    await desk.log_in()
    assert "did not open" not in (await desk.get("/admin")).text
    set_seal(shop, codes(shop)[0], b"")
    await refused(shop, sold[0])
    assert "did not open in the last seven days: 1." in (await desk.get("/admin")).text
    assert sold[0].order.order_no in (await desk.get("/admin/exceptions")).text
