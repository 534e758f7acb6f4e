"""Answers as bytes: what a request already has, what it takes, and how the framework is handed an answer or gives one.

Always true: nothing here looks at who asks.
"""

import re
from collections.abc import Mapping
from functools import lru_cache

from litestar import Response
from litestar.datastructures import Cookie

from kashop.web.errors import Answer

Headers = Mapping[bytes, bytes]
"""A request's headers by their lower-case names."""

_PLAIN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~:-]+", re.ASCII)
"""What a cookie may hold without quotes."""

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


def answer_of(response: Response[bytes]) -> Answer:
    """What the framework would send of a response with a body of bytes."""
    kind, body = str(response.media_type), response.content
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]
    headers += [(b"content-type", (f"{kind}; charset=utf-8" if kind.startswith("text/") else kind).encode("latin-1"))]
    headers += [(b"content-length", b"%d" % len(body)), *map(set_cookie, response.cookies)]
    return response.status_code or 200, headers, body


def set_cookie(cookie: Cookie) -> tuple[bytes, bytes]:
    """The header that sets a cookie, as the framework writes it."""
    value = cookie.value or ""
    is_usual = cookie.httponly and cookie.max_age is not None and cookie.samesite and not cookie.domain and cookie.expires is None
    if not is_usual or not _PLAIN.fullmatch(value):
        return cookie.to_encoded_header()  # http.cookies takes its time
    secure = "; Secure" if cookie.secure else ""
    text = f"{cookie.key}={value}; HttpOnly; Max-Age={cookie.max_age}; Path={cookie.path}; SameSite={cookie.samesite}{secure}"
    return b"set-cookie", text.encode("latin-1")
