"""Repeated rows are found exactly, whatever the fingerprints share."""

import random
import tracemalloc
from hashlib import blake2b

import pytest

from kashop.inventory.stockfile.repeats import Repeats


def found(fingerprints: list[bytes], *, times: int = 1) -> list[bool]:
    repeats = Repeats()
    for fingerprint in fingerprints:
        repeats.note(fingerprint)
    repeats.settle()
    for _ in range(times - 1):
        [repeats.is_repeat(f) for f in fingerprints]
        repeats.restart()
    return [repeats.is_repeat(f) for f in fingerprints]


def plainly(fingerprints: list[bytes]) -> list[bool]:
    seen: set[bytes] = set()
    return [f in seen or bool(seen.add(f)) for f in fingerprints]


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("seed", range(8))
def test_the_same_as_a_set_of_them_all(seed: int, times: int) -> None:
    dice = random.Random(seed)
    pool = [dice.randbytes(32) for _ in range(300)]
    given = [dice.choice(pool) for _ in range(dice.randrange(600))]
    assert found(given, times=times) == plainly(given)


def test_codes_that_share_their_first_64_bits_are_told_apart() -> None:
    dice = random.Random(4)
    given = [dice.choice([b"\x07" * 8, b"\x09" * 8]) + bytes([dice.randrange(5)]) * 24 for _ in range(200)]
    assert found(given) == plainly(given)


def test_a_hundred_thousand_rows_take_little() -> None:
    given = [blake2b(b"%d" % n, digest_size=32).digest() for n in range(100_000)]
    tracemalloc.start()
    repeats = Repeats()
    for fingerprint in given:
        repeats.note(fingerprint)
    repeats.settle()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 * len(given)
