"""`serve` and `demo` as processes: they answer, keep others out, let commands work beside them, and end cleanly."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests import beside
from tests.cast import config
from tests.cli.conftest import KASHOP, Program, Terminal, clean_environ

ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")


@contextmanager
def running(*args: str | Path, **env: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server and what it said when it was ready."""
    process = subprocess.Popen(
        [*KASHOP, *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environ(**env)
    )
    try:
        assert process.stdout is not None
        said, deadline = "", time.monotonic() + 120
        while "Ctrl-C ends" not in said:
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < deadline
            said += process.stdout.readline()
        yield process, said
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(60)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def address(said: str) -> str:
    found = ADDRESS.search(said)
    assert found is not None
    return found.group(0)


def test_a_server_at_work(data: Path, program: Program) -> None:
    terminal = Terminal(data)
    with running("serve", "--data", data, "--port", "0") as (process, said):
        base = address(said)
        assert httpx.get(f"{base}/healthz").text == "ok\n"
        second = program("serve", "--data", data, "--port", "0")
        assert (second.returncode, second.stdout) == (1, "")
        assert f"Another kashop server (process {process.pid}) already runs on {data}" in second.stderr
        taken = program("demo", "--data", data.with_name("demo"), "--port", base.rpartition(":")[2])
        assert taken.returncode == 1
        assert "Cannot listen on 127.0.0.1 port" in taken.stderr
        terminal.good("product", "add", "--slug", "beside", "--name", "旁边加的", "--price", "1")
        terminal.good("codes", "import", "-", "--product", "beside", stdin="X-1\nX-2\n")
        assert "旁边加的" in httpx.get(f"{base}/").text
        assert terminal.run("check", "--all").exit_code == 0
        assert f"runs as process {process.pid}" in terminal.run("doctor").stdout
        assert "already runs" in terminal.refused("migrate")
        environ = Path(f"/proc/{process.pid}/limits").read_text()
        assert re.search(r"Max core file size\s+0\s", environ)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert not (data / "kashop.db-wal").exists()
    assert terminal.run("check", "--all").exit_code == 0


def test_ctrl_c_while_a_request_hangs(data: Path) -> None:
    with running("serve", "--data", data, "--port", "0", KASHOP_LOG_FORMAT="json") as (process, said):
        port = int(address(said).rpartition(":")[2])
        with httpx.Client() as client:
            client.get(f"http://127.0.0.1:{port}/healthz")  # kept alive
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0


def test_only_the_jobs(data: Path) -> None:
    with running("serve", "--data", data, "--no-web") as (process, said):
        assert "The jobs of" in said
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            ran = {job for (job,) in beside.rows(config(data).place, "SELECT job FROM job_runs")}
            if {"expire_orders", "sweep_undelivered"} <= ran:
                break
            time.sleep(0.2)
        assert {"expire_orders", "sweep_undelivered"} <= ran
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_nothing_to_do_is_wrong_usage(terminal: Terminal) -> None:
    assert terminal.run("serve", "--no-web", "--no-jobs").exit_code == 2
    assert terminal.run("serve", "--port", "70000").exit_code == 2


def test_the_demo_shows_a_shop_to_practise_with(tmp_path: Path) -> None:
    demo = Terminal(tmp_path / "demo")
    with running("demo", "--data", demo.data, "--port", "0") as (process, said):
        base = address(said)
        page = httpx.get(f"{base}/").text
        assert "星屿币" in page
        (link,) = re.findall(r"http\S+token=\S+", said)
        with httpx.Client() as client:
            first = client.get(link)
            assert first.status_code in (200, 303)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert len({p["slug"] for p in demo.json("product", "list")}) == 7
    free = {p["sku"]: p["free"] for p in demo.json("product", "list")}
    assert free["cloud-box"] == 0
    assert free["star-coins"] > 0
    assert [g["name"] for g in demo.json("gateway", "list")] == ["practice", "practice-2"]
    assert demo.run("check", "--all").exit_code == 0
    again = demo.good("demo", "--data", demo.data, "--no-serve")
    assert "The practice shop is in" in again
    assert {p["sku"]: p["free"] for p in demo.json("product", "list")} == free


def test_the_demo_leaves_a_real_shop_alone(tmp_path: Path) -> None:
    real = Terminal(tmp_path / "real")
    real.good("init")
    assert "holds a real shop: choose another --data" in real.refused("demo", "--data", real.data, "--no-serve")
    assert real.json("product", "list") == []


def test_a_demo_that_was_interrupted_is_finished(tmp_path: Path) -> None:
    from kashop.db import migrate

    data = tmp_path / "half"
    data.mkdir()
    migrate.apply(data / "kashop.db")
    Terminal(data).good("demo", "--data", data, "--no-serve")
    assert len(Terminal(data).json("product", "list")) == 9


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_may_not_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "Permission denied" in Terminal(tmp_path / "x").refused("init")
