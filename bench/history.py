"""Runs kept as JSON: figures with all their rounds, the commit, and the conditions that they hold under."""

import json
import os
import platform
import sqlite3
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.figures import Figure
from bench.plan import Pins, Plan

FORMAT = 1
PLACE = Path("build/bench")
SAME = ("cores", "python", "sqlite", "pins", "plan")
"""Two runs that differ in one of these are compared by ratios alone."""


@dataclass(frozen=True)
class Run:
    """One run as it was kept."""

    commit: str
    at: str
    conditions: dict[str, Any]
    figures: list[Figure]


def conditions(plan: Plan, pins: Pins, *, load_before: float, seconds: float, folder: Path) -> dict[str, Any]:
    """What the figures hold under."""
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "load_before": round(load_before, 2),
        "load_after": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.release()}",
        "sync_ms": sync_ms(folder),
        "pins": {"server": list(pins.server), "client": list(pins.client)} if pins.client else "free",
        "client": "one process of raw sockets on uvloop; a second one for the looks of P6 and P8",
        "seconds": round(seconds, 1),
        "plan": plan.told(),
    }


def sync_ms(folder: Path) -> float:
    """How long the disk takes to keep 4 KiB: the median of 50 fdatasyncs."""
    took = []
    with (folder / "sync").open("wb") as file:
        for _ in range(50):
            file.write(b"\0" * 4096)
            file.flush()
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - started)
    return round(sorted(took)[25] * 1000, 3)


def commit() -> str:
    """This tree's commit; with a plus when something in it was changed since."""
    try:
        named = _git("rev-parse", "--short=12", "HEAD")
        return named + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def keep(path: Path | None, figures: list[Figure], about: dict[str, Any]) -> Path:
    """Write a run down; where."""
    named = commit()
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    path = path or PLACE / f"{at.replace(':', '')}-{named}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {"format": FORMAT, "commit": named, "at": at, "conditions": about, "figures": [asdict(f) for f in figures]}
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read(path: Path) -> Run:
    """A run that was kept. Raises ValueError for what is none."""
    told = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise ValueError(f"{path} is no run of this bench")
    return Run(told["commit"], told["at"], told["conditions"], [Figure(**figure) for figure in told["figures"]])


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True, cwd=Path(__file__).parent)
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
