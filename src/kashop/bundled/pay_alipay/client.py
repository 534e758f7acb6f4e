"""Asks Alipay and believes what it signed (alipay.md §1 to §3, §9).

Always true: what is said to have succeeded was proved, over the exact characters of its node; the private key stands in no error.
"""

import base64
import datetime as dt
import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from kashop.bundled.pay_alipay import signing
from kashop.bundled.pay_alipay.certificates import is_trusted, serial_of
from kashop.bundled.pay_alipay.options import Account
from kashop.plugins.api import (
    MINUTE,
    Context,
    GatewayFailed,
    HttpFailed,
    HttpReply,
    RsaPublicKey,
    is_rsa_signed,
    rsa_key_of,
    rsa_sign,
    scrubbed,
    x509_certificates,
)

BEIJING = dt.timezone(dt.timedelta(hours=8))
"""Alipay's clock, whatever the server's zone."""

_OK = "10000"
_UNKNOWN = "20000"


def beijing(ms: int) -> str:
    """A time as Alipay writes it."""
    return dt.datetime.fromtimestamp(ms / 1000, BEIJING).strftime("%Y-%m-%d %H:%M:%S")


class Unproved(GatewayFailed):
    """An answer that Alipay did not sign, or not by a key that we know."""

    def __init__(self, problem: str):
        super().__init__(problem, is_unclear=True)


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """The node of a reply. `is_proved`: Alipay signed it; only an error may be without. `told_at` is the server's clock, 0 if
    it told none."""

    fields: dict[str, Any]
    is_proved: bool
    told_at: int = 0

    @property
    def code(self) -> str:
        """Such as 10000."""
        return self.text("code")

    @property
    def sub_code(self) -> str:
        """Such as ACQ.TRADE_NOT_EXIST, without the `aop.` that some errors wear."""
        return self.text("sub_code").removeprefix("aop.")

    @property
    def is_ok(self) -> bool:
        """Whether it was done."""
        return self.code == _OK

    @property
    def is_refused(self) -> bool:
        """Whether Alipay itself said no for good, and nothing happened."""
        return self.is_proved and self.code == "40004" and not self.is_unclear

    @property
    def is_unclear(self) -> bool:
        """Whether it may have been done all the same."""
        return self.code == _UNKNOWN or self.sub_code.endswith("SYSTEM_ERROR")

    def text(self, name: str) -> str:
        """A field that is a text, else nothing."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else ""


class Client:
    """One account's way to Alipay."""

    def __init__(self, account: Account, ctx: Context):
        self._account = account
        self._ctx = ctx
        self._keys = dict(account.keys)
        self._looked_up_at = 0

    def signed(self, method: str, about: Mapping[str, Any], **urls: str) -> dict[str, str]:
        """The parameters of a call with their signature; `method` stands first."""
        fields = {
            "method": method,
            "app_id": self._account.app_id,
            "format": "JSON",
            "charset": "utf-8",
            "sign_type": "RSA2",
            "timestamp": beijing(self._ctx.clock.now()),
            "version": "1.0",
            "app_cert_sn": self._account.app_cert_sn,
            "alipay_root_cert_sn": self._account.root_cert_sn,
            **urls,
            "biz_content": json.dumps(about, ensure_ascii=False, separators=(",", ":")),
        }
        fields = {k: v for k, v in fields.items() if v}
        return {**fields, "sign": rsa_sign(self._account.key, signing.content(fields))}

    def address(self, method: str, about: Mapping[str, Any], **urls: str) -> str:
        """Where a browser goes to be served by Alipay: nobody is asked."""
        return f"{self._account.url}?{urlencode(self.signed(method, about, **urls))}"

    async def ask(self, method: str, about: Mapping[str, Any], **urls: str) -> Said:
        """What Alipay says; whether it did what was asked is for the caller to see. Raises GatewayFailed."""
        reply, found = await self._send(method, about, urls)
        name = f"{method.replace('.', '_')}_response"
        raw, node = found.get(name) or found.get("error_response") or ("", None)
        if not isinstance(node, dict) or not isinstance(node.get("code"), str):
            raise GatewayFailed("Alipay's answer has no node", is_unclear=True)
        is_proved = await self._is_proved(raw, found)
        said = Said(fields=node, is_proved=is_proved, told_at=_date(reply))
        if said.is_ok and not is_proved:
            raise Unproved("Alipay's answer is not signed")
        return said

    def failed(self, said: Said) -> GatewayFailed:
        """What to raise for an answer that is a refusal."""
        return GatewayFailed(f"Alipay refused: {self.words(said)}", is_unclear=said.is_unclear)

    def words(self, said: Said) -> str:
        """Alipay's own words for what went wrong."""
        told = said.text("sub_msg") or said.text("msg")
        return scrubbed(f"{told} ({said.sub_code or said.code})", *self._account.secrets)

    def proves(self, fields: Mapping[str, str]) -> bool:
        """Whether a form is signed by Alipay."""
        text = signing.content(fields, without=("sign", "sign_type"))
        return any(is_rsa_signed(key, fields.get("sign", ""), text) for key in self._keys.values())

    async def download(self, url: str, *, limit: int) -> bytes:
        """A file that Alipay named. Raises GatewayFailed."""
        if not url.startswith(("https://", "http://")) or not url.isprintable():
            raise GatewayFailed("Alipay named no address to download from")
        try:
            reply = await self._ctx.http.get(url, limit=limit)
        except HttpFailed as failed:
            raise GatewayFailed(failed.problem, is_unclear=failed.is_unclear) from None
        if reply.status != 200:
            raise GatewayFailed(f"the download answered with HTTP {reply.status}", is_unclear=reply.status >= 500)
        return reply.body

    async def _send(
        self, method: str, about: Mapping[str, Any], urls: Mapping[str, str]
    ) -> tuple[HttpReply, dict[str, tuple[str, Any]]]:
        """The common parameters travel in the address, so that Alipay knows the charset before it reads the body."""
        fields = self.signed(method, about, **urls)
        form = {"biz_content": fields.pop("biz_content")}
        try:
            reply = await self._ctx.http.post(f"{self._account.url}?{urlencode(fields)}", form=form)
        except HttpFailed as failed:
            raise GatewayFailed(failed.problem, is_unclear=failed.is_unclear) from None
        if reply.status != 200:
            raise GatewayFailed(f"Alipay answered with HTTP {reply.status}", is_unclear=reply.status >= 500)
        try:
            return reply, signing.members(reply.body.decode())
        except ValueError:
            raise GatewayFailed("Alipay's answer is not JSON", is_unclear=True) from None

    async def _is_proved(self, raw: str, found: Mapping[str, tuple[str, Any]]) -> bool:
        signature, serial = (found.get(name, ("", ""))[1] for name in ("sign", "alipay_cert_sn"))
        if not isinstance(signature, str) or not isinstance(serial, str):
            raise GatewayFailed("Alipay's answer is malformed", is_unclear=True)
        if not signature:
            return False
        keys = [self._keys[""]] if "" in self._keys else [await self._key(serial)]
        if not any(is_rsa_signed(key, signature, raw) for key in keys):
            raise Unproved("the answer is not signed by the Alipay public key of this account")
        return True

    async def _key(self, serial: str) -> RsaPublicKey:
        """The key of a certificate, fetched when Alipay has taken a new one."""
        if serial not in self._keys:
            if self._ctx.clock.now() - self._looked_up_at < MINUTE:
                raise Unproved("the answer is signed by a certificate that is not known")
            self._looked_up_at = self._ctx.clock.now()
            self._keys[serial] = await self._fetched(serial)
        return self._keys[serial]

    async def _fetched(self, serial: str) -> RsaPublicKey:
        """The key of a new certificate: not what says so, but the root certificate makes it Alipay's."""
        _reply, found = await self._send("alipay.open.app.alipaycert.download", {"alipay_cert_sn": serial}, {})
        _raw, node = found.get("alipay_open_app_alipaycert_download_response", ("", None))
        encoded = node.get("alipay_cert_content") if isinstance(node, dict) else None
        try:
            chain = x509_certificates(base64.b64decode(encoded or "", validate=True).decode())
            if serial_of(chain[0]) == serial and is_trusted(
                (*chain, *self._account.chain), self._account.roots, self._ctx.clock.now()
            ):
                return rsa_key_of(chain[0])
        except (ValueError, TypeError):
            raise Unproved("Alipay's new certificate cannot be read") from None
        raise Unproved("Alipay's new certificate does not come from its root certificate")


def _date(reply: HttpReply) -> int:
    try:
        return int(parsedate_to_datetime(reply.headers.get("date", "")).timestamp() * 1000)
    except ValueError:
        return 0
