"""Take codes out of sale for ever: leaked, expired at the supplier, or given back to him.

Always true: only a free code is voided; one that is held or sold stays its order's, and is named by its row.
"""

import asyncio
from itertools import islice
from typing import BinaryIO

import msgspec

from kashop.db import Tx
from kashop.inventory import reads, stockfile, writes
from kashop.lib.actor import Actor
from kashop.lib.errors import Invalid
from kashop.shop import Shop

CHUNK = 500


class Voided(msgspec.Struct, frozen=True):
    """What became of the rows of a file: how many codes were voided, and the rows that were `unknown` or `not_free`."""

    voided: int
    unknown: tuple[int, ...]
    not_free: tuple[int, ...]


async def void_codes(
    shop: Shop, file: BinaryIO, name: str, actor: Actor, *, reason: str, rules: stockfile.Rules | None = None
) -> Voided:
    """Void the codes that a file lists, written as they were imported. Raises Invalid."""
    if not 0 < len(reason.strip()) <= 300:
        raise Invalid.of("reason", "Say why: 1 to 300 characters.")
    rows = await asyncio.to_thread(_fingerprints, shop, file, name, rules or stockfile.Rules())
    outcomes: dict[int, str] = {}
    listed = iter(rows)
    while chunk := list(islice(listed, CHUNK)):
        outcomes |= await shop.db.write(_void, chunk, reason.strip(), actor)
    by_word = {word: tuple(row for row, said in outcomes.items() if said == word) for word in ("voided", "unknown", "not_free")}
    return Voided(len(by_word["voided"]), by_word["unknown"], by_word["not_free"])


def _fingerprints(shop: Shop, file: BinaryIO, name: str, rules: stockfile.Rules) -> list[tuple[int, bytes]]:
    fingerprint, normal = shop.keyring.fingerprint, stockfile.fingerprint_text
    return [(row.number, fingerprint(normal(row.code))) for row in stockfile.rows(file, name, rules) if row.problem is None]


def _void(tx: Tx, rows: list[tuple[int, bytes]], reason: str, actor: Actor) -> dict[int, str]:
    return {row: _void_one(tx, fingerprint, reason, actor) for row, fingerprint in rows}


def _void_one(tx: Tx, fingerprint: bytes, reason: str, actor: Actor) -> str:
    code_id = reads.find_code(tx, fingerprint)
    if code_id is None:
        return "unknown"
    return "voided" if writes.void(tx, code_id, reason=reason, actor=actor) else "not_free"
