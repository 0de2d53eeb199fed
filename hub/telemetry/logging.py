"""Logs: JSON lines for machines or a console for people, one pipeline for everything.

structlog's loggers and those of the standard library (aiohttp, asyncio, actors) end in the same
processors, so each line has the same fields and is redacted in the same way.
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

_LINES_MAX: Final = 1_000
"""Lines that may wait for the end of an iteration."""

_JWT: Final = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")
_PARAMETERS: Final = "[parameters: "
_SQL_PARAMETERS: Final = re.compile(r"\[parameters: .*", re.DOTALL)


def configure_logging(
    settings: LoggingSettings, stream: TextIO | None = None, *, also: Processor | None = None
) -> None:
    """Send every log of this process to ``stream`` (standard error), in one form.

    ``also`` gets each line after its redaction and before it is rendered.
    """
    out = stream or sys.stderr
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    form = settings.format
    if form == "auto":
        form = "console" if out.isatty() else "json"
    finish: list[Processor] = [_complete, redact, *([also] if also else []), _renderer(form, out)]
    buffer = _LineBuffer(out)
    structlog.configure(
        processors=finish,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *names: _NamedLogger(buffer, *names),
        cache_logger_on_first_use=False,  # so that configuring again reaches every module
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.PositionalArgumentsFormatter(),
                structlog.stdlib.ExtraAdder(),
                _complete,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish[1:]],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    # It quotes Sec-WebSocket-Protocol, in which some clients send tokens.
    logging.getLogger("aiohttp.websocket").setLevel(logging.ERROR)
    logging.getLogger("alembic").setLevel(logging.WARNING)  # the store reports migrations itself
    logging.captureWarnings(capture=True)


class _LineBuffer:
    """Writes the lines of one event loop iteration with one system call.

    A line takes 0.4 µs instead of 1.4 with it (``tests/benchmarks/bench_logging.py``). Warnings
    and errors are written at once, with all lines before them.
    """

    def __init__(self, out: TextIO) -> None:
        self._out, self._lock = out, Lock()
        self._lines: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        """It will call :meth:`flush`, in the thread with the identifier ``_thread``."""
        self._thread = 0

    def add(self, line: str) -> None:
        with self._lock:
            self._lines.append(line)
        if len(self._lines) >= _LINES_MAX or not self._is_flushed_soon():
            self.flush()

    def write(self, line: str) -> None:
        with self._lock:
            self._lines.append(line)
        self.flush()

    def flush(self) -> None:
        self._loop = None
        with self._lock:
            lines, self._lines = self._lines, []
        if lines:
            self._out.write("\n".join(lines) + "\n")
            self._out.flush()

    def _is_flushed_soon(self) -> bool:
        """Whether this thread runs an event loop, which will flush."""
        if self._loop is not None and self._thread == get_ident() and self._loop.is_running():
            return True
        try:
            self._loop = asyncio.get_running_loop()  # slower than the comparison above
        except RuntimeError:
            return False
        self._thread = get_ident()
        self._loop.call_soon(self.flush)
        return True


class _NamedLogger:
    """Passes finished lines to the buffer, and has the name of the module that logs."""

    def __init__(self, buffer: _LineBuffer, name: str = "chairside") -> None:
        self.name = name
        self.debug = self.info = buffer.add
        self.warning = self.error = self.critical = buffer.write


def _complete(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Add what every line has: time, level, logger, the context and the exception.

    Each request and each command is logged. Processors of structlog would take three times
    as long for it (``tests/benchmarks/bench_logging.py``).
    """
    record = event.get("_record")
    line: EventDict = {
        "time": _time_text(time.time_ns() // 1_000_000),
        "level": method,
        "event": event.pop("event"),
        "logger": record.name if record else logger.name,
        **({} if event.keys() & _OWN_CONTEXT else structlog.contextvars.get_contextvars()),
        **event,
    }
    if line.get("stack_info"):
        line = _STACK(logger, method, line)
    return (
        structlog.processors.format_exc_info(logger, method, line) if "exc_info" in line else line
    )


EACH: Final = "each"
"""A list of fields: each of its items becomes a line of its own, with the other fields.

No item is empty or repeats a name of the other fields.
"""
_OWN_CONTEXT: Final = frozenset({"request_id", EACH})
_STACK: Final = structlog.processors.StackInfoRenderer()


@lru_cache(maxsize=2)
def _time_text(ms: int) -> str:
    """Most lines have the time of the one before, nearly all of them its second."""
    return f"{_second_text(ms // 1_000)}.{ms % 1_000:03}Z"


@lru_cache(maxsize=2)
def _second_text(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Remove what a log must never hold: known keys, tokens, values of SQL statements.

    Control characters are escaped, so that no client begins a line of its own.
    """
    for fields in event.get(EACH, ()):
        _redact(fields)
    _redact(event)
    return event


def _redact(fields: EventDict) -> None:
    for key, value in fields.items():
        if key != EACH and (not _is_plain(value) or _is_sensitive(key)):
            fields[key] = _redacted(key, value)  # replaces a value: the keys stay


def _is_plain(value: object) -> bool:
    """Whether the value needs no change; nearly all values are so."""
    if type(value) is str:  # comparisons are cheaper than the patterns
        return value.isprintable() and "eyJ" not in value and _PARAMETERS not in value
    return type(value) in _NUMBERS


_NUMBERS: Final = frozenset({int, float, bool, type(None)})


@lru_cache(maxsize=1_024)
def _is_sensitive(key: object) -> bool:
    return isinstance(key, str) and key.lower() in SENSITIVE


_UNSAFE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""What begins a line, moves the cursor or changes the direction of what follows."""
_OF_MANY_LINES: Final = frozenset({"exception", "stack"})


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _redacted(key: object, value: Any) -> Any:
    if _is_sensitive(key):
        return REDACTED
    if isinstance(value, str):
        value = _SQL_PARAMETERS.sub(f"{_PARAMETERS}{REDACTED}", _JWT.sub(REDACTED, value))
        if key not in _OF_MANY_LINES:
            value = _UNSAFE.sub(_escaped, value)
        return value
    if isinstance(value, Mapping):
        return {inner: _redacted(inner, item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(None, item) for item in value]
    return value


def _renderer(form: str, out: TextIO) -> Processor:
    if form == "json":
        return _json
    return _each(
        structlog.dev.ConsoleRenderer(
            colors=out.isatty(),
            timestamp_key="time",
            # never a formatter that shows local variables: they hold names and tokens
            exception_formatter=structlog.dev.plain_traceback,
        )
    )


def _each(render: Callable[[WrappedLogger, str, EventDict], str]) -> Processor:
    """Render one line, or one for each item of the field :data:`EACH`."""

    def rendered(logger: WrappedLogger, method: str, event: EventDict) -> str:
        if EACH not in event:
            return render(logger, method, event)
        each = event.pop(EACH)
        return "\n".join(render(logger, method, {**event, **fields}) for fields in each)

    return rendered


def _json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """One line, or one for each item of :data:`EACH`; what they share is rendered once."""
    each = event.pop(EACH, None)
    line = _dumped(event)
    if each is None:
        return line
    return "\n".join([f"{line[:-1]},{_dumped(fields)[1:]}" for fields in each])


def _dumped(fields: EventDict) -> str:
    return orjson.dumps(fields, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
