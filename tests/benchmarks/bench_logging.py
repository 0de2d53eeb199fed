"""What the shortcuts of logging save: one processor for a line, one call and one write for many.

Run by hand: ``python -m tests.benchmarks.bench_logging``. Fails when it is not worth its lines.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from time import perf_counter

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from hub.telemetry.logging import LoggingSettings, _complete, _LineBuffer, configure_logging

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


async def write_seconds() -> tuple[float, float]:
    """To write lines to a file together, and one by one, in turns."""
    together: list[float] = []
    each: list[float] = []
    with tempfile.TemporaryFile("w") as out:
        buffer = _LineBuffer(out)
        for _ in range(ROUNDS):
            for took, write in ((together, buffer.add), (each, buffer.write)):
                began = perf_counter()
                for _ in range(CALLS):
                    write("a" * 150)
                await asyncio.sleep(0)  # the end of the iteration
                took.append(perf_counter() - began)
    return min(together), min(each)


def call_seconds() -> tuple[float, float]:
    """To log lines with one call, and with a call for each, in turns."""
    one: list[float] = []
    each: list[float] = []
    lines = [dict(LINE) for _ in range(CALLS)]
    for line in lines:
        del line["event"]
    with tempfile.TemporaryFile("w") as out:
        configure_logging(LoggingSettings(format="json"), out)
        log = structlog.get_logger("benchmark").bind()
        for _ in range(ROUNDS):
            began = perf_counter()
            log.info("socket_command", each=lines)
            one.append(perf_counter() - began)
            began = perf_counter()
            for line in lines:
                log.info("socket_command", **line)
            each.append(perf_counter() - began)
    return min(one), min(each)


def report(ours: str, ours_s: float, theirs: str, theirs_s: float) -> None:
    print(f"{ours} {ours_s / CALLS * 1e6:.1f} µs, {theirs} {theirs_s / CALLS * 1e6:.1f} µs")
    assert theirs_s / ours_s >= LEAST_RATIO, "the shortcut is not worth its lines any more"


def main() -> None:
    ways = (_complete, _all_of_structlog)
    rounds = [[seconds(way) for way in ways] for _ in range(ROUNDS)]  # type: ignore[arg-type]  # one returns object
    ours_s, theirs_s = (min(took) for took in zip(*rounds, strict=True))
    report("one processor", ours_s, "structlog's", theirs_s)
    together_s, each_s = asyncio.run(write_seconds())
    report("lines together", together_s, "one by one", each_s)
    one_s, calls_s = call_seconds()
    report("one call", one_s, "a call for each line", calls_s)


if __name__ == "__main__":
    main()
