"""The exchange of seals."""

import msgspec

from kashop.db import Tx
from kashop.inventory.seals.types import Resealed


def reseal(tx: Tx, codes: list[Resealed]) -> int:
    """Exchange seals, and only those that are still the ones which were opened; how many were."""
    sql = """UPDATE codes SET epoch = :newest, sealed = :sealed
             WHERE code_id = :code_id AND epoch = :epoch AND sealed = :was"""
    return tx.many(sql, [msgspec.structs.asdict(code) for code in codes])
