"""I-50: the same recorded history on SQLite and on PostgreSQL ends in the same canonical state.

A history is told to a shop in a file; what happened is recorded and told again to a copy of the same shop on a server, which is
held against the model as well. Then every row of every table must be the same, but for what is random: numbers are told by place.
"""

import asyncio
import json
import re
import shutil
from collections.abc import Callable, Coroutine, Iterable
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import Phase
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule, run_state_machine_as_test

from kashop.db import Place, examine
from kashop.flows import attempts, desk
from kashop.jobs import schedule
from kashop.plugins.kit.simulators.epay import EpaySimulator
from tests import beside
from tests.cast import config
from tests.conftest import NewShop
from tests.postgres import Shops
from tests.properties.acts import ACTS, LIKELY, WANTS
from tests.properties.machine import Histories
from tests.properties.shops import on_server
from tests.properties.test_histories import settings_for

pytestmark = pytest.mark.sqlite

T = TypeVar("T")

Row = dict[str, Any]
Tables = dict[str, list[Row]]

RANDOM = frozenset(
    {"sealed", "wrapped", "salt", "hash", "prev_hash", "personal_hash", "token_hash", "request_digest", "key_hash"}
)
"""Columns that are random, or a hash of what is."""

OWN = frozenset({"_sqlite_migrations", "kashop_migrations", "versions"})

NUMBERED = {"orders": ("order_no", "order_id"), "attempts": ("attempt_no", "attempt_id"), "refunds": ("refund_no", "refund_id")}
"""Random numbers for people, each with what it is counted by."""

OF_THE_MOMENT = r"sign=[0-9a-f]{32}|\bR?20\d{18}\b"
"""A signature over a number that is random, and the simulated vendor's own number, which counts on."""

PLURALS = {
    "batchs": "batches",
    "categorys": "categories",
    "personals": "event_personal",
    "exceptions": "order_exceptions",
    "lines": "order_lines",
    "notes": "order_exception_notes",
}
"""Tables that are not called by their key and an s."""


class Told:
    """Values as both engines tell them: keys and random numbers by their place. PostgreSQL leaves gaps between the keys that it
    gives, where a row was refused."""

    def __init__(self, tables: Tables):
        self.numbers = {
            str(row[column]): f"<{table} {count}>"
            for table, (column, key) in NUMBERED.items()
            for count, row in enumerate(sorted(tables[table], key=itemgetter(key)))
        }
        self.pattern = re.compile("|".join([*map(re.escape, self.numbers), OF_THE_MOMENT]))
        self.keys: dict[str, dict[int, int]] = {}
        for table, rows in tables.items():
            for key in (column for row in rows[:1] for column in row if column.endswith("_id")):
                if PLURALS.get(f"{key[:-3]}s", f"{key[:-3]}s") == table:
                    self.keys[key] = {found: count for count, found in enumerate(sorted(row[key] for row in rows))}

    def row(self, row: Row) -> tuple[Any, ...]:
        told = {column: row[column] for column in sorted(row.keys() - RANDOM)}
        if told.get("released_fingerprint"):  # of a code that was taken back: what is left then comes of its key
            told["fingerprint"] = None
        if "object_kind" in told:
            told["object_id"] = self.value(f"{told['object_kind']}_id", told["object_id"])
        return tuple(self.value(column, value) for column, value in told.items())

    def value(self, column: str, value: Any) -> Any:
        if column in self.keys and isinstance(value, int):
            return self.keys[column].get(value, value)
        if column == "cursor":  # of a rotation: the last code that it has seen to
            return self.value("code_id", value)
        if column in ("payload", "detail"):
            return {name: self.value(f"{name}_id", each) for name, each in json.loads(value).items()}.__repr__()
        if isinstance(value, list):
            return [self.value(f"{column[:-4]}_id", each) for each in value]  # codes_id: of codes
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        return self.pattern.sub(lambda found: self.numbers.get(found[0], "…"), value) if isinstance(value, str) else value


