"""B02: what a guess costs the shop, and tells the guesser."""

import time

from kashop.accounts import reads, writes
from kashop.lib.actor import CLI
from kashop.shop import Shop
from kashop.web.edge import Edge
from tests.admin.desk import Desk
from tests.cast import OWNER, TestClock

NOBODY = "nobody@example.com"


async def ratio(shop: Shop, app: Edge, clock: TestClock, *, rounds: int) -> float:
    """What a failed log-in computes at a known address to what it does at an unknown one, in processor time: nothing in it waits.

    Each by its least of some rounds, since what else the machine does only adds; done once they are alike within a tenth."""
    took: dict[str, list[float]] = {OWNER: [], NOBODY: []}
    for n in range(rounds):
        for email, found in took.items():
            begun = time.process_time()
            answer = await Desk(app, ip=f"198.51.100.{n}").log_in(email, "wrong one 123")
            found.append(time.process_time() - begun)
            assert answer.status_code == 403
        staff = await shop.db.read(reads.find_by_email, OWNER)
        assert staff is not None
        await shop.db.write(writes.unlock, staff.staff_id, CLI)
        clock.pass_time(minutes=11)
        if n >= 4 and 0.9 <= min(took[OWNER]) / min(took[NOBODY]) <= 1.1:
            break
    return min(took[OWNER]) / min(took[NOBODY])


async def test_b02_unknown_and_wrong_take_the_same_time_within_a_tenth(shop: Shop, app: Edge, clock: TestClock) -> None:
    assert 0.9 <= await ratio(shop, app, clock, rounds=40) <= 1.1


async def test_b02_a_cheaper_nobody_would_be_seen(shop: Shop, app: Edge, clock: TestClock) -> None:
    """The control: with a hash of half the price for unknown addresses, the same measure fails."""
    shop.staff_passwords._nobody = shop.staff_passwords._nobody.replace("t=3", "t=2")
    assert not 0.9 <= await ratio(shop, app, clock, rounds=6) <= 1.1
