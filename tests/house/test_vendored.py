"""The browser's libraries are byte for byte what vendor.lock.json pins, and nothing else lies beside them."""

import json
import shutil
from pathlib import Path

from scripts.vendor import LOCK, differing
from tests.house import tree

PACKAGES = json.loads(LOCK.read_text(encoding="utf-8"))["packages"]
VENDOR = "themes/default/assets/vendor"
SUPPLY = "src/kashop/web/supply/assets/vendor"
ALTCHA = "src/kashop/bundled/captcha_altcha/assets/vendor"


def test_vendored_files_are_as_pinned() -> None:
    assert differing(tree.ROOT, PACKAGES) == []


def test_every_vendored_file_is_pinned_and_named_in_the_licences() -> None:
    pinned = {file["to"] for package in PACKAGES for file in package["files"]}
    there = {tree.short(p) for folder in (VENDOR, SUPPLY, ALTCHA) for p in (tree.ROOT / folder).iterdir()}
    there -= {f"{VENDOR}/README.md", f"{SUPPLY}/README.md"}
    assert there == pinned
    third_party = (tree.ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8")
    assert [name for name in pinned if Path(name).name not in third_party] == []
    assert [p["name"] for p in PACKAGES if p["version"] not in third_party] == []


def test_one_changed_byte_is_seen(tmp_path: Path) -> None:
    for folder in (VENDOR, SUPPLY, ALTCHA):
        shutil.copytree(tree.ROOT / folder, tmp_path / folder)
    assert differing(tmp_path, PACKAGES) == []
    victim = tmp_path / VENDOR / "htmx.min.js"
    victim.write_bytes(victim.read_bytes()[:-1] + b"!")
    (tmp_path / VENDOR / "htmx.LICENSE.txt").unlink()
    found = "\n".join(differing(tmp_path, PACKAGES))
    assert "htmx.min.js" in found
    assert "htmx.LICENSE.txt: missing" in found
