"""Logs: JSON lines for machines or a console for people, one pipeline for everything.

structlog's loggers and the standard library's (aiohttp, asyncio, actors) end in the same
processors, so each line has the same fields and passes the same redaction. Each request
and each command writes a line, so these are few and made to be quick.
"""

import asyncio
import logging
import re
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock, get_ident
from typing import Any, Final, Literal, TextIO

import orjson
import structlog
from aiohttp.http_exceptions import HttpProcessingError
from structlog.typing import EventDict, Processor, WrappedLogger


@dataclass(frozen=True, kw_only=True, slots=True)
class LoggingSettings:
    """Which lines are written, and in which form; section ``[logging]``."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"
    """``auto``: for people on a terminal, else JSON."""


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
    settings: LoggingSettings, stream: TextIO | None = None, *, also: Processor | None = None
) -> None:
    """Send every log of this process to ``stream`` (standard error), in one form.

    ``also`` sees each line before it is rendered, and after it was redacted.
    """
    out = stream or sys.stderr
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    form = settings.format
    if form == "auto":
        form = "console" if out.isatty() else "json"
    finish: list[Processor] = [redact, *([also] if also else []), _renderer(form, out)]
    structlog.configure(
        processors=finish,
        wrapper_class=_Logger,
        logger_factory=_Lines(level, out),
        cache_logger_on_first_use=False,  # so that configuring again reaches every module
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.PositionalArgumentsFormatter(),
                structlog.stdlib.ExtraAdder(),
                _facts,
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


def _line(level: str, event: str, logger: str, fields: EventDict) -> EventDict:
    """What every line begins with; its context, which is the request's id, so a line that has
    it does without; and what its exception has to say."""
    line: EventDict = {
        "time": _time_text(time.time_ns() // 1_000_000),
        "level": level,
        "event": event,
        "logger": logger,
        **({} if "request_id" in fields else structlog.contextvars.get_contextvars()),
        **fields,
    }
    if line.get("stack_info"):
        line = _STACK(None, level, line)
    return structlog.processors.format_exc_info(None, level, line) if "exc_info" in line else line


_STACK: Final = structlog.processors.StackInfoRenderer()


def _facts(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """The same for the standard library's."""
    return _line(method, event["event"], event["_record"].name, event)


@lru_cache(maxsize=2)
def _time_text(ms: int) -> str:
    """Lines come in bursts: most have the time of the one before."""
    return f"{_second_text(ms // 1_000)}.{ms % 1_000:03}Z"


@lru_cache(maxsize=2)
def _second_text(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Remove what a log must never hold: known keys, tokens, values of SQL statements."""
    for key in _sensitive_of(tuple(event)):
        event[key] = REDACTED
    for key, value in event.items():
        kind = type(value)
        if kind is str:
            if "eyJ" in value or _PARAMETERS in value:
                event[key] = _redacted(key, value)  # the key is there: nothing moves
        elif kind not in _HARMLESS:
            event[key] = _redacted(key, value)
    return event


_HARMLESS: Final = frozenset({int, float, bool, type(None)})
_PARAMETERS: Final = "[parameters: "


@lru_cache(maxsize=1_024)
def _sensitive_of(keys: tuple[str, ...]) -> tuple[str, ...]:
    """One kind of line always has the same keys."""
    return tuple(filter(_is_sensitive, keys))


def _is_sensitive(key: object) -> bool:
    return isinstance(key, str) and key.lower() in SENSITIVE


def _redacted(key: object, value: Any) -> Any:
    if _is_sensitive(key):
        return REDACTED
    if isinstance(value, str):
        return _SQL_PARAMETERS.sub(f"{_PARAMETERS}{REDACTED}", _JWT.sub(REDACTED, value))
    if isinstance(value, Mapping):
        return {inner: _redacted(inner, item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(None, item) for item in value]
    return value


def _renderer(form: str, out: TextIO) -> Processor:
    if form == "json":
        return _json
    return structlog.dev.ConsoleRenderer(
        colors=out.isatty(),
        timestamp_key="time",
        # never a formatter that shows local variables: they hold names and tokens
        exception_formatter=structlog.dev.plain_traceback,
    )


def _json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


_LINES_MAX: Final = 1_000
"""More of one turn are not kept."""


class _Turns:
    """Lines of one turn of the event loop leave together; warnings, and all before them, at once.

    A system call for each line would cost more than making it.
    """

    def __init__(self, out: TextIO) -> None:
        self._out, self._lock = out, Lock()
        self._waiting: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        """It will call :meth:`_flush`, in the thread that is named here."""
        self._thread = 0

    def write(self, line: str, level: int) -> None:
        with self._lock:
            self._waiting.append(line)
        if level >= logging.WARNING or len(self._waiting) >= _LINES_MAX or not self._in_time():
            self._flush()

    def _in_time(self) -> bool:
        """Whether this thread has a loop, which will flush soon."""
        if self._loop is not None and self._thread == get_ident() and self._loop.is_running():
            return True
        try:
            self._loop = asyncio.get_running_loop()  # its system call costs more than the above
        except RuntimeError:
            return False
        self._thread = get_ident()
        self._loop.call_soon(self._flush)
        return True

    def _flush(self) -> None:
        self._loop = None
        with self._lock:
            lines, self._waiting = self._waiting, []
        if lines:
            self._out.write("\n".join(lines) + "\n")
            self._out.flush()


class _Line:
    """Where a logger of one name writes."""

    __slots__ = ("level", "name", "write")

    def __init__(self, name: str, level: int, write: Callable[[str, int], None]) -> None:
        self.name, self.level, self.write = name, level, write


class _Lines:
    def __init__(self, level: int, out: TextIO) -> None:
        self._level, self._write = level, _Turns(out).write

    def __call__(self, *args: Any) -> _Line:
        return _Line(str(args[0]) if args else "chairside", self._level, self._write)


class _Logger(structlog.BoundLoggerBase):
    """What :func:`structlog.get_logger` gives: a method for each level, fields by name."""

    def _write(self, level: int, method: str, event: str, fields: EventDict) -> None:
        if level < self._logger.level:
            return
        if self._context:
            fields = {**self._context, **fields}
        line: Any = _line(method, event, self._logger.name, fields)
        for process in self._processors:
            line = process(self._logger, method, line)
        self._logger.write(line, level)

    def debug(self, event: str, **fields: Any) -> None:
        self._write(logging.DEBUG, "debug", event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self._write(logging.INFO, "info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._write(logging.WARNING, "warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._write(logging.ERROR, "error", event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        self._write(logging.ERROR, "error", event, {"exc_info": True, **fields})
