"""The log lines and the metrics of requests, written once per event loop iteration."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from aiohttp import web

log = structlog.get_logger(__name__)

Fields = dict[str, object]
_UNKNOWN: Final = ("unknown", "unknown")
"""Method and route of a request to no resource, in metrics."""


class RequestLog:
    """Logs each request with method, path, status and duration (10.2), and counts it.

    The requests of an iteration are logged with one call: a line takes a seventh of the time of
    a call of its own (``tests/benchmarks/bench_logging.py``).
    """

    def __init__(self, on_request: Callable[[str, str, int, float], None]) -> None:
        """``on_request`` is called with method, route pattern, status and seconds."""
        self._on_request = on_request
        self._handled: list[tuple[web.Request, str, int, float, bool, Fields]] = []

    def add(
        self,
        request: web.Request,
        request_id: str,
        status: int,
        seconds: float,
        *,
        counts: bool,
        more: Fields,
    ) -> None:
        """Log a request at the end of this iteration; ``more`` are further fields of its line.

        ``counts``: in the metrics, too.
        """
        if not self._handled:
            asyncio.get_running_loop().call_soon(self._flush)
        self._handled.append((request, request_id, status, seconds, counts, more))

    def _flush(self) -> None:
        handled, self._handled = self._handled, []
        log.info(
            "api_request",
            each=[
                {
                    "method": request.method,
                    "path": request.path,  # never the query, which may hold personal data
                    "status": status,
                    "duration_ms": round(seconds * 100_000) / 100,  # faster than round(…, 2)
                    "request_id": request_id,
                    **more,
                }
                for request, request_id, status, seconds, _, more in handled
            ],
        )
        for request, _, status, seconds, counts, _ in handled:
            if counts:
                resource = request.match_info.route.resource
                method, route = (request.method, resource.canonical) if resource else _UNKNOWN
                self._on_request(method, route, status, seconds)
