"""Files that show that a payment arrived: a screenshot, a bank's slip.

Always true: what a file is, its content says and nobody's word; a picture is drawn anew by us, so that nothing but the picture
is left of it; the files lie in a folder that no public address leads to, under names that nobody can guess.
"""

import asyncio
import hashlib
import io
import re

from kashop.lib import ids
from kashop.lib.errors import Invalid, NotFound
from kashop.payments.rows import Evidence, EvidenceDraft
from kashop.shop import Shop

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MOST_BYTES = 5 * 1024 * 1024
MOST_PIXELS = 40_000_000
FOLDER = "evidence/"
"""Where they lie among the uploads: at no address."""
LONGEST_SIDE = 2400
"""A long screenshot can still be read."""

_PDF_HEAD, _PDF_TAIL = re.compile(rb"%PDF-[12]\.[0-9]"), b"%%EOF"


async def keep(shop: Shop, data: bytes) -> EvidenceDraft:
    """Put a file into its place; what there is to note of it. Raises Invalid for `evidence`, Unavailable."""
    if len(data) > MOST_BYTES:
        raise Invalid.of("evidence", "The file is too large: {n} MiB at most.", n=MOST_BYTES // 1024 // 1024)
    body, kind, ending = await asyncio.to_thread(_read_anew, data)
    name = f"{ids.random_text(26).lower()}.{ending}"
    await shop.uploads.put(FOLDER + name, body)
    return EvidenceDraft(name, kind, len(body), hashlib.sha256(body).hexdigest())


async def read(shop: Shop, evidence: Evidence) -> bytes:
    """A kept file, as it was noted. Raises NotFound when it is gone, or is another than was noted."""
    data = await shop.uploads.get(FOLDER + evidence.name)
    if data is None or hashlib.sha256(data).hexdigest() != evidence.digest:
        raise NotFound("The file is no longer what was handed in.")
    return data


async def drop(shop: Shop, draft: EvidenceDraft) -> None:
    """Forget a file that nothing came of."""
    await shop.uploads.delete(FOLDER + draft.name)


def _read_anew(data: bytes) -> tuple[bytes, str, str]:
    """What is kept, its type and the ending of its name."""
    return (data, "application/pdf", "pdf") if _is_pdf(data) else (_drawn(data), "image/webp", "webp")


def _is_pdf(data: bytes) -> bool:
    return _PDF_HEAD.match(data) is not None and _PDF_TAIL in data[-1024:]


def _drawn(data: bytes) -> bytes:
    from PIL import Image, ImageOps, UnidentifiedImageError  # not at start (decision 0038)

    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise _too_large()
            drawn = ImageOps.exif_transpose(picture).convert("RGB")
            drawn.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
            out = io.BytesIO()
            drawn.save(out, "WEBP", quality=86, method=4)
    except Image.DecompressionBombError:
        raise _too_large() from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise Invalid.of("evidence", "This is neither a picture nor a PDF: use PNG, JPEG, WebP, GIF or PDF.") from error
    return out.getvalue()


def _too_large() -> Invalid:
    return Invalid.of("evidence", "The picture is too large: 40 megapixels at most.")
