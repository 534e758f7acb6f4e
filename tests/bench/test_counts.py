"""The bench fails on a wrong count and on an answer that should not be; a missed goal fails nothing."""

import sqlite3
from pathlib import Path

import pytest

from bench.burst import sold_wrongly
from bench.crowd import Crowd
from bench.duels import refuse_odd
from bench.figures import Figure, Wrong
from bench.history import Run
from bench.tables import markdown, text
from kashop.stress.crowd import Outcome

SCHEMA = """
CREATE TABLE skus (sku_id INTEGER PRIMARY KEY, sku_code TEXT);
CREATE TABLE codes (code_id INTEGER PRIMARY KEY, sku_id INTEGER, status TEXT, line_id INTEGER);
CREATE TABLE orders (order_id INTEGER PRIMARY KEY, order_no TEXT);
CREATE TABLE order_lines (line_id INTEGER PRIMARY KEY, order_id INTEGER, sku_code TEXT);
INSERT INTO skus VALUES (1, 'card');
INSERT INTO codes VALUES (1, 1, 'held', 1), (2, 1, 'held', 2), (3, 1, 'free', NULL);
INSERT INTO orders VALUES (1, 'K1'), (2, 'K2');
INSERT INTO order_lines VALUES (1, 1, 'card'), (2, 2, 'card');
"""


def wrong(folder: Path, change: str = "", *, told: tuple[str, ...] = ("K1", "K2"), stock: int = 2) -> str:
    con = sqlite3.connect(folder / "kashop.db")
    con.executescript(SCHEMA + change)
    con.close()
    crowd = Crowd(won=[f'{{"order_no": "{number}"}}'.encode() for number in told])
    return sold_wrongly(folder, "card", crowd, stock=stock, buyers=10)


def test_what_is_right_is_not_complained_of(tmp_path: Path) -> None:
    assert wrong(tmp_path) == ""


@pytest.mark.parametrize(
    ("change", "told", "stock", "complaint"),
    [
        ("UPDATE codes SET line_id = 1", ("K1", "K2"), 2, "codes gone for 2 orders"),
        ("UPDATE codes SET status = 'held', line_id = 2 WHERE code_id = 3", ("K1", "K2"), 3, "3 codes gone for 2 orders"),
        ("", ("K1", "K2", "K3"), 2, "1 acknowledged orders are not in the database"),
        ("", ("K1",), 2, "1 orders are there that nobody was told of"),
        ("", ("K1", "K2"), 3, "2 of 3 codes found a buyer"),
    ],
    ids=["one line for two codes", "a code too many", "lost", "not told", "unsold"],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: str, told: tuple[str, ...], stock: int, complaint: str) -> None:
    assert complaint in wrong(tmp_path, change, told=told, stock=stock)


def test_admission_may_refuse_and_nothing_else_may() -> None:
    seen = Outcome(seconds=1)
    seen.statuses.update({201: 5, 503: 2})
    refuse_odd("the shop", seen, (201,))
    seen.statuses[500] += 1
    with pytest.raises(Wrong, match="500"):
        refuse_odd("the shop", seen, (201,))


def test_the_table_says_what_was_reached() -> None:
    reached, missed = Figure("P1", "orders", 0.6, judged=[0.7, 0.8, 0.5]), Figure("P3", "crowd", 1.8, is_upper=True, judged=[2.0])
    told = Figure("P5", "look-up", None, judged=[0.1], note="by design")
    conditions = {"cores": 2, "processor": "x", "load_before": 0, "load_after": 1, "python": "3", "sqlite": "3", "system": "L"}
    conditions |= {"sync_ms": 0.2, "pins": "free", "seconds": 9, "plan": {"rounds": 3, "seconds": 1}}
    within, over = (Figure("P7", name, 1.3, unit="× small", is_upper=True, judged=[n]) for name, n in (("a", 1.1), ("b", 1.4)))
    run = Run("abc", "now", conditions, [reached, missed, told, within, over])
    rows = [line.split("|")[1:] for line in markdown(run).splitlines() if line.startswith("| P")]
    assert [(row[1].strip(), row[4].strip(), row[7].strip()) for row in rows] == [
        ("orders", "0.7", "yes"),
        ("crowd", "2", "no"),
        ("look-up", "0.1", ""),
        ("b", "1.4 × small", "no"),
    ]
    assert "1 further acts are within it, the costliest of growth at 1.10" in markdown(run)
    assert "P5 look-up: by design" in text(run)
