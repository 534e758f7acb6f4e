"""Where uploaded files lie: a folder, or a bucket of an object storage that speaks S3. Whoever keeps a file knows neither.

Always true: a file is there whole or not at all; a name leads to nothing outside of the storage.
"""

import re
from pathlib import Path
from typing import Protocol

from kashop.settings.config import Config

_NAME = re.compile(r"([a-z]{1,20}/)?[A-Za-z0-9][A-Za-z0-9_-]{0,79}\.[a-z0-9]{1,5}", re.ASCII)


class Storage(Protocol):
    """Files by name: `picture.webp`, or in one folder, `evidence/slip.pdf`. Another name is nobody's."""

    async def put(self, name: str, body: bytes) -> None:
        """Keep a file; one of that name is replaced. Once this returns it survives a crash. Raises Unavailable."""

    async def get(self, name: str) -> bytes | None:
        """A file, or None. Raises Unavailable when nobody can say."""

    async def delete(self, name: str) -> None:
        """Forget a file, if it is there. Raises Unavailable."""


def is_name(name: str) -> bool:
    """Whether a file may be called so."""
    return _NAME.fullmatch(name) is not None


def open_storage(config: Config) -> Storage:
    """The storage that a configuration names. Raises Unavailable when it is a bucket and obstore is not installed.

    Nothing is asked of a bucket yet. A copy of a shop that must reach nobody has the folder in its own data directory.
    """
    if config.bucket and not config.is_fenced:
        from kashop.storage.bucket import Bucket  # an extra: kashop[s3]

        return Bucket(config)
    from kashop.storage.folder import Folder

    own = config.data / "uploads"
    return Folder(own if config.is_fenced or not config.uploads else Path(config.uploads))
