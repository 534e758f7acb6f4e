"""`python -m bench.nodes [--quick]`: orders and callbacks on SQLite, on PostgreSQL with one node and with two, in groups and one
by one (P11).

All nodes stand throughout; each round drives the ways to run a shop in turn, A B C, then C B A: who is not driven idles. Each
answer is counted in the database; at the end more buyers than codes come to all nodes at once, and the shops are looked through
for a code sold twice, for a count that is off, and for a gap in the chain of events.
"""

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from itertools import count
from pathlib import Path

from bench import goods, history, sides
from bench.figures import Wrong
from bench.sides import Side
from kashop.db import Place
from kashop.lib import logs
from tests import beside

SCARCE, BUYERS = 200, 500
"""Codes of the last crowd's product, and who wants one."""

LEAST, MOST = 60, 2500
"""Requests of one drive."""

PATHS = ("order", "callback")

PAIRS = {
    "two nodes to one": ("PostgreSQL, 2 nodes", "PostgreSQL, 1 node"),
    "one node to SQLite": ("PostgreSQL, 1 node", "SQLite"),
    "two nodes to SQLite": ("PostgreSQL, 2 nodes", "SQLite"),
    "two nodes to one, one by one": ("PostgreSQL, 2 nodes, one by one", "PostgreSQL, 1 node, one by one"),
    "groups to one by one, 1 node": ("PostgreSQL, 1 node", "PostgreSQL, 1 node, one by one"),
    "groups to one by one, 2 nodes": ("PostgreSQL, 2 nodes", "PostgreSQL, 2 nodes, one by one"),
}

COLUMNS = {
    "a second": "per_second",
    "p50 ms": "p50_ms",
    "p95": "p95_ms",
    "p99": "p99_ms",
    "units a commit": "units_a_commit",
    "cpu us: nodes": "node_us",
    "database": "database_us",
    "client": "client_us",
    "wall us of a unit: turn": "turn_us",
    "work": "work_us",
    "COMMIT": "commit_us",
}

SOUND = {
    "lines without just their codes": """SELECT COUNT(*) FROM order_lines l
        WHERE (SELECT COUNT(*) FROM codes c WHERE c.line_id = l.line_id) <> l.quantity""",
    "counts that are off": """SELECT COUNT(*) FROM stock_counts k
        WHERE k.free <> (SELECT COUNT(*) FROM codes c
                         WHERE c.sku_id = k.sku_id AND c.pool_id = k.pool_id AND c.status = 'free')""",
    "gaps in the chain": "SELECT MAX(seq) - COUNT(*) FROM events",
    "links that are broken": "SELECT COUNT(*) FROM events e JOIN events b ON b.seq = e.seq - 1 WHERE e.prev_hash <> b.hash",
}


