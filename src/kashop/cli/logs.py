"""What the program says while it works: on stderr, as text or JSON.

Always true: what goes by the name of a secret is never written, nor the query of an address; tracebacks show lines and no values.
"""

import logging
import re
import sys
from collections.abc import Sequence
from typing import Any

import structlog
from structlog.typing import EventDict, Processor

from kashop.settings.config import Config

_SECRET = re.compile(
    r"(^|_)(password|passwd|secret|secrets|token|key|keys|code|codes|sealed|authorization|cookie|csrf|sign|signature|options)($|_)",
    re.I,
)
_IN_TEXT = re.compile(r"(?i)\b(password|secret|token|key|k|sign|csrf|code)=([^&\s\"']+)")
HIDDEN = "…"


def to_stderr(config: Config, *, level: str | None = None) -> None:
    """Set up logging for this process. A command says only what is worth a look; a server what its configuration asks for."""
    asked = logging.getLevelName((level or "warning").upper())
    lowest = asked if isinstance(asked, int) else logging.INFO
    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    _handle(lowest, before, config.log_format)


def _handle(lowest: int, before: Sequence[Processor], log_format: str) -> None:
    renderer: Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    if log_format == "text":
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(lowest)
    for name in ("apscheduler", "httpx", "httpcore", "asyncio", "aiosqlite", "uvicorn"):
        logging.getLogger(name).setLevel(max(lowest, logging.WARNING))


def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Hide what is named like a secret, and secrets that stand in texts as `name=value`."""
    return {name: _redacted(name, value) for name, value in event.items()}


def _redacted(name: str, value: Any) -> Any:
    if _SECRET.search(name):
        return HIDDEN
    if isinstance(value, str):
        return _IN_TEXT.sub(rf"\1={HIDDEN}", value)
    if isinstance(value, dict):
        return {k: _redacted(str(k), v) for k, v in value.items()}
    return value
