"""Changes of the risk room: proofs, each of which serves once."""

from kashop.db import Tx


def spend(tx: Tx, mark: bytes, until: int) -> bool:
    """Take a proof; whether it was not taken before."""
    sql = "INSERT INTO spent_proofs (proof_hash, until) VALUES (:mark, :until) ON CONFLICT (proof_hash) DO NOTHING"
    return tx.run(sql, mark=mark, until=until) == 1


def forget_spent(tx: Tx, *, limit: int) -> int:
    """Drop proofs that would have lapsed by themselves; how many."""
    sql = """DELETE FROM spent_proofs WHERE proof_hash IN (
               SELECT proof_hash FROM spent_proofs WHERE until < :now ORDER BY until LIMIT :limit)"""
    return tx.run(sql, now=tx.now, limit=limit)
