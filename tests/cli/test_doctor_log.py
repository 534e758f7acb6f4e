"""What `kashop doctor` says of the write-ahead log."""

from pathlib import Path

import pytest

from kashop.cli import ailments
from kashop.db import examine
from kashop.db.examine import LogState
from tests.cast import config

pytestmark = pytest.mark.sqlite

SMALL, LARGE = 3 * 2**20, 400 * 2**20


@pytest.mark.parametrize(
    ("states", "level", "said"),
    [
        ([LogState(SMALL, (7,))], "ok", "3 MiB of changes beside the file"),
        ([LogState(LARGE, (7, 9)), LogState(LARGE, (8, 9))], "note", "process 9 reads one moment of the file for long"),
        ([LogState(LARGE, (7,)), LogState(LARGE, (8,))], "note", "nobody holds it any more"),
    ],
)
def test_a_large_log_is_told_with_who_holds_it(
    data: Path, monkeypatch: pytest.MonkeyPatch, states: list[LogState], level: str, said: str
) -> None:
    monkeypatch.setattr(ailments, "HELD_SECONDS", 0)
    monkeypatch.setattr(examine, "log_state", lambda path: states.pop(0))
    (finding,) = ailments.write_log(config(data))
    assert (finding.subject, finding.level) == ("log", level)
    assert said in finding.said
    assert states == []
