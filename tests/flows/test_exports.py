"""Codes leave as a sealed workbook: exactly as they came in, written down first, and not by one person alone when they are many.

Abuse cases E10 and F05; invariants I-31 and I-33.
"""

import asyncio
import io
import json
from typing import Any

import msgspec
import pytest

from kashop.accounts import writes as accounts
from kashop.approvals import reads as approval_reads
from kashop.approvals import writes as approvals
from kashop.audit import reads as audit
from kashop.audit import writes as audit_writes
from kashop.db import Reader
from kashop.flows import codes, exports, restock
from kashop.flows import settings as settings_flow
from kashop.flows.codes import Asked, Recounted
from kashop.flows.exports import Made, Wish
from kashop.inventory import reads as inventory
from kashop.inventory.codelist import reads as codelist
from kashop.inventory.codelist.types import Sought
from kashop.lib.actor import CLI, Actor
from kashop.lib.errors import Conflict, Denied, Invalid, Refusal
from kashop.shop import Shop
from kashop.vault import Keyring, Sealed
from tests.canary.scanner import Scanner
from tests.cast import TestClock, add_epay, add_product, order
from tests.workbooks import codes as codes_in
from tests.workbooks import opened

PASSPHRASE = "开门 sesame 2026"
BOSS, MATE = Actor("staff", "1", "203.0.113.1"), Actor("staff", "2", "203.0.113.2")
NASTY = [
    '=HYPERLINK("http://evil.example","x")',
    "=cmd|' /C calc'!A0",
    "+8613800000000",
    "-1+1",
    "@SUM(1)",
    "000000000123",
    "1e5",
    "TRUE",
    "2026-11-28",
    "a\nb",
    "a\r\nb\tc",
    "㐂𠮷野家-①",
    "_x000D_",
    "http://a.example/?b=c&d=<e>",
    "'quoted",
    "e\u0301 café",
    "x" * 8192,
]


def wish(product_id: int, most: int = 50_000, **more: Any) -> Wish:
    return Wish(
        sought=Sought(product_id=product_id, status=more.pop("status", "free")), most=most, reason="moved to the partner", **more
    )


async def add_mate(shop: Shop, role: str = "manager") -> None:
    await shop.db.write(accounts.add_staff, "mate@example.com", role, "x", CLI)


async def events(shop: Shop, *names: str) -> list[Any]:
    return [e for e in await shop.db.read(audit.page, 0, limit=100_000) if e.name in names]


async def notices(shop: Shop) -> list[tuple[str, str]]:
    def told(db: Reader) -> list[str]:
        return db.values("SELECT about || ' ' || recipient FROM notices ORDER BY notice_id")

    return [tuple(line.split(" ")) for line in await shop.db.read(told)]  # type: ignore[misc]


