"""A member of staff brings stock in through the wizard, step by step."""

import asyncio
import re

import httpx

from kashop.inventory import reads as inventory
from kashop.shop import Shop
from kashop.web.admin import wizards
from kashop.web.edge import Edge
from tests.admin.desk import Desk, complaints

Files = list[tuple[str, tuple[str, bytes]]]


async def free(shop: Shop) -> int:
    return sum(c.free for c in await shop.db.read(inventory.counts))


async def sent(desk: Desk, *files: tuple[str, bytes], **fields: object) -> httpx.Response:
    """Step 1."""
    given: Files = [("files", file) for file in files]
    return await desk.post("/admin/codes/import/files", {"sku": "steam/steam", **fields}, files=given or None)


async def begun(desk: Desk, *files: tuple[str, bytes], **fields: object) -> str:
    """Step 1 behind; where the import is."""
    answer = await sent(desk, *files, **fields)
    assert answer.status_code == 303, complaints(answer)
    return answer.headers["location"].removesuffix("/rules")


async def previewed(desk: Desk, here: str) -> httpx.Response:
    """Step 3, when every row has been looked at."""
    async with asyncio.timeout(60):
        while "data-live" in (page := await desk.get(f"{here}/preview")).text:  # noqa: ASYNC110  # as staff do
            await asyncio.sleep(0.01)
    return page


async def imported(desk: Desk, here: str, **options: object) -> httpx.Response:
    """Steps 4 and 5; the page of the batch."""
    answer = await desk.post(f"{here}/options", options)
    assert answer.status_code == 303, complaints(answer)
    return await desk.get((await over(desk, here)).headers["location"])


async def over(desk: Desk, here: str) -> httpx.Response:
    """Where the run leads when it has ended."""
    async with asyncio.timeout(60):
        while (answer := await desk.get(f"{here}/run")).status_code != 303:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return answer


def tiles(page: httpx.Response) -> list[int]:
    return [int(n.replace(",", "")) for n in re.findall(r'class="tile[^>]*>.*?<b[^>]*>([\d,]+)</b>', page.text)]


def kept_by(app: Edge) -> list[wizards.Wizard]:
    return list(app._app.state.wizards._kept.values())  # type: ignore[attr-defined]
