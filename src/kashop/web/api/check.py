"""Fits what a client sent to the Struct that an operation takes, and tells every complaint by its path: `lines.0.quantity`.

Always true: no value is bent to fit (`"3"`, `1.0` and `true` are no whole numbers); a field that the Struct does
not have is a complaint, never dropped. The same Struct's limits stand in the OpenAPI document.
"""

import re
from functools import cache
from typing import TypeVar, cast

import msgspec
from msgspec import inspect

from kashop.lib.errors import FieldError, Invalid

T = TypeVar("T", bound=msgspec.Struct)

MOST_COMPLAINTS = 50
_MOST_PATH = 120

_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,19})", re.ASCII)

Type = inspect.Type


def checked(value: object, kind: type[T]) -> T:
    """`value`, decoded JSON, as a `kind`. Raises Invalid."""
    sheet = _Sheet()
    made = sheet.convert(value, _info(kind), "")
    if sheet.wrong:
        raise Invalid("Please correct the marked fields.", fields=sheet.wrong)
    return cast(T, made)


def checked_query(pairs: list[tuple[str, str]], kind: type[T]) -> T:
    """A query's pairs as a `kind`; each is given once. Raises Invalid."""
    given = dict(pairs)
    if len(given) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1}) if len(names) <= MOST_COMPLAINTS else [""]
        wrong = [FieldError(_short(name), "This field was given more than once.") for name in twice]
        raise Invalid("Please correct the marked fields.", fields=wrong)
    whole = {f.encode_name for f in _info(kind).fields if isinstance(_bare(f.type), inspect.IntType)}
    return checked({n: int(v) if n in whole and _WHOLE.fullmatch(v) else v for n, v in given.items()}, kind)


@cache
def _info(kind: type) -> inspect.StructType:
    return cast(inspect.StructType, inspect.type_info(kind))


class _Sheet:
    """The complaints about one request, gathered while its value is walked."""

    def __init__(self) -> None:
        self.wrong: list[FieldError] = []

    def convert(self, value: object, kind: Type, place: str) -> object:
        """`value` as `kind` wants it; anything, after a complaint."""
        kind = _bare(kind)
        if isinstance(kind, inspect.UnionType):  # the only unions here are `X | None`
            if value is None:
                return None
            kind = _bare(next(t for t in kind.types if not isinstance(t, inspect.NoneType)))
        match kind:
            case inspect.StrType():
                return self._text(value, kind, place)
            case inspect.IntType():
                return self._whole(value, kind, place)
            case inspect.LiteralType():
                return self._choice(value, kind, place)
            case inspect.VarTupleType():
                return self._list(value, kind, place)
            case inspect.DictType():
                return self._texts(value, kind, place)
            case inspect.StructType():
                return self._struct(value, kind, place)
        raise TypeError(f"no operation takes a {kind}")

    def complain(self, place: str, message: str, **params: object) -> None:
        """Note a complaint, unless there are plenty."""
        if len(self.wrong) < MOST_COMPLAINTS:
            told = tuple((k, str(v)) for k, v in params.items())
            self.wrong.append(FieldError(_short(place), message, told))

    def _text(self, value: object, kind: inspect.StrType, place: str) -> object:
        if not isinstance(value, str):
            self.complain(place, "Write text.")
        elif "\x00" in value:
            self.complain(place, "Control characters are not allowed.")
        elif len(value) < (kind.min_length or 0):
            self.complain(place, "This is needed.")
        elif kind.max_length is not None and len(value) > kind.max_length:
            self.complain(place, "This is too long.")
        elif kind.pattern and not re.fullmatch(kind.pattern, value):
            self.complain(place, "This does not have the form that is asked for.")
        return value

    def _whole(self, value: object, kind: inspect.IntType, place: str) -> object:
        if not isinstance(value, int) or isinstance(value, bool):
            self.complain(place, "Please enter a whole number.")
        elif not cast(int, kind.ge) <= value <= cast(int, kind.le):
            self.complain(place, "A number from {least} to {most}.", least=kind.ge, most=kind.le)
        return value

    def _choice(self, value: object, kind: inspect.LiteralType, place: str) -> object:
        if not isinstance(value, str) or value not in kind.values:
            self.complain(place, "Choose one of the values on offer.")
        return value

    def _list(self, value: object, kind: inspect.VarTupleType, place: str) -> object:
        if not isinstance(value, list):
            self.complain(place, "This must be a list.")
        elif not (kind.min_length or 0) <= len(value) <= cast(int, kind.max_length):
            self.complain(place, "From {least} to {most} entries.", least=kind.min_length or 0, most=kind.max_length)
        else:
            return tuple(self.convert(one, kind.item_type, _at(place, str(n))) for n, one in enumerate(value))
        return ()

    def _texts(self, value: object, kind: inspect.DictType, place: str) -> object:
        if not isinstance(value, dict):
            self.complain(place, "This must be an object.")
            return {}
        if len(value) > cast(int, kind.max_length):
            self.complain(place, "From {least} to {most} entries.", least=0, most=kind.max_length)
            return {}
        return {name: self.convert(one, kind.value_type, _at(place, name)) for name, one in value.items()}

    def _struct(self, value: object, kind: inspect.StructType, place: str) -> object:
        if not isinstance(value, dict):
            self.complain(place, "This must be an object.")
            return None
        known = {field.encode_name: field for field in kind.fields}
        for name in value.keys() - known.keys():
            self.complain(_at(place, name), "There is no such field.")
        made = {f.name: self.convert(value[n], f.type, _at(place, n)) for n, f in known.items() if n in value}
        for name, field in known.items():
            if field.required and name not in value:
                self.complain(_at(place, name), "This is needed.")
        return None if self.wrong else kind.cls(**made)


def _bare(kind: Type) -> Type:
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def _at(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


def _short(place: str) -> str:
    return place if len(place) <= _MOST_PATH else place[:_MOST_PATH] + "…"
