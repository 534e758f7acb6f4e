"""Refusals become answers here, once: a page, an htmx fragment, or problem+json (RFC 9457) under /api.

Always true: a refusal says its code, its sentence and the request's id; anything that is not a refusal is a
bug, is logged whole and told as nothing but "500" and the id: no stack, SQL or path leaves the process (I-48).
"""

from collections.abc import Callable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException
from markupsafe import Markup

from kashop.lib import logs
from kashop.lib.errors import Busy, FieldError, Invalid, Refusal, TooMany
from kashop.web.text import SOURCE_LOCALE, Catalogue, translations

Scope = MutableMapping[str, Any]
Answer = tuple[int, list[tuple[bytes, bytes]], bytes]

log = logs.get_logger("kashop.web")


class Problem(msgspec.Struct, frozen=True):
    """A refusal on its way out. `message` is a msgid, `detail` fills it, `headers` go with the answer."""

    status: int
    code: str
    message: str
    detail: Mapping[str, Any] = {}
    fields: tuple[FieldError, ...] = ()
    headers: Mapping[str, str] = {}


class Stopped(Exception):
    """A door refuses by itself: the request's form is wrong, or who asks must log in."""

    def __init__(self, problem: Problem):
        super().__init__(problem.code)
        self.problem = problem


BUG = Problem(500, "bug", "Something went wrong on our side. Please tell us the number below.")

_HTTP = {
    400: Problem(400, "malformed", "The request is not well-formed."),
    401: Problem(401, "login_required", "Please log in."),
    403: Problem(403, "denied", "You may not do this."),
    404: Problem(404, "not_found", "There is no such page."),
    405: Problem(405, "method_not_allowed", "This address does not know that method."),
    413: Problem(413, "too_large", "This is too large."),
    415: Problem(415, "unsupported_media_type", "This kind of content is not understood here."),
    429: Problem(429, "too_many", "Too many requests. Please wait a little."),
    503: Problem(503, "unavailable", "The shop cannot do this just now. Please try again in a moment."),
}
_MALFORMED = (RecursionError, OverflowError, UnicodeError, msgspec.DecodeError)
"""What only a client's strange bytes provoke: too deep, too large, not text."""


def problem_of(error: BaseException) -> Problem:
    """What an exception is told as."""
    if isinstance(error, Stopped):
        return error.problem
    if isinstance(error, Refusal):
        retry = {"retry-after": str(error.retry_after)} if isinstance(error, TooMany | Busy) else {}
        return Problem(error.status, error.code, error.message, error.detail, error.fields, retry)
    if isinstance(error, HTTPException):
        known = _HTTP.get(error.status_code, BUG if error.status_code >= 500 else _HTTP[400])
        return msgspec.structs.replace(known, headers=dict(error.headers or {}))
    if isinstance(error, msgspec.ValidationError):
        return problem_of(Invalid.of("", "The content has not the expected form."))
    if isinstance(error, TimeoutError):
        return Problem(408, "too_slow", "The request did not arrive in time.")
    if isinstance(error, _MALFORMED):
        return _HTTP[400]
    return BUG


class Page(msgspec.Struct, frozen=True):
    """What an error page shows."""

    status: int
    title: str
    message: str
    complaints: tuple[tuple[str, str], ...]
    request_id: str
    code: str = ""


PageMaker = Callable[[Scope, Page], str | None]
"""Draws a whole page for a path; None when the path is not its own."""


