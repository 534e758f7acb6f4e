"""`kashop stress`: the flash crowd on a throw-away copy of this very shop, with a report to show."""

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rich_click as click
import uvloop

from kashop.cli import frame, show
from kashop.db import engine
from kashop.lib import logs
from kashop.lib.errors import Conflict, Invalid
from kashop.settings.config import Config
from kashop.shop import require
from kashop.stress import curve, figures, plan
from kashop.stress.figures import Figures, Spread
from kashop.stress.plan import Plan
from kashop.stress.run import Result, Tell, run

REPORT = Path("kashop-stress.html")

_STAGES = {
    "make": "Making the copy",
    "start": "Starting its server",
    "gather": "The crowd gathers",
    "rush": "Everybody at once",
    "prove": "Looking into the database",
}


@click.command()
@frame.shop_options
@click.option("--product", default="", metavar="NAME", help="The slug of a product or the code of a SKU; else the first on sale.")
@click.option(
    "--orders", "buyers", type=click.IntRange(1, plan.MOST_BUYERS), default=10_000, show_default=True, help="Buyers at once."
)
@click.option("--codes", type=click.IntRange(1, plan.MOST_BUYERS), default=1_000, show_default=True, help="Codes in stock.")
@click.option(
    "--connections",
    type=click.IntRange(1, plan.MOST_BUYERS),
    help="Open at the same time: one for each buyer unless told. The others follow as soon as one is done.",
)
@click.option("--paying", type=click.IntRange(0, 100), default=50, show_default=True, metavar="PERCENT", help="Buyers who pay.")
@click.option(
    "--seconds",
    type=click.IntRange(5, plan.MOST_SECONDS),
    default=180,
    show_default=True,
    help="When whoever still waits gives up.",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    default=REPORT,
    show_default=True,
    metavar="FILE",
    help="Where the report goes: one HTML file with everything in it.",
)
@click.option("--no-report", is_flag=True, help="Keep no report.")
@click.option("--no-plugins", is_flag=True, help="Copy none of the files in plugins/.")
@click.option(
    "--beside-server",
    is_flag=True,
    help="Although a shop is at work on this machine: with only the processor time that it leaves.",
)
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Where the copy is made.")
@click.pass_context
def stress(ctx: click.Context, /, *, data: Path, is_json: bool, report: Path, no_report: bool, **given: Any) -> None:
    """Let a crowd buy from a throw-away copy of this shop, and prove what came of it.

    The copy has this shop's settings, goods, prices, theme, plugins and gateway accounts; made-up codes, and no secret of the
    shop. It reaches nobody: no vendor, no mail, no webhook. Of a shop on PostgreSQL its rows are in a schema of their own in the
    same database, dropped at the end. Thousands of buyers come over real HTTP at one moment; afterwards
    every order and payment that was acknowledged is looked for in the copy's database. Exit 1 when the proof fails.

    It ends by itself, and nothing of it is left but the report. Ctrl-C ends it at once.

    Example: kashop stress --orders 10000 --codes 1000
    """
    config = frame.configured(data)
    logs.configure(config.log_format, "warning")
    keeps = None if no_report else report
    if keeps is not None and not keeps.absolute().parent.is_dir():
        raise Invalid.of("report", "There is no folder {folder}.", folder=keeps.absolute().parent)
    require(config)
    wanted, folder, notes = _prepared(config, **given)
    if not is_json:
        for note in notes:
            show.aside(note)
    with _told_to_stop(), _progress(is_shown=not is_json) as tell, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(run(config, wanted, folder, tell, notes))
    if is_json:
        show.as_json({**figures.plain(result), "report": str(keeps) if keeps else None})
    else:
        _print(result)
    if keeps is not None:
        _keep(result, keeps)
    if not result.is_proved:
        ctx.exit(1)


def _prepared(
    config: Config,
    *,
    product: str,
    buyers: int,
    codes: int,
    connections: int | None,
    paying: int,
    seconds: int,
    no_plugins: bool,
    beside_server: bool,
    folder: Path | None,
) -> tuple[Plan, Path, tuple[str, ...]]:
    """The plan that this machine can carry, where the copy goes, and what the merchant should know. Raises Refusals."""
    notes = _beside(config, may_be=beside_server)
    wanted = Plan(
        product=product,
        buyers=buyers,
        codes=codes,
        connections=connections or buyers,
        paying=paying / 100,
        seconds=seconds,
        with_plugins=not no_plugins,
        is_beside=bool(notes),
    )
    wanted, fewer = plan.fitted(wanted)
    notes += [fewer] if fewer else []
    where = (folder or plan.folder_for(config.data)).absolute()
    plan.check_disk(where, wanted)
    return wanted, where, tuple(notes)