class Openings:
    """Counts how often the vault opens a code."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self.count, real = 0, Keyring.open_code

        def counted(*args: Any, **more: Any) -> str:
            self.count += 1
            return real(*args, **more)

        monkeypatch.setattr(Keyring, "open_code", counted)


async def test_e10_codes_come_out_byte_for_byte_as_they_went_in(shop: Shop) -> None:
    product = await add_product(shop, "goods")
    lines = "\n".join(json.dumps({"code": c}, ensure_ascii=False) for c in NASTY)
    source = restock.Source(file=io.BytesIO(lines.encode()), name="nasty.jsonl", product="goods")
    assert (await restock.import_codes(shop, source, CLI)).new == len(NASTY)
    made = await exports.export(shop, wish(product), BOSS, expected=len(NASTY), passphrase=PASSPHRASE)
    assert isinstance(made, Made)
    assert codes_in(made.data, PASSPHRASE) == NASTY
    rows = opened(made.data, PASSPHRASE)
    assert rows[0][1:5] == ["goods", "goods", "nasty.jsonl", ""]
    with pytest.raises(Exception, match="verification failed"):
        codes_in(made.data, PASSPHRASE + "x")
    assert made.passphrase == ""


async def test_what_is_written_down_is_what_leaves_and_comes_first(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """I-31: one row for each code, all committed before the first seal opens; the digest is the file's."""
    import hashlib

    product = await add_product(shop, "goods", codes=30)
    order_of: list[str] = []
    real_open, real_record = Keyring.open_code, audit_writes.record

    def open_code(*args: Any, **more: Any) -> str:
        order_of.append("opened")
        return real_open(*args, **more)

    monkeypatch.setattr(Keyring, "open_code", open_code)
    monkeypatch.setattr(exports, "CHUNK", 7)

    def record(tx: Any, name: str, *args: Any, **more: Any) -> int:
        order_of.append(name)
        return real_record(tx, name, *args, **more)

    monkeypatch.setattr(exports, "record", record)
    made = await exports.export(shop, wish(product, 20), BOSS, expected=20, passphrase=PASSPHRASE)
    assert isinstance(made, Made)
    assert order_of == ["export.begun", *["code.exported"] * 20, *["opened"] * 20, "export.made"]
    out = opened(made.data, PASSPHRASE)
    rows = await events(shop, "code.exported")
    assert [str(e.object_id) for e in rows] == [row[0] for row in out]
    assert {e.reason for e in rows} == {"moved to the partner"}
    (done,) = await events(shop, "export.made")
    payload = json.loads(done.payload)
    assert payload["digest"] == made.digest == hashlib.blake2b(made.data, digest_size=32).hexdigest()
    assert (payload["count"], payload["product"], payload["status"]) == (20, "goods", "free")
    assert [row[-1] for row in out] == [f"GOODS-{n:05}" for n in range(20)]  # the oldest first


@pytest.mark.parametrize("fails_at", ["export.begun", "code.exported", "export.made"])
async def test_what_cannot_be_written_down_does_not_happen(shop: Shop, monkeypatch: pytest.MonkeyPatch, fails_at: str) -> None:
    product = await add_product(shop, "goods", codes=30)
    openings, real, left = Openings(monkeypatch), audit_writes.record, 11

    def record(tx: Any, name: str, *args: Any, **more: Any) -> int:
        nonlocal left
        left -= name == fails_at
        if name == fails_at and (left < 1 or name != "code.exported"):
            raise OSError("the disk is full")
        return real(tx, name, *args, **more)

    monkeypatch.setattr(exports, "record", record)
    monkeypatch.setattr(exports, "CHUNK", 7)
    with pytest.raises(OSError, match="full"):
        await exports.export(shop, wish(product), BOSS, expected=30, passphrase=PASSPHRASE)
    assert openings.count == (30 if fails_at == "export.made" else 0)


async def test_a_code_that_does_not_open_is_left_out_and_told(shop: Shop) -> None:
    product = await add_product(shop, "goods", codes=5)
    rows = await shop.db.read(codelist.oldest, Sought(status="free"), limit=2)

    def swap(tx: Any) -> None:
        tx.run(
            "UPDATE codes SET sealed = (SELECT sealed FROM codes WHERE code_id = :a) WHERE code_id = :b",
            a=rows[0].code_id,
            b=rows[1].code_id,
        )

    await shop.db.write(swap)
    made = await exports.export(shop, wish(product), BOSS, expected=5, passphrase=PASSPHRASE)
    assert isinstance(made, Made)
    assert (made.count, made.lost) == (4, (rows[1].code_id,))
    assert codes_in(made.data, PASSPHRASE) == [f"GOODS-{n:05}" for n in (0, 2, 3, 4)]
    assert len(await events(shop, "vault.alarm")) == 1


