"""When a notice is tried again, over which channels it goes, and the seal on what only its reader may see."""

import msgspec

from kashop.lib.clock import DAY, HOUR, MINUTE, SECOND
from kashop.settings import Settings
from kashop.vault import Keyring

BACK_OFF = (10 * SECOND, MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 6 * HOUR, 12 * HOUR, 24 * HOUR)
"""How long after each failed try the next one comes; after the last, none."""

LEASE = 2 * MINUTE
"""How long a notice is its sender's alone: longer than any try may take. Whoever dies meanwhile is followed by another."""

GATHER = 5 * MINUTE
"""Notices of one kind to one address that come sooner than this after a mail wait, and go together in the next."""

UNSET_KEEP = DAY
"""How long notices wait for their channel to be set up."""

KEEP = 30 * DAY


def sealed_facts(keyring: Keyring, about: str, **facts: str) -> bytes:
    """Facts that only the reader may see, sealed for one kind of notice: an invitation's link, a reset token."""
    return keyring.seal_settings(msgspec.json.encode(facts), name=f"notice/{about}")


def opened_facts(keyring: Keyring, about: str, sealed: bytes | None) -> dict[str, str]:
    """The inverse of `sealed_facts`, to be used at the moment of sending. Raises Tampered."""
    if not sealed:
        return {}
    return msgspec.json.decode(keyring.open_settings(sealed, name=f"notice/{about}"), type=dict[str, str])


def next_try(tries: int, now: int) -> int | None:
    """When to try again after so many failed tries; None: give up."""
    return now + BACK_OFF[tries - 1] if 0 < tries <= len(BACK_OFF) else None


def channels(settings: Settings) -> frozenset[str]:
    """The channels that are set up."""
    ready = {
        "mail": settings.text("mail.host") and settings.text("mail.from"),
        "webhook": settings.text("notices.webhook_url") and settings.sealed("notices.webhook_key"),
        "file": settings.text("notices.file"),
    }
    return frozenset(name for name, is_ready in ready.items() if is_ready)
