"""`bench.nodes` fails on a code that two have, on a count that is off, and on a chain with a gap."""

import sqlite3
from pathlib import Path

import pytest

from bench.figures import Wrong
from bench.nodes import refuse_unsound

SCHEMA = """
CREATE TABLE codes (code_id INTEGER PRIMARY KEY, sku_id INTEGER, pool_id INTEGER, status TEXT, line_id INTEGER);
CREATE TABLE order_lines (line_id INTEGER PRIMARY KEY, quantity INTEGER);
CREATE TABLE stock_counts (sku_id INTEGER, pool_id INTEGER, free INTEGER);
CREATE TABLE events (seq INTEGER PRIMARY KEY, prev_hash BLOB, hash BLOB);
INSERT INTO codes VALUES (1, 1, 1, 'held', 1), (2, 1, 1, 'sold', 2), (3, 1, 1, 'free', NULL);
INSERT INTO order_lines VALUES (1, 1), (2, 1);
INSERT INTO stock_counts VALUES (1, 1, 1);
INSERT INTO events VALUES (1, x'00', x'01'), (2, x'01', x'02'), (3, x'02', x'03');
"""


def shop(folder: Path, change: str = "") -> Path:
    con = sqlite3.connect(folder / "kashop.db")
    con.executescript(SCHEMA + change)
    con.close()
    return folder / "kashop.db"


def test_a_sound_shop_is_not_complained_of(tmp_path: Path) -> None:
    refuse_unsound(shop(tmp_path))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ("UPDATE codes SET line_id = 1 WHERE code_id = 2", "'lines without just their codes': 2"),
        ("UPDATE stock_counts SET free = 2", "'counts that are off': 1"),
        ("DELETE FROM events WHERE seq = 2", "'gaps in the chain': 1"),
        ("UPDATE events SET prev_hash = x'09' WHERE seq = 3", "'links that are broken': 1"),
    ],
)
def test_what_is_unsound_is_named(tmp_path: Path, change: str, complaint: str) -> None:
    with pytest.raises(Wrong, match=complaint):
        refuse_unsound(shop(tmp_path, change))
