"""B02 and B04: what a guess costs the shop, and tells the guesser."""

import asyncio
import statistics
import threading
import time

from kashop.accounts import reads, writes
from kashop.lib.actor import CLI
from kashop.shop import Shop
from kashop.web.edge import Edge
from tests.accounts.counting import Counting
from tests.admin.desk import Desk
from tests.cast import OWNER, TestClock


async def times(shop: Shop, app: Edge, clock: TestClock, emails: list[str], rounds: int) -> dict[str, float]:
    """The median seconds of a failed log-in at each address, taken in turns so that the machine's moods hit all alike."""
    took: dict[str, list[float]] = {email: [] for email in emails}
    for n in range(rounds):
        for email in emails:
            begun = time.perf_counter()
            answer = await Desk(app, ip=f"198.51.100.{n}").log_in(email, "wrong one 123")
            took[email].append(time.perf_counter() - begun)
            assert answer.status_code == 403
        if staff := await shop.db.read(reads.find_by_email, emails[0]):
            await shop.db.write(writes.unlock, staff.staff_id, CLI)
        clock.pass_time(minutes=11)
    return {email: statistics.median(values) for email, values in took.items()}


async def ratio(shop: Shop, app: Edge, clock: TestClock, *, rounds: int = 15, tries: int = 4) -> float:
    """Known to unknown; the best of a few, since a difference that is really there shows in all of them."""
    found = []
    for _ in range(tries):
        known, unknown = (await times(shop, app, clock, [OWNER, "nobody@example.com"], rounds)).values()
        found.append(known / unknown)
        if abs(found[-1] - 1) <= 0.1:
            break
    return min(found, key=lambda r: abs(r - 1))


async def test_b02_unknown_and_wrong_take_the_same_time_within_a_tenth(shop: Shop, app: Edge, clock: TestClock) -> None:
    await times(shop, app, clock, [OWNER, "nobody@example.com"], 2)  # warm
    assert 0.9 <= await ratio(shop, app, clock) <= 1.1


async def test_b02_a_cheaper_nobody_would_be_seen(shop: Shop, app: Edge, clock: TestClock) -> None:
    """The control: with a hash of half the price for unknown addresses, the same measure fails."""
    shop.staff_passwords._nobody = shop.staff_passwords._nobody.replace("t=3", "t=2")
    assert not 0.9 <= await ratio(shop, app, clock, rounds=9, tries=2) <= 1.1


async def test_b04_fifty_at_once_are_hashed_two_at_a_time_and_the_loop_stays_free(app: Edge, counting: Counting) -> None:
    late: list[float] = []

    async def watch() -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(0.01)
            late.append(time.perf_counter() - begun - 0.01)

    watcher = asyncio.create_task(watch())
    desks = [Desk(app, ip=f"198.51.100.{n}") for n in range(50)]
    answers = await asyncio.gather(*(d.log_in(f"user{n}@example.com") for n, d in enumerate(desks)))
    watcher.cancel()
    assert {a.status_code for a in answers} == {403}
    assert (counting.total, counting.most) == (50, 2)  # 64 MiB each: 128 MiB, however many ask
    assert len([t for t in threading.enumerate() if t.name.startswith("argon2")]) <= 4  # two for staff, two for look-ups
    assert statistics.median(late) < 0.1  # on a loop that hashed, every look would be as late as a hash takes
