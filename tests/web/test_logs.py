"""What the log may hold."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

import kashop
from kashop.lib import logs


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_traceback_shows_code_and_no_value(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    before, handlers = structlog.get_config(), logging.getLogger().handlers[:]
    canary = "-".join(("CAN", "ARY"))  # not as one word in this file, whose lines a traceback does show
    logs.configure(log_format, "info")
    try:
        _fail(canary)
    except RuntimeError:
        structlog.get_logger("test").exception("it broke", order="K1", api_key=canary, url=f"/o/K1?k={canary}")
    finally:
        structlog.configure(**before)
        logging.getLogger().handlers[:] = handlers
    said = capsys.readouterr().err
    assert "it broke" in said
    assert "K1" in said
    assert "_fail" in said  # the traceback is there
    assert canary not in said
    if log_format == "json":
        assert json.loads(said.splitlines()[0])["event"] == "it broke"


SAID = """
from kashop.lib import logs
log = logs.get_logger("test")
def fail(code):
    raise RuntimeError(f"{len(code)} signs")
try:
    fail("CAN" + "ARY")
except RuntimeError:
    log.exception("it broke", api_key="CAN" + "ARY")
"""


@pytest.mark.parametrize("is_ours", [True, False], ids=["ours", "control"])
def test_a_process_that_sets_no_log_up_is_as_careful(is_ours: bool) -> None:
    """The control asks structlog itself, as our modules once did."""
    said = SAID if is_ours else SAID.replace("from kashop.lib import logs", "import structlog as logs")
    told = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, timeout=60)
    shown = told.stdout + told.stderr
    assert "it broke" in shown
    assert "RuntimeError: 6 signs" in shown.replace("\x1b[0m", "")
    assert ("CANARY" in shown) is not is_ours


def test_every_logger_is_such_a_one() -> None:
    sources = Path(kashop.__file__).parent.rglob("*.py")
    assert [path.name for path in sources if "structlog.get_logger(" in path.read_text()] == ["logs.py"]


def _fail(code: str) -> None:
    held = [code]
    raise RuntimeError(f"{len(held)} things")
