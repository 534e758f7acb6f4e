"""The database is three machines with Patroni (bench/cluster); its leader dies, or is cut off, in the middle of a burst.

What was acknowledged is there, what nobody could know has one effect when it is asked again, and the old leader follows. The
control takes synchronous replication away. A drill: it wants root, network namespaces and Debian's packages.
"""

import asyncio
import itertools
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from bench.cluster.cluster import Cluster, cluster, wait_for
from bench.cluster.machine import Machine, missing, own
from kashop.flows.found import Charter, found
from kashop.shop import Shop
from tests import beside
from tests.cast import OWNER, PASSWORD, add_epay, add_product, config, let_a_crowd_in
from tests.crash.traders import Book, ask_again, look_again, trade_on
from tests.serving import Served, kashop

pytestmark = [pytest.mark.drill, pytest.mark.skipif(bool(missing()), reason=missing() or "all there")]

CLIENTS = 10
"""At each of the two nodes."""

CODES = 40_000

QUIET = 4.0
"""Seconds of trade before the fault, and after writes go on."""


@pytest.fixture(scope="module")
def three() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


@pytest.fixture(scope="module")
def nodes(three: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Served]]:
    """One by HAProxy, one by the names of all three."""
    folder = tmp_path_factory.mktemp("nodes")
    first = folder / "one"
    first.mkdir()
    tell(first, three.by_proxy)
    asyncio.run(furnish(first))
    other = folder / "other"
    shutil.copytree(first, other)
    shutil.copy2(folder / "one.key", folder / "other.key")
    tell(other, three.by_hosts)
    with ExitStack() as stack:
        yield [stack.enter_context(Served(data)) for data in (first, other)]


@pytest.fixture(autouse=True)
def whole(three: Cluster) -> None:
    """What a test before left off is on again."""
    for name, machine in three.machines.items():
        three.network.join(name)
        if not machine.is_on:
            machine.start()


@pytest.fixture(scope="module")
def book() -> Book:
    """One for all, since all trade in one shop."""
    return Book()


def tell(data: Path, address: str) -> None:
    (data / "kashop.toml").write_text(f'database = "{address}"\n')


async def furnish(data: Path) -> None:
    await found(config(data), Charter(owner=OWNER, owner_password=PASSWORD, shop_name="测试小店", is_practice=True))
    shop = await Shop.open(config(data))
    await add_epay(shop)
    await let_a_crowd_in(shop)
    await add_product(shop, "steam-50", codes=CODES, hold_minutes=1440)
    await shop.close()


@dataclass
class Course:
    """What was seen round a fault."""

    book: Book
    began: float = 0.0
    began_at: float = 0.0
    before: list[str] = field(default_factory=list)
    pause: tuple[float, float] = (0.0, 0.0)

    def told(self, what: str) -> str:
        """For whoever runs the drill."""
        stopped, resumed = (at - self.began for at in self.pause)
        return (
            f"{what}: writes were acknowledged until {stopped:+.1f} s and again from {resumed:+.1f} s; {len(self.before)} orders "
            f"acknowledged before; in all {dict(self.book.acknowledged)}; told to ask again {dict(self.book.refused)}"
        )


def trade(nodes: list[Served], book: Book, fault: Callable[[], object] | None = None, *, until: float = 2) -> Course:
    """Trade at both nodes; with a fault, until writes went on after a pause of that many seconds; with 0 only until then."""
    return asyncio.run(_trade(nodes, book, fault, until))


async def _trade(nodes: list[Served], book: Book, fault: Callable[[], object] | None, until: float) -> Course:
    course, stops = Course(book), asyncio.get_running_loop().create_future()

    async def strike() -> None:
        try:
            await asyncio.sleep(QUIET)
            if fault is not None:
                course.before = [t.placed["order_no"] for t in book.trades if t.placed]
                course.began, course.began_at = time.monotonic(), time.time()
                await asyncio.to_thread(fault)
            if fault is not None and until:
                course.pause = await asyncio.to_thread(
                    wait_for, lambda: resumed(book, course.began, until), "write after the fault"
                )
                await asyncio.sleep(QUIET)
        finally:
            stops.set_result(None)

    await asyncio.gather(strike(), *(trade_on(node.port, book, CLIENTS, stops) for node in nodes))
    return course


