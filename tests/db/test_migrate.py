"""Migrations: forward only, and never against a newer shop."""

import contextlib
import fcntl
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kashop.db import dialect, migrate
from kashop.lib.errors import Unavailable


def test_applied_once(tmp_path: Path) -> None:
    path = tmp_path / "kashop.db"
    assert migrate.apply(path) == [p.stem for p in migrate.scripts()]
    assert migrate.apply(path) == []
    con = sqlite3.connect(path)
    strict = con.execute("SELECT name FROM pragma_table_list WHERE type = 'table' AND strict = 0 AND schema = 'main'").fetchall()
    assert {name for (name,) in strict} <= {"sqlite_schema", "sqlite_sequence", "_sqlite_migrations"}
    con.close()


def applied_by_two(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What two that apply at once end with, each having looked before the other began to change."""
    both, looked = threading.Barrier(2), migrate.pending

    def pending(place: Path) -> list[str]:
        todo = looked(place)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(timeout=0.3)  # in vain, when only one is let in
        return todo

    monkeypatch.setattr(migrate, "pending", pending)

    def apply() -> object:
        try:
            return migrate.apply(path)
        except sqlite3.OperationalError as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        return [work.result() for work in [pool.submit(apply) for _ in range(2)]]


def test_of_two_at_once_one_applies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [p.stem for p in migrate.scripts()]
    assert sorted(applied_by_two(tmp_path / "kashop.db", monkeypatch), key=str) == [names, []]


def test_control_without_the_lock_two_get_into_each_others_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda fd, operation: None)
    ended = applied_by_two(tmp_path / "kashop.db", monkeypatch)
    assert any(isinstance(end, sqlite3.OperationalError) for end in ended), ended


def test_a_newer_shop_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kashop.db"
    migrate.apply(path)
    con = sqlite3.connect(path)
    con.execute("INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('kashop', '9999_future', '')")
    con.commit()
    con.close()
    with pytest.raises(Unavailable, match="9999_future"):
        migrate.apply(path)


def test_events_and_receipts_refuse_to_change(tmp_path: Path) -> None:
    path = tmp_path / "kashop.db"
    migrate.apply(path)
    con = sqlite3.connect(path)
    zero = bytes(32)
    con.execute(
        "INSERT INTO events VALUES (1, 1, 'a.b', 'x', '', '', '', 'o', 1, NULL, NULL, '', '{}', ?, ?)",
        (zero, zero),
    )
    for sql in ("UPDATE events SET reason = 'changed'", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            con.execute(sql)
    con.close()


def test_each_engine_gets_its_own_words() -> None:
    script = (
        "CREATE TABLE t (\n  id {pk},\n  b {bytes} NOT NULL\n);\n-- only: postgres\nCREATE FUNCTION f() AS $$\nBEGIN x; END $$;\n"
    )
    assert dialect.statements(script, "sqlite") == ["CREATE TABLE t (\n  id INTEGER PRIMARY KEY,\n  b BLOB NOT NULL\n) STRICT;"]
    table, function = dialect.statements(script, "postgres")
    assert "BYTEA" in table
    assert function.endswith("END $$;")
