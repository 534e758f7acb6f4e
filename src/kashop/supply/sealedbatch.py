"""The sealed batch file, version 1 (docs/reference/sealed-batch.md): written by suppliers, read by the shop. Pure.

Three lines and a body: the magic, the manifest as canonical JSON, the supplier's signature, then one sealed box for the shop's
import key, in which each line is a row `{"code": "…"}`. The box hides the codes; the signature stops injection, and with the
manifest's random number and time, replay.

Always true of a Head that was parsed: its manifest has one spelling, which is what was signed.
"""

import hashlib
import json
import re
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Annotated, Any

import msgspec

from kashop.lib.clock import DAY, rfc3339
from kashop.lib.errors import Mismatch
from kashop.vault import boxes

MAGIC = b"kashop-sealed-batch 1\n"
MOST_HEAD = 4096
MOST_BYTES = 10 * 1024 * 1024
MOST_ROWS = 200_000
MOST_DRIFT = 7 * DAY
"""How far a manifest's time may be from the shop's."""

_DOMAIN = b"kashop/sealed-batch/v1\0"
_JOIN = b"kashop/supply-join/v1\0"
_CALL = b"kashop/supply-call/v1\0"

_Slug = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,64}\Z")]
_Hex = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{24}\Z")]


class BatchRefused(Mismatch):
    """A sealed batch is not taken, and why: `code` is one of REFUSALS with `batch_` before it. Nothing of it was stored."""

    code = "batch_malformed"

    def __init__(self, why: str):
        super().__init__(REFUSALS[why], code=f"batch_{why}")
        self.why = why


REFUSALS = {
    "malformed": "This is not a sealed batch as kashop knows it, or it was cut.",
    "supplier": "No supplier's key fits this batch.",
    "unconfirmed": "The shop has not confirmed this key yet.",
    "disabled": "The shop takes no batches from this supplier.",
    "shop": "This batch was sealed for another shop.",
    "key": "This batch was sealed for a key that the shop no longer uses. Seal it again.",
    "product": "This supplier may not bring codes for that product.",
    "time": "The batch was sealed more than seven days ago, or the sealing device's clock is wrong.",
    "replayed": "This batch was sent before. Each batch is taken once.",
    "size": "The batch is not as long as its manifest says, or too large.",
    "digest": "The sealed content is not what the manifest names.",
    "unreadable": "The sealed content does not open, or is not lines of codes.",
    "count": "The batch does not hold as many rows as its manifest says.",
    "declined": "The shop declined this batch.",
}
"""Every reason for which a batch is not taken, by the word that stands in events."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a supplier signs: for whom, from whom, for which SKU, how much, when."""

    version: Annotated[int, msgspec.Meta(ge=1, le=1)] = 1
    shop: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
    supplier: Annotated[str, msgspec.Meta(pattern=r"^[0-9A-Z]{16}\Z")]
    product: _Slug
    sku: _Slug
    batch: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
    count: Annotated[int, msgspec.Meta(ge=1, le=MOST_ROWS)]
    body_bytes: Annotated[int, msgspec.Meta(ge=boxes.BOX_OVERHEAD + 1, le=MOST_BYTES)]
    body_sha512: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{128}\Z")]
    created_at: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]Z\Z")]
    import_key: _Hex


class _Row(msgspec.Struct, frozen=True):
    code: str

    def __repr__(self) -> str:
        return "<row>"


_ROW = msgspec.json.Decoder(_Row)


class Head(msgspec.Struct, frozen=True):
    """The first three lines. `line` is the manifest as it stood."""

    manifest: Manifest
    line: bytes
    signature: bytes


def canonical(manifest: Manifest) -> bytes:
    """The one spelling of a manifest: names sorted, no blanks, ASCII."""
    return msgspec.json.encode(manifest, order="sorted")


def signed_text(line: bytes) -> bytes:
    """What the signature is over: its purpose, then the SHA-512 of the manifest's line."""
    return _DOMAIN + hashlib.sha512(line).digest()


def head_length(data: bytes) -> int | None:
    """How many bytes the three lines take; None while they are not all there. Raises BatchRefused."""
    if not data.startswith(MAGIC[: len(data)]):
        raise BatchRefused("malformed")
    end = -1
    for _ in range(3):
        end = data.find(b"\n", end + 1)
        if end < 0:
            break
    if end >= MOST_HEAD or (end < 0 and len(data) >= MOST_HEAD):
        raise BatchRefused("malformed")
    return end + 1 if end >= 0 else None


