"""Numbers for people and the randomness behind them: never the same twice, in no thread and in no child."""

import multiprocessing
from concurrent.futures import ThreadPoolExecutor

from kashop.lib import ids


def taken(count: int) -> list[bytes]:
    return [ids.random_bytes(16) for _ in range(count)]


def test_no_two_threads_are_given_the_same_bytes() -> None:
    with ThreadPoolExecutor(8) as threads:
        found = [one for some in threads.map(taken, [2000] * 8) for one in some]
    assert len(set(found)) == 16_000
    assert {len(one) for one in found} == {16}


def test_a_child_that_was_forked_has_its_own() -> None:
    ids.random_bytes(1)  # so that there is something to inherit
    with multiprocessing.get_context("fork").Pool(2) as children:
        found = [one for some in children.map(taken, [10, 10]) for one in some] + taken(10)
    assert len(set(found)) == 30


def test_more_than_is_fetched_at_once() -> None:
    assert len(ids.random_bytes(10_000)) == 10_000


def test_a_number_tells_its_day_and_nothing_else() -> None:
    made = {ids.number("K", 1_793_505_600_000 + n) for n in range(1000)}
    assert len(made) == 1000
    assert {(n[:7], len(n)) for n in made} == {("K261101", 21)}
    assert set("".join(n[7:] for n in made)) == set(ids.ALPHABET)
