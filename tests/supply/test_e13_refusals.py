"""E13: a sealed batch that was replayed, reordered, altered, or made for another place is refused, and the refusal audited."""

import base64
import json
from typing import Any

import pytest

from kashop.inventory import reads as inventory
from kashop.lib.actor import CLI
from kashop.shop import Shop
from kashop.supply import reads, sealedbatch, writes
from kashop.supply.sealedbatch import BatchRefused
from kashop.vault import boxes
from tests.cast import TestClock, add_product
from tests.supply.sender import Sender, confirm, join, parts, send

CODES = ["SEALED-0001", "SEALED-0002", "SEALED-0003"]


@pytest.fixture(autouse=True)
async def stocked(shop: Shop) -> None:
    await add_product(shop, "steam")
    await add_product(shop, "other")
    await add_product(shop, "by-hand", delivery="manual")


@pytest.fixture
async def sender(shop: Shop) -> Sender:
    return await join(shop)


async def events(shop: Shop, name: str = "supply.refused") -> list[dict[str, Any]]:
    def look(db: Any) -> list[str]:
        return db.values("SELECT payload FROM events WHERE name = :name ORDER BY seq", name=name)

    return [json.loads(text) for text in await shop.db.read(look)]


async def free(shop: Shop) -> int:
    return sum(count.free for count in await shop.db.read(inventory.counts))


async def refused(shop: Shop, file: bytes) -> str:
    """Why it was refused; nothing of it is on the shelf or stored."""
    before = await free(shop), len(await shop.db.read(reads.batches))
    with pytest.raises(BatchRefused) as why:
        await send(shop, file)
    assert (await free(shop), len(await shop.db.read(reads.batches))) == before
    return why.value.code


async def test_e13_the_control_a_good_batch_is_taken(shop: Shop, sender: Sender) -> None:
    done = await sender.send(sender.sealed([*CODES, CODES[0]]))
    assert (done.status, done.added, done.duplicates, done.bad) == ("done", 3, 1, 0)
    assert await free(shop) == 3
    (told,) = await events(shop, "supply.opened")
    assert told == {"batch_id": done.batch_id, "added": 3, "duplicates": 1, "bad": 0}
    assert await events(shop) == []


async def test_e13_replayed(shop: Shop, sender: Sender) -> None:
    file = sender.sealed(CODES)
    await sender.send(file)
    assert await refused(shop, file) == "batch_replayed"
    # nor under a newer date, nor with other content, nor after the first was opened and forgotten
    manifest, _ = parts(file)
    assert await refused(shop, sender.resealed(file, created_at="2026-11-02T00:00:00Z")) == "batch_replayed"
    assert await refused(shop, sender.sealed(["NEW-0001"], batch=manifest.batch)) == "batch_replayed"
    assert [told["why"] for told in await events(shop)] == ["replayed"] * 3
    assert all(told["proved"] for told in await events(shop))


async def test_e13_replayed_by_two_at_once(shop: Shop, sender: Sender) -> None:
    import asyncio

    file = sender.sealed(CODES)
    ended = await asyncio.gather(*(send(shop, file) for _ in range(2)), return_exceptions=True)
    assert sorted(type(e).__name__ for e in ended) == ["BatchRefused", "SealedBatch"]
    assert await free(shop) == 3


async def test_e13_reordered_and_cut(shop: Shop, sender: Sender) -> None:
    file = sender.sealed(CODES)
    length = sealedbatch.head_length(file) or 0
    head, body = file[:length], file[length:]
    swapped = body[:40] + body[60:80] + body[40:60] + body[80:]
    assert await refused(shop, head + swapped) == "batch_digest"
    assert await refused(shop, head + body[::-1]) == "batch_digest"
    assert await refused(shop, head + body[:-1]) == "batch_size"
    assert await refused(shop, head + body + b"x") == "batch_size"
    assert await refused(shop, head) == "batch_size"
    other = sender.sealed(["OTHERS-0001", "OTHERS-0002", "OTHERS-0003"])
    assert await refused(shop, head + parts(other)[1]) == "batch_digest"
    lines = file.split(b"\n", 3)
    assert await refused(shop, b"\n".join([lines[0], lines[2], lines[1], lines[3]])) == "batch_malformed"
    for end in range(0, length, 25):
        assert await refused(shop, file[:end]) == "batch_malformed"