def resumed(book: Book, began: float, least: float) -> tuple[float, float] | None:
    """The pause of writes that a fault made: between which two acknowledgements; None before it is over."""
    times = sorted(book.times)
    pauses = [(later - earlier, earlier, later) for earlier, later in itertools.pairwise(times) if later > began]
    longest = max(pauses, default=(0.0, 0.0, 0.0))
    return longest[1:] if longest[0] > least else None


def prove(three: Cluster, nodes: list[Served], course: Course) -> None:
    """Nothing acknowledged is lost, unknown outcomes come to one each, nothing is sold twice, and everything checks."""
    book = course.book
    kept = {no for (no,) in rows(three, "SELECT order_no FROM orders")}
    lost = {t.placed["order_no"] for t in book.trades if t.placed} - kept
    assert not lost, f"{len(lost)} acknowledged orders are gone, such as {min(lost)}"
    asyncio.run(look_again(nodes[0].port, book.trades))
    asyncio.run(ask_again(nodes[1].port, book))
    placed = [t for t in book.trades if t.placed]
    paid = [t for t in placed if t.is_paid]
    assert count(three, "SELECT COUNT(*) FROM orders") == len(placed)
    assert count(three, "SELECT COUNT(*) FROM receipts") == len(paid)
    assert count(three, "SELECT COUNT(*) FROM orders WHERE status = 'delivered'") == len(paid)
    assert count(three, "SELECT COUNT(*) FROM codes WHERE status = 'sold'") == sum(1 + t.number % 3 for t in paid)
    assert count(three, "SELECT COUNT(*) FROM codes WHERE status <> 'free'") == sum(1 + t.number % 3 for t in placed)
    codes = [code for t in book.trades for code in t.codes or ()]
    assert len(set(codes)) == len(codes)
    for node in nodes:
        node.check()
    print(f"    lost 0, sold twice 0, {unknown_outcomes(three, course)}; check --all is green by both addresses")


def answering(three: Cluster) -> str:
    """Who leads, once it is reached through HAProxy; empty before."""
    with suppress(psycopg.OperationalError):
        beside.rows(three.by_proxy, "SELECT 1")
        return three.leader()
    return ""


def rows(three: Cluster, sql: str) -> list[tuple[object, ...]]:
    """What is committed, asked again when HAProxy ends a connection: on a busy machine a check may come too late."""
    for _ in range(20):
        with suppress(psycopg.OperationalError):
            return beside.rows(three.by_proxy, sql)
        time.sleep(1)
    return beside.rows(three.by_proxy, sql)


def count(three: Cluster, sql: str) -> int:
    return int(str(rows(three, sql)[0][0]))


def unknown_outcomes(three: Cluster, course: Course) -> str:
    """How the orders of which nobody could know had ended: made at once, or by the second question."""
    made = {no: int(str(at)) for no, at in rows(three, "SELECT order_no, created_at FROM orders")}
    unknown = [t.placed["order_no"] for t in course.book.trades if t.was_unknown and t.placed]
    pause_ends = (course.began_at + course.pause[1] - course.began) * 1000 - 200
    first = sum(made[no] < pause_ends for no in unknown)
    return f"{len(unknown)} orders of unknown outcome: {first} had happened, {len(unknown) - first} were made when asked again"


def follow(three: Cluster, old: str) -> None:
    """The old leader is there again, a standby, and holds what the others hold."""
    leader = three.settled()
    assert leader != old
    wait_for(lambda: len({fingerprint(machine) for machine in three.machines.values()}) == 1, "same orders on all three")
    rewound = "running pg_rewind" in three.machines[old].told("patroni")
    print(f"    {leader} leads; {old} follows it{', rewound by pg_rewind' if rewound else ', without a rewind'}")


