"""Asks WeChat Pay and believes what it signed (wechatpay.md §1 to §3).

Always true: no success is believed that was not proved, within five minutes of our clock, by a key that the account or its APIv3
key vouches for; no secret stands in an error.
"""

import hmac
import json
import secrets
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from kashop.bundled.pay_wechat import signing
from kashop.bundled.pay_wechat.options import Account
from kashop.plugins.api import (
    HOUR,
    MINUTE,
    Context,
    GatewayFailed,
    HttpFailed,
    HttpReply,
    RsaPublicKey,
    is_rsa_signed,
    rsa_public_key,
    scrubbed,
)

CERTIFICATES = "/v3/certificates"
FRESH = 12 * HOUR
SKEW = 5 * MINUTE
MOST_ANSWER = 64 * 1024
PROBE = "WECHATPAY/SIGNTEST/"


class Unproved(GatewayFailed):
    """An answer that WeChat Pay did not sign, or not by a key that we know."""

    def __init__(self, problem: str):
        super().__init__(problem, is_unclear=True)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """An answer. `is_proved`: WeChat Pay signed it; only an error may be without. `told_at` is the server's clock, or 0."""

    status: int
    fields: dict[str, Any]
    is_proved: bool
    told_at: int = 0

    @property
    def is_ok(self) -> bool:
        """Whether it was done."""
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        """The error's code, such as ORDER_NOT_EXIST."""
        return self.text("code")

    @property
    def is_unclear(self) -> bool:
        """Whether it may have been done all the same."""
        return self.status >= 500 or self.code == "SYSTEM_ERROR"

    def text(self, name: str) -> str:
        """A field that is a text or number, else nothing."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""


class Client:
    """One account's way to WeChat Pay."""

    def __init__(self, account: Account, ctx: Context):
        self._account = account
        self._ctx = ctx
        self._keys: dict[str, RsaPublicKey] = {}
        self._fetched_at = self._tried_at = 0
        if account.public_key is not None:
            self._keys[account.public_key_id] = account.public_key

    async def get(self, path: str, **query: str) -> Said:
        """GET; whether it found something is for the caller to see. Raises GatewayFailed."""
        return await self._ask("GET", f"{path}?{urlencode(query)}" if query else path)

    async def post(self, path: str, about: Mapping[str, Any]) -> Said:
        """POST; whether it was done is for the caller to see. Raises GatewayFailed."""
        return await self._ask("POST", path, json.dumps(about, ensure_ascii=False, separators=(",", ":")))

    async def download(self, url: str, *, limit: int) -> bytes:
        """The file at an address that WeChat Pay named: fetched with our signature, itself unsigned. Raises GatewayFailed."""
        parts = urlsplit(url)
        here = urlsplit(self._account.url)
        is_theirs = parts.scheme == here.scheme and (
            parts.netloc == here.netloc or (self._account.is_real and (parts.hostname or "").endswith(".weixin.qq.com"))
        )
        if not is_theirs or not url.isprintable():
            raise GatewayFailed("WeChat Pay named no address of its own to download from")
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        reply = await self._send("GET", target, "", f"{parts.scheme}://{parts.netloc}", limit=limit)
        if reply.status != 200:
            raise GatewayFailed(f"the download answered with HTTP {reply.status}", is_unclear=reply.status >= 500)
        return reply.body

    def failed(self, said: Said) -> GatewayFailed:
        """What to raise for an answer that is a refusal."""
        return GatewayFailed(f"WeChat Pay refused: {self.words(said)}", is_unclear=said.is_unclear)

    def words(self, said: Said) -> str:
        """WeChat Pay's own words for what went wrong."""
        return scrubbed(f"{said.text('message')} ({said.code or said.status})", *self._account.secrets)

    def flaw(self, headers: Mapping[str, str], body: str, now: int) -> str:
        """Why a reply or notification is not believed: a stable word, or nothing."""
        stamp, nonce, signature, serial = (
            headers.get(f"wechatpay-{name}", "") for name in ("timestamp", "nonce", "signature", "serial")
        )
        if signature.startswith(PROBE):
            return "probe"
        if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12) or abs(int(stamp) * 1000 - now) > SKEW:
            return "timestamp"
        key = self._keys.get(serial)
        if key is None:
            return "serial"
        return "" if is_rsa_signed(key, signature, signing.told(stamp, nonce, body)) else "signature"

    def refresh_later(self) -> None:
        """Fetch the platform certificates in the background, since a serial number is not known: at most once a minute."""
        if self._may_fetch():
            self._ctx.spawn(self._refresh_quietly())

    async def ready(self) -> None:
        """Have platform certificates that are fresh, if the account works with them; old ones do while there are no others."""
        if self._account.public_key is None and not self._keys:
            await self._fetch()
        elif self._account.public_key is None and self._ctx.clock.now() - self._fetched_at >= FRESH and self._may_fetch():
            await self._refresh_quietly()

    async def _ask(self, method: str, target: str, body: str = "") -> Said:
        await self.ready()
        reply = await self._send(method, target, body, self._account.url)
        serial = reply.headers.get("wechatpay-serial", "")
        if serial and serial not in self._keys and self._may_fetch():
            await self._fetch()
        is_signed = "wechatpay-signature" in reply.headers
        text = _text(reply)
        if is_signed and (flaw := self.flaw(reply.headers, text, self._ctx.clock.now())):
            raise Unproved(f"the answer is not signed as it must be ({flaw})")
        is_ok = 200 <= reply.status < 300
        if is_ok and not is_signed:
            raise Unproved("the answer is not signed")
        fields = _fields(reply, text, is_ok=is_ok)
        return Said(status=reply.status, fields=fields, is_proved=is_signed, told_at=_date(reply))

    async def _send(self, method: str, target: str, body: str, host: str, *, limit: int = MOST_ANSWER) -> HttpReply:
        headers = {
            "accept": "application/json",
            "content-type": "application/json",
            "user-agent": "kashop",
            "authorization": self.authorization(method, target, body),
        }
        if self._account.public_key_id:
            headers["wechatpay-serial"] = self._account.public_key_id
        try:
            if method == "GET":
                return await self._ctx.http.get(host + target, headers=headers, limit=limit)
            return await self._ctx.http.post(host + target, body=body.encode(), headers=headers, limit=limit)
        except HttpFailed as failed:
            raise GatewayFailed(failed.problem, is_unclear=failed.is_unclear) from None

    def authorization(self, method: str, target: str, body: str) -> str:
        """The header that proves a request to be ours."""
        stamp, nonce = str(self._ctx.clock.now() // 1000), secrets.token_hex(16).upper()
        signature = signing.sign(self._account.key, signing.asked(method, target, stamp, nonce, body))
        return (
            f'WECHATPAY2-SHA256-RSA2048 mchid="{self._account.mchid}",nonce_str="{nonce}",signature="{signature}",'
            f'timestamp="{stamp}",serial_no="{self._account.serial_no}"'
        )

    def _may_fetch(self) -> bool:
        return self._ctx.clock.now() - self._tried_at >= MINUTE

    async def _refresh_quietly(self) -> None:
        try:
            await self._fetch()
        except GatewayFailed as failed:
            self._ctx.log.warning("platform certificates could not be fetched", problem=failed.problem)

    async def _fetch(self) -> None:
        """The platform certificates: sealed by the APIv3 key, which is what makes them WeChat Pay's (wechatpay.md §3)."""
        self._tried_at = self._ctx.clock.now()
        reply = await self._send("GET", CERTIFICATES, "", self._account.url)
        text = _text(reply)
        if reply.status == 404 or (reply.status < 500 and "RESOURCE_NOT_EXISTS" in text):
            return  # a merchant that has the public key alone
        fields = _fields(reply, text, is_ok=reply.status == 200)
        if reply.status != 200:
            raise self.failed(Said(status=reply.status, fields=fields, is_proved=False))
        try:
            found = {str(e["serial_no"]): self._unsealed(e["encrypt_certificate"]) for e in fields["data"]}
        except (KeyError, TypeError, ValueError):
            raise Unproved("the platform certificates are not sealed by this APIv3 key") from None
        self._keys.update(found)
        if flaw := self.flaw(reply.headers, text, self._ctx.clock.now()):
            for serial in found:
                del self._keys[serial]
            raise Unproved(f"the platform certificates are not signed as they must be ({flaw})")
        self._fetched_at = self._tried_at

    def _unsealed(self, sealed: Any) -> RsaPublicKey:
        return rsa_public_key(signing.opened(sealed, self._account.api_v3_key))

    def mark(self, text: str) -> str:
        """A proof, in 32 hexadecimal digits, that a text in one of our own addresses is ours."""
        return hmac.digest(self._account.api_v3_key.encode(), f"page\n{text}".encode(), "sha256").hex()[:32]


def path(*parts: str) -> str:
    """A path of its parts, each escaped."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def _text(reply: HttpReply) -> str:
    try:
        return reply.body.decode()
    except UnicodeDecodeError:
        raise GatewayFailed("the answer is not UTF-8", is_unclear=reply.status < 300 or reply.status >= 500) from None


def _fields(reply: HttpReply, text: str, *, is_ok: bool) -> dict[str, Any]:
    if is_ok and not text:
        return {}
    try:
        return signing.parsed(text)
    except ValueError:
        is_unclear = is_ok or reply.status >= 500
        raise GatewayFailed(f"WeChat Pay answered with HTTP {reply.status} and no JSON", is_unclear=is_unclear) from None


def _date(reply: HttpReply) -> int:
    try:
        return int(parsedate_to_datetime(reply.headers.get("date", "")).timestamp() * 1000)
    except ValueError:
        return 0
