"""The ways out of the shop for a notice: mail, webhook, file.

Always true: whatever fails is told as a NotSent with what to mend; addresses are judged when they are used, not only when
they are set; what is sealed is opened here, at the last moment, and goes into mail alone.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kashop.flows import settings
from kashop.notices import letters, rules
from kashop.notices.texts import text_of
from kashop.notices.types import Notice, NotSent, Sender
from kashop.plugins.http import Http, HttpFailed, HttpForbidden
from kashop.plugins.reach import Reach
from kashop.shop import Shop
from kashop.vault import Tampered

if TYPE_CHECKING:
    from kashop.flows.mail import MailServer, Post

_LONGEST_WAIT = 24 * 3600
_FILE_SECONDS = 15.0
POST_SECONDS = 15.0

_Send = Callable[[Sequence[Notice]], Awaitable[None]]


class Channels:
    """The ways out, with the settings as they are now; connections live as long as this."""

    def __init__(self, shop: Shop):
        self._shop = shop
        self._post: Post | None = None
        self._http: Http | None = None

    async def __aenter__(self) -> "Channels":
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._post is not None:
            await self._post.__aexit__(None, None, None)
        if self._http is not None:
            await self._http.close()

    async def send(self, batch: Sequence[Notice]) -> None:
        """Send one batch of one channel. Raises NotSent."""
        ways: dict[str, _Send] = {"mail": self._mail, "webhook": self._webhook, "file": self._file}
        try:
            await ways[batch[0].channel](batch)
        except NotSent:
            raise
        except Exception as error:  # one that cannot even be made must not stand in the way of the next
            self._shop.log.exception("a notice could not be made", about=batch[0].about)
            raise NotSent("unexpected", type(error).__name__) from None

    async def _mail(self, batch: Sequence[Notice]) -> None:
        shop, items = self._shop, []
        for notice in batch:
            try:
                opened = rules.opened_facts(shop.keyring, notice.about, notice.sealed)
            except Tampered:
                raise NotSent("broken_seal", is_final=True) from None
            if not set(text_of(notice.about).secrets) <= opened.keys():
                raise NotSent("secret_gone", is_final=True)
            items.append((notice, opened))
        message = letters.mail(items, sender_of(shop), shop.clock.now())
        if self._post is None:
            from kashop.flows.mail import Post  # and a mail library, which a shop's start need not wait for (decision 0038)

            self._post = Post(_server(shop))
        await self._post.send(message, batch[0].recipient)

    async def _webhook(self, batch: Sequence[Notice]) -> None:
        shop, (notice,) = self._shop, batch
        self._http = self._http or Http(reach=Reach(shop.config.reachable), total_seconds=POST_SECONDS)
        body = letters.posted(notice)
        headers = letters.signed_headers(notice, _secret(shop, "notices.webhook_key"), body, shop.clock.now())
        try:
            reply = await self._http.post(shop.settings.text("notices.webhook_url"), body=body, headers=headers)
        except HttpFailed as failed:
            raise _unposted(failed) from None
        if reply.status == 410:
            raise NotSent("gone", is_final=True)
        if not 200 <= reply.status < 300:
            raise NotSent("bad_answer", str(reply.status), wait=_asked_wait(reply.headers.get("retry-after", "")))

    async def _file(self, batch: Sequence[Notice]) -> None:
        path = Path(self._shop.settings.text("notices.file"))
        lines = b"".join(map(letters.lined, batch))
        try:
            async with asyncio.timeout(_FILE_SECONDS):
                await asyncio.to_thread(_append, path, lines, outside=self._shop.config.data)
        except TimeoutError:
            raise NotSent("file", "timeout") from None
        except OSError as error:
            raise NotSent("file", error.strerror or type(error).__name__) from None


def sender_of(shop: Shop) -> Sender:
    """The shop as it speaks in its notices."""
    chosen = shop.settings
    return Sender(
        shop=chosen.text("shop.name"),
        url=shop.base_url,
        locale=chosen.text("shop.locale"),
        timezone=chosen.text("shop.timezone"),
        address=chosen.text("mail.from"),
        name=chosen.text("mail.from_name"),
    )


def _server(shop: Shop) -> "MailServer":
    from kashop.flows.mail import MailServer

    chosen = shop.settings
    return MailServer(
        host=chosen.text("mail.host"),
        port=chosen.number("mail.port"),
        security=chosen.text("mail.security"),
        username=chosen.text("mail.username"),
        password=_secret(shop, "mail.password"),
        named=shop.config.reachable,
    )


def _secret(shop: Shop, name: str) -> str:
    try:
        return settings.secret(shop, name)
    except Tampered:
        raise NotSent("setting_seal") from None


def _unposted(failed: HttpFailed) -> NotSent:
    if isinstance(failed, HttpForbidden):
        return NotSent("not_public")
    known = {"certificate": "bad_certificate", "name server": "no_such_host", "no answer": "too_slow", "larger": "too_large"}
    return NotSent(next((code for part, code in known.items() if part in failed.problem), "no_connection"))


def _asked_wait(header: str) -> int:
    """Milliseconds of a Retry-After in seconds; 0: none."""
    return min(int(header), _LONGEST_WAIT) * 1000 if header.isascii() and header.isdigit() and len(header) < 8 else 0


def _append(path: Path, lines: bytes, *, outside: Path) -> None:
    """Add lines to a file and see them on the disk; a line that a crash cut short is ended first. Raises NotSent, OSError."""
    if path.resolve().is_relative_to(outside.resolve()):
        raise NotSent("file_inside")
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(fd).st_size
        torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
        os.write(fd, b"\n" + lines if torn else lines)
        os.fsync(fd)
    finally:
        os.close(fd)
