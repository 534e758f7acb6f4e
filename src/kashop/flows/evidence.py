"""Files that show that a payment arrived: a screenshot, a bank's slip.

Always true: what a file is, its content says and nobody's word; a picture is drawn anew by us, so that nothing but the picture
is left of it; the files lie in a folder that no public address leads to, under names that nobody can guess.
"""

import asyncio
import hashlib
import io
import os
import re
from pathlib import Path

from kashop.lib import ids
from kashop.lib.errors import Invalid, NotFound, Unavailable
from kashop.payments.rows import Evidence, EvidenceDraft
from kashop.shop import Shop

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MOST_BYTES = 5 * 1024 * 1024
MOST_PIXELS = 40_000_000
LONGEST_SIDE = 2400
"""A long screenshot can still be read."""

_PDF_HEAD, _PDF_TAIL = re.compile(rb"%PDF-[12]\.[0-9]"), b"%%EOF"
_NAME = re.compile(r"[a-z0-9]{26}\.(webp|pdf)", re.ASCII)


async def keep(shop: Shop, data: bytes) -> EvidenceDraft:
    """Put a file into its folder; what there is to note of it. Raises Invalid for `evidence`, Unavailable."""
    if len(data) > MOST_BYTES:
        raise Invalid.of("evidence", "The file is too large: {n} MiB at most.", n=MOST_BYTES // 1024 // 1024)
    return await asyncio.to_thread(_keep, folder(shop), data)


async def read(shop: Shop, evidence: Evidence) -> bytes:
    """A kept file, as it was noted. Raises NotFound when it is gone, or is another than was noted."""
    data = await asyncio.to_thread(_read, folder(shop), evidence.name)
    if data is None or hashlib.sha256(data).hexdigest() != evidence.digest:
        raise NotFound("The file is no longer what was handed in.")
    return data


async def drop(shop: Shop, draft: EvidenceDraft) -> None:
    """Forget a file that nothing came of."""
    await asyncio.to_thread((folder(shop) / draft.name).unlink, missing_ok=True)


def folder(shop: Shop) -> Path:
    """Where they lie: below the uploads, at no address."""
    return shop.config.data / "uploads" / "evidence"


def _keep(place: Path, data: bytes) -> EvidenceDraft:
    body, kind, ending = (data, "application/pdf", "pdf") if _is_pdf(data) else (_drawn(data), "image/webp", "webp")
    name = f"{ids.random_text(26).lower()}.{ending}"
    try:
        place.mkdir(exist_ok=True, parents=True, mode=0o700)
        with os.fdopen(os.open(place / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(body)
            out.flush()
            os.fsync(out.fileno())
    except OSError:
        raise Unavailable("The disk has no room for this file.", code="no_room") from None
    return EvidenceDraft(name, kind, len(body), hashlib.sha256(body).hexdigest())


def _is_pdf(data: bytes) -> bool:
    return _PDF_HEAD.match(data) is not None and _PDF_TAIL in data[-1024:]


def _drawn(data: bytes) -> bytes:
    from PIL import Image, ImageOps, UnidentifiedImageError  # not at start (decision 0038)

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise Invalid.of("evidence", "The picture is too large: 40 megapixels at most.")
            drawn = ImageOps.exif_transpose(picture).convert("RGB")
            drawn.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
            out = io.BytesIO()
            drawn.save(out, "WEBP", quality=86, method=4)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise Invalid.of("evidence", "This is neither a picture nor a PDF: use PNG, JPEG, WebP, GIF or PDF.") from error
    return out.getvalue()


def _read(place: Path, name: str) -> bytes | None:
    path = place / name
    is_ours = _NAME.fullmatch(name) is not None and path.is_file() and not path.is_symlink()
    return path.read_bytes() if is_ours else None
