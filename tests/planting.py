"""Planted faults: a copy of the source tree with one guard taken out, for the controls that must fail (promises, M5)."""

import shutil
from pathlib import Path

TREE = Path(__file__).resolve().parent.parent


def planted(folder: Path, *faults: tuple[str, str, str]) -> Path:
    """A copy of the tree with each (file, text, replacement) done; each text must be there exactly once.

    What is compiled comes along: it names the time and size of its source, so that what is changed is compiled anew."""
    tree = folder / "tree"
    for name in ("src", "migrations", "themes"):
        shutil.copytree(TREE / name, tree / name)
    for file, text, replacement in faults:
        path = tree / file
        found = path.read_text(encoding="utf-8")
        assert found.count(text) == 1, f"{file} holds {text!r} {found.count(text)} times: the control must be written anew"
        path.write_text(found.replace(text, replacement), encoding="utf-8")
    return tree
