"""The notices' rows, and what a kind of notice says."""

from collections.abc import Mapping

import msgspec

CHANNELS = ("mail", "webhook", "file")


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """What a kind of notice says. `title` and `sentence` are msgids whose places are facts; `shop`, `url` and the sealed
    facts may stand in them too.

    `is_shop_wide`: it also goes over the webhook and into the file, where they are set up.
    `page` is the panel's page to go to. `words` gives the msgids of facts that are written down as short words.
    """

    about: str
    title: str
    sentence: str
    is_shop_wide: bool = False
    secrets: tuple[str, ...] = ()
    """Places that are filled from the sealed facts. Such a notice is a mail of its own; others to one address are grouped."""
    page: str = ""
    words: Mapping[str, str] = {}


class Notice(msgspec.Struct, frozen=True):
    """One thing to be told over one channel. `next_try_at` is None when it is sent or given up."""

    notice_id: int
    about: str
    channel: str
    recipient: str
    facts: str
    created_at: int
    next_try_at: int | None
    tries: int
    sent_at: int | None
    problem: str
    sealed: bytes | None

    def __repr__(self) -> str:
        return f"<Notice {self.notice_id} {self.about} {self.channel}>"

    @property
    def number(self) -> str:
        """Its name outside, the same at every try, and not given again when the row is long gone."""
        return f"{self.created_at:x}-{self.notice_id:x}"

    @property
    def state(self) -> str:
        """waiting, failing, sent or given_up."""
        if self.sent_at is not None:
            return "sent"
        if self.next_try_at is None:
            return "given_up"
        return "failing" if self.problem else "waiting"


class NotSent(Exception):
    """A try that failed. `code` is a row of PROBLEMS, `detail` what the other side said; neither holds a secret."""

    def __init__(self, code: str, detail: str = "", *, is_final: bool = False, wait: int = 0):
        super().__init__(code)
        self.code = code
        self.detail = " ".join("".join(c if c.isprintable() else " " for c in detail).split())[:200]
        self.is_final = is_final
        """Trying again cannot help."""
        self.wait = wait
        """Milliseconds for which the other side wants to be left alone."""

    @property
    def problem(self) -> str:
        """As it is stored: `code: detail`."""
        return f"{self.code}: {self.detail}" if self.detail else self.code


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """Who speaks in a notice: the shop, in its language and time."""

    shop: str
    url: str
    locale: str
    timezone: str
    address: str = ""
    name: str = ""
