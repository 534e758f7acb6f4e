"""`python -m bench.abreast`: should nodes write in turns, or beside each other? The order's unit on PostgreSQL, without HTTP.

Three ways, by one node and by two, for one hot SKU and for a hundred (docs/decisions/0044):
`turns` is the shop; `batched` are turns whose events are written at a group's end, all in two statements; `rows` has no turn:
codes by SKIP LOCKED, a part of the counts for each node, a lock for each buyer, and the chain's end locked for the events at the
group's end. `rows` is an experiment and no shop: nobody has looked at what else rests on the turn.
"""

import argparse
import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg

from bench import goods, writer
from bench.figures import Wrong
from bench.sides import DURABLE
from kashop.audit import reads as audit
from kashop.audit import rules
from kashop.db import Tx, postgres
from kashop.flows import checkout, pressure
from kashop.inventory import writes as inventory
from kashop.lib import ids, logs
from kashop.lib.actor import Actor
from kashop.orders import writes as orders
from kashop.payments import writes as payments
from kashop.settings.config import load
from kashop.shop import Shop
from tests import beside
from tests.postgres import Shops, server

WAYS = ("turns", "batched", "rows")
SKUS = 100
WARM = 150
"""Orders before those that count: a session's first statements are dear."""

CHUNK = 32
"""Rows of one INSERT at a group's end."""

EVENT = (
    *("seq", "at", "name", "actor_kind", "actor_ref", "session", "request_id", "object_kind", "object_id"),
    *("personal_id", "personal_hash", "reason", "payload", "prev_hash", "hash"),
)


def go(way: str, node: int) -> None:
    """Make this process write in one of the ways."""
    if way == "turns":
        return
    orders.record = payments.record = _remember  # type: ignore[attr-defined]
    if way == "rows":
        postgres.TURN = b"BEGIN"
        inventory.count_held = lambda tx, **taken: _count_part(tx, node, **taken)  # type: ignore[assignment]
        check = pressure.check

        def checked(tx: Tx, admitted: pressure.Admitted) -> None:
            tx.value("SELECT pg_advisory_xact_lock(CAST(:who AS BIGINT))", who=hash(admitted.who.contact) % 2**62)
            check(tx, admitted)

        pressure.check = checked


def _remember(tx: Tx, name: str, actor: Actor, subject: tuple[str, int], /, **payload: Any) -> int:
    tx.kept.setdefault("river", []).append((tx.now, name, actor, subject, payload))
    return 0


def _count_part(tx: Tx, node: int, *, sku_id: int, pool_id: int, quantity: int) -> None:
    sql = "UPDATE stock_parts SET held = held + :quantity WHERE sku_id = :sku_id AND pool_id = :pool_id AND part = :part"
    tx.run(sql, sku_id=sku_id, pool_id=pool_id, quantity=quantity, part=node)


def flow_on(way: str, tx: Any) -> None:
    """Write what a group remembered into the chain."""
    river = tx.kept.pop("river", [])
    if way == "rows":
        tx.value("SELECT version FROM versions WHERE name = 'writer' FOR UPDATE")
    last, rows, personal = audit.head(tx), [], []
    for _now, _name, actor, _subject, _payload in river:
        value = json.dumps({"ip": actor.ip})
        personal.append({"salt": ids.random_bytes(16), "value": value})
    keys = _insert(tx, "event_personal", ["salt", "value"], personal, "RETURNING personal_id")
    for (now, name, actor, subject, payload), kept, key in zip(river, personal, keys, strict=True):
        seq, told = last.seq + 1, json.dumps(payload)
        whose = (actor.kind, actor.ref, actor.session, actor.request_id)
        bound = rules.commitment(kept["salt"], kept["value"])
        link = rules.hashed(last.hash, seq, now, name, *whose, *subject, bound.hex(), "", told)
        values = (seq, now, name, *whose, *subject, key, bound, "", told, last.hash, link)
        rows.append(dict(zip(EVENT, values, strict=True)))
        last = audit.Head(seq, link)
    _insert(tx, "events", EVENT, rows, "")


def _insert(tx: Any, table: str, columns: Sequence[str], rows: list[dict[str, Any]], ending: str) -> list[Any]:
    keys: list[Any] = []
    for first in range(0, len(rows), CHUNK):
        part = rows[first : first + CHUNK]
        places = ", ".join(f"({', '.join(f':{name}_{n}' for name in columns)})" for n in range(len(part)))
        sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES {places} {ending}"
        keys += tx.values(sql, **{f"{name}_{n}": row[name] for n, row in enumerate(part) for name in columns})
    return keys


async def work(data: Path, way: str, node: int, count: int, skus: int, salt: str) -> float:
    """Be one node: have all orders ready, say so, wait for the start, write."""
    shop = await Shop.open(load(data, {}))
    try:
        if way != "turns":
            shop.db.watch(lambda db: flow_on(way, db), lambda _: None)
        shop.db = gate = writer.Gate(shop.db)  # type: ignore[assignment]
        for first, last in ((0, WARM), (WARM, WARM + count)):
            keys = [(goods.crowd_slug(n % skus), f"{salt}{node}x{n:012}") for n in range(first, last)]
            flows = [asyncio.create_task(_placed(shop, slug, key)) for slug, key in keys]
            if not first:
                await gate.let_through(flows)
        gate.seconds = 0.0
        while len(gate.held) < count:  # noqa: ASYNC110 - they come one by one
            await asyncio.sleep(0.001)
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await gate.let_through(flows)
        for flow in flows:
            flow.result()
        return gate.seconds
    finally:
        await shop.close()


