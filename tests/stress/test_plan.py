"""What the machine allows: open files, room on the disk, servers at work."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from kashop.lib.errors import Unavailable
from kashop.stress import plan
from kashop.stress.plan import Plan, check_disk, neighbours
from tests.serving import Served

FITTED = """
import json, resource, sys
from kashop.stress.plan import Plan, fitted
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), int(sys.argv[2])))
found, told = fitted(Plan(buyers=5000, connections=int(sys.argv[3])))
print(json.dumps([found.connections, told, resource.getrlimit(resource.RLIMIT_NOFILE)[0]]))
"""


def fitted(soft: int, hard: int, connections: int) -> tuple[int, str, int]:
    done = subprocess.run(
        [sys.executable, "-c", FITTED, str(soft), str(hard), str(connections)], capture_output=True, text=True, check=True
    )
    first, told, now = json.loads(done.stdout)
    return first, told, now


def test_the_soft_limit_of_files_is_raised_as_far_as_the_hard_one_lets_it() -> None:
    assert fitted(256, 1024, 500) == (500, "", 500 + 32 + plan.SPARE_FILES)


def test_fewer_come_at_once_when_the_hard_limit_is_lower_and_it_is_said() -> None:
    connections, told, soft = fitted(256, 1024, 5000)
    assert (connections, soft) == (1024 - 32 - plan.SPARE_FILES, 1024)
    assert f"{connections} of the 5000 buyers come at once" in told


def test_there_are_never_more_connections_than_buyers() -> None:
    found, told = plan.fitted(Plan(buyers=7, connections=10_000))
    assert (found.connections, told) == (7, "")
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 7


def test_a_disk_without_room_is_refused_with_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_disk(tmp_path, Plan(buyers=10, codes=10))
    usage = type("Usage", (), {"free": 100 * plan.MIB})
    monkeypatch.setattr(plan.shutil, "disk_usage", lambda _folder: usage)
    with pytest.raises(Unavailable, match=r"may need 96 MiB and .* has 100 MiB free"):
        check_disk(tmp_path, Plan(buyers=10, codes=10))


def test_a_server_at_work_is_seen_by_its_lock_and_another_by_its_command_line(data: Path, tmp_path: Path) -> None:
    with Served(data) as served:
        assert served.process is not None
        assert neighbours(data)[0].pid == served.process.pid
        assert served.process.pid in {n.pid for n in neighbours(tmp_path)}
    assert served.process.pid not in {n.pid for n in neighbours(data)}


@pytest.mark.parametrize(
    ("words", "serves"),
    [
        (["/opt/kashop/bin/kashop", "serve", "--data", "x"], True),
        (["python", "-m", "kashop.cli", "serve"], True),
        (["python", "/opt/bin/kashop", "demo"], True),
        (["kashop", "check"], False),
        (["grep", "kashop"], False),
        (["vi", "kashop", "serve.txt"], False),
        ([""], False),
    ],
)
def test_which_command_lines_serve(words: list[str], serves: bool) -> None:
    assert plan._serves(words) is serves