async def test_nothing_in_the_clear_is_left_behind(shop: Shop) -> None:
    """I-25: no file of the shop, and none in the system's place for temporary ones, holds a code or the passphrase."""
    await add_mate(shop)
    product = await add_product(shop, "goods", codes=50)
    made = await exports.export(shop, wish(product, take_out=True), BOSS, expected=50, passphrase=PASSPHRASE)
    assert isinstance(made, Made)
    (first,) = await shop.db.read(codelist.oldest, Sought(), limit=1)
    await codes.reveal(shop, [first.code_id], MATE, reason="to look")
    secrets = {f"code {n}": f"GOODS-{n:05}" for n in range(50)}
    assert Scanner({**secrets, "passphrase": PASSPHRASE}).files(shop.config.data) == []
    assert Scanner(secrets).texts([("the file", made.data), ("its words", repr(made).encode())]) == []


async def test_codes_are_taken_out_of_sale_as_they_leave(shop: Shop) -> None:
    product = await add_product(shop, "goods", codes=10)
    made = await exports.export(shop, wish(product, 4, take_out=True), BOSS, expected=4, passphrase=PASSPHRASE)
    assert isinstance(made, Made)
    (count,) = await shop.db.read(inventory.counts)
    assert (count.free, count.void) == (6, 4)
    assert len(await events(shop, "code.voided")) == 4


async def test_what_was_confirmed_is_counted_again(shop: Shop) -> None:
    await add_epay(shop)
    product = await add_product(shop, "goods", codes=5)
    seen = await exports.preview(shop, wish(product), BOSS)
    assert (seen.count, seen.fitting, seen.value, seen.needs) == (5, 5, 6250, "")
    await order(shop, "goods", 2)
    with pytest.raises(Recounted) as recounted:
        await exports.export(shop, wish(product), BOSS, expected=5, passphrase=PASSPHRASE)
    assert recounted.value.now == 3
    assert await events(shop, "export.begun") == []


@pytest.mark.parametrize(
    ("change", "passphrase"),
    [
        ({"reason": "why"}, PASSPHRASE),
        ({"reason": "    why    "}, PASSPHRASE),
        ({"most": 0}, PASSPHRASE),
        ({"most": 50_001}, PASSPHRASE),
        ({"sought": Sought()}, PASSPHRASE),
        ({}, "too short"),
        ({}, "aaaaaaaaaaaaaaaa"),
    ],
)
async def test_a_wish_without_reason_bounds_or_a_key_is_refused(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], passphrase: str
) -> None:
    openings = Openings(monkeypatch)
    product = await add_product(shop, "goods", codes=5)
    with pytest.raises(Invalid):
        await exports.export(shop, msgspec.structs.replace(wish(product), **change), BOSS, expected=5, passphrase=passphrase)
    assert openings.count == 0
    assert await events(shop, "export.begun") == []


async def test_a_sealed_vault_exports_and_reveals_nothing(shop: Shop) -> None:
    product = await add_product(shop, "goods", codes=5)
    (row, *_) = await shop.db.read(codelist.oldest, Sought(), limit=1)
    shop.keyring.seal()
    for act in (
        exports.export(shop, wish(product), BOSS, expected=5, passphrase=PASSPHRASE),
        codes.reveal(shop, [row.code_id], BOSS, reason="to look"),
        codes.find_pasted(shop, "GOODS-00001", BOSS),
    ):
        with pytest.raises(Sealed):
            await act
    assert await events(shop, "export.begun", "code.viewed", "code.searched") == []


