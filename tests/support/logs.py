"""Captures the hub's logs in memory, as JSON lines."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from hub.telemetry.logging import LoggingSettings, configure_logging


class Logs(io.StringIO):
    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """Every line, or those of one event."""
        lines = [json.loads(line) for line in self.getvalue().splitlines()]
        return [line for line in lines if event in (None, line["event"])]


@contextmanager
def captured_logs(level: str = "info") -> Iterator[Logs]:
    """Log to memory in the production format; the block's end restores the loggers."""
    root = logging.getLogger()
    handlers, before = root.handlers[:], root.level
    logs = Logs()
    configure_logging(LoggingSettings(format="json", level=level), logs)  # type: ignore[arg-type]  # a literal of the config
    try:
        yield logs
    finally:
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(before)
