"""Each guard of the rotation and of the seals, taken out of a copy of the tree, makes its test fail (promises, mutation gate)."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kashop.flows import rotate
from tests.planting import TREE, planted

ADVANCE = """UPDATE rotations SET cursor = :to, found = found + :found, done = done + :done, moved_at = :now
             WHERE rotation_id = :rotation_id"""
PLACE = " AND status = 'running' AND sweep = :sweep AND cursor = :cursor"
NAME = """return _joined(b"kashop/code/v1", self._shop, b"%d" % product_id, b"%d" % code_id, b"%d" % epoch)"""
SEALED = "WHERE code_id = :code_id AND epoch = :epoch AND sealed = :was"

FAULTS = {
    "the seal is exchanged whatever it is by now": (
        ("src/kashop/inventory/seals/writes.py", SEALED, "WHERE code_id = :code_id"),
        "test_rotation.py::test_a_code_changed_between_look_and_change_keeps_its_change",
    ),
    "the walk moves whatever its place is by now": (
        ("src/kashop/vault/rotation/writes.py", ADVANCE + PLACE, ADVANCE),
        "test_rotation.py::test_a_late_step_of_an_earlier_walk_moves_nothing",
    ),
    "the old keys go after the first walk": (
        ("src/kashop/vault/rotation/writes.py", "AND cursor = :cursor AND found = 0", "AND cursor = :cursor"),
        "test_rotation.py::test_the_old_keys_stay_while_a_walk_met_something",
    ),
    "the seal is bound to no place": (
        ("src/kashop/vault/keyring.py", NAME, 'return b""'),
        "test_tampering.py::test_i26_what_was_moved_or_changed_is_refused_with_an_alarm",
    ),
    "a code that does not open is not looked at again": (
        ("src/kashop/flows/deliver.py", "shop.keyring.renew(keys)\n", "pass\n"),
        "test_rotation.py::test_a_process_that_knows_only_the_old_keys_reads_on",
    ),
    "a broken seal keeps no key": (
        (
            "src/kashop/vault/rotation/writes.py",
            "AND NOT EXISTS (SELECT 1 FROM rotation_unreadable u",
            "AND 1 IN (SELECT 1 FROM rotation_unreadable u",
        ),
        "test_tampering.py::test_a_broken_seal_is_left_and_keeps_its_key",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_control(tmp_path: Path, fault: str) -> None:
    change, test = FAULTS[fault]
    tree = planted(tmp_path, change)
    arguments = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-p",
        "pytest_asyncio.plugin",
        f"tests/vault/{test}",
        f"{__file__}::test_it_is_the_planted_tree",
    ]
    environ = {
        **os.environ,
        "PYTHONPATH": str(tree / "src"),
        "KASHOP_TESTED": str(tree),
        "KASHOP_TEST_ENGINE": "sqlite",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_ADDOPTS": "",
    }
    done = subprocess.run(arguments, cwd=TREE, env=environ, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"\d failed, \d passed", done.stdout), done.stdout
    assert "test_it_is_the_planted_tree" not in done.stdout


def test_it_is_the_planted_tree() -> None:
    """A control that tested our own tree would prove nothing."""
    assert rotate.__file__.startswith(os.environ.get("KASHOP_TESTED", str(TREE)))
