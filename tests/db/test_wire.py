"""The quick way to a PostgreSQL says what psycopg's cursors say: values, numbers of rows, and errors."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import errors

from kashop.db import dialect, postgres_wire
from kashop.db.postgres_units import adapt
from kashop.db.postgres_wire import Con
from tests.postgres import Shops


@pytest.fixture
def con(postgres: Shops) -> Iterator[Con]:
    name = postgres.make()
    with Con.connect(postgres.address(name), autocommit=True) as con:
        adapt(con)
        con.execute("CREATE TABLE things (thing_id BIGINT PRIMARY KEY, name TEXT UNIQUE, seal BYTEA, weight FLOAT8)")
        yield con
    postgres.drop(name)


def add(con: Con, thing_id: object, name: object = "x", seal: object = None, weight: object = None) -> int:
    sql = "INSERT INTO things (thing_id, name, seal, weight) VALUES (:thing_id, :name, :seal, :weight)"
    return con.wire.execute(sql, {"thing_id": thing_id, "name": name, "seal": seal, "weight": weight}).rowcount


@pytest.mark.parametrize(
    "value", [0, -1, 2**62, True, "", "卡密 50% :n '", "1", b"", b"\x00\xff", bytearray(b"ab"), None, 0.1, -1e300, float("inf")]
)
def test_a_value_comes_back_as_through_a_cursor(con: Con, value: object) -> None:
    sql = "SELECT :a AS value, :a AS again, CAST(SUM(1) AS BIGINT), SUM(3), SUM(0.5) WHERE :b = 5"
    cursor = con.execute(dialect.for_postgres(sql), {"a": value, "b": 5})
    expected = cursor.fetchone()
    assert expected is not None
    for _ in range(postgres_wire.OFTEN + 1):  # sent whole, then kept by the server
        answer = con.wire.execute(sql, {"a": value, "b": 5})
        found = answer.fetchone()
        assert answer.is_look
        assert [each[0] for each in answer.description] == [each[0] for each in cursor.description or ()]
        assert found == expected
        assert [type(each) for each in found or ()] == [type(each) for each in expected]


def test_rows_are_counted(con: Con) -> None:
    for n in range(postgres_wire.OFTEN * 2):
        assert add(con, n, f"n{n}", bytes([n]), n / 2) == 1
    assert con.wire.execute("UPDATE things SET name = name WHERE thing_id >= :least", {"least": 2}).rowcount == 4
    assert not con.wire.execute("DELETE FROM things WHERE thing_id = :n", {"n": 77}).rowcount
    assert len(list(con.wire.execute("SELECT name FROM things WHERE name LIKE 'N%'", {}))) == 6
    assert con.wire.execute("SELECT name FROM things WHERE thing_id = :n", {"n": 77}).fetchone() is None
    assert con.wire.execute("DELETE FROM things WHERE thing_id = :n RETURNING seal", {"n": 3}).fetchone() == (b"\x03",)


@pytest.mark.parametrize(
    ("error", "values"),
    [
        (errors.UniqueViolation, (1, "again")),
        (errors.NotNullViolation, (None, "nobody")),
        (errors.NumericValueOutOfRange, (2**63, "far")),
        (psycopg.DataError, (2, "a\x00b")),
        (psycopg.ProgrammingError, (2, object())),
        (UnicodeEncodeError, (2, "\ud800")),
    ],
)
def test_what_a_cursor_refuses_is_refused_alike(con: Con, error: type[Exception], values: tuple[object, object]) -> None:
    add(con, 1)
    with pytest.raises(error):
        add(con, *values)
    assert add(con, 5, "and it goes on") == 1


def test_a_lost_connection_is_told_as_that_each_time(con: Con, postgres: Shops) -> None:
    with psycopg.connect(postgres.address("postgres"), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (con.info.backend_pid,))
    for _ in range(3):
        with pytest.raises(psycopg.OperationalError):
            add(con, 1)
        with pytest.raises(psycopg.OperationalError):
            con.wire.command(b"ROLLBACK")
    assert con.broken


def test_statements_are_kept_up_to_a_bound(con: Con, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_wire, "MOST_KEPT", 2)
    for n in range(5):
        for _ in range(postgres_wire.OFTEN + 2):
            assert con.wire.execute(f"SELECT :n + {n}", {"n": 1}).fetchone() == (n + 1,)
    assert con.execute("SELECT COUNT(*) FROM pg_prepared_statements WHERE name LIKE 'kashop%'").fetchone() == (2,)
