"""Work that repeats for as long as the hub lives: each task has an owner that ends it."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

log = structlog.get_logger(__name__)

Action = Callable[[], Awaitable[object] | object]


async def every(interval_s: float, action: Action) -> None:
    """Call ``action``, plain or a coroutine function, until cancelled; a failure is logged
    and does not end it."""
    while True:
        await asyncio.sleep(interval_s)
        try:
            result = action()
            if inspect.isawaitable(result):
                await result
        except Exception:
            log.exception("background_work_failed", action=getattr(action, "__qualname__", "?"))


@asynccontextmanager
async def running(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run the coroutines for as long as the block lasts, then cancel and await them."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