async def test_e13_wrong_vault(shop: Shop, sender: Sender) -> None:
    assert await refused(shop, sender.sealed(CODES, product="other", sku="other")) == "batch_product"
    assert await refused(shop, sender.sealed(CODES, product="steam", sku="other")) == "batch_product"
    assert await refused(shop, sender.sealed(CODES, product="nothing", sku="nothing")) == "batch_product"
    manual = await join(shop, "Hand", slugs=("by-hand",))
    assert await refused(shop, manual.sealed(CODES, product="by-hand", sku="by-hand")) == "batch_product"


async def test_e13_altered_manifest(shop: Shop, sender: Sender) -> None:
    file = sender.sealed(CODES)
    line = file.split(b"\n")[1]
    told = json.loads(line)
    for name, value in {**told, "count": 4, "product": "other", "body_bytes": told["body_bytes"] + 1}.items():
        other = {**told, name: value if value != told[name] else _another(value)}
        altered = json.dumps(other, sort_keys=True, separators=(",", ":")).encode()
        assert await refused(shop, file.replace(line, altered)) in ("batch_supplier", "batch_malformed"), name
    for spelled in (line.replace(b":", b": ", 1), b" " + line, line[:-1] + b',"extra":1}', line[:-1] + b',"count":3}'):
        assert await refused(shop, file.replace(line, spelled)) == "batch_malformed"
    assert not any(event["proved"] for event in await events(shop))


def _another(value: Any) -> Any:
    if isinstance(value, int):
        return value + 1
    if value.endswith("Z"):
        return value[:-2] + ("1Z" if value.endswith("0Z") else "0Z")
    return value[:-1] + ("a" if value[-1] != "a" else "b")


async def test_e13_altered_signature(shop: Shop, sender: Sender) -> None:
    file = sender.sealed(CODES)
    signature = file.split(b"\n")[2]
    raw = bytearray(base64.urlsafe_b64decode(signature + b"=="))
    for position in (0, 31, 32, 63):
        flipped = bytes(b ^ (1 if i == position else 0) for i, b in enumerate(raw))
        assert await refused(shop, file.replace(signature, sealedbatch.base64(flipped).encode())) == "batch_supplier"
    for spelled in (b"", signature[:-1], signature + b"=", signature[:-1] + b"!", b"A" * 86):
        assert await refused(shop, file.replace(signature, spelled)) in ("batch_malformed", "batch_supplier")


async def test_e13_unknown_key(shop: Shop, sender: Sender) -> None:
    stranger = boxes.new_seed()
    assert await refused(shop, sender.sealed(CODES, seed=stranger)) == "batch_supplier"
    assert await refused(shop, sender.sealed(CODES, supplier="0" * 16)) == "batch_supplier"
    # in the name of somebody unknown nothing is recorded; in a supplier's name, that it was not proved
    assert [(told["why"], told["proved"]) for told in await events(shop)] == [("supplier", False)]


async def test_e13_another_suppliers_key(shop: Shop, sender: Sender) -> None:
    other = await join(shop, "Li", slugs=("other",))
    assert await refused(shop, sender.sealed(CODES, seed=other.seed)) == "batch_supplier"
    assert await refused(shop, sender.sealed(CODES, supplier=other.supplier.ref)) == "batch_supplier"
    assert await refused(shop, other.sealed(CODES)) == "batch_product"


