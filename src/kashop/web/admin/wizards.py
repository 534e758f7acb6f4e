"""Imports on their way through the panel: files kept between two pages, previews and imports at work.

Always true: what is kept belongs to one session; files are spools, which are ciphertext without a name on the disk; everything
is let go an hour after it was last looked at, and is bounded in number and bytes, for one session and for the shop.
"""

import asyncio
import shutil
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import msgspec

from kashop.flows.restock import Progress, Report
from kashop.inventory.stockfile import Rules, Shape
from kashop.lib import ids, logs
from kashop.lib.clock import HOUR, SECOND, Clock
from kashop.lib.errors import Invalid, NotFound, Refusal, Unavailable
from kashop.vault.spool import Spool

KEPT_FOR = HOUR
MOST_OF_SESSION, MOST_OF_SHOP, MOST_FILES = 3, 12, 20
MOST_BYTES = 2 * 1024**3
LEAST_FREE = 512 * 1024**2
"""Bytes of the disk that the shop's own database must be left."""

log = logs.get_logger("kashop.web")


class Work:
    """A preview or an import at work beside the requests that look at it."""

    def __init__(self, coming: Coroutine[Any, Any, Report], progress: Progress):
        self.progress = progress
        self.report: Report | None = None
        self.refusal: Refusal | None = None
        self.is_broken = False
        self._task = asyncio.create_task(self._work(coming))

    @property
    def is_over(self) -> bool:
        """Whether there is a report, a refusal or a breakdown."""
        return self._task.done()

    def let_go(self) -> None:
        """Ask it to end soon."""
        self.progress.is_cancelled = True

    async def wait(self, seconds: float) -> bool:
        """Give it a moment; whether it is over then."""
        await asyncio.wait([self._task], timeout=seconds)
        return self.is_over

    async def _work(self, coming: Coroutine[Any, Any, Report]) -> None:
        try:
            self.report = await coming
        except Refusal as refusal:
            self.refusal = refusal
        except Exception:  # nobody waits for it: the log is told here, and whoever looks next there
            self.is_broken = True
            log.exception("an import broke")


class Kept:
    """One file: what it is called, where it lies, how it is to be read, and what was found out by that or why it was refused."""

    def __init__(self, name: str, spool: Spool):
        self.name = name
        self.spool = spool
        self.rules = Rules()
        self.shape: Shape | None = None
        self.refused: Invalid | None = None

    @property
    def is_read(self) -> bool:
        """Whether it can be imported by its rules."""
        return self.shape is not None and self.shape.question is None

    def __repr__(self) -> str:
        return f"<Kept {self.spool.size} bytes>"


class Wizard:
    """One import on its way."""

    def __init__(self, session: bytes, target: str):
        self.token = ids.token()
        self.session = session
        self.target = target
        self.until = 0
        self.files: list[Kept] = []
        self.not_taken: list[tuple[str, Invalid]] = []
        self.options: dict[str, str] = {}
        self.look: Work | None = None
        self.looked_at: object = None
        self.run: Work | None = None

    def __repr__(self) -> str:
        return f"<Wizard {len(self.files)} files>"

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(kept.spool.size for kept in self.files)

    @property
    def is_running(self) -> bool:
        """Whether its import is at work."""
        return self.run is not None and not self.run.is_over

    @property
    def marks(self) -> object:
        """What a preview depends on."""
        return self.target, tuple((kept.spool, msgspec.json.encode(kept.rules)) for kept in self.files)

    def empty(self) -> None:
        """Let the files go."""
        if self.look is not None:
            self.look.let_go()
        for kept in self.files:
            kept.spool.close()
        self.files.clear()


class Wizards:
    """All of them. One for the process, at `app.state.wizards`."""

    def __init__(self, clock: Clock, folder: Path):
        self._clock = clock
        self.folder = folder
        self._kept: dict[str, Wizard] = {}
        self._incoming = 0

    def begin(self, session: bytes, target: str) -> Wizard:
        """A new one for a session; its oldest idle one makes room. Raises Unavailable when others' fill it."""
        self.forget()
        mine = [w for w in self._kept.values() if w.session == session]
        if len(mine) >= MOST_OF_SESSION and (idle := [w for w in mine if not w.is_running]):
            self.drop(idle[0])
        if len(self._kept) >= MOST_OF_SHOP:
            raise Unavailable("Too many imports are under way. Finish or leave one first.", code="busy")
        wizard = Wizard(session, target)
        self._kept[wizard.token] = wizard
        self._touch(wizard)
        return wizard

    def find(self, session: bytes, token: str) -> Wizard:
        """The session's own. Raises NotFound."""
        self.forget()
        wizard = self._kept.get(token)
        if wizard is None or wizard.session != session:
            raise NotFound("This import is no longer kept: nothing more of it will be imported. Please begin again.")
        self._touch(wizard)
        return wizard

    def drop(self, wizard: Wizard) -> None:
        """Let one go, with its files."""
        wizard.empty()
        self._kept.pop(wizard.token, None)

    def make_room(self, count: int) -> None:
        """Count bytes that are about to come. Raises Unavailable when there is no room for them."""
        taken = self._incoming + sum(w.size for w in self._kept.values())
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if taken + count > MOST_BYTES or shutil.disk_usage(self.folder).free < LEAST_FREE + count:
            raise Unavailable("There is no room for this file just now. Import it from the command line.", code="no_room")
        self._incoming += count

    def settle(self, count: int) -> None:
        """Bytes that were coming are counted elsewhere from now on, or were let go."""
        self._incoming -= count

    def forget(self) -> None:
        """Let go of what nobody has looked at for an hour; an import at work goes on."""
        now = self._clock.now()
        for wizard in [w for w in self._kept.values() if w.until <= now and not w.is_running]:
            self.drop(wizard)

    def _touch(self, wizard: Wizard) -> None:
        wizard.until = self._clock.now() + KEPT_FOR
        asyncio.get_running_loop().call_later(KEPT_FOR / SECOND + 1, self.forget)