class Errors:
    """Turns problems into answers. `pages` are asked in order; the plain page is the last."""

    def __init__(self, locale_of: Callable[[Scope], str], pages: tuple[PageMaker, ...] = ()):
        self._locale_of = locale_of
        self._pages = pages

    def answer(self, scope: Scope, problem: Problem) -> Answer:
        """Status, headers and body, in the form that the asker reads."""
        headers = [(n.lower().encode(), v.encode()) for n, v in problem.headers.items()]
        kind, body = self._body(scope, problem)
        headers += [
            (b"content-type", kind),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
        ]
        return problem.status, headers, body

    def handle(self, request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        """The framework's exception handler for everything."""
        problem = problem_of(error)
        if problem.status >= 500 and not isinstance(error, Refusal):
            log.error("request failed", path=request.scope.get("path"), exc_info=error)
        elif isinstance(error, _MALFORMED):
            log.warning("request refused as malformed", path=request.scope.get("path"), error=type(error).__name__)
        status, headers, body = self.answer(request.scope, problem)  # type: ignore[arg-type]
        # the type as a header: to a media type of text the framework would add a second charset
        told = {n.decode(): v.decode() for n, v in headers if n != b"content-length"}
        return Response(body, status_code=status, media_type=told["content-type"], headers=told)

    def _body(self, scope: Scope, problem: Problem) -> tuple[bytes, bytes]:
        path, headers = scope.get("path", ""), dict(scope.get("headers", ()))
        if path.startswith("/api/") or b"json" in headers.get(b"accept", b""):
            return b"application/problem+json", _json(scope, problem)
        words = translations(self._locale_of(scope))
        if path.startswith("/pay/") and path.endswith("/callback"):
            return b"text/plain; charset=utf-8", problem.code.encode()
        page = _page(scope, problem, words)
        if b"hx-request" in headers:
            return b"text/html; charset=utf-8", _fragment(page).encode()
        return b"text/html; charset=utf-8", self._whole(scope, page).encode()

    def _whole(self, scope: Scope, page: Page) -> str:
        for make in self._pages:
            try:
                text = make(scope, page)
            except Exception:  # a broken theme must not hide what it was to tell
                log.exception("the error page could not be drawn", path=scope.get("path"))
                continue
            if text is not None:
                return text
        return _plain(page, self._locale_of(scope))


_MEMBERS = ("total", "challenge")
"""Details that a program reads too, told as members of their own (RFC 9457 §3.2)."""


def _json(scope: Scope, problem: Problem) -> bytes:
    words = translations(SOURCE_LOCALE)
    said = {
        "type": f"urn:kashop:problem:{problem.code}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": words.say(problem.message, problem.detail),
        "code": problem.code,
        "request_id": _request_id(scope),
        "errors": [{"field": e.field, "detail": words.field_error(e)} for e in problem.fields],
        **{name: problem.detail[name] for name in _MEMBERS if name in problem.detail},
    }
    return msgspec.json.encode(said)


def _page(scope: Scope, problem: Problem, words: Catalogue) -> Page:
    return Page(
        status=problem.status,
        title=words.gettext(_TITLES.get(problem.status, "That did not work")),
        message=words.say(problem.message, problem.detail),
        complaints=tuple((e.field, words.field_error(e)) for e in problem.fields),
        request_id=_request_id(scope),
        code=problem.code,
    )


_TITLES = {
    403: "Not allowed",
    404: "Not found",
    409: "That is no longer possible",
    422: "Please check what you entered",
    429: "A little too fast",
    500: "Something went wrong",
    503: "Not available just now",
}


def _fragment(page: Page) -> Markup:
    complaints = Markup("").join(Markup("<li>{}</li>").format(text) for _, text in page.complaints)
    return Markup('<div role="alert" class="refusal"><p>{}</p><ul>{}</ul></div>').format(page.message, complaints)


def _plain(page: Page, locale: str) -> str:
    head = Markup(
        '<!doctype html><html lang="{}"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>{}</title>'
    )
    body = Markup('<h1>{}</h1>{}<p><small>{} · {}</small></p><p><a href="/">/</a></p></html>')
    return head.format(locale.replace("_", "-"), page.title) + body.format(
        page.title, _fragment(page), page.status, page.request_id
    )


def _request_id(scope: Scope) -> str:
    return str(scope.get("state", {}).get("request_id", ""))
