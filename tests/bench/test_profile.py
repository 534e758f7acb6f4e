"""The profile sees every thread of a served shop, and its statements without their values."""

from pathlib import Path

from bench.profile import profile
from bench.watched import _shape


def test_a_profile_tells_of_every_thread(tmp_path: Path) -> None:
    told = profile("status", tmp_path, count=20, connections=4)
    assert set(told["seconds"]) == {"loop", "writer", "readers", "others"}
    assert told["seconds"]["loop"] > 0
    kinds = {kind for kind, sql, times in told["statements"] if "FROM orders" in sql and times == 20}
    assert kinds == {"loop"}, told["statements"]
    assert any(name.endswith(" data_received") and calls >= 20 for name, calls, _, _ in told["functions"]["loop"])


def test_statements_that_differ_in_values_are_one() -> None:
    one = _shape("SELECT a1 FROM t WHERE b = 'it''s 5' AND c IN (1,2, 3) LIMIT 10")
    assert (
        one
        == _shape("SELECT a1 FROM  t WHERE b = 'x' AND c IN (4, 5) LIMIT 3")
        == "SELECT a1 FROM t WHERE b = ? AND c IN (…) LIMIT ?"
    )
