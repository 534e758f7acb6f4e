"""A folder of a disk, or of one that several machines share."""

import asyncio
import errno
import os
from pathlib import Path
from tempfile import NamedTemporaryFile

from kashop.lib.errors import Unavailable
from kashop.storage import is_name

_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP)
"""What is no file is not there, and a link is none."""


class Folder:
    """Files that are their owner's alone, in a folder that is made when the first comes."""

    def __init__(self, path: Path):
        self.path = path

    async def put(self, name: str, body: bytes) -> None:
        """Synced, then shown under its name: who looks meanwhile finds the old one or the new."""
        await asyncio.to_thread(self._put, name, body)

    async def get(self, name: str) -> bytes | None:
        """Never through a link."""
        return await asyncio.to_thread(self._get, name)

    async def delete(self, name: str) -> None:
        """Gone at once."""
        if is_name(name):
            await asyncio.to_thread((self.path / name).unlink, missing_ok=True)

    def _put(self, name: str, body: bytes) -> None:
        if not is_name(name):
            raise ValueError(name)
        place = (self.path / name).parent
        try:
            place.mkdir(exist_ok=True, parents=True, mode=0o700)
            with NamedTemporaryFile(dir=place, prefix=".", suffix=".part", delete=False) as part:
                try:
                    part.write(body)
                    part.flush()
                    os.fsync(part.fileno())
                    Path(part.name).replace(self.path / name)
                except BaseException:
                    Path(part.name).unlink(missing_ok=True)
                    raise
            _sync(place)
        except OSError as error:
            raise Unavailable("The disk does not take this file: {problem}.", code="no_room", problem=error.strerror) from None

    def _get(self, name: str) -> bytes | None:
        if not is_name(name):
            return None
        try:
            with os.fdopen(os.open(self.path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
                return file.read()
        except OSError as error:
            if error.errno in _ABSENT:
                return None
            raise Unavailable("The disk does not give this file: {problem}.", code="no_file", problem=error.strerror) from None


def _sync(place: Path) -> None:
    fd = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
