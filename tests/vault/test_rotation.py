"""Rotation on a real database: every code can be read before, at each step and after; an old key goes when nothing needs it."""

import asyncio

import pytest

from kashop.flows import deliver, rotate
from kashop.flows import settings as setting_flows
from kashop.flows.restock.pace import CHUNK
from kashop.inventory import writes as inventory_writes
from kashop.inventory.seals import reads as seals
from kashop.inventory.types import SealedCode
from kashop.jobs import schedule
from kashop.lib.actor import CLI, SYSTEM
from kashop.lib.errors import Conflict, NotFound
from kashop.orders import reads as orders
from kashop.shop import Shop
from kashop.vault import OldEpoch
from kashop.vault.rotation import reads
from kashop.vault.rotation.types import Rotation
from tests import beside
from tests.cast import TestClock, add_epay, add_product, call_back, codes_of, config, epay_notice, order, stock
from tests.vault.contents import epochs, fingerprints, keys, rows, spoil, states, texts

SMALL = rotate.Pace(step=7, slice=3, share=0.9, per_second=0)


@pytest.fixture
async def trading(shop: Shop) -> Shop:
    """Two products; codes free, held, sold and void, and one that was delivered by hand."""
    await add_epay(shop)
    await add_product(shop, "steam-50", codes=30, max_quantity=10)
    await add_product(shop, "xbox-100", codes=12)
    await add_product(shop, "by-hand", delivery="manual")
    await order(shop, "steam-50", 2)
    await call_back(shop, epay_notice(await order(shop, "steam-50", 3), money="37.50", txn="T1"))
    written = await order(shop, "by-hand")
    await call_back(shop, epay_notice(written, txn="T2"))
    (line,) = await shop.db.read(orders.lines, written.order.order_id)
    await deliver.deliver_by_hand(shop, written.order.order_no, line.line_id, ["账号 a / 密码 b"], CLI)
    (free,) = rows(shop, "SELECT MAX(code_id) FROM codes WHERE status = 'free'")[0]
    await shop.db.write(inventory_writes.void, free, reason="leaked", actor=CLI)
    return shop


async def newest(shop: Shop) -> Rotation:
    found = await shop.db.read(reads.find_newest)
    assert found is not None
    return found


async def step(shop: Shop, pace: rotate.Pace = SMALL) -> bool:
    """One step of the walk; whether the rotation still runs."""
    running = await shop.db.read(reads.find_running)
    if running is not None:
        await rotate._Walk(shop, pace).step(running)
    return running is not None


async def test_every_code_is_readable_before_at_each_step_and_after(trading: Shop) -> None:
    shop = trading
    paid = await order(shop, "steam-50")
    await call_back(shop, epay_notice(paid, txn="T9"))
    before, kept, marks, old = texts(shop), states(shop), fingerprints(shop), {k.wrapped for k in keys(shop)}
    assert {s[6] for s in kept} == {"free", "held", "sold", "void"}
    shown = await codes_of(shop, paid)
    await rotate.begin(shop, CLI)
    steps = 0
    while await step(shop):
        steps += 1
        assert texts(shop) == before
        assert await codes_of(shop, paid) == shown
    assert steps > len(before) // SMALL.step
    assert states(shop) == kept
    assert fingerprints(shop) == marks
    assert {epoch for _, epoch in epochs(shop)} == {2}
    assert [(k.product_id, k.epoch) for k in keys(shop)] == [(1, 2), (2, 2), (3, 2)]
    assert not old & {k.wrapped for k in keys(shop)}
    assert not any(shop.keyring.knows(product, 1) for product in (1, 2, 3)), "an old key is still in memory"
    ended = await newest(shop)
    assert (ended.status, ended.done, ended.total) == ("done", len(before), len(before))
    assert (ended.codes_before, ended.fingerprints_before, ended.keys_before) == (len(before), len(before), 3)
    assert (ended.codes_after, ended.fingerprints_after, ended.keys_after) == (len(before), len(before), 3)
    assert ended.sweep == 2, "the old keys went before a whole walk had met nothing"
    events = dict(rows(shop, "SELECT name, payload FROM events WHERE name IN ('rotation.begun', 'vault.rotated')"))
    assert events.keys() == {"rotation.begun", "vault.rotated"}
    assert f'"codes_before":{len(before)},"codes_after":{len(before)}' in events["vault.rotated"]


