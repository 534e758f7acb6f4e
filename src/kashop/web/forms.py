"""What browsers post, read safely.

Always true: a form has at most as many fields and bytes as its reader allows; its text is strict UTF-8
without control characters; a field that is asked for once was given once. Every complaint is collected by
field, then all are told together as one Invalid.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from litestar import Request
from litestar.exceptions import InternalServerException
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from kashop.lib import money
from kashop.lib.errors import FieldError, Invalid
from kashop.web.edge import too_large
from kashop.web.errors import Problem, Stopped

MAX_FIELDS = 1000
MAX_NAME = 100
MAX_TEXT = 8 * 1024 * 1024
_PIECE = 256 * 1024

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_INTEGER = re.compile(r"-?[0-9]{1,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Upload:
    """A posted file, held in memory only: what it holds may be codes."""

    name: str
    data: bytes = field(repr=False)


class Form:
    """A posted form. Ask for each field by its kind, then call `done()`: it tells every complaint at once."""

    def __init__(self, pairs: Sequence[tuple[str, str]], files: Mapping[str, Upload] | None = None):
        self.files = dict(files or {})
        self.errors: list[FieldError] = []
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self.add(name, value)

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def add(self, name: str, value: str) -> None:
        """One field more."""
        self._values.setdefault(name, []).append(value)

    def names(self) -> list[str]:
        """The fields that were given."""
        return list(self._values)

    def size(self) -> int:
        """About how many bytes of memory it takes."""
        texts = sum(len(name) + 4 * len(value) for name, values in self._values.items() for value in values)
        return texts + sum(len(upload.data) for upload in self.files.values())

    def raw(self, name: str) -> str:
        """What stood in a field, to show it again; empty when absent."""
        return self._values.get(name, [""])[0]

    def many(self, name: str) -> list[str]:
        """Every value of a field that may repeat."""
        return list(self._values.get(name, ()))

    def flag(self, name: str) -> bool:
        """Whether a checkbox was ticked."""
        return self.raw(name) not in ("", "0")

    def text(self, name: str, *, most: int = 200, least: int = 0, is_long: bool = False) -> str:
        """Text of at most `most` characters without outer blanks. Only `is_long` text may have line ends."""
        value = self._only(name).replace("\r\n", "\n").replace("\r", "\n").strip()
        if _CONTROL.search(value) or (not is_long and ("\n" in value or "\t" in value)):
            self.complain(name, "This has characters that cannot stand here.")
        elif len(value) < least:
            self.complain(name, "Please fill in this field." if not value else "At least {n} characters.", n=least)
        elif len(value) > most:
            self.complain(name, "At most {n} characters.", n=most)
        else:
            return value
        return ""

    def secret(self, name: str, *, most: int = 1024) -> str:
        """A password or key, exactly as typed; empty when left empty."""
        value = self._only(name)
        if len(value) > most or "\x00" in value:
            self.complain(name, "At most {n} characters.", n=most)
            return ""
        return value

    def integer(self, name: str, *, least: int, most: int, default: int | None = None) -> int:
        """A whole number in plain ASCII digits."""
        value = self._only(name).strip()
        if not value and default is not None:
            return default
        if not _INTEGER.fullmatch(value):
            self.complain(name, "Please enter a whole number.")
        elif not least <= int(value) <= most:
            self.complain(name, "A number from {least} to {most}.", least=least, most=most)
        else:
            return int(value)
        return default if default is not None else least

    def amount(self, name: str, currency: str, *, default: int | None = None) -> int:
        """An amount in minor units."""
        value = self._only(name).strip()
        if not value and default is not None:
            return default
        try:
            return money.parse(value, currency, field=name)
        except Invalid as error:
            self.errors += error.fields
            return default or 0

    def choice(self, name: str, choices: Sequence[str], *, default: str | None = None) -> str:
        """One of `choices`."""
        value = self._only(name)
        if not value and default is not None:
            return default
        if value not in choices:
            self.complain(name, "Please choose one of the list.")
            return default or (choices[0] if choices else "")
        return value

    def rows(self, prefix: str) -> list[str]:
        """The numbers n of repeated groups `prefix-n-…`, in order, at most 200."""
        pattern = re.compile(re.escape(prefix) + r"-([0-9]{1,4})-", re.ASCII)
        found = {m.group(1) for name in self._values if (m := pattern.match(name))}
        return sorted(found, key=int)[:200]

    def complain(self, name: str, message: str, **params: object) -> None:
        """Note a complaint about a field."""
        self.errors.append(FieldError(name, message, tuple((k, str(v)) for k, v in params.items())))

    def done(self) -> None:
        """Raises Invalid when anything was complained about."""
        if self.errors:
            raise Invalid("Please correct the marked fields.", fields=self.errors)

    def _only(self, name: str) -> str:
        values = self._values.get(name, [])
        if len(values) > 1:
            self.complain(name, "This field was given more than once.")
        return values[0] if values else ""


class Sink(Protocol):
    """Where the files of a form go that are too large for memory: each is begun, written in pieces, ended."""

    def begin(self, form: Form, field: str, name: str) -> None:
        """A file follows. `form` has the fields that stood before it: refuse here who may not send one."""
        ...

    async def write(self, data: bytes) -> None:
        """A piece of it."""
        ...

    async def end(self) -> None:
        """It is whole."""
        ...


async def read_form(request: Request[Any, Any, Any], *, max_fields: int = MAX_FIELDS, sink: Sink | None = None) -> Form:
    """The form in a request's body; an absent body is an empty form. Raises Stopped (400, 413, 415).

    With a `sink` files go there in pieces as they come, and all that is no file may have `MAX_TEXT` bytes.
    """
    kind, boundary = _content_type(request.headers.get("content-type", ""))
    if kind == "multipart/form-data":
        return await _read_multipart(request, boundary, max_fields, sink)
    body = bytearray()
    async for chunk in body_chunks(request):
        body += chunk
        if sink is not None and len(body) > MAX_TEXT:
            raise Stopped(too_large(MAX_TEXT))
    if kind == "application/x-www-form-urlencoded" or (not kind and not body):
        return Form(parse_pairs(bytes(body), max_fields=max_fields))
    raise Stopped(Problem(415, "unsupported_media_type", "This kind of content is not understood here."))


def parse_pairs(body: bytes, *, max_fields: int = MAX_FIELDS) -> list[tuple[str, str]]:
    """Pairs of `a=b&c=d` (WHATWG URL §5.1), decoded strictly. Raises Stopped."""
    parts = [part for part in body.split(b"&", max_fields) if part]
    if len(parts) > max_fields:
        raise _malformed()
    pairs = []
    for part in parts:
        name, _, value = part.partition(b"=")
        pairs.append((_unquoted(name), _unquoted(value)))
    return [_checked(pair) for pair in pairs]


def _unquoted(raw: bytes) -> str:
    if b"%" not in raw and b"+" not in raw:
        return _decoded(raw)
    if _ESCAPE.search(raw):
        raise _malformed()
    return _decoded(unquote_to_bytes(raw.replace(b"+", b" ")))


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise _malformed() from None


def _checked(pair: tuple[str, str]) -> tuple[str, str]:
    if len(pair[0]) > MAX_NAME or "\x00" in pair[0]:
        raise _malformed()
    return pair


async def _read_multipart(request: Request[Any, Any, Any], boundary: str, max_fields: int, sink: Sink | None) -> Form:
    form = Form(())
    try:
        with PushMultipartParser(boundary, max_segment_count=max_fields, strict=True) as parser:
            collect = _Collector(form, sink)
            async for chunk in body_chunks(request):
                for event in parser.parse(chunk) if chunk else ():
                    await collect(event)
    except MultipartError:
        raise _malformed() from None
    return form


class _Collector:
    """Puts a multipart stream's events together: a segment, its bytes, None."""

    def __init__(self, form: Form, sink: Sink | None):
        self._form = form
        self._sink = sink
        self._segment: MultipartSegment | None = None
        self._data = bytearray()
        self._is_sinking = False
        self._text = 0

    async def __call__(self, event: "MultipartSegment | bytearray | bytes | None") -> None:
        if isinstance(event, MultipartSegment):
            self._begin(event)
        elif event is not None:
            await self._take(event)
        elif self._segment is not None:
            await self._finish(self._segment)
            self._segment = None

    def _begin(self, segment: MultipartSegment) -> None:
        self._segment, self._data = segment, bytearray()
        self._is_sinking = self._sink is not None and bool(segment.filename)
        if self._sink is not None and self._is_sinking:
            self._sink.begin(self._form, _checked((segment.name or "", ""))[0], _file_name(segment.filename))

    async def _take(self, data: "bytearray | bytes") -> None:
        self._data += data
        if self._sink is None:
            return
        if not self._is_sinking:
            self._text += len(data)
            if self._text > MAX_TEXT:
                raise Stopped(too_large(MAX_TEXT))
        elif len(self._data) >= _PIECE:
            await self._sink.write(bytes(self._data))
            self._data.clear()

    async def _finish(self, segment: MultipartSegment) -> None:
        name, _ = _checked((segment.name or "", ""))
        if self._sink is not None and self._is_sinking:
            await self._sink.write(bytes(self._data))
            await self._sink.end()
        elif segment.filename is None:
            self._form.add(name, _decoded(bytes(self._data)))
        elif self._data or segment.filename:
            if name in self._form.files:
                raise _malformed()
            self._form.files[name] = Upload(_file_name(segment.filename), bytes(self._data))


def _file_name(text: str | None) -> str:
    return _CONTROL.sub("", text or "")[-200:]


async def body_chunks(request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises Stopped (400) when the client goes away."""
    try:
        async for chunk in request.stream():
            yield chunk
    except InternalServerException:  # the framework's word for a client that went away
        raise _malformed() from None


def _content_type(header: str) -> tuple[str, str]:
    if not header:
        return "", ""
    message = Message()
    message["content-type"] = header[:300].replace("\n", "").replace("\r", "")
    boundary = message.get_param("boundary", "")
    charset = message.get_param("charset", "utf-8")
    if str(charset).lower() not in ("utf-8", "utf8"):
        raise Stopped(Problem(415, "unsupported_media_type", "Only UTF-8 is understood here."))
    return message.get_content_type() if "/" in header else header.lower(), str(boundary)


def _malformed() -> Stopped:
    return Stopped(Problem(400, "malformed", "The form is not well-formed."))