async def _placed(shop: Shop, slug: str, key: str) -> None:
    wish = checkout.Checkout(
        lines=(checkout.Want(slug, 1),),
        contact_type="email",
        contact=f"{key}@example.com",
        gateway=goods.GATEWAY,
        method="alipay",
        expected_minor=1250,
        channel="api",
    )
    await checkout.place(shop, wish, Actor("buyer", ip=goods.address(key), request_id="bench"), key=f"key of the order {key}")


def measured(data: Path, way: str, nodes: int, skus: int, count: int, salt: str) -> float:
    """Orders a second: all nodes' orders by the time of the slowest."""
    beside.change(str(load(data, {}).place), "ANALYZE")  # as the server does by itself within a minute
    command = [sys.executable, "-m", "bench.abreast", "--data", str(data), "--way", way, "--skus", str(skus), "--salt", salt]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    each = [subprocess.Popen([*command, "--node", str(node), "--count", str(count // nodes)], **pipes) for node in range(nodes)]
    for process in each:
        if process.stdout.readline() != "ready\n":
            raise Wrong(f"a node did not start: {process.communicate()}")
    for process in each:
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [json.loads(process.communicate()[0]) for process in each]
    return count / max(told)


@contextlib.contextmanager
def a_shop(codes: int) -> Iterator[tuple[Path, str]]:
    """A shop on a durable server, with a hundred products; one of them has stock for a crowd."""
    with tempfile.TemporaryDirectory(prefix="kashop-abreast-") as name, server(DURABLE) as conninfo:
        shops, data = Shops(conninfo), Path(name) / "shop"
        data.mkdir()
        shops.let(data, shops.make())
        asyncio.run(goods.make_shop(load(data, {}), codes=1, crowds=[codes, *[codes // SKUS + 50] * (SKUS - 1)]))
        place = str(load(data, {}).place)
        with psycopg.connect(place, autocommit=True) as con:
            columns = "sku_id BIGINT, pool_id BIGINT, part BIGINT, held BIGINT, PRIMARY KEY (sku_id, pool_id, part)"
            con.execute(f"CREATE TABLE stock_parts ({columns})".encode())
            con.execute("INSERT INTO stock_parts SELECT sku_id, pool_id, part, 0 FROM stock_counts, generate_series(0, 3) part")
        yield data, place


def main() -> None:
    """Measure, or be a node that is measured."""
    arguments = argparse.ArgumentParser(prog="python -m bench.abreast")
    arguments.add_argument("--rounds", type=int, default=1)
    arguments.add_argument("--count", type=int, default=600, help="orders of one drive")
    arguments.add_argument("--keep", type=Path, help="add the rounds to those of earlier runs that are kept here")
    for name in ("--data", "--way", "--salt"):
        arguments.add_argument(name, help=argparse.SUPPRESS)
    for name in ("--node", "--skus"):
        arguments.add_argument(name, type=int, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    logs.configure("text", "warning")
    if given.data:
        go(given.way, given.node)
        told = asyncio.run(work(Path(given.data), given.way, given.node, given.count, given.skus, given.salt))
        print(json.dumps(told))
        return
    found: dict[str, list[float]] = json.loads(given.keep.read_text()) if given.keep and given.keep.exists() else {}
    with a_shop((given.count + 2 * WARM) * 6 * given.rounds) as (data, place):
        for number in range(given.rounds):
            sides = [(skus, way, nodes) for skus in (1, SKUS) for way in WAYS for nodes in (1, 2)]
            for skus, way, nodes in sides if number % 2 == 0 else sides[::-1]:
                rate = measured(data, way, nodes, skus, given.count, f"r{number}s{skus}{way}{nodes}")
                found.setdefault(f"{skus} {way} {nodes}", []).append(rate)
        sql = "SELECT COUNT(*) - COUNT(DISTINCT line_id) FROM codes WHERE line_id IS NOT NULL"
        doubled = beside.value(place, sql)
        gaps = beside.value(place, "SELECT MAX(seq) - COUNT(*) FROM events")
    if given.keep:
        given.keep.write_text(json.dumps(found))
    print("| SKUs | way | 1 node | 2 nodes | 2 to 1 |\n|---|---|---:|---:|---:|")
    for skus in (1, SKUS):
        for way in WAYS:
            one, two = (found[f"{skus} {way} {nodes}"] for nodes in (1, 2))
            ratio = statistics.median(b / a for a, b in zip(one, two, strict=True))
            cells = [f"{statistics.median(each):,.0f}/s ({min(each):,.0f}–{max(each):,.0f})" for each in (one, two)]
            print(f"| {skus} | {way} | {cells[0]} | {cells[1]} | {ratio:.2f} |")
    print(f"\nlines with two codes: {doubled}; gaps in the chain: {gaps}")


if __name__ == "__main__":
    main()
