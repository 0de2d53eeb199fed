"""What one processor for a log line saves, against structlog's processors for the same.

Run by hand: ``python -m tests.benchmarks.bench_logging``. Fails when it is not worth its lines.
"""

from collections.abc import Sequence
from time import perf_counter

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from hub.telemetry.logging import _complete

ROUNDS, CALLS = 50, 500
LEAST_RATIO = 2.0
LINE = {"event": "socket_command", "code": "ok", "duration_ms": 0.05, "request_id": "a.1"}
STRUCTLOG: Sequence[Processor] = (
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
)


class Logger:
    name = "benchmark"


def _all_of_structlog(logger: WrappedLogger, method: str, event: EventDict) -> object:
    line: object = event
    for process in STRUCTLOG:
        line = process(logger, method, line)  # type: ignore[arg-type]  # these return mappings
    return line


def seconds(process: Processor) -> float:
    began = perf_counter()
    for _ in range(CALLS):
        process(Logger(), "info", dict(LINE))
    return perf_counter() - began


def main() -> None:
    ways = (_complete, _all_of_structlog)
    rounds = [[seconds(way) for way in ways] for _ in range(ROUNDS)]  # type: ignore[arg-type]  # one returns object
    ours, theirs = (min(took) / CALLS * 1e6 for took in zip(*rounds, strict=True))
    print(f"one processor {ours:.1f} µs, structlog's {theirs:.1f} µs")
    assert theirs / ours >= LEAST_RATIO, "the processor is not worth its lines any more"


if __name__ == "__main__":
    main()
