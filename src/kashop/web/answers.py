"""Answers that stand ready as bytes: what a request already has, what it takes, and how the framework is handed the rest.

Always true: nothing here looks at who asks.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from litestar import Response

from kashop.web.errors import Answer

Headers = Mapping[bytes, bytes]
"""A request's headers by their lower-case names."""

_GZIP = re.compile(rb"(?:^|[,\s])(?:x-)?gzip\s*(?:;\s*q\s*=\s*([0-9.]+))?\s*(?:,|$)", re.I)


@lru_cache(maxsize=256)
def takes_gzip(accept_encoding: bytes) -> bool:
    """Whether an Accept-Encoding takes gzip by its name (RFC 9110 §12.5.3)."""
    found = _GZIP.search(accept_encoding)
    return found is not None and (found[1] is None or found[1].strip(b"0.") != b"")


def has(headers: Headers, etag: bytes) -> bool:
    """Whether who asks has what this tag stands for already (RFC 9110 §13.1.2). `etag` is without its quotes."""
    known = headers.get(b"if-none-match")
    return known is not None and etag in known


def response(answer: Answer) -> Response[bytes]:
    """An answer for the framework to send."""
    status, headers, body = answer
    told = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name != b"content-length"}
    kind = told.pop("content-type", "text/plain").removesuffix("; charset=utf-8")  # the framework adds it
    return Response(body, status_code=status, media_type=kind, headers=told)
