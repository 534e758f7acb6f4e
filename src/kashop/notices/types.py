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
    def state(self) -> str:
        """waiting, failing, sent or given_up."""
        if self.sent_at is not None:
            return "sent"
        if self.next_try_at is None:
            return "given_up"
        return "failing" if self.problem else "waiting"