def _beside(config: Config, *, may_be: bool) -> list[str]:
    """Who would wait for the crowd, in sentences. Raises Conflict unless there may be somebody."""
    notes: list[str] = []
    if found := plan.neighbours(config.data):
        if not may_be:
            raise Conflict(
                "{what} is at work on this machine (process {pid}): its buyers would wait. Stop it first, run this on another "
                "machine, or say --beside-server to take only the processor time that it leaves.",
                what=found[0].what,
                pid=found[0].pid,
            )
        plan.step_aside()
        notes.append(f"Beside {found[0].what} (process {found[0].pid}): the figures are those of what it leaves.")
    if config.database and (others := engine.postgres("postgres_apart").others(config.database)):
        if not may_be:
            raise Conflict(
                "{n} connections are open to this shop's database: the buyers of its servers would wait. Stop them first, or say "
                "--beside-server.",
                n=others,
            )
        notes.append("Beside whoever else is at work in the database, which serves both alike: expect both to be slower.")
    return notes


@contextlib.contextmanager
def _told_to_stop() -> Iterator[None]:
    """SIGTERM and a closed terminal end it as Ctrl-C does: everything is taken away first."""

    def stop(_number: int, _frame: object) -> None:
        signal.raise_signal(signal.SIGINT)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGHUP)}
    # a shell that starts a job in the background has it ignore SIGINT, and Python then leaves it so
    before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _progress(*, is_shown: bool) -> Iterator[Tell]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<26}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not is_shown or not console.is_terminal) as progress:
        tasks: dict[str, Any] = {}

        def tell(stage: str, done: int, of: int) -> None:
            if stage not in tasks:
                for earlier in tasks.values():
                    progress.update(
                        earlier, total=progress.tasks[earlier].total or 1, completed=progress.tasks[earlier].total or 1
                    )
                tasks[stage] = progress.add_task(_STAGES[stage], total=of or None)
            progress.update(tasks[stage], completed=done, total=of or None)

        yield tell


def _keep(result: Result, path: Path) -> None:
    from kashop.stress.report import html

    path.write_text(html(result, timezone=result.sale.timezone), encoding="utf-8")
    path.chmod(0o644)  # it is made to be shown, and holds nothing that may not be
    show.aside(f"Report: {path}")


def _print(result: Result) -> None:
    found, tally, sale = figures.of(result), result.tally, result.sale
    show.line(f"{result.plan.buyers:,} buyers at once for {sale.codes:,} codes of {sale.product.name}")
    if tally.at_once < result.plan.buyers:
        show.line(f"({tally.at_once:,} at the very same moment, the others as soon as one was done)")
    if sale.asked_for_work:
        show.line("(without the proof of work that the shop asks for: one machine cannot compute for a whole crowd)")
    show.line()
    for text in curve.terminal([b.waited for b in tally.buyers if b.end]):
        show.line(text)
    show.line(f"{'':>11}share of buyers, by how long they waited for the final answer")
    show.line()
    for name, value in _rows(result, found):
        show.line(f"  {name:<32}{value}")
    show.line()
    for what, count in tally.answers.most_common():
        show.line(f"  {count:>9,} × {what}")
    show.line()
    for claim in result.claims:
        show.line(f"  {'ok      ' if claim.holds else 'NOT SO  '}{claim.statement}")
        if not claim.holds:
            show.line(f"          {claim.witness}")
    show.line()
    if result.is_proved:
        show.line("Proved against the database: nothing oversold, nothing lost.")
    else:
        failed = sum(not claim.holds for claim in result.claims)
        show.aside(f"kashop: NOT PROVED: {failed} of {len(result.claims)} claims do not hold (above).")


def _rows(result: Result, found: Figures) -> Iterator[tuple[str, str]]:
    memory, writes = result.memory, result.writes
    yield (
        "orders taken",
        f"{found.sold:,} in {found.seconds:.1f} s, {found.orders_per_second:,.0f} a second while there were codes",
    )
    yield "sold out / refused / unanswered", f"{found.sold_out:,} / {found.refused:,} / {found.unanswered:,}"
    yield "oversold, lost", f"{found.oversold}, {found.lost}"
    named: tuple[tuple[str, Spread], ...] = (
        ("wait until the final answer", found.wait),
        ("a single answer", found.answer),
        ("payment callbacks", found.callback),
        ("product page, before", found.page_before),
        ("product page, meanwhile", found.page_meanwhile),
    )
    for name, spread in named:
        yield name, _spread(spread)
    yield "commits to the disk", f"{writes.commits:,} for {writes.changes:,} changes, {found.commits_per_second:,.0f} a second"
    yield "memory of the server", f"{memory.before:.0f} MiB before, {memory.peak:.0f} at most, {memory.after:.0f} after"
    yield "processor time of an answer", f"{found.cpu_ms_per_answer:.2f} ms"


def _spread(spread: Spread) -> str:
    if not spread.count:
        return "none"
    told: tuple[tuple[str, float], ...] = (("p50", spread.p50), ("p90", spread.p90), ("p99", spread.p99), ("most", spread.most))
    return "  ".join(f"{name} {_time(value)}" for name, value in told) + f"  ({spread.count:,})"


def _time(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"
