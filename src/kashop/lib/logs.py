"""The process's log: one line an event, as text for people or JSON for machines, to standard error.

Always true: a traceback shows code and never a variable's value, since that may be a password, a key or a code; what is
named like a secret is blotted out before it is written, in fields and in the queries of addresses. So it is too in a process
that never set its log up.
"""

import logging
import re
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def _without(name: str) -> Iterator[None]:
    """As where a library is not installed, unless it is loaded already."""
    is_loaded = name in sys.modules
    if not is_loaded:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if not is_loaded:
            del sys.modules[name]


with _without("rich"):  # it would draw tracebacks with their variables, which are never to be seen, and be loaded at every start
    import structlog

Logger = structlog.stdlib.BoundLogger
bind, unbind = structlog.contextvars.bind_contextvars, structlog.contextvars.unbind_contextvars
"""What every further line of a task carries."""

_SECRET = ("password", "secret", "token", "authorization", "cookie", "session", "key")
_BLOT = "•••"
_IN_TEXT = re.compile(r"(?i)\b(password|secret|token|key|k|sign|csrf|code)=([^&\s\"']+)")


def configure(log_format: str = "text", log_level: str = "info") -> None:
    """Set up the log of this process. `log_format` is text or json."""
    level = logging.getLevelNamesMapping().get(log_level.upper(), logging.INFO)
    _write_as(log_format == "json", level)
    root = logging.getLogger()
    root.handlers[:] = [_Libraries()]
    root.setLevel(max(level, logging.WARNING))


def get_logger(name: str, **values: object) -> Any:
    """Who writes into the log under this name. structlog left as it comes would show every variable beside a traceback."""
    if not structlog.is_configured():
        _write_as(False, logging.INFO)
    return structlog.get_logger(name, **values)


def _write_as(is_json: bool, level: int) -> None:
    last: list[Any] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    if not is_json:
        plain = structlog.dev.plain_traceback
        last = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _blotted,
            *last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,
    )


class _Libraries(logging.Handler):
    """What libraries say goes the same way as what we say."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info)


def _blotted(logger: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if name != "event" and any(word in name.lower() for word in _SECRET):
            event[name] = _BLOT
        elif isinstance(value, str):
            event[name] = _IN_TEXT.sub(rf"\1={_BLOT}", value)
    return event
