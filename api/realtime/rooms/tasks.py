"""Tasks with an owner, whose failures are logged."""

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)


class Tasks:
    """Tasks with an owner."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def finish(self, within_s: float) -> None:
        if self._running and within_s:
            await asyncio.wait(self._running, timeout=within_s)
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def guarded(work: Awaitable[None]) -> None:
    """For a task of its own: a failure is logged."""
    try:
        await work
    except Exception:  # nobody awaits a task of its own, so nobody would hear of it
        log.exception("realtime_task_failed")