def fingerprint(machine: Machine, port: int = 5432) -> str:
    sql = "SELECT COUNT(*) || md5(string_agg(order_no || status, ',' ORDER BY order_id)) FROM orders"
    return machine.sql(sql, "kashop", port)


def test_the_leader_is_killed_with_all_that_runs_on_it(three: Cluster, nodes: list[Served], book: Book) -> None:
    old = three.settled()
    course = trade(nodes, book, three.machines[old].kill)
    print("\n" + course.told(f"{old} killed"))
    prove(three, nodes, course)
    three.machines[old].start()
    follow(three, old)
    prove(three, nodes, course)


def test_the_leader_is_cut_off_and_acknowledges_nothing(three: Cluster, nodes: list[Served], book: Book) -> None:
    old = three.settled()
    machine = three.machines[old]
    machine.sql("CREATE TABLE witness (n BIGINT PRIMARY KEY)")
    machine.leave_running("witness", "sh", "-c", WITNESS, "witness", str(machine.sockets))
    wait_for(lambda: "ok 3 " in machine.told("witness"), "witness")
    course = trade(nodes, book, lambda: three.network.cut(old))
    print("\n" + course.told(f"{old} cut off"))
    wait_for(lambda: "read-only" in machine.told("witness"), "old leader that steps down")
    said = [line.split() for line in machine.told("witness").splitlines() if line.startswith("ok ")]
    late = [at for _, _, at in said if float(at) > course.began_at + 1]
    assert not late, f"the old leader acknowledged {len(late)} changes after it was cut off"
    kept = three.machines[three.leader()].sql("SELECT n FROM witness").split()
    assert {n for _, n, _ in said} <= set(kept)
    print(f"    {len(said)} changes acknowledged on the old leader itself before, none after; then it stepped down")
    prove(three, nodes, course)
    three.network.join(old)
    follow(three, old)
    prove(three, nodes, course)


WITNESS = """n=0; while :; do n=$((n + 1))
psql -h "$1" -U postgres -XAtqc "INSERT INTO witness VALUES ($n)" && echo "ok $n $(date +%s.%N)"; sleep 0.1; done"""
"""Somebody who changes things on the leader itself, and goes on when it is cut off."""


def test_a_planned_change_of_the_leader_is_a_pause(three: Cluster, nodes: list[Served], book: Book) -> None:
    old = three.settled()
    machine = three.machines[old]

    def switch() -> None:
        (_, said) = three.ask(old, "/cluster")
        candidate = next(member["name"] for member in said["members"] if member["role"] == "sync_standby")
        machine.run(
            "patronictl", "-c", str(machine.folder / "patroni.yml.made"), "switchover", "--candidate", candidate, "--force"
        )

    course = trade(nodes, book, switch, until=0.5)
    print("\n" + course.told(f"{old} steps down by plan"))
    prove(three, nodes, course)
    follow(three, old)


def test_a_backup_is_restored_to_a_moment(three: Cluster, nodes: list[Served], book: Book) -> None:
    machine = three.machines[three.settled()]
    machine.run("pgbackrest", "--stanza=kashop", "--type=full", "backup")
    trade(nodes, book)
    moment, orders = machine.sql("SELECT now()"), fingerprint(machine)
    time.sleep(1)
    trade(nodes, book)
    assert fingerprint(machine) != orders
    machine.run("pgbackrest", "--stanza=kashop", "check")
    address = restore(three, machine, moment)
    assert fingerprint(machine, port=RESTORED) == orders
    check(address, nodes[0].data)
    dump = machine.folder / "kashop.dump"
    machine.run("pg_dump", "--format=custom", f"--file={dump}", "-h", str(machine.sockets), "kashop")
    machine.sql("DROP DATABASE kashop", port=RESTORED)
    whole = fingerprint(machine)
    machine.run("pg_restore", "--create", "--dbname=postgres", "-h", str(machine.sockets), "-p", str(RESTORED), str(dump))
    assert fingerprint(machine, port=RESTORED) == whole
    check(address, nodes[0].data)
    machine.run(CONTROL, "-D", str(machine.folder / "restored"), "stop")
    print(f"\nrestored by pgBackRest to {moment} and by pg_dump: the same orders, check --all is green for both")


