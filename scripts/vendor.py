"""Fetches the browser's libraries into the default theme, exactly as vendor.lock.json pins them.

The lock holds, for each package, its version, the sha512 of its tarball and the sha256 of every file
taken. `npm pack` does the download, so no address stands here. Nothing is written unless every hash is
right; `--check` writes nothing at all.
"""

import base64
import hashlib
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "vendor.lock.json"


def main() -> int:
    packages: list[dict[str, Any]] = json.loads(LOCK.read_text(encoding="utf-8"))["packages"]
    if "--check" in sys.argv:
        wrong = differing(ROOT, packages)
        print("\n".join(wrong) or "vendored files are as pinned")
        return 1 if wrong else 0
    with tempfile.TemporaryDirectory() as folder:
        taken = {name: data for package in packages for name, data in fetch(package, Path(folder)).items()}
    for name, data in taken.items():
        target = ROOT / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        print(name, len(data))
    return 0


def differing(root: Path, packages: list[dict[str, Any]]) -> list[str]:
    """One line for every vendored file that is missing or not byte for byte what was pinned."""
    lines = []
    for package in packages:
        for file in package["files"]:
            path = root / file["to"]
            found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"
            if found != file["sha256"]:
                lines.append(f"{file['to']}: {found}, pinned {file['sha256']} ({package['name']} {package['version']})")
    return lines


def fetch(package: dict[str, Any], folder: Path) -> dict[str, bytes]:
    """The pinned files of one package by where they go. Exits when a hash is not the pinned one."""
    command = ["npm", "pack", "--silent", f"{package['name']}@{package['version']}"]
    name = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip().splitlines()[-1]
    tarball = (folder / name).read_bytes()
    demand(
        f"{package['name']} tarball",
        base64.b64encode(hashlib.sha512(tarball).digest()).decode(),
        package["sha512"],
    )
    taken = {}
    with tarfile.open(folder / name) as archive:
        for file in package["files"]:
            member = archive.extractfile(f"package/{file['from']}")
            if member is None:
                raise SystemExit(f"{package['name']} has no file {file['from']}")
            data = member.read()
            demand(file["from"], hashlib.sha256(data).hexdigest(), file["sha256"])
            taken[file["to"]] = data
    return taken


def demand(what: str, found: str, pinned: str) -> None:
    if found != pinned:
        raise SystemExit(f"{what}: {found} is not the pinned {pinned}; nothing was written")


if __name__ == "__main__":
    sys.exit(main())
