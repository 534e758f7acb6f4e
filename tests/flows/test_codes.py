"""Codes one by one: found by their text, revealed with a reason, noted, voided."""

import json
from typing import Any

import pytest

from kashop.audit import reads as audit
from kashop.flows import codes, restock
from kashop.flows.codes import Recounted, Seen
from kashop.inventory import reads as inventory
from kashop.inventory.codelist import reads as codelist
from kashop.inventory.codelist.types import Sought
from kashop.lib.actor import Actor
from kashop.lib.errors import Conflict, Invalid, NotFound, TooMany, Unavailable
from kashop.shop import Shop
from kashop.vault import Keyring
from tests import beside
from tests.cast import TestClock, add_epay, add_product, order, stock

KEEPER = Actor("staff", "1", "203.0.113.7", "feedface", "r-1")


async def events(shop: Shop, *names: str) -> list[Any]:
    return [e for e in await shop.db.read(audit.page, 0, limit=100_000) if e.name in names]


async def first(shop: Shop, count: int = 1) -> list[int]:
    return [r.code_id for r in await shop.db.read(codelist.oldest, Sought(), limit=count)]


async def test_a_reveal_is_written_down_before_the_seal_opens(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await add_product(shop, "goods", codes=3)
    seen_then: list[int] = []
    real = Keyring.open_code

    def open_code(*args: Any, **more: Any) -> str:
        sql = "SELECT COUNT(*) FROM events WHERE name = 'code.viewed'"
        seen_then.append(beside.value(shop.config.place, sql))  # another connection sees only what is committed
        return real(*args, **more)

    monkeypatch.setattr(Keyring, "open_code", open_code)
    ids = await first(shop, 2)
    shown = await codes.reveal(shop, ids, KEEPER, reason="a buyer complains")
    assert isinstance(shown, list)
    assert [s.text for s in shown] == ["GOODS-00000", "GOODS-00001"]
    assert seen_then == [2, 2]
    told = await events(shop, "code.viewed")
    assert [(e.object_id, e.reason, e.actor_ref, e.session, e.request_id) for e in told] == [
        (n, "a buyer complains", "1", "feedface", "r-1") for n in ids
    ]
    assert "GOODS" not in repr(shown)


async def test_without_its_event_nothing_is_opened(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await add_product(shop, "goods", codes=3)
    opened: list[int] = []
    monkeypatch.setattr(Keyring, "open_code", lambda *a, **k: opened.append(1))

    def record(tx: Any, name: str, *args: Any, **more: Any) -> int:
        raise OSError("the disk is full")

    monkeypatch.setattr(codes, "record", record)
    with pytest.raises(OSError, match="full"):
        await codes.reveal(shop, await first(shop), KEEPER, reason="a buyer complains")
    assert opened == []


@pytest.mark.parametrize("reason", ["", "why?", "  four ", "x" * 301])
async def test_a_reveal_says_why(shop: Shop, reason: str) -> None:
    await add_product(shop, "goods", codes=3)
    with pytest.raises(Invalid):
        await codes.reveal(shop, await first(shop), KEEPER, reason=reason)
    with pytest.raises(Invalid):
        await codes.void(shop, (await first(shop))[0], KEEPER, reason=reason)
    assert await events(shop, "code.viewed", "code.voided") == []


async def test_what_is_no_code_is_not_revealed(shop: Shop) -> None:
    await add_product(shop, "goods", codes=60)
    with pytest.raises(NotFound):
        await codes.reveal(shop, [*await first(shop), 5], KEEPER, reason="a buyer complains")
    for ids in ([], await first(shop, 51)):
        with pytest.raises(Invalid):
            await codes.reveal(shop, ids, KEEPER, reason="a buyer complains")
    assert await events(shop, "code.viewed") == []


async def test_a_swapped_seal_is_not_shown_and_raises_the_alarm(shop: Shop) -> None:
    await add_product(shop, "goods", codes=2)
    one, two = await first(shop, 2)
    sql = "UPDATE codes SET sealed = (SELECT sealed FROM codes WHERE code_id = :a) WHERE code_id = :b"
    await shop.db.write(lambda tx: tx.run(sql, a=one, b=two))
    with pytest.raises(Unavailable, match="cannot be read"):
        await codes.reveal(shop, [two], KEEPER, reason="a buyer complains")
    assert len(await events(shop, "vault.alarm")) == 1


async def test_a_code_is_found_by_its_text_and_the_search_is_told(shop: Shop) -> None:
    await add_product(shop, "goods", codes=3)
    await stock(shop, "goods", ["卡密-㐂"])
    ids = await first(shop, 4)
    assert await codes.find_pasted(shop, "  GOODS-00001\r\n", KEEPER) == ids[1]
    assert await codes.find_pasted(shop, "卡密-㐂", KEEPER) == ids[3]
    assert await codes.find_pasted(shop, "goods-00001", KEEPER) is None  # case is kept
    told = await events(shop, "code.searched")
    assert [(e.object_id, json.loads(e.payload)) for e in told] == [
        (ids[1], {"is_found": True}),
        (ids[3], {"is_found": True}),
        (0, {"is_found": False}),
    ]
    assert not any("GOODS" in e.payload.upper() for e in told)


async def test_codes_are_not_tried_out(shop: Shop) -> None:
    for n in range(60):
        await codes.find_pasted(shop, f"GUESS-{n}", KEEPER)
    with pytest.raises(TooMany):
        await codes.find_pasted(shop, "GUESS-60", KEEPER)
    for text in ("", "  ", "x" * 8193):
        with pytest.raises(Invalid):
            await codes.find_pasted(shop, text, KEEPER)


async def test_an_edit_tells_what_was_and_does_not_overwrite_anothers(shop: Shop, clock: TestClock) -> None:
    await add_product(shop, "goods", codes=1)
    (code_id,) = await first(shop)
    version = (await shop.db.read(codelist.get, code_id)).changed_at
    change = {"cost_minor": 700, "expires_on": "2027-01-31", "note": "from the second box"}
    await codes.edit(shop, code_id, KEEPER, version=version, **change)  # type: ignore[arg-type]
    with pytest.raises(Conflict):  # within the same millisecond
        await codes.edit(shop, code_id, KEEPER, version=version, cost_minor=1, expires_on="", note="")
    now = await shop.db.read(codelist.get, code_id)
    assert (now.cost_minor, now.expires_on, now.note) == (700, "2027-01-31", "from the second box")
    (told,) = await events(shop, "code.edited")
    assert json.loads(told.payload)["changed"] == {
        "cost": [0, 700],
        "expires": ["", "2027-01-31"],
        "note": ["", "from the second box"],
    }
    with pytest.raises(Invalid):
        await codes.edit(shop, code_id, KEEPER, version=now.changed_at, cost_minor=1, expires_on="31.1.27", note="")


async def test_only_a_free_code_is_voided(shop: Shop) -> None:
    await add_epay(shop)
    await add_product(shop, "goods", codes=2)
    await order(shop, "goods", 1)
    held, free = await first(shop, 2)
    with pytest.raises(Conflict):
        await codes.void(shop, held, KEEPER, reason="leaked at the supplier")
    await codes.void(shop, free, KEEPER, reason="leaked at the supplier")
    with pytest.raises(Conflict):
        await codes.void(shop, free, KEEPER, reason="leaked at the supplier")
    (count,) = await shop.db.read(inventory.counts)
    assert (count.free, count.held, count.void) == (0, 1, 1)


async def test_many_are_voided_as_they_were_counted(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    await add_epay(shop)
    product = await add_product(shop, "goods", codes=12)
    await add_product(shop, "other", codes=3)
    monkeypatch.setattr(codes, "CHUNK", 5)
    await order(shop, "goods", 2)
    sought = Sought(product_id=product)
    with pytest.raises(Recounted) as recounted:
        await codes.void_chosen(shop, sought, KEEPER, expected=12, reason="expired at the supplier")
    assert recounted.value.now == 10
    assert await events(shop, "code.voided") == []
    assert await codes.void_chosen(shop, sought, KEEPER, expected=10, reason="expired at the supplier") == 10
    goods, other = await shop.db.read(inventory.counts)
    assert (goods.free, goods.held, goods.void, other.free) == (0, 2, 10, 3)
    assert {e.reason for e in await events(shop, "code.voided")} == {"expired at the supplier"}


async def test_a_copy_is_written_down(shop: Shop) -> None:
    await add_product(shop, "goods", codes=1)
    (code_id,) = await first(shop)
    await codes.note_copied(shop, code_id, KEEPER)
    assert [e.object_id for e in await events(shop, "code.copied")] == [code_id]
    with pytest.raises(NotFound):
        await codes.note_copied(shop, 1, KEEPER)
    assert repr(Seen(1, 2, 3, "SECRET")) == "<Seen 1>"


async def test_a_code_whose_batch_was_taken_back_is_still_found(shop: Shop) -> None:
    """Who saw it may be asked all the same; what came in again is found before what was taken back."""
    await add_product(shop, "goods", codes=2)
    taken = (await first(shop, 2))[1]
    batch = (await shop.db.read(codelist.get, taken)).batch_id
    await restock.undo(shop, batch, KEEPER, reason="wrong product")
    assert await codes.find_pasted(shop, "GOODS-00001", KEEPER) == taken
    await stock(shop, "goods", ["GOODS-00001"])
    found = await codes.find_pasted(shop, "GOODS-00001", KEEPER)
    assert found not in (None, taken)