def canonical(place: Place) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, without what is random."""
    tables = beside.everything(place)
    told = Told(tables)
    return {table: sorted(map(told.row, rows), key=repr) for table, rows in tables.items() if table not in OWN}


class OneByOne(Histories):
    """What is to happen at once happens one after another: who is first is chance, and makes it another history. Invariants are
    for the end: `test_histories` looks at them after each step."""

    def every_invariant_holds(self) -> None:
        super().every_invariant_holds()

    def the_river_tells_only_allowed_moves(self) -> None:
        super().the_river_tells_only_allowed_moves()

    async def all_at_once(self, works: list[Coroutine[Any, Any, T]]) -> list[T]:
        return [await work for work in works]


Acts = list[tuple[str, dict[str, Any]]]


class Recorded(OneByOne):
    """Tells a history to a file, and at its end to a server."""

    def __init__(self, new_shop: NewShop, epay: EpaySimulator, twins: NewShop):
        super().__init__(new_shop, epay)
        self._twins = twins
        self._opened: dict[str, Any] = {}
        self.acts: Acts = []

    @initialize(keys=st.integers(2, 12), cards=st.integers(0, 9), gifts=st.integers(0, 3), first=st.lists(WANTS, max_size=3))
    def open(self, keys: int, cards: int, gifts: int, first: list[dict[str, int]]) -> None:
        self._opened = {"keys": keys, "cards": cards, "gifts": gifts, "first": first}
        super().open(**self._opened)

    @rule(choice=st.sampled_from(LIKELY), data=st.data())
    def live(self, choice: str, data: st.DataObject) -> None:
        act = ACTS[choice]
        if act.needs and not getattr(self, act.needs):
            choice, act = "place", ACTS["place"]
        self.let(choice, **data.draw(st.fixed_dictionaries(act.given), label=choice))

    def let(self, choice: str, **given: Any) -> None:
        """It happens, and is written down."""
        self.acts.append((choice, given))
        getattr(self, choice)(**given)

    def teardown(self) -> None:
        try:
            if self.shop is not None:
                self.tell_again(self.acts)
        finally:
            super().teardown()

    def tell_again(self, acts: Acts) -> None:
        """Tell it to a server, and compare what is there with what is in the file."""
        wanted = canonical(config(self.data).place)
        twin = OneByOne(self._twins, self.epay)
        try:
            twin.open(**self._opened)
            for choice, given in acts:
                getattr(twin, choice)(**given)
            twin.the_shop_is_as_the_model()
            twin.every_invariant_holds()
            twin.the_river_tells_only_allowed_moves()
            found = canonical(config(twin.data).place)
            assert found.keys() == wanted.keys()
            different = {
                t: (set(found[t]) - set(rows), set(rows) - set(found[t])) for t, rows in wanted.items() if found[t] != rows
            }
            assert not different, f"(only on the server, only in the file): {different}; told: {self._opened} {acts}"
        finally:
            twin.teardown()


@pytest.fixture(autouse=True)
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a job does at once ends in any order: here in that of the rows, so that it is the same history."""

    async def in_turn(works: Iterable[Coroutine[Any, Any, bool]]) -> int:
        return sum([await work is True for work in works])

    class InTurn:
        """asyncio, but one thing after another."""

        def __getattr__(self, name: str) -> Any:
            return getattr(asyncio, name)

        async def gather(self, *works: Coroutine[Any, Any, Any], **_how: Any) -> list[Any]:
            return [await work for work in works]

    monkeypatch.setattr(schedule, "_all", in_turn)
    for flow in (attempts, desk):
        monkeypatch.setattr(flow, "asyncio", InTurn())


@pytest.fixture
def twins(template: Path, postgres: Shops, like: str) -> NewShop:
    """Makes the shops that histories are told to again."""
    return on_server(postgres, template, like)


def tell(new_history: NewShop, epay: EpaySimulator, twins: NewShop, *, histories: int, steps: int, is_known: bool) -> None:
    phases = (Phase.explicit, Phase.generate)  # told twice, a history is too slow to be made shorter
    chosen = settings_for(histories, steps, derandomize=is_known, phases=phases)
    run_state_machine_as_test(lambda: Recorded(new_history, epay, twins), settings=chosen)


def test_i50_both_engines_end_alike(new_history: NewShop, epay: EpaySimulator, twins: NewShop) -> None:
    tell(new_history, epay, twins, histories=3, steps=30, is_known=True)


@pytest.mark.drill
def test_i50_both_engines_end_alike_many_times(new_history: NewShop, epay: EpaySimulator, twins: NewShop) -> None:
    tell(new_history, epay, twins, histories=100, steps=60, is_known=False)


PLANTED: dict[str, Callable[[Acts], Acts]] = {
    "a step less": lambda acts: acts[:-1],
    "a step more": lambda acts: [*acts, ("void", {"slug": "gift", "pick": 0})],
    "another order of two": lambda acts: [*acts[:-2], acts[-1], acts[-2]],
    "another amount": lambda acts: [(name, {**given, "share": "over"} if name == "pay" else given) for name, given in acts],
}


def test_control_another_history_is_seen(new_history: NewShop, epay: EpaySimulator, twins: NewShop) -> None:
    told = Recorded(new_history, epay, twins)
    told.open(keys=4, cards=2, gifts=0, first=[{"keys": 1}, {"cards": 1}])
    told.let("pay", pick=0, share="exact", times=4, other=False)
    told.let("import_codes", slug="gift", new=2, known=1, twice=1)
    told.let("pass_time", minutes=1)
    told.let("reveal", pick=0)
    told.let("cancel", pick=1)
    for planted in PLANTED.values():
        with pytest.raises(AssertionError, match="only on the server"):
            told.tell_again(planted(told.acts))
    told.teardown()


def test_control_a_row_that_is_another_is_seen(template: Path, postgres: Shops, like: str, tmp_path: Path) -> None:
    assert canonical(config(template).place) == canonical(postgres.address(like))
    beside.change(postgres.address(like), "UPDATE products SET name = 'another' WHERE product_id = 1")
    assert canonical(config(template).place) != canonical(postgres.address(like))
    assert examine.schema(postgres.address(like)) == ""
    shutil.rmtree(tmp_path, ignore_errors=True)
