"""Notes on runs, kept when a run did or broke something, and once in a while when there was nothing to do; whose turn a job is;
which servers there are."""

from kashop.db import Tx
from kashop.jobs.rows import Node


def note_run(tx: Tx, job: str, *, started_at: int, done: int, problem: str) -> None:
    """Keep how a run went."""
    sql = """INSERT INTO job_runs (job, started_at, ended_at, done, problem)
             VALUES (:job, :started_at, :now, :done, :problem)
             ON CONFLICT (job) DO UPDATE SET started_at = excluded.started_at, ended_at = excluded.ended_at,
               done = excluded.done, problem = excluded.problem"""
    tx.run(sql, job=job, started_at=started_at, now=tx.now, done=done, problem=problem[:500])


def take_turn(tx: Tx, job: str, *, node: str, until: int) -> bool:
    """Have a job's turn until a moment, or for longer; whether nobody else has it."""
    sql = """INSERT INTO job_turns (job, node, until) VALUES (:job, :node, :until)
             ON CONFLICT (job) DO UPDATE SET node = excluded.node, until = excluded.until
             WHERE job_turns.node = excluded.node OR job_turns.until <= :now"""
    return tx.run(sql, job=job, node=node, until=until, now=tx.now) == 1


def give_back_turn(tx: Tx, job: str, *, node: str) -> None:
    """Let any node have it next."""
    tx.run("UPDATE job_turns SET until = 0 WHERE job = :job AND node = :node", job=job, node=node)


def note_node(tx: Tx, node: Node) -> None:
    """Keep that a node lives, and what it is at."""
    sql = """INSERT INTO nodes (node, name, version, newest, does, url, started_at, seen_at, is_leaving)
             VALUES (:node, :name, :version, :newest, :does, :url, :started_at, :now, :is_leaving)
             ON CONFLICT (node) DO UPDATE SET seen_at = excluded.seen_at, is_leaving = excluded.is_leaving"""
    tx.run(
        sql,
        node=node.node,
        name=node.name,
        version=node.version,
        newest=node.newest,
        does=node.does,
        url=node.url,
        started_at=node.started_at,
        now=tx.now,
        is_leaving=node.is_leaving,
    )


def forget_node(tx: Tx, node: str, *, dead_before: int) -> None:
    """Forget a node that ended well, and those that nobody has seen for long."""
    tx.run("DELETE FROM nodes WHERE node = :node OR seen_at < :dead_before", node=node, dead_before=dead_before)
