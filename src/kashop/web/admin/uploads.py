"""Files that come in by a form, straight into spools: no file of codes is ever whole in memory, or in the clear on the disk."""

import asyncio
from typing import cast

from kashop.lib.errors import Invalid, Unavailable
from kashop.vault.spool import Spool
from kashop.web.admin.wizards import MOST_FILES, Kept, Wizards
from kashop.web.forms import Form
from kashop.web.sessions import AnyConnection, AnyRequest


class Uploads:
    """The sink of one request (web/guards.py `Needs(files=…)`); whoever takes the files answers for them."""

    def __init__(self, wizards: Wizards):
        self._wizards = wizards
        self._kept: list[Kept] = []
        self._counted = 0
        self._spool: Spool | None = None
        self._name = ""

    def begin(self, form: Form, field: str, name: str) -> None:
        """A file follows."""
        if len(self._kept) >= MOST_FILES:
            raise Invalid.of(field, "At most {n} files at once.", n=MOST_FILES)
        self._spool, self._name = Spool(self._wizards.folder), name

    async def write(self, data: bytes) -> None:
        """A piece of it."""
        assert self._spool is not None
        self._wizards.make_room(len(data))
        self._counted += len(data)
        try:
            await asyncio.to_thread(self._spool.write, data)
        except OSError:
            raise Unavailable("The disk has no room for this file.", code="no_room") from None

    async def end(self) -> None:
        """It is whole."""
        assert self._spool is not None
        try:
            await asyncio.to_thread(self._spool.finish)
        except OSError:
            raise Unavailable("The disk has no room for this file.", code="no_room") from None
        self._kept.append(Kept(self._name, self._spool))
        self._spool = None

    async def add(self, name: str, data: bytes) -> None:
        """A file that came as text."""
        self.begin(Form(()), name, name)
        await self.write(data)
        await self.end()

    def take(self) -> list[Kept]:
        """The files; they are the caller's now."""
        self._wizards.settle(self._counted)
        taken, self._kept, self._counted = self._kept, [], 0
        return taken

    def drop(self) -> None:
        """Forget every file."""
        for kept in self.take():
            kept.spool.close()
        if self._spool is not None:
            self._spool.close()


def uploads(connection: AnyConnection) -> Uploads:
    """Where the files of a request go."""
    return Uploads(wizards_of(connection))


def uploads_of(request: AnyRequest) -> Uploads:
    """What the guard has read."""
    files = request.scope["state"].get("files")
    return cast(Uploads, files)


def wizards_of(connection: AnyConnection) -> Wizards:
    """The imports on their way."""
    return cast(Wizards, connection.app.state.wizards)
