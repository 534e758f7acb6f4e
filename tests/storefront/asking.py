"""How tests look at pages whose stock may be a moment old, and whose forms have a key each."""

import asyncio
import re

import httpx


def key_of(page: httpx.Response) -> str:
    """The key of a page's form; something that is on no page when it has none."""
    found = re.search(r'name="idempotency_key" value="([^"]*)"', page.text)
    return found[1] if found else "\0"


async def shows(site: httpx.AsyncClient, path: str, text: str) -> None:
    """Waits until a page shows a text: counts are a quarter of a second old at most."""
    async with asyncio.timeout(60):
        while text not in (await site.get(path)).text:  # noqa: ASYNC110  # it is what a buyer sees
            await asyncio.sleep(0.05)
