"""P7: the same acts in a shop of 10,000 orders and in a larger one, each act's ratio by rounds (bench/scale.py times them)."""

import asyncio
from pathlib import Path

from bench import scale
from bench.figures import Figure
from bench.plan import Plan


def run(folder: Path, plan: Plan) -> list[Figure]:
    """One figure for each act. `python -m bench.scale --large 5000000` is the whole of it, and takes ten gigabytes."""
    small, large = scale.shops_in(folder, large=plan.large_orders)
    found = asyncio.run(scale.measure(small, large, rounds=plan.rounds))
    return [_figure(act, plan) for act in found]


def _figure(act: scale.Act, plan: Plan) -> Figure:
    name = f"{act.name}, {plan.large_orders:,} orders to {scale.SMALL:,}"
    figure = Figure("P7", name, scale.GOAL, unit="× small", is_upper=True)
    for small, large in zip(act.small, act.large, strict=True):
        figure.add(large / small, **{"shop us": large, "ceiling us": small})
    return figure
