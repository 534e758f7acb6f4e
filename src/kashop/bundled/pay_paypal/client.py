"""PayPal's REST interface over the shop's bounded client: JSON both ways, a token that is kept while it lives (paypal.md §1).

Always true: secret and token travel only in headers, and stand in nothing that is raised.
"""

import json
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from kashop.bundled.pay_paypal.options import Account
from kashop.plugins.api import MINUTE, SECOND, Context, GatewayFailed, HttpFailed, HttpReply, scrubbed


class PayPalRefused(GatewayFailed):
    """PayPal understood and said no: by HTTP status, its `name` and the `issues` of its details."""

    def __init__(self, problem: str, *, status: int, name: str, issues: frozenset[str]):
        super().__init__(problem, is_unclear=status in (409, 429))  # the same is being worked on at this moment; too many
        self.status = status
        self.name = name
        self.issues = issues


class PayPalApi:
    """Requests of one account. Numbers in answers are the text that was sent."""

    def __init__(self, account: Account, ctx: Context):
        self._account = account
        self._ctx = ctx
        self._token = ""
        self._token_until = 0
        self.scopes = ""
        """What the token allows, as PayPal says it."""

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, limit: int = 256 * 1024) -> dict[str, Any]:
        """The object at a path. Raises GatewayFailed, PayPalRefused."""
        url = f"{self._account.base}{path}"

        async def ask(headers: dict[str, str]) -> HttpReply:
            return await self._ctx.http.get(url, params=params, headers=headers, limit=limit)

        return await self._asked(ask, {})

    async def post(self, path: str, value: Mapping[str, Any], *, request_id: str) -> dict[str, Any]:
        """Ask for a change, once for each `request_id`. Raises GatewayFailed, PayPalRefused."""
        url, body = f"{self._account.base}{path}", json.dumps(value, ensure_ascii=False).encode()
        more = {"Content-Type": "application/json", "PayPal-Request-Id": request_id, "Prefer": "return=representation"}

        async def ask(headers: dict[str, str]) -> HttpReply:
            return await self._ctx.http.post(url, body=body, headers=headers, limit=256 * 1024)

        return await self._asked(ask, more)

    async def renew(self) -> None:
        """Get a new token. Raises GatewayFailed."""
        pair = b64encode(f"{self._account.client_id}:{self._account.secret}".encode()).decode()
        try:
            url, headers = f"{self._account.base}/v1/oauth2/token", {"Authorization": f"Basic {pair}"}
            reply = await self._ctx.http.post(url, form={"grant_type": "client_credentials"}, headers=headers)
            said = self._object(reply)
        except HttpFailed as failed:
            raise GatewayFailed(failed.problem, is_unclear=failed.is_unclear) from None
        token, lasts = said.get("access_token"), str(said.get("expires_in"))
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not lasts.isdecimal():
            raise GatewayFailed("PayPal answered without a token", is_unclear=True)
        self._token, self.scopes = token, str(said.get("scope") or "")
        self._token_until = self._ctx.clock.now() + int(lasts) * SECOND - MINUTE

    async def _asked(self, ask: Callable[[dict[str, str]], Awaitable[HttpReply]], more: dict[str, str]) -> dict[str, Any]:
        try:
            if self._ctx.clock.now() >= self._token_until:
                await self.renew()
            reply = await ask({"Authorization": f"Bearer {self._token}", **more})
            if reply.status == 401:
                await self.renew()
                reply = await ask({"Authorization": f"Bearer {self._token}", **more})
            return self._object(reply)
        except HttpFailed as failed:
            raise GatewayFailed(failed.problem, is_unclear=failed.is_unclear) from None

    def _object(self, reply: HttpReply) -> dict[str, Any]:
        if reply.status >= 500:
            raise GatewayFailed(f"PayPal answered with HTTP {reply.status}", is_unclear=True)
        if reply.status in (200, 201):
            said = reply.json()
            if not isinstance(said, dict):
                raise GatewayFailed("the answer is not a JSON object", is_unclear=True)
            return said
        raise self._refusal(reply)

    def _refusal(self, reply: HttpReply) -> GatewayFailed:
        try:
            said = reply.json()
        except HttpFailed:
            said = None
        name = (said.get("name") or said.get("error")) if isinstance(said, dict) else None
        if not isinstance(said, dict) or not isinstance(name, str):
            return GatewayFailed(f"PayPal answered with HTTP {reply.status}")
        details = [d for d in said.get("details") or () if isinstance(d, dict)]
        issues = frozenset(str(d.get("issue")) for d in details)
        first = details[0] if details else {}
        message = first.get("description") or said.get("message") or said.get("error_description") or ""
        words = f"{message} ({', '.join([name, *sorted(issues)])}; {said.get('debug_id') or reply.status})"
        problem = scrubbed(words, self._account.secret, self._token)
        return PayPalRefused(problem, status=reply.status, name=name, issues=issues)
