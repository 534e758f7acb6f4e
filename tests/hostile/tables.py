"""How many rows every table of a shop holds: the witness that a refused request left nothing behind."""

import sqlite3
from pathlib import Path


def row_counts(database: Path) -> dict[str, int]:
    """By table, read beside the running shop."""
    con = sqlite3.connect(f"file:{database.as_posix()}?mode=ro", uri=True)
    try:
        names = [name for (name,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: con.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()[0] for name in names}
    finally:
        con.close()


def changed(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """The tables whose number of rows is another, with the difference. Jobs run beside all this, and note that they did."""
    return {name: after[name] - before[name] for name in after if after[name] != before[name] and name != "job_runs"}
