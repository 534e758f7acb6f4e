"""A merchant at the terminal: commands in this process, which is quick, and as programs of their own, which is true."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kashop.cli.root import kashop as root

KASHOP = [sys.executable, "-m", "kashop.cli"]


class Terminal:
    """Runs commands on one data directory. Nothing but a clean exit is allowed to come of any of them."""

    def __init__(self, data: Path):
        self.data = data

    def run(self, *args: str | Path, stdin: bytes | str | None = None, env: dict[str, str] | None = None) -> Result:
        result = CliRunner(env={"KASHOP_DATA": str(self.data), **(env or {})}).invoke(root, [str(a) for a in args], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def good(self, *args: str | Path, **more: Any) -> str:
        """What a command says that must do its work."""
        result = self.run(*args, **more)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *args: str | Path, **more: Any) -> Any:
        return json.loads(self.good(*args, "--json", **more))

    def refused(self, *args: str | Path, **more: Any) -> str:
        """The one line in which a command says no."""
        result = self.run(*args, **more)
        assert result.exit_code == 1, result.output
        assert result.stdout == ""
        assert result.stderr.startswith("kashop: "), result.stderr
        assert result.stderr.count("\n") == 1, result.stderr
        return result.stderr


@pytest.fixture
def terminal(data: Path) -> Terminal:
    return Terminal(data)


Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """`kashop …` as a process of its own, in an empty directory with a clean environment."""

    def run(*args: str | Path, stdin: str | None = None, **env: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*KASHOP, *map(str, args)],
            cwd=tmp_path,
            env=clean_environ(**env),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=180,
        )

    return run


def clean_environ(**env: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**kept, "PYTHONUTF8": "1", **env}
