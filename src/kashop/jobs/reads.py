"""Looks at the last runs."""

import msgspec

from kashop.db import Reader


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
