"""The report: one HTML file that carries its style, its curves and both languages, and asks nobody for anything.

Always true: it loads nothing, runs no script, and holds no code, token, contact or path of the shop.
"""

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from kashop.stress import curve, figures
from kashop.stress.curve import number
from kashop.stress.figures import Figures, Spread
from kashop.stress.run import Result
from kashop.stress.words import both

_TEMPLATE = Path(__file__).with_name("report.html")

_KINDS = {
    "201": "order taken",
    "409 sold_out": "sold out",
    "503 busy": "come back in a moment",
    "429 too_many": "too many tries",
    "broken": "connection broke",
}


def html(result: Result, *, timezone: str) -> str:
    """The report of a run, first in the shop's language."""
    found = figures.of(result)
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        _=_,
        number=number,
        result=result,
        figures=found,
        is_chinese=result.sale.locale.startswith("zh"),
        product=_product(result),
        made=_when(result.began_at, timezone),
        claims=[(_(claim.statement), claim.witness) for claim in result.claims],
        rows=_rows(result, found),
        answers=[(_kind(what), n) for what, n in _answers(result)],
        conditions=_conditions(result),
        waits=Markup(curve.waits([b.waited for b in result.tally.buyers if b.end], (both("share of buyers"), both("seconds")))),  # noqa: S704 - figures and escaped words
        progress=Markup(_progress(result)),  # noqa: S704 - figures and escaped words
    )


def _(text: str, **params: object) -> Markup:
    """A text in both languages, of which the page shows one."""
    told = both(text, **params)
    return Markup('<span class="zh" lang="zh-Hans">{}</span><span class="en" lang="en">{}</span>').format(told["zh"], told["en"])


def _progress(result: Result) -> str:
    bought = [b.waited for b in result.tally.ended("sold")]
    others = [b.waited for b in result.tally.buyers if b.end and b.end != "sold"]
    return curve.progress(bought, others, max(result.tally.seconds, 0.001), (both("seconds"), both("Buyers")))


def _product(result: Result) -> str:
    name = result.sale.product.name
    return f"{name} · {result.sale.sku_name}" if result.sale.sku_name else name


def _when(seconds: float, timezone: str) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone(ZoneInfo(timezone)).strftime("%Y-%m-%d %H:%M %Z")


def _answers(result: Result) -> list[tuple[str, int]]:
    late = sum(not b.end for b in result.tally.buyers)
    return [*result.tally.answers.most_common(), *([("late", late)] if late else [])]


def _kind(what: str) -> Markup:
    if what == "late":
        return _("no answer in time")
    known = _KINDS.get(what) or ("come back in a moment" if what.startswith("503") else "")
    return Markup("{} <code>{}</code>").format(_(known), what) if known else Markup("<code>{}</code>").format(what)


def _rows(result: Result, found: Figures) -> list[tuple[Markup, Markup | str]]:
    writes, memory = result.writes, result.memory
    rows: list[tuple[Markup, Markup | str]] = [
        (_("Wait until the final answer"), _spread(found.wait)),
        (_("A single answer"), _spread(found.answer)),
        (_("Callbacks taken"), _spread(found.callback)),
        (_("Codes delivered to who paid"), number(found.delivered)),
        (_("Page of the product, before"), _spread(found.page_before)),
        (_("Page of the product, meanwhile"), _spread(found.page_meanwhile)),
        (
            _("Commits to the disk"),
            _(
                "{commits} for {changes} changes, {rate} a second",
                commits=number(writes.commits),
                changes=number(writes.changes),
                rate=number(round(found.commits_per_second)),
            ),
        ),
        (
            _("Memory of the server"),
            _(
                "before {before}, peak {peak}, after {after} MiB",
                before=round(memory.before),
                peak=round(memory.peak),
                after=round(memory.after),
            ),
        ),
        (_("Processor time of an answer"), f"{number(found.cpu_ms_per_answer)} ms"),
    ]
    return rows


def _spread(spread: Spread) -> Markup:
    if not spread.count:
        return _("none")
    told = ((f"p{n}", value) for n, value in ((50, spread.p50), (90, spread.p90), (99, spread.p99)))
    parts = [Markup('<span class="part"><i>{}</i> {}</span>').format(name, _time(value)) for name, value in told]
    parts.append(Markup('<span class="part"><i>{}</i> {}</span>').format(_("most"), _time(spread.most)))
    return Markup(" ").join(parts)


def _time(seconds: float) -> str:
    return f"{number(round(seconds, 2))} s" if seconds >= 1 else f"{number(round(seconds * 1000, 1))} ms"


def _conditions(result: Result) -> list[tuple[Markup, Markup | str]]:
    plan, machine, sale = result.plan, result.machine, result.sale
    at_once = Markup("{} · {} {}").format(number(plan.buyers), number(result.tally.at_once), _("at the very same moment"))
    stand = _(
        "{cores} cores, {memory} MiB, load {load} before",
        cores=machine.cores,
        memory=machine.memory_mib,
        load=machine.load_before,
    )
    if plan.is_beside:
        stand += Markup("<br>") + _("Beside a shop at work, with only the processor time that nobody else wanted")
    rows: list[tuple[Markup, Markup | str]] = []
    if sale.asked_for_work:
        rows.append((_("Proof of work before an order"), _("Off in the copy: one machine cannot compute for a whole crowd")))
    return [
        (_("Product"), _product(result)),
        (_("Buyers"), at_once),
        (_("Codes in stock"), number(sale.codes)),
        (_("Buyers who pay"), f"{plan.paying:.0%}"),
        *rows,
        (_("Machine"), Markup("{}<br>{}").format(machine.processor, stand)),
        (Markup("kashop"), f"{machine.kashop} · Python {machine.python} · {machine.database}"),
    ]