def parse_head(data: bytes) -> Head:
    """The three lines, each in its one spelling. Raises BatchRefused."""
    length = head_length(data)
    if length is None:
        raise BatchRefused("malformed")
    line, signature = data[len(MAGIC) : length - 1].split(b"\n")
    manifest = read_manifest(line)
    try:
        signature_bytes = unbase64(signature.decode("ascii"), boxes.SIGNATURE_BYTES)
    except ValueError:
        raise BatchRefused("malformed") from None
    return Head(manifest, line, signature_bytes)


def read_manifest(line: bytes) -> Manifest:
    """A manifest out of its line. Raises BatchRefused."""
    try:
        manifest = msgspec.json.decode(line, type=Manifest)
        moment(manifest.created_at)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise BatchRefused("malformed") from None
    if canonical(manifest) != line:
        raise BatchRefused("malformed")
    return manifest


def moment(text: str) -> int:
    """Milliseconds UTC of `2026-11-01T04:00:00Z`. Raises ValueError."""
    from datetime import datetime

    return int(datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z").timestamp() * 1000)


def check_body(manifest: Manifest, body: bytes | bytearray) -> None:
    """Whether the sealed content is the one that was signed. Raises BatchRefused."""
    if len(body) != manifest.body_bytes:
        raise BatchRefused("size")
    if hashlib.sha512(body).hexdigest() != manifest.body_sha512:
        raise BatchRefused("digest")


def read_rows(manifest: Manifest, plain: bytes) -> list[str]:
    """The codes of the opened content, as many as were signed. Raises BatchRefused."""
    lines = plain.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    if len(lines) != manifest.count:
        raise BatchRefused("count")
    try:
        return [_ROW.decode(line).code for line in lines]
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise BatchRefused("unreadable") from None


def rows(codes: Iterable[str]) -> bytes:
    """Codes as the sealed lines."""
    return b"".join(json.dumps({"code": code}, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for code in codes)


def seal(plain: bytes, *, seed: bytes, public_key: bytes, import_key: str, now: int, batch: str = "", **names: Any) -> bytes:
    """A whole file: `plain` are rows, `names` the manifest's shop, supplier, product and sku."""
    body = boxes.close_box(public_key, plain)
    manifest = Manifest(
        batch=batch or secrets.token_hex(16),
        count=plain.count(b"\n"),
        body_bytes=len(body),
        body_sha512=hashlib.sha512(body).hexdigest(),
        created_at=rfc3339(now),
        import_key=import_key,
        **names,
    )
    return assembled(manifest, body, seed)


def assembled(manifest: Manifest, body: bytes, seed: bytes) -> bytes:
    """The file of a manifest and its sealed content."""
    line = canonical(manifest)
    return MAGIC + line + b"\n" + base64(boxes.sign(seed, signed_text(line))).encode() + b"\n" + body


def join_text(token: str, public_key: bytes) -> bytes:
    """What a new key signs to show that its holder has its private half."""
    return _JOIN + f"{token}\n{base64(public_key)}".encode()


def call_text(shop: str, supplier: str, seconds: int) -> bytes:
    """What a supplier signs to ask for what concerns him: at which shop, who, when."""
    return _CALL + f"{shop}\n{supplier}\n{seconds}".encode()


def call_token(seed: bytes, *, shop: str, supplier: str, now: int) -> str:
    """A supplier's Bearer token for a while."""
    seconds = now // 1000
    return f"{supplier}.{seconds}.{base64(boxes.sign(seed, call_text(shop, supplier, seconds)))}"


def fingerprint(public_key: bytes) -> str:
    """A key as people compare it, 96 bits: `grouped` for the screen."""
    return hashlib.sha512(public_key).hexdigest()[:24]


def grouped(name: str) -> str:
    """A fingerprint in groups of four."""
    return " ".join(re.findall(".{4}", name))


def base64(raw: bytes) -> str:
    """Base64 for URLs, without padding (RFC 4648 §5)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def unbase64(text: str, length: int) -> bytes:
    """The inverse, of exactly so many bytes in its one spelling. Raises ValueError."""
    raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if len(raw) != length or base64(raw) != text:
        raise ValueError("not this many bytes in Base64")
    return raw
