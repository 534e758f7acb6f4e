"""Looks at the last runs, and at who is there to do them."""

import msgspec

from kashop.db import Reader
from kashop.jobs.rows import Node


class JobRun(msgspec.Struct, frozen=True):
    """A job's last run; `ended_at` is None while it runs, or when it died."""

    job: str
    started_at: int
    ended_at: int | None
    done: int
    problem: str


def last_runs(db: Reader) -> list[JobRun]:
    """Every job that ever ran."""
    return db.all("SELECT job, started_at, ended_at, done, problem FROM job_runs ORDER BY job", JobRun)


def nodes(db: Reader) -> list[Node]:
    """Every server that is there, or ended without a word lately; none where there is only one."""
    sql = """SELECT node, name, version, newest, does, url, started_at, seen_at, is_leaving FROM nodes
             ORDER BY name, started_at, node"""
    return db.all(sql, Node)
