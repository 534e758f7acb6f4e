"""Stripe's REST interface over the shop's bounded client: forms out, JSON in (stripe.md §1).

Always true: the key travels only in a header, and stands in nothing that is raised.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from kashop.bundled.pay_stripe.options import Account
from kashop.plugins.api import Context, GatewayFailed, HttpFailed, HttpReply, scrubbed

API_VERSION = "2026-10-28.endive"
"""What our requests and the words that we read are written in, whatever the account's own default is."""

MOST_BYTES = 1024 * 1024
MOST_PAGES = 200


class StripeRefused(GatewayFailed):
    """Stripe understood and said no: by HTTP status, and its own `type` and `code` of the error."""

    def __init__(self, problem: str, *, status: int, type: str, code: str):
        super().__init__(problem, is_unclear=status in (409, 429))  # the same key is being worked on at this moment; too many
        self.status = status
        self.type = type
        self.code = code


class StripeApi:
    """Requests of one account. Numbers in answers are the text that was sent."""

    def __init__(self, account: Account, ctx: Context):
        self._account = account
        self._ctx = ctx

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, limit: int = 256 * 1024) -> dict[str, Any]:
        """The object at a path below /v1/. Raises GatewayFailed, StripeRefused."""
        try:
            url = f"{self._account.base}/v1/{path}"
            return self._object(await self._ctx.http.get(url, params=params, headers=self._headers(), limit=limit))
        except HttpFailed as failed:
            raise GatewayFailed(failed.problem, is_unclear=failed.is_unclear) from None

    async def post(self, path: str, params: Mapping[str, Any], *, key: str = "") -> dict[str, Any]:
        """Ask for a change, once for each idempotency `key`. Raises GatewayFailed, StripeRefused."""
        headers = self._headers() | ({"Idempotency-Key": key} if key else {})
        try:
            url = f"{self._account.base}/v1/{path}"
            return self._object(await self._ctx.http.post(url, form=encoded(params), headers=headers, limit=256 * 1024))
        except HttpFailed as failed:
            raise GatewayFailed(failed.problem, is_unclear=failed.is_unclear) from None

    async def each(self, path: str, params: Mapping[str, str]) -> AsyncIterator[dict[str, Any]]:
        """Every object of a list, page by page. Raises GatewayFailed."""
        after: dict[str, str] = {}
        for _page in range(MOST_PAGES):
            said = await self.get(path, {**params, "limit": "100", **after}, limit=MOST_BYTES)
            rows = said.get("data")
            if not isinstance(rows, list) or not all(isinstance(row, dict) and isinstance(row.get("id"), str) for row in rows):
                raise GatewayFailed("Stripe answered with something that is not a list", is_unclear=True)
            for row in rows:
                yield row
            if not rows or said.get("has_more") is not True:
                return
            after = {"starting_after": rows[-1]["id"]}
        raise GatewayFailed("Stripe's list has no end", is_unclear=True)

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._account.key}", "Stripe-Version": API_VERSION}

    def _object(self, reply: HttpReply) -> dict[str, Any]:
        if reply.status >= 500:
            raise GatewayFailed(f"Stripe answered with HTTP {reply.status}", is_unclear=True)
        if reply.status == 200:
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
        error = said.get("error") if isinstance(said, dict) else None
        if not isinstance(error, dict):
            return GatewayFailed(f"Stripe answered with HTTP {reply.status}")
        code, kind = str(error.get("code") or ""), str(error.get("type") or "")
        words = f"{error.get('message') or ''} ({code or kind or reply.status})"
        problem = scrubbed(words, self._account.key, self._account.webhook_secret)
        return StripeRefused(problem, status=reply.status, type=kind, code=code)


def encoded(params: Mapping[str, Any]) -> dict[str, str]:
    """Nested values as the fields of a form: `line_items[0][price_data][currency]`."""
    fields: dict[str, str] = {}
    for name, value in params.items():
        fields |= _spelt(name, value)
    return fields


def _spelt(name: str, value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, (list, tuple)):
        inner = ((str(n), v) for n, v in enumerate(value))  # type: ignore[assignment]
    else:
        return {name: str(value)}
    return {k: v for part, held in inner for k, v in _spelt(f"{name}[{part}]", held).items()}