RESTORED = 5499

CONTROL = "/usr/lib/postgresql/15/bin/pg_ctl"


def restore(three: Cluster, machine: Machine, moment: str) -> str:
    """Restore beside what runs, as the guide tells; the address of it."""
    place = machine.folder / "restored"
    place.mkdir()
    own(place)
    to = ["--type=time", f"--target={moment}", "--target-action=promote"]
    machine.run("pgbackrest", "--stanza=kashop", f"--pg1-path={place}", *to, "restore")
    given = f"-p {RESTORED} -c listen_addresses={machine.ip} -c hba_file={place}/pg_hba.conf -c ident_file={place}/pg_ident.conf"
    alone = "-c archive_mode=off -c synchronous_standby_names="
    machine.run(CONTROL, "-D", str(place), "-l", str(place / "log"), "-o", f"{given} {alone}", "start")
    wait_for(lambda: machine.sql("SELECT pg_is_in_recovery()", port=RESTORED) == "f", "end of the recovery")
    return three.by_host(f"{machine.ip}:{RESTORED}")


def check(address: str, data: Path) -> None:
    """`kashop check --all` of a shop that was restored."""
    kashop("check", "--all", "--data", data, KASHOP_DATABASE=address)


# from here on the book says more than there is
def test_control_without_synchronous_replication_acknowledged_orders_are_lost(
    three: Cluster, nodes: list[Served], book: Book
) -> None:
    old = three.settled()
    three.configure(synchronous_mode=False, maximum_lag_on_failover=1 << 40)  # or nobody would take over
    wait_for(lambda: three.machines[old].sql("SHOW synchronous_standby_names") == "", "leader that waits for nobody")

    def stop_sending() -> None:
        for pid in three.machines[old].sql("SELECT pid FROM pg_stat_replication").split():
            os.kill(int(pid), signal.SIGSTOP)
        time.sleep(QUIET)
        three.machines[old].kill()

    course = trade(nodes, book, stop_sending, until=0)
    leader = wait_for(lambda: three.leader() and answering(three), "leader that knows nothing of it")
    print(f"\n{old}, whose standbys were behind, killed; {leader} leads; {len(course.before)} orders acknowledged before")
    with pytest.raises(AssertionError, match="acknowledged orders are gone") as seen:
        prove(three, nodes, course)
    print(f"    {seen.value}")
    three.machines[old].start()
    follow(three, old)
    three.configure(synchronous_mode=True, maximum_lag_on_failover=1 << 20)
    three.settled()


def test_all_three_are_made_anew_from_the_backup(three: Cluster, nodes: list[Served], book: Book) -> None:
    """The order of things is the guide's."""
    machine = three.machines[three.settled()]
    shutil.rmtree(machine.folder / "restored", ignore_errors=True)
    machine.run("pgbackrest", "--stanza=kashop", "--type=full", "backup")
    trade(nodes, book)
    moment, orders = machine.sql("SELECT now()"), fingerprint(machine)
    time.sleep(1)
    machine.run("pgbackrest", "--stanza=kashop", "check")
    restore(three, machine, moment)
    machine.run(CONTROL, "-D", str(machine.folder / "restored"), "stop")
    for each in three.machines.values():
        each.kill()
        shutil.rmtree(each.data)
        shutil.rmtree(each.folder / "etcd")
    (machine.folder / "restored").rename(machine.data)
    for each in three.machines.values():
        each.start_etcd()
    machine.start_patroni()
    wait_for(lambda: three.leader() == machine.name, "leader on the restored machine")
    for each in three.machines.values():
        if each is not machine:
            each.start_patroni()
    assert three.settled() == machine.name
    assert fingerprint(machine) == orders
    trade(nodes, later := Book(numbers=itertools.count(10**6)))
    assert later.acknowledged["place"]
    for node in nodes:
        node.check()
    print("\nthree new machines from the backup: the same orders, and the shop goes on")
