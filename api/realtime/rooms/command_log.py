"""The log lines and the metrics of socket commands, written once per event loop iteration."""

import asyncio
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

Line = dict[str, object]


class CommandLog:
    """Logs and counts each command like a request (10.2).

    The commands of an iteration are logged with one call: a line takes a seventh of the time of
    a call of its own (``tests/benchmarks/bench_logging.py``).
    """

    def __init__(self, on_command: Callable[[str, str, str, float], None]) -> None:
        self._on_command = on_command
        self._handled: list[tuple[str, str, str, float, str, Line]] = []

    def add(
        self,
        namespace: str,
        command: str,
        code: str,
        seconds: float,
        request_id: str,
        **more: object,
    ) -> None:
        """Log a command at the end of this iteration; ``more`` are further fields of its line."""
        if not self._handled:
            asyncio.get_running_loop().call_soon(self._flush)
        self._handled.append((namespace, command, code, seconds, request_id, more))

    def _flush(self) -> None:
        handled, self._handled = self._handled, []
        log.info(
            "socket_command",
            each=[
                {
                    "namespace": namespace,
                    "command": command,
                    "code": code,
                    "duration_ms": round(seconds * 100_000) / 100,  # faster than round(…, 2)
                    "request_id": request_id,
                    **more,
                }
                for namespace, command, code, seconds, request_id, more in handled
            ],
        )
        for namespace, command, code, seconds, *_ in handled:
            self._on_command(namespace, command, code, seconds)
