"""`kashop stress` as a merchant runs it: a small crowd, a proof, a report, nothing left behind; and servers that lie."""

import asyncio
import json
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from kashop.shop import Shop
from tests.cast import add_epay, add_product, config
from tests.planting import planted
from tests.races.test_races import HOLD
from tests.serving import Served, command, environment, run

CROWD = ("--orders", "120", "--codes", "40", "--beside-server")

FORGETS = (
    "src/kashop/web/api/orders.py",
    "_shown(shop, told, placed.token, shapes.PlacedOrder, token=placed.token)",
    (
        "msgspec.structs.replace(_shown(shop, told, placed.token, shapes.PlacedOrder, token=placed.token), "
        'order_no="K" + placed.token[:20])'
    ),
)
"""Acknowledges a number under which nothing was written."""


@pytest.fixture
def furnished(data: Path) -> Path:
    """A shop that sells."""

    async def furnish() -> None:
        shop = await Shop.open(config(data), is_server=True)
        await add_product(shop, "steam-50", codes=3)
        await add_epay(shop)
        await shop.close()

    asyncio.run(furnish())
    return data


def stressed(data: Path, *more: str | Path, tree: Path | None = None) -> tuple[int, dict[str, Any], str]:
    done = run("stress", "--data", data, *CROWD, "--json", *more, tree=tree)
    told = done.stdout.decode()
    return done.returncode, json.loads(told) if told.startswith("{") else {}, done.stderr.decode()


def left_over(data: Path) -> list[str]:
    return [p.name for p in (*data.parent.iterdir(), *data.iterdir()) if "stress" in p.name]


def test_a_crowd_buys_all_that_there_is_and_it_is_proved(furnished: Path, tmp_path: Path) -> None:
    report = tmp_path / "out.html"
    code, told, complaint = stressed(furnished, "--report", report, "--paying", "100")
    assert (code, complaint) == (0, f"Report: {report}\n")
    assert told["ok"] is True
    figures = told["figures"]
    assert {name: figures[name] for name in ("sold", "sold_out", "refused", "unanswered", "oversold", "lost", "delivered")} == {
        "sold": 40,
        "sold_out": 80,
        "refused": 0,
        "unanswered": 0,
        "oversold": 0,
        "lost": 0,
        "delivered": 40,
    }
    assert told["codes"] == {"sold": 40}
    assert told["plan"]["at_once"] == 120
    assert told["writes"]["commits"] > 0
    assert told["memory_mib"]["peak"] >= told["memory_mib"]["before"] > 0
    assert [claim["ok"] for claim in told["claims"]] == [True] * 10
    assert report.stat().st_mode & 0o777 == 0o644
    assert "40" in report.read_text(encoding="utf-8")
    assert left_over(furnished) == []


def test_people_are_shown_a_curve_and_each_claim(furnished: Path) -> None:
    done = run("stress", "--data", furnished, *CROWD, "--no-report", "--connections", "30")
    said = done.stdout.decode()
    assert done.returncode == 0, said
    assert "(30 at the very same moment" in said
    assert "share of buyers" in said
    assert len(re.findall(r"^  ok      ", said, re.M)) == 10
    assert "Proved against the database" in said
    assert left_over(furnished) == []


@pytest.mark.parametrize(
    ("fault", "claims"),
    [(HOLD, {"oversold"}), (FORGETS, {"orders"})],
    ids=["one code to many", "acknowledged and not written"],
)
def test_a_server_that_lies_fails_the_proof(
    furnished: Path, tmp_path: Path, fault: tuple[str, str, str], claims: set[str]
) -> None:
    code, told, _ = stressed(furnished, "--no-report", tree=planted(tmp_path, fault))
    assert code == 1
    assert told["ok"] is False
    assert claims <= {claim["id"] for claim in told["claims"] if not claim["ok"]}
    assert left_over(furnished) == []


def test_it_does_not_disturb_a_shop_at_work_unless_told(furnished: Path) -> None:
    with Served(furnished) as served:
        done = run("stress", "--data", furnished, "--orders", "10", "--codes", "5", "--no-report")
        assert done.returncode == 1
        assert served.process is not None
        assert f"(process {served.process.pid})" in done.stderr.decode()
        assert "--beside-server" in done.stderr.decode()
    assert left_over(furnished) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_midway_it_leaves_nothing(furnished: Path, number: signal.Signals) -> None:
    arguments = ("stress", "--data", str(furnished), "--orders", "2000", "--codes", "500", "--beside-server", "--no-report")
    process = subprocess.Popen(command(None, *arguments), env=environment(None), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    server = server_of(furnished, process)
    process.send_signal(number)
    said, complaint = process.communicate(timeout=180)
    assert process.returncode == 1, (said, complaint)
    assert b"Traceback" not in complaint
    assert left_over(furnished) == []
    assert not Path(f"/proc/{server}").exists()


def server_of(data: Path, process: "subprocess.Popen[bytes]") -> int:
    """The process of the copy's server, once there is one."""
    for _ in range(1200):
        assert process.poll() is None, process.communicate()
        for lock in data.parent.glob(".kashop-stress-*/shop/kashop.lock"):
            lines = lock.read_text().split("\n") if lock.exists() else []
            if len(lines) > 1 and lines[1].startswith("http://127.0.0.1:") and not lines[1].endswith((":8000", ":0")):
                return int(lines[0])
        time.sleep(0.05)
    raise AssertionError("no server came up")


@pytest.mark.parametrize(
    ("more", "code", "complaint"),
    [
        (("--product", "nothing"), 1, "There is no product nothing"),
        (("--report", "/nowhere/x.html"), 1, "There is no folder /nowhere"),
        (("--orders", "0"), 2, "0 is not in the range"),
        (("--paying", "101"), 2, "101 is not in the range"),
        (("--codes", "many"), 2, "not a valid integer"),
        (("--folder", "/nowhere"), 2, "does not exist"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(furnished: Path, more: tuple[str, ...], code: int, complaint: str) -> None:
    done = run("stress", "--data", furnished, "--beside-server", *more)
    assert done.returncode == code
    assert complaint in " ".join(done.stderr.decode().replace("│", " ").split())
    assert b"Traceback" not in done.stderr
    assert left_over(furnished) == []


def test_no_shop_no_crowd(tmp_path: Path) -> None:
    done = run("stress", "--data", tmp_path / "none", "--beside-server")
    assert done.returncode == 1
    assert "There is no shop in" in done.stderr.decode()
