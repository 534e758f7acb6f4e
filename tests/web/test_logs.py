"""What the log may hold."""

import json
import logging

import pytest
import structlog

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


def _fail(code: str) -> None:
    held = [code]
    raise RuntimeError(f"{len(held)} things")