async def test_what_is_new_comes_under_the_new_key_while_the_rest_is_read(trading: Shop) -> None:
    shop = trading
    await rotate.begin(shop, CLI)
    await stock(shop, "steam-50", ["NEW-1", "NEW-2"])
    assert epochs(shop)[1, 2] == 2
    while await step(shop):
        pass
    assert {"NEW-1", "NEW-2", "STEAM-50-00020"} <= set(texts(shop).values())
    assert (await newest(shop)).codes_after == (await newest(shop)).codes_before + 2


async def test_one_product_alone(trading: Shop) -> None:
    before = texts(trading)
    await rotate.begin(trading, CLI, slug="xbox-100")
    assert await rotate.go_on(trading, SMALL) == 12
    assert {(p, e) for p, e in epochs(trading)} == {(1, 1), (2, 2), (3, 1)}
    assert texts(trading) == before
    ended = await newest(trading)
    assert (ended.status, ended.total, ended.done) == ("done", 12, 12)


async def test_refusals(shop: Shop) -> None:
    with pytest.raises(Conflict, match="no key to renew"):
        await rotate.begin(shop, CLI)
    await add_product(shop, "steam-50", codes=20)
    with pytest.raises(NotFound, match="no product nowhere"):
        await rotate.begin(shop, CLI, slug="nowhere")
    await rotate.begin(shop, CLI)
    await step(shop)
    with pytest.raises(Conflict, match="7 of 20 codes are done") as refused:
        await rotate.begin(shop, CLI, slug="steam-50")
    assert refused.value.code == "rotating"
    assert await rotate.go_on(shop, SMALL) == 13
    await rotate.begin(shop, CLI)
    await rotate.go_on(shop, SMALL)
    assert {epoch for _, epoch in epochs(shop)} == {3}


async def test_two_walkers_at_once_seal_each_code_once(trading: Shop) -> None:
    before = texts(trading)
    other = await Shop.open(config(trading.config.data))
    try:
        await rotate.begin(trading, CLI)
        done = await asyncio.gather(*(rotate.go_on(s, SMALL) for s in (trading, other, trading)))
    finally:
        await other.close()
    assert sum(done) == len(before) == (await newest(trading)).done
    assert texts(trading) == before
    assert {epoch for _, epoch in epochs(trading)} == {2}


async def test_the_old_keys_stay_while_a_walk_met_something(trading: Shop) -> None:
    await rotate.begin(trading, CLI)
    while (await newest(trading)).done < len(texts(trading)):
        await step(trading)
    at_its_end = await newest(trading)
    assert at_its_end.sweep == 1
    assert not await trading.db.write(rotate._end, at_its_end, await trading.db.read(seals.count_all))
    assert len(keys(trading)) == 6, "the old keys went before a whole walk had met nothing"


async def test_a_late_step_of_an_earlier_walk_moves_nothing(trading: Shop) -> None:
    await rotate.begin(trading, CLI)
    late = await newest(trading)
    await step(trading)
    with pytest.raises(rotate._Overtaken):
        await trading.db.write(rotate._store, late, 2**62, [], [])
    assert (await newest(trading)).done == 7
    assert (await newest(trading)).cursor < 2**62, "the walk skipped what it has not seen"


async def test_a_process_that_knows_only_the_old_keys_reads_on(trading: Shop) -> None:
    paid = await order(trading, "steam-50")
    await call_back(trading, epay_notice(paid, txn="T9"))
    other = await Shop.open(config(trading.config.data))
    try:
        shown = await codes_of(other, paid)
        await rotate.begin(trading, CLI)
        await rotate.go_on(trading, SMALL)
        assert await codes_of(other, paid) == shown
        assert not other.keyring.knows(1, 1), "a key that was destroyed is still in the other's memory"
        await stock(other, "xbox-100", ["FROM-OTHER"])
        assert "FROM-OTHER" in texts(trading).values()
        assert rows(trading, "SELECT 1 FROM events WHERE name = 'vault.alarm'") == []
    finally:
        await other.close()


async def test_a_code_read_just_before_its_key_is_destroyed_is_no_alarm(trading: Shop) -> None:
    paid = await order(trading, "steam-50")
    await call_back(trading, epay_notice(paid, txn="T9"))
    held_up = await trading.db.read(deliver._owned, paid.order.order_id)
    await rotate.begin(trading, CLI)
    await rotate.go_on(trading, SMALL)
    (line,) = await deliver._opened_now(trading, paid.order.order_id, held_up)
    assert line.codes == ("STEAM-50-00005",)