class Rounds:
    """Drives the sides, and counts."""

    def __init__(self, found: Sequence[Side], *, seconds: float, connections: int):
        self._sides, self._seconds, self._connections = found, seconds, connections
        self._salts = count()

    def warm(self) -> None:
        """See what each side is able to do, so that its drives take about as long as they are meant to."""
        for side in self._sides:
            self._turn(side, LEAST)
            self._turn(side, self._count(side) // 2)
            side.seen.clear()
        for place in {str(side.place) for side in self._sides if side.postmaster}:
            beside.change(place, "ANALYZE")  # as the server does by itself within a minute

    def round(self, number: int) -> None:
        """Every side once."""
        for side in self._sides if number % 2 == 0 else self._sides[::-1]:
            self._turn(side, self._count(side))

    def _count(self, side: Side) -> int:
        return max(LEAST, min(MOST, int(side.rate["order"] * self._seconds)))

    def _turn(self, side: Side, wanted: int) -> None:
        """Orders, then their payments, to whichever node: many are paid at another one than that which placed them."""
        salt, ports = f"n{next(self._salts)}x", [node.server.port for node in side.nodes]
        orders = [goods.orders(port, wanted // len(ports), salt=f"{salt}{n}") for n, port in enumerate(ports)]
        before = _counted(side.place)
        placed = side.drive("order", orders, self._connections, 201)
        random.Random(salt).shuffle(placed)
        paid = [goods.callbacks(port, placed[n :: len(ports)], salt=f"{salt}{n}p") for n, port in enumerate(ports)]
        side.drive("callback", paid, self._connections, 200)
        added = [now - then for now, then in zip(_counted(side.place), before, strict=True)]
        if added != [len(placed)] * 2:
            raise Wrong(f"{side.name}: of {len(placed)} orders acknowledged and paid, {added} are there and delivered")


def _counted(place: Place) -> tuple[int, int]:
    """Orders, and those delivered."""
    sql = "SELECT COUNT(*), COALESCE(SUM(CASE WHEN status = 'delivered' THEN 1 ELSE 0 END), 0) FROM orders"
    orders, delivered = beside.rows(place, sql)[0]
    return int(orders), int(delivered)


def storm(side: Side) -> None:
    """More buyers than codes, to all nodes at once: each code finds one. Raises Wrong."""
    ports, slug = [node.server.port for node in side.nodes], goods.crowd_slug(0)
    own = range(BUYERS // len(ports))
    requests = [[goods.order(port, f"storm{n}x{each}", sku=slug) for each in own] for n, port in enumerate(ports)]
    won = sum(outcome.statuses[201] for outcome in sides.driven(side.nodes, requests, 60))
    sql = """SELECT COUNT(DISTINCT c.line_id) FROM codes c JOIN skus s ON s.sku_id = c.sku_id
             WHERE s.sku_code = :slug AND c.status = 'held'"""
    held = beside.value(side.place, sql, slug=slug)
    if not won == held == SCARCE:
        raise Wrong(f"{side.name}: {won} buyers won, {held} lines hold one of {SCARCE} codes")


def refuse_unsound(place: Place) -> None:
    """Look a shop through. Raises Wrong."""
    found = {what: beside.value(place, sql) for what, sql in SOUND.items()}
    if any(found.values()):
        raise Wrong(f"{'SQLite' if isinstance(place, Path) else 'PostgreSQL'}: {found}")


def measure(folder: Path, *, rounds: int, seconds: float, connections: int) -> list[Side]:
    """All of it. Raises Wrong."""
    codes = int(MOST * seconds * (rounds + 1)) * 2
    with sides.served(folder, codes=codes, crowds=(SCARCE,)) as found:
        driving = Rounds(found, seconds=seconds, connections=connections)
        driving.warm()
        for number in range(rounds):
            driving.round(number)
        for side in (found[0], found[4]):
            storm(side)
            refuse_unsound(side.place)
    return found


def table(found: Sequence[Side]) -> str:
    """As Markdown: medians of the rounds, and the spread of the rate."""
    lines = []
    for path in PATHS:
        lines += ["", f"| {path} | {' | '.join(COLUMNS)} | spread |", f"|---|{'---:|' * (len(COLUMNS) + 1)}"]
        for side in found:
            medians = [statistics.median(getattr(each, name) for each in side.seen[path]) for name in COLUMNS.values()]
            rates = [each.per_second for each in side.seen[path]]
            cells = [*(f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in medians)]
            lines.append(f"| {side.name} | {' | '.join(cells)} | {min(rates):,.0f}–{max(rates):,.0f} |")
    return "\n".join(lines)


def ratios(found: Sequence[Side]) -> str:
    """What P11 asks: the median of each round's own ratio."""
    by_name, lines = {side.name: side for side in found}, []
    for name, (above, below) in PAIRS.items():
        each = {
            path: [a.per_second / b.per_second for a, b in zip(by_name[above].seen[path], by_name[below].seen[path], strict=True)]
            for path in PATHS
        }
        told = ", ".join(f"{path} {statistics.median(r):.2f} ({min(r):.2f}–{max(r):.2f})" for path, r in each.items())
        lines.append(f"- {name}: {told}")
    return "\n".join(lines)


def main() -> int:
    """Measure."""
    arguments = argparse.ArgumentParser(prog="python -m bench.nodes", description="Orders on both engines, on one node and two.")
    arguments.add_argument("--quick", action="store_true", help="two short rounds")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--seconds", type=float, default=0.8, help="of one drive")
    arguments.add_argument("--connections", type=int, default=100)
    arguments.add_argument("--json", type=Path, help="keep every round here")
    arguments.add_argument("--folder", type=Path, help="where the shops are made; its disk is what is measured")
    given = arguments.parse_args()
    rounds, seconds = (2, 0.3) if given.quick else (given.rounds, given.seconds)
    logs.configure("text", "warning")
    started, load = time.perf_counter(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="kashop-nodes-", dir=given.folder) as name:
        sync = history.sync_ms(Path(name))
        try:
            found = measure(Path(name), rounds=rounds, seconds=seconds, connections=given.connections)
        except Wrong as wrong:
            print(f"WRONG: {wrong}", file=sys.stderr)
            return 1
    took = f"{rounds} rounds of {seconds} s a drive, {time.perf_counter() - started:.0f} s in all"
    where = f"{os.cpu_count()} cores, load {load:.1f} before; 4 KiB kept in {sync} ms"
    print(f"{table(found)}\n\n{ratios(found)}\n\nCommit {history.commit()}: {took}; {where}.")
    if given.json:
        told = {side.name: {path: [asdict(each) for each in seen] for path, seen in side.seen.items()} for side in found}
        given.json.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
