"""A member of staff at the panel: logs in, reads pages, posts forms as a browser would."""

import html
import re
from collections.abc import Mapping
from typing import Any

import httpx

from kashop.accounts import writes as accounts
from kashop.accounts.roles import writes as roles
from kashop.app import make_app
from kashop.lib.actor import CLI
from kashop.shop import Shop
from kashop.web.edge import Edge
from tests.cast import OWNER, PASSWORD

CSRF = re.compile(r'name="_csrf" value="([^"]+)"')
MANAGER, SUPPORT = "manager@example.com", "support@example.com"


class Desk:
    """One browser. `get` and `post` follow no redirect."""

    def __init__(self, app: Edge, *, ip: str = "203.0.113.50"):
        transport = httpx.ASGITransport(app=app, client=(ip, 4711))
        headers = {"accept-language": "en", "accept": "text/html"}
        self.http = httpx.AsyncClient(transport=transport, base_url="http://shop.example", headers=headers)
        self.csrf = ""

    async def log_in(self, email: str = OWNER, password: str = PASSWORD) -> httpx.Response:
        """By password; afterwards `csrf` is the session's."""
        response = await self.http.post("/admin/login", data={"email": email, "password": password})
        if response.status_code == 303:
            await self.learn()
        return response

    async def learn(self) -> None:
        """Read the session's token off a page."""
        self.csrf = CSRF.findall((await self.get("/admin/account")).text)[0]

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.http.get(path, **more)

    async def post(
        self,
        path: str,
        data: Mapping[str, Any] | None = None,
        *,
        files: Mapping[str, Any] | None = None,
        csrf: str | None = None,
        **more: Any,
    ) -> httpx.Response:
        fields = {"_csrf": self.csrf if csrf is None else csrf, **(data or {})}
        return await self.http.post(path, data=fields, files=files, **more)


async def step_up(shop: Shop) -> None:
    """Everybody who is logged in has just proved who they are."""
    await shop.db.write(lambda tx: tx.run("UPDATE sessions SET stepped_up_at = :now", now=tx.now))


async def forget_proof(shop: Shop) -> None:
    """Nobody has proved lately who they are."""
    await shop.db.write(lambda tx: tx.run("UPDATE sessions SET stepped_up_at = 0"))


async def add_role(shop: Shop, name: str, *permissions: str) -> str:
    """A role of the shop's own; its key."""
    return await shop.db.write(roles.add, name, frozenset(permissions), CLI)


def app_of(shop: Shop) -> Edge:
    """The shop's web, with templates that may misspell nothing."""
    return make_app(shop, is_strict=True)


async def add_staff(shop: Shop, email: str, role: str, password: str = PASSWORD) -> int:
    hashed = await shop.staff_passwords.hash(password) if password else ""
    return await shop.db.write(accounts.add_staff, email, role, hashed, CLI)


def complaints(page: httpx.Response) -> list[str]:
    """What a page marks as wrong."""
    marked = re.findall(r'class="wrong"[^>]*>([^<]+)<', page.text)
    listed = re.findall(r"<li>([^<]+)</li>", "".join(re.findall(r'role="alert".*?</div>', page.text, re.S)))
    return [html.unescape(text) for text in [*marked, *listed]]


def value_of(page: httpx.Response, name: str) -> str:
    """What stands in a field of a page."""
    found = re.search(rf'name="{re.escape(name)}"[^>]* value="([^"]*)"', page.text)
    return html.unescape(found.group(1)) if found else ""
