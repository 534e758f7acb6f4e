"""Channels of a test's shop, set up as its owner would."""

from pathlib import Path

from kashop.flows import settings
from kashop.lib.actor import CLI
from kashop.notices import reads
from kashop.notices.types import Notice
from kashop.shop import Shop
from tests.notices.receivers import Hook, MailHouse

KEY = "whsec_Prm785lnszMsmFd98/op8Fs1Jc9AqK/boiDJoIQ9uGI="


async def set_mail(shop: Shop, house: MailHouse, *, security: str = "none", host: str = "127.0.0.1", **more: object) -> None:
    values: dict[str, object] = {
        "mail.host": host,
        "mail.port": str(house.port),
        "mail.security": security,
        "mail.from": "shop@example.com",
        **{f"mail.{name}": value for name, value in more.items()},
    }
    await settings.change(shop, values, CLI)


async def set_hook(shop: Shop, hook: Hook) -> None:
    await settings.change(shop, {"notices.webhook_url": hook.url, "notices.webhook_key": KEY}, CLI)


async def set_file(shop: Shop, path: Path) -> None:
    await settings.change(shop, {"notices.file": str(path)}, CLI)


async def notices_of(shop: Shop) -> list[Notice]:
    """All of them, the oldest first."""
    return (await shop.db.read(reads.page, 2**62, limit=1000))[::-1]
