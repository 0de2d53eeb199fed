"""Background tasks that have an owner."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Final

import structlog

log = structlog.get_logger(__name__)

Work = Coroutine[object, object, None]
Spawn = Callable[[Work], object]
"""Starts work in a task of its own, for instance :meth:`Tasks.start`."""

_CANCEL_AGAIN_S: Final = 1.0


class Tasks:
    """Owns background tasks: keeps them alive, logs their failures, ends all of them."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Work) -> asyncio.Task[None]:
        """Run ``work`` in a task of its own; if it raises, that is logged."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    async def finish(self, within_s: float = 0) -> None:
        """Let tasks end by themselves for ``within_s`` seconds, then cancel and await the rest."""
        if self._running and within_s:
            await asyncio.wait(self._running, timeout=within_s)
        pending = self._running.copy()
        while pending:
            for task in pending:
                task.cancel()
            # A library can swallow a cancellation, for instance while it closes a connection.
            _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_S)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            name = getattr(task.get_coro(), "__qualname__", task.get_name())
            log.error("task_failed", task=name, exc_info=error)
