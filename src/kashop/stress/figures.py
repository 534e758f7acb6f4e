"""The figures of a run, once: for the terminal, the JSON and the report alike."""

from typing import Any

import msgspec

from kashop.stress.crowd import percentile
from kashop.stress.run import Result


class Spread(msgspec.Struct, frozen=True):
    """Seconds that half, nine tenths, 99 of 100 and all did not exceed."""

    p50: float
    p90: float
    p99: float
    most: float
    count: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a run comes to. Rates are over the time until the last buyer had his answer."""

    sold: int
    sold_out: int
    refused: int
    unanswered: int
    oversold: int
    lost: int
    orders_per_second: float
    answers_per_second: float
    seconds: float
    wait: Spread
    answer: Spread
    callback: Spread
    page_before: Spread
    page_meanwhile: Spread
    delivered: int
    commits_per_second: float
    cpu_ms_per_answer: float


def of(result: Result) -> Figures:
    """The figures of a run."""
    tally, seconds = result.tally, max(result.tally.seconds, 0.001)
    sold = tally.ended("sold")
    answered = [b for b in tally.buyers if b.end]
    orders = result.books.orders
    return Figures(
        sold=len(sold),
        sold_out=len(tally.ended("sold_out")),
        refused=len(tally.ended("refused")),
        unanswered=len(tally.buyers) - len(answered),
        oversold=max(0, sum(b.placed is not None for b in sold) * result.sale.quantity - result.sale.codes),
        lost=sum(1 for b in sold if b.placed and b.placed.order_no not in orders)
        + sum(1 for b in sold if b.txn and b.txn not in result.books.payments),
        orders_per_second=len(sold) / max((b.waited for b in sold), default=seconds),
        answers_per_second=len(answered) / seconds,
        seconds=tally.seconds,
        wait=spread([b.waited for b in answered]),
        answer=spread(tally.latencies),
        callback=spread(tally.callbacks),
        page_before=spread(tally.quiet_pages),
        page_meanwhile=spread(tally.pages),
        delivered=sum(1 for kept in orders.values() if kept.status == "delivered"),
        commits_per_second=result.writes.commits / max(tally.paid_seconds, seconds),
        cpu_ms_per_answer=result.cpu_seconds * 1000 / max(1, len(tally.latencies) + len(tally.callbacks) + len(tally.pages)),
    )


def spread(seconds: list[float]) -> Spread:
    """How long they took."""
    p50, p90, p99 = (percentile(seconds, share) for share in (0.5, 0.9, 0.99))
    return Spread(p50, p90, p99, max(seconds, default=0.0), len(seconds))


def plain(result: Result) -> dict[str, Any]:
    """All of it as JSON has it."""
    told: dict[str, Any] = {
        "ok": result.is_proved,
        "claims": [{"id": c.id, "statement": c.statement, "ok": c.holds, "witness": c.witness or None} for c in result.claims],
        "figures": _rounded(msgspec.to_builtins(of(result))),
        "answers": dict(result.tally.answers),
        "callback_answers": dict(result.tally.callback_answers),
        "codes": result.books.codes,
        "memory_mib": _rounded(msgspec.to_builtins(result.memory)),
        "writes": msgspec.to_builtins(result.writes),
        "plan": {**msgspec.to_builtins(result.plan), "product": result.sale.product.slug, "at_once": result.tally.at_once},
        "machine": msgspec.to_builtins(result.machine),
        "notes": list(result.notes),
    }
    return told


def _rounded(told: Any) -> Any:
    if isinstance(told, dict):
        return {name: _rounded(value) for name, value in told.items()}
    return round(told, 4) if isinstance(told, float) else told