async def test_f05_above_the_bound_a_second_person_approves_once(
    shop: Shop, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_mate(shop)
    openings, product = Openings(monkeypatch), await add_product(shop, "goods", codes=60)
    asked = await exports.export(shop, wish(product), BOSS, expected=60)
    assert isinstance(asked, Asked)
    number = asked.approval_id
    assert ("export.asked", "mate@example.com") in await notices(shop)
    with pytest.raises(Conflict):  # not approved yet
        await exports.export_approved(shop, number, BOSS)
    with pytest.raises(Denied):  # not by oneself
        await shop.db.write(approvals.decide, number, BOSS, is_approved=True, note="")
    await shop.db.write(approvals.decide, number, MATE, is_approved=True, note="agreed")
    with pytest.raises(Conflict):  # not for somebody else
        await exports.export_approved(shop, number, MATE)
    assert openings.count == 0
    made = await exports.export_approved(shop, number, BOSS)
    assert codes_in(made.data, made.passphrase) == [f"GOODS-{n:05}" for n in range(60)]
    assert len(made.passphrase) == 23
    with pytest.raises(Conflict):  # and not twice
        await exports.export_approved(shop, number, BOSS)
    assert openings.count == 60
    names = ["approval.asked", "approval.approved", "approval.used", "export.begun", "export.made"]
    assert [e.name for e in await events(shop, *names)] == names


async def test_an_approval_raced_is_used_exactly_once(shop: Shop) -> None:
    await add_mate(shop)
    product = await add_product(shop, "goods", codes=60)
    asked = await exports.export(shop, wish(product), BOSS, expected=60)
    assert isinstance(asked, Asked)
    deciding = [
        shop.db.write(approvals.decide, asked.approval_id, MATE, is_approved=bool(n % 2), note="agreed") for n in range(1, 9)
    ]
    decided = await asyncio.gather(*deciding, return_exceptions=True)
    assert sum(answer is None for answer in decided) == 1
    if (await shop.db.read(approval_reads.get, asked.approval_id)).status == "refused":
        pytest.fail("the first to decide approved")
    running = [exports.export_approved(shop, asked.approval_id, BOSS) for _ in range(8)]
    done = await asyncio.gather(*running, return_exceptions=True)
    assert sum(isinstance(answer, Made) for answer in done) == 1
    assert sum(isinstance(answer, Conflict) for answer in done) == 7
    assert len(await events(shop, "code.exported")) == 60


async def test_control_without_the_compare_and_set_an_approval_is_used_many_times(
    shop: Shop, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control of the race above."""
    await add_mate(shop)
    product = await add_product(shop, "goods", codes=60)
    asked = await exports.export(shop, wish(product), BOSS, expected=60)
    assert isinstance(asked, Asked)
    await shop.db.write(approvals.decide, asked.approval_id, MATE, is_approved=True, note="")
    monkeypatch.setattr(approvals, "use", lambda tx, number, kind, actor: approval_reads.get(tx, number))
    running = [exports.export_approved(shop, asked.approval_id, BOSS) for _ in range(4)]
    assert len(await asyncio.gather(*running)) == 4


async def test_an_approval_is_exactly_what_was_asked_for(shop: Shop) -> None:
    """What is sold meanwhile is left out, and nothing takes its place."""
    await add_epay(shop)
    await add_mate(shop)
    product = await add_product(shop, "goods", codes=80)
    asked = await exports.export(shop, wish(product, 60), BOSS, expected=60)
    assert isinstance(asked, Asked)
    await shop.db.write(approvals.decide, asked.approval_id, MATE, is_approved=True, note="")
    await order(shop, "goods", 5)
    made = await exports.export_approved(shop, asked.approval_id, BOSS)
    assert (made.count, made.gone) == (55, 5)
    assert codes_in(made.data, made.passphrase) == [f"GOODS-{n:05}" for n in range(5, 60)]


@pytest.mark.parametrize("end", ["refused", "expired"])
async def test_what_was_refused_or_is_old_is_not_done(shop: Shop, clock: TestClock, end: str) -> None:
    await add_mate(shop)
    product = await add_product(shop, "goods", codes=60)
    asked = await exports.export(shop, wish(product), BOSS, expected=60)
    assert isinstance(asked, Asked)
    await shop.db.write(approvals.decide, asked.approval_id, MATE, is_approved=end == "expired", note="no")
    clock.pass_time(hours=24)
    with pytest.raises(Conflict):
        await exports.export_approved(shop, asked.approval_id, BOSS)
    assert (await shop.db.read(approval_reads.get, asked.approval_id)).state(clock.now()) == end


async def test_alone_nobody_exports_above_the_bound(shop: Shop) -> None:
    await add_mate(shop, "support")  # may reveal, and may not approve
    product = await add_product(shop, "goods", codes=60)
    assert not (await exports.preview(shop, wish(product), BOSS)).can_ask
    with pytest.raises(Denied, match="nobody else here may approve"):
        await exports.export(shop, wish(product), BOSS, expected=60)
    assert await events(shop, "approval.asked", "export.begun") == []
    await settings_flow.change(shop, {"codes.second_person_above": 0}, BOSS)
    assert isinstance(await exports.export(shop, wish(product), BOSS, expected=60), Made)


async def test_many_small_looks_are_one_large_one(shop: Shop, clock: TestClock) -> None:
    """The bound is for 24 hours: 30 and 30 are 60, whether by file or one by one; the day after they are forgotten."""
    await add_mate(shop)
    product = await add_product(shop, "goods", codes=100)
    assert isinstance(await exports.export(shop, wish(product, 30), BOSS, expected=30), Made)
    clock.pass_time(minutes=5)
    assert isinstance(await exports.export(shop, wish(product, 30), BOSS, expected=30), Asked)
    rows = [r.code_id for r in await shop.db.read(codelist.oldest, Sought(), limit=21)]
    assert isinstance(await codes.reveal(shop, rows[:20], BOSS, reason="to look"), list)
    assert isinstance(await codes.reveal(shop, rows[20:], BOSS, reason="to look"), Asked)
    assert isinstance(await codes.reveal(shop, rows[20:], MATE, reason="to look"), list)
    clock.pass_time(hours=24)
    assert isinstance(await exports.export(shop, wish(product, 30), BOSS, expected=30), Made)


async def test_worth_has_its_bound_too(shop: Shop, clock: TestClock) -> None:
    await add_mate(shop)
    await settings_flow.change(shop, {"codes.second_person_above_value": 5000}, BOSS)
    product = await add_product(shop, "goods", codes=10)  # 12.50 each
    assert isinstance(await exports.export(shop, wish(product, 4), BOSS, expected=4), Made)
    clock.pass_time(minutes=5)
    assert isinstance(await exports.export(shop, wish(product, 1), BOSS, expected=1), Asked)


async def test_f05_twice_in_a_minute_at_night_and_very_much_is_told(shop: Shop, clock: TestClock) -> None:
    await add_mate(shop)
    product = await add_product(shop, "goods", codes=300)

    def why(told: list[Any]) -> list[list[str]]:
        return [json.loads(e.payload)["why"] for e in told]

    assert isinstance(await exports.export(shop, wish(product, 2), BOSS, expected=2), Made)
    assert await events(shop, "export.unusual") == []
    clock.pass_time(seconds=50)
    again = await exports.export(shop, wish(product, 2), BOSS, expected=2)
    assert isinstance(again, Asked)  # a second within a minute needs a second person
    assert isinstance(await exports.export(shop, wish(product, 2), MATE, expected=2), Made)
    clock.pass_time(hours=(27 - 12))  # 12:00 in Shanghai on, so 3 in the morning
    assert isinstance(await exports.export(shop, wish(product, 2), BOSS, expected=2), Made)
    assert why(await events(shop, "export.unusual")) == [["night"]]
    await settings_flow.change(shop, {"codes.second_person_above": 0}, BOSS)
    clock.pass_time(hours=9)
    assert isinstance(await exports.export(shop, wish(product, 150), MATE, expected=150), Made)
    assert why(await events(shop, "export.unusual")) == [["night"], ["day"]]
    assert [who for about, who in await notices(shop) if about == "export.unusual"] == ["owner@example.com"] * 2


async def test_the_bound_of_a_file_is_kept(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    product = await add_product(shop, "goods", codes=5)
    monkeypatch.setattr(exports, "MOST_BYTES", 40)
    with pytest.raises(Refusal, match="too long"):
        await exports.export(shop, wish(product), BOSS, expected=5)
