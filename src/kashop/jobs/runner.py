"""Runs the schedule beside the web, on the same loop."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from kashop.db.queue import Work, doing
from kashop.jobs import turns, writes
from kashop.jobs.schedule import SCHEDULE, Job
from kashop.lib.clock import MINUTE
from kashop.lib.errors import Refusal, Unavailable
from kashop.shop import Shop

NOTE_EVERY = 5 * MINUTE
LONGEST_END = 5
"""Seconds that a job may take to end once it is told to."""


class Runner:
    """Rings each job's bell; a job that is still at work is not started again."""

    def __init__(self, shop: Shop, *, with_jobs: bool = True):
        self._shop = shop
        self._jobs = [job for job in SCHEDULE if with_jobs or job.is_everywhere]
        self._noted: dict[str, int] = {}
        self._first: asyncio.Task[None] | None = None
        self._at_work: dict[str, asyncio.Task[None] | None] = {}
        self.node = turns.node_name(shop.config.node)
        self._bell = AsyncIOScheduler(
            timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        self.last_run: dict[str, int] = {}
        """When each job last ended well here, or was seen in another node's hands; milliseconds UTC."""

    def start(self) -> None:
        """Begin; every job runs once at once."""
        for job in self._jobs:
            self._bell.add_job(self._work(job), "interval", seconds=job.every, id=job.name, name=job.name)
        self._bell.start()
        self._first = asyncio.create_task(self._run_all())

    async def stop(self) -> None:
        """End what is at work, and wait until each has given its turn back: another node goes on at once then."""
        if self._first is None:
            return
        self._bell.pause()
        ending = {self._first, *(task for task in self._at_work.values() if task)}
        for task in ending:
            task.cancel()
        await asyncio.wait(ending, timeout=LONGEST_END)
        self._bell.shutdown(wait=False)

    def _work(self, job: Job) -> Callable[[], Awaitable[None]]:
        async def work() -> None:
            await self.run(job)

        return work

    async def _run_all(self) -> None:
        for job in self._jobs:
            await self.run(job)

    async def run(self, job: Job) -> None:
        """Run one job now and note how it went, unless it is at work."""
        if job.name in self._at_work:
            return
        self._at_work[job.name] = asyncio.current_task()
        try:
            with doing(Work.BACKGROUND):
                await self._run(job)
        finally:
            del self._at_work[job.name]

    async def _run(self, job: Job) -> None:
        shop, started_at, problem, done, is_ours = self._shop, self._shop.clock.now(), "", 0, False
        try:
            async with turns.turn(shop, job.name, self.node) if not job.is_everywhere else nullcontext(True) as is_ours:
                if is_ours:
                    done = await job.work(shop)
            self.last_run[job.name] = shop.clock.now()
        except Refusal as refusal:
            problem = refusal.text()
            shop.log.warning("job refused", job=job.name, problem=problem)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
            shop.log.exception("job failed", job=job.name)
        if not is_ours and not problem:
            return
        if done or problem or started_at >= self._noted.get(job.name, 0) + NOTE_EVERY:
            self._noted[job.name] = started_at
            try:
                await shop.db.write(writes.note_run, job.name, started_at=started_at, done=done, problem=problem)
            except Unavailable as unavailable:
                shop.log.error("a job's run could not be noted", job=job.name, problem=unavailable.text())
