"""Requests to Greenfield. Always true: the key travels in a header and stands in nothing that is raised."""

import json
from collections.abc import Mapping
from typing import Any

from kashop.plugins.api import GatewayFailed, Http, HttpFailed, HttpReply, scrubbed

LIMIT = 1024 * 1024


class Refused(GatewayFailed):
    """The server said no, in its own words, by an HTTP status."""

    def __init__(self, problem: str, status: int):
        super().__init__(problem)
        self.status = status


class Client:
    """One store of one server."""

    def __init__(self, http: Http, base: str, store: str, key: str, webhook_secret: str):
        self._http = http
        self._root = f"{base}api/v1/"
        self._store = f"{self._root}stores/{store}/"
        self._key = key
        self._secrets = (key, webhook_secret)

    async def store(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """GET below the store. Raises GatewayFailed, Refused."""
        return await self._get(self._store + path, params)

    async def root(self, path: str, params: Mapping[str, str] | None = None) -> Any:
        """GET below the API's root."""
        return await self._get(self._root + path, params)

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST below the store."""
        headers = {**self._headers(), "content-type": "application/json"}
        try:
            reply = await self._http.post(self._store + path, body=json.dumps(body).encode(), headers=headers, limit=LIMIT)
            said = self._said(reply)
        except HttpFailed as failed:
            raise GatewayFailed(failed.problem, is_unclear=failed.is_unclear) from None
        if not isinstance(said, dict):
            raise GatewayFailed("the answer is not a JSON object", is_unclear=True)
        return said

    async def _get(self, url: str, params: Mapping[str, str] | None) -> Any:
        try:
            return self._said(await self._http.get(url, params=params, headers=self._headers(), limit=LIMIT))
        except HttpFailed as failed:
            raise GatewayFailed(failed.problem, is_unclear=failed.is_unclear) from None

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"token {self._key}"}

    def _said(self, reply: HttpReply) -> Any:
        if reply.status in (200, 201):
            return reply.json()
        if reply.status >= 500 or reply.status < 400:
            raise GatewayFailed(f"the server answered with HTTP {reply.status}", is_unclear=reply.status >= 500)
        try:
            said = reply.json()
        except HttpFailed:
            said = None
        told = said if isinstance(said, list) else [said]
        rows = [row for row in told if isinstance(row, dict) and row.get("message")]
        if not rows:
            raise GatewayFailed(f"the server answered with HTTP {reply.status}")
        words = "; ".join(f"{row.get('path') or row.get('code') or reply.status}: {row['message']}" for row in rows)
        raise Refused(f"the server refused: {scrubbed(words, *self._secrets)}", reply.status)