async def test_e13_unconfirmed_disabled_and_replaced_keys(shop: Shop, sender: Sender) -> None:
    new = await join(shop, "New", is_confirmed=False)
    assert await refused(shop, new.sealed(CODES)) == "batch_unconfirmed"
    await confirm(shop, new.supplier.supplier_id)
    await shop.db.write(writes.set_disabled, new.supplier.supplier_id, True, CLI)
    assert await refused(shop, new.sealed(CODES)) == "batch_disabled"
    await shop.db.write(writes.set_disabled, new.supplier.supplier_id, False, CLI)
    assert (await send(shop, new.sealed(CODES))).status == "done"
    await shop.db.write(writes.offer_key, new.supplier.supplier_id, boxes.public_of(boxes.new_seed()), CLI)
    assert (await send(shop, new.sealed(["MORE-0001"]))).status == "done"  # an offered key takes nothing from the confirmed one
    await confirm(shop, new.supplier.supplier_id)
    assert await refused(shop, new.sealed(["MORE-0002"])) == "batch_supplier"


async def test_e13_sealed_for_another_shop(shop: Shop, sender: Sender) -> None:
    assert await refused(shop, sender.sealed(CODES, shop="0" * 32)) == "batch_shop"
    _, public = boxes.new_box_key()
    name = sealedbatch.fingerprint(public)
    assert await refused(shop, sender.sealed(CODES, public_key=public, import_key=name)) == "batch_key"


async def test_e13_a_box_that_lies_about_its_key_or_content_ends_refused(shop: Shop, sender: Sender) -> None:
    _, public = boxes.new_box_key()
    bad = [
        (sender.sealed(CODES, public_key=public), "unreadable"),
        (sender.resealed(sender.sealed(CODES), count=2), "count"),
        (sender.sealed(b"A\nB\n"), "unreadable"),
        (sender.sealed(b'{"password":"x"}\n'), "unreadable"),
        (sender.sealed(b"\xff\xfe\n"), "unreadable"),
        (sender.sealed(b"{" + b"[" * 5000 + b"}\n"), "unreadable"),
    ]
    for file, why in bad:
        done = await send(shop, file)
        assert (done.status, done.reason) == ("refused", why)
        assert await refused(shop, file) == "batch_replayed"
    assert await free(shop) == 0
    assert [e["why"] for e in await events(shop) if e["why"] != "replayed"] == [why for _, why in bad]


async def test_e13_too_far_from_now(shop: Shop, clock: TestClock, sender: Sender) -> None:
    week = 7 * 24 * 3600 * 1000
    assert await refused(shop, sender.sealed(CODES, now=clock.now() - week - 1000)) == "batch_time"
    assert await refused(shop, sender.sealed(CODES, now=clock.now() + week + 1000)) == "batch_time"
    assert (await send(shop, sender.sealed(CODES, now=clock.now() - week))).status == "done"
    assert (await send(shop, sender.sealed(["LATER-1"], now=clock.now() + week))).status == "done"


async def test_e13_too_large(shop: Shop, sender: Sender) -> None:
    file = sender.sealed(CODES)
    line = file.split(b"\n")[1]
    for name, value in (("count", 200_001), ("body_bytes", sealedbatch.MOST_BYTES + 1), ("count", 0), ("body_bytes", 48)):
        told = json.dumps({**json.loads(line), name: value}, sort_keys=True, separators=(",", ":")).encode()
        signature = sealedbatch.base64(boxes.sign(sender.seed, sealedbatch.signed_text(told))).encode()
        lines = file.split(b"\n", 3)
        assert await refused(shop, b"\n".join([lines[0], told, signature, lines[3]])) == "batch_malformed"
    assert await refused(shop, sealedbatch.MAGIC + b"x" * 5000) == "batch_malformed"


async def test_e13_refusals_are_audited_within_bounds(shop: Shop, sender: Sender) -> None:
    forged = sender.sealed(CODES, seed=boxes.new_seed())
    for _ in range(40):
        assert await refused(shop, forged) == "batch_supplier"
    assert len(await events(shop)) == 12
    late = sender.sealed(CODES, now=0)
    for _ in range(70):
        assert await refused(shop, late) == "batch_time"
    assert len(await events(shop)) == 72
