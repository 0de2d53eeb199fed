"""Logs: JSON lines for machines or a console for people, one pipeline for everything.

structlog's loggers and the standard library's (aiohttp, asyncio, actors) end in the same
processors, so each line has the same fields and passes the same redaction.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, TextIO

import orjson
import structlog
from aiohttp.http_exceptions import HttpProcessingError
from structlog.typing import EventDict, Processor, WrappedLogger

from hub.config import Logging

SENSITIVE = frozenset(
    {
        "authorization",
        "cancel_reason",
        "cookie",
        "email",
        "jwt",
        "name",
        "notes",
        "password",
        "phone",
        "secret",
        "token",
    }
)
"""Keys whose values never reach a log, at any depth: the last line of defence only."""

REDACTED = "[redacted]"

_JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")
_SQL_PARAMETERS = re.compile(r"\[parameters: .*", re.DOTALL)


def configure_logging(
    logging_config: Logging, stream: TextIO | None = None, *, also: Processor | None = None
) -> None:
    """Send every log of this process to ``stream`` (standard error), in one form.

    ``also`` sees each line before it is rendered, and after it was redacted.
    """
    out = stream or sys.stderr
    level = logging.getLevelNamesMapping()[logging_config.level.upper()]
    form = logging_config.format
    if form == "auto":
        form = "console" if out.isatty() else "json"
    finish: list[Processor] = [redact, *([also] if also else []), _renderer(form, out)]
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, *_common(), *finish],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=_LineLoggers(out),
        cache_logger_on_first_use=False,  # so that configuring again reaches every module
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                structlog.stdlib.PositionalArgumentsFormatter(),
                structlog.stdlib.ExtraAdder(),
                *_common(),
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish],
        )
    )
    handler.addFilter(_without_bad_requests_text)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # the store tells of migrations
    logging.captureWarnings(capture=True)


def _without_bad_requests_text(record: logging.LogRecord) -> bool:
    """What is no HTTP is its sender's fault: a warning, and without its bytes.

    aiohttp makes it an error with a stack trace that quotes headers, tokens too.
    """
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.exc_info = None
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Remove what a log must never hold: known keys, tokens, values of SQL statements."""
    return {key: _redacted(key, value) for key, value in event.items()}


def _redacted(key: object, value: Any) -> Any:
    if isinstance(key, str) and key.lower() in SENSITIVE:
        return REDACTED
    if isinstance(value, str):
        if "eyJ" in value:
            value = _JWT.sub(REDACTED, value)
        if "[parameters: " in value:
            value = _SQL_PARAMETERS.sub(f"[parameters: {REDACTED}", value)
        return value
    if isinstance(value, Mapping):
        return {inner: _redacted(inner, item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(None, item) for item in value]
    return value


def _common() -> list[Processor]:
    return [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]


def _renderer(form: str, out: TextIO) -> Processor:
    if form == "json":
        return structlog.processors.JSONRenderer(serializer=_json)
    return structlog.dev.ConsoleRenderer(
        colors=out.isatty(),
        timestamp_key="time",
        # never a formatter that shows local variables: they hold names and tokens
        exception_formatter=structlog.dev.plain_traceback,
    )


def _json(event: EventDict, **_options: Any) -> str:
    lead = {key: event.pop(key) for key in ("time", "level", "event")}
    return orjson.dumps({**lead, **event}, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


class _LineLogger:
    """Writes rendered lines; has the ``name`` that ``add_logger_name`` asks for."""

    def __init__(self, name: str, out: TextIO) -> None:
        self.name, self._out = name, out

    def msg(self, line: str) -> None:
        self._out.write(line + "\n")
        self._out.flush()

    debug = info = warning = warn = error = exception = critical = fatal = log = msg


class _LineLoggers:
    def __init__(self, out: TextIO) -> None:
        self._out = out

    def __call__(self, *args: Any) -> _LineLogger:
        return _LineLogger(str(args[0]) if args else "chairside", self._out)
