"""Keeps everything real out of a simulation, or replaces it by something that the seed decides.

Time is the time of the loop. Random numbers and secrets come from the seed. Threads, sockets and
processes are refused. What is overlooked here, such as the order of a set of texts, is found by
the test that runs a seed in two processes with different ``PYTHONHASHSEED``.
"""

import asyncio
import logging
import os
import random
import secrets
import socket
import subprocess
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any, NoReturn
from unittest.mock import patch

import structlog

from tests.simulation.loop import NotSimulated, SimulatedLoop

Report = Callable[[str, str], None]
"""Gets a log line: its level and its event."""

_CLOCKS = ("time", "monotonic", "perf_counter")
_SECRETS = ("token_bytes", "token_hex", "token_urlsafe", "randbelow", "randbits", "choice")


@contextmanager
def sandbox(seed: str, report: Report) -> Iterator[None]:
    """Nothing inside the block is real; log lines of warnings and errors go to ``report``."""
    source = Random(f"{seed}/secrets")
    state = random.getstate()
    with ExitStack() as stack:
        for name in _CLOCKS:
            stack.enter_context(patch.object(time, name, _virtual_time))
        stack.enter_context(patch.object(secrets, "token_bytes", lambda n=32: source.randbytes(n)))
        stack.enter_context(
            patch.object(secrets, "token_hex", lambda n=32: source.randbytes(n).hex())
        )
        stack.enter_context(patch.object(os, "urandom", source.randbytes))
        for owner, name in _REFUSED:
            stack.enter_context(patch.object(owner, name, _refusal(name)))
        stack.enter_context(_logging_to(report))
        stack.enter_context(patch.object(sys, "unraisablehook", lambda _: None))
        random.seed(f"{seed}/random")
        try:
            yield
        finally:
            random.setstate(state)


_REFUSED: tuple[tuple[Any, str], ...] = (
    (threading.Thread, "start"),
    (socket, "socket"),
    (socket, "create_connection"),
    (subprocess, "Popen"),
    (uuid, "uuid4"),
    (uuid, "uuid1"),
    (time, "sleep"),
    *((secrets, name) for name in _SECRETS if name not in ("token_bytes", "token_hex")),
)


def _refusal(name: str) -> Callable[..., NoReturn]:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise NotSimulated(name)

    return refuse


def _virtual_time() -> float:
    loop = asyncio._get_running_loop()
    return loop.time() if isinstance(loop, SimulatedLoop) else 0.0


class _Reporter(logging.Handler):
    """The part of the core that logs with the standard library."""

    def __init__(self, report: Report) -> None:
        super().__init__(logging.WARNING)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self._report(record.levelname.lower(), f"{record.msg}{_shown(error)}")


def _shown(error: object) -> str:
    """The type of an error, and where it was raised."""
    if error is True:
        error = sys.exc_info()[1]
    if not isinstance(error, BaseException):
        return ""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f" {type(error).__name__} {error} at {Path(frame.filename).name}:{frame.lineno}"


@contextmanager
def _logging_to(report: Report) -> Iterator[None]:
    def reported(_: object, method: str, entry: MutableMapping[str, Any]) -> NoReturn:
        report(method, f"{entry.get('event')}{_shown(entry.get('exc_info'))}")
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(
        processors=[reported],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        cache_logger_on_first_use=False,
    )
    handler = _Reporter(report)
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, [handler]
    try:
        yield
    finally:
        root.handlers = handlers
        structlog.configure(**before)
