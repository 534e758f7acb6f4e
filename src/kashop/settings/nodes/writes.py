"""Changes of what servers on one database are called by."""

from kashop.db import Tx
from kashop.settings.nodes import reads


def take_number(tx: Tx, name: str, *, below: int, until: int, says: str) -> int:
    """Lease a number that no other server has."""
    number = reads.free_number(tx, below=below)
    sql = """INSERT INTO node_numbers (number, name, until, says) VALUES (:number, :name, :until, :says)
             ON CONFLICT (number) DO UPDATE SET name = excluded.name, until = excluded.until, says = excluded.says"""
    tx.run(sql, number=number, name=name, until=until, says=says)
    return number


def keep_number(tx: Tx, number: int, name: str, *, until: int, says: str) -> bool:
    """Say until when it is leased; whether it still is this server's."""
    sql = "UPDATE node_numbers SET until = :until, says = :says WHERE number = :number AND name = :name"
    return tx.run(sql, number=number, name=name, until=until, says=says) == 1
