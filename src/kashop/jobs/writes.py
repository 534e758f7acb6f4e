"""Notes on runs: kept when a run did or broke something, and once in a while when there was nothing to do."""

from kashop.db import Tx


def note_run(tx: Tx, job: str, *, started_at: int, done: int, problem: str) -> None:
    """Keep how a run went."""
    sql = """INSERT INTO job_runs (job, started_at, ended_at, done, problem)
             VALUES (:job, :started_at, :now, :done, :problem)
             ON CONFLICT (job) DO UPDATE SET started_at = excluded.started_at, ended_at = excluded.ended_at,
               done = excluded.done, problem = excluded.problem"""
    tx.run(sql, job=job, started_at=started_at, now=tx.now, done=done, problem=problem[:500])