async def test_e14_an_import_under_way_goes_on_under_the_new_key(shop: Shop) -> None:
    await add_product(shop, "steam-50", codes=100)
    codes = [f"MORE-{n:05}" for n in range(3 * CHUNK)]
    importing = asyncio.create_task(stock(shop, "steam-50", codes))
    for _ in range(10_000):
        if epochs(shop)[1, 1] >= 100 + CHUNK:
            break
        await asyncio.sleep(0.001)
    await rotate.begin(shop, CLI)
    await rotate.go_on(shop, rotate.ALONE)
    report = await importing
    await rotate.go_on(shop, rotate.ALONE)
    assert (report.new, report.duplicate_in_stock) == (len(codes), 0)
    assert epochs(shop) == {(1, 2): 100 + len(codes)}
    assert sorted(texts(shop).values())[: len(codes)] == codes


async def test_nothing_comes_in_under_an_old_key(shop: Shop) -> None:
    product_id = await add_product(shop, "steam-50", codes=1)
    await rotate.begin(shop, CLI)
    old = SealedCode(code_id=1, epoch=1, sealed=b"x" * 60, fingerprint=b"f" * 32, cost_minor=0, expires_on="")
    await shop.db.write(lambda tx: tx.run("UPDATE batches SET status = 'importing'"))
    with pytest.raises(OldEpoch):
        await shop.db.write(inventory_writes.add_codes, 1, [old])
    fields = "product_id, sku_id, pool_id, batch_id, epoch, sealed, status, changed_at"
    late = f"INSERT INTO codes (code_id, fingerprint, {fields}) SELECT 77, :fingerprint, {fields} FROM codes"
    for broken in (late, "UPDATE codes SET epoch = 3", "UPDATE codes SET product_id = 2"):
        values = {"fingerprint": b"\0"} if broken == late else {}
        with pytest.raises(Exception, match="sealed under its product's newest key"):
            await shop.db.write(lambda tx, sql=broken, values=values: tx.run(sql, **values))
    assert product_id == 1


async def test_a_code_changed_between_look_and_change_keeps_its_change(shop: Shop) -> None:
    await add_product(shop, "steam-50", codes=3)
    await rotate.begin(shop, CLI)
    running = await newest(shop)
    stretch = await shop.db.read(seals.stale_codes, 0, product_id=None, window=9, limit=9)
    resealed, _ = rotate._Walk(shop, SMALL)._sealed_anew(stretch)
    code = stretch.codes[1]
    edited = shop.keyring.seal_code("EDITED", product_id=1, epoch=1, code_id=code.code_id)
    spoil(shop, "UPDATE codes SET sealed = :sealed WHERE code_id = :id", sealed=edited, id=code.code_id)
    done, _ = await shop.db.write(rotate._store, running, stretch.end, resealed, [])
    assert done == 2
    assert sorted(texts(shop).values()) == ["EDITED", "STEAM-50-00000", "STEAM-50-00002"]
    await rotate.go_on(shop, SMALL)
    assert sorted(texts(shop).values()) == ["EDITED", "STEAM-50-00000", "STEAM-50-00002"]
    assert epochs(shop) == {(1, 2): 3}
    ended = await newest(shop)
    assert (ended.status, ended.sweep) == ("done", 3)


async def test_sealed_it_waits_and_goes_on_when_unsealed(trading: Shop) -> None:
    before, root = texts(trading), trading.keyring._vault.root
    await rotate.begin(trading, CLI)
    await step(trading)
    trading.keyring.seal()
    assert await schedule.rotate_keys(trading) == 0
    assert await rotate.go_on(trading, SMALL) == 0
    assert (await newest(trading)).done == 7
    trading.keyring.unseal(root)
    assert await schedule.rotate_keys(trading) == len(before) - 7
    assert texts(trading) == before
    assert (await newest(trading)).status == "done"


async def test_a_setting_begins_one_when_it_is_due(trading: Shop, clock: TestClock) -> None:
    assert await schedule.rotate_keys(trading) == 0
    await setting_flows.change(trading, {"vault.rotate_every_days": 30}, CLI)
    clock.pass_time(hours=24 * 29)
    assert await schedule.rotate_keys(trading) == 0
    clock.pass_time(hours=24)
    assert await schedule.rotate_keys(trading) == len(texts(trading))
    assert (await newest(trading)).started_by == str(SYSTEM)
    assert await schedule.rotate_keys(trading) == 0


async def test_nothing_of_the_old_keys_is_left_in_the_table(trading: Shop) -> None:
    old = [k.wrapped for k in keys(trading)]
    await rotate.begin(trading, CLI)
    await rotate.go_on(trading, SMALL)
    await trading.close()  # checkpoints
    content = beside.stored(trading.config.place)
    assert not any(wrapped in content for wrapped in old)
