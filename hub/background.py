"""Work that repeats while the hub runs."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from actors.tasks import Tasks, Work

log = structlog.get_logger(__name__)

Action = Callable[[], Awaitable[object] | object]


async def every(interval_s: float, action: Action) -> None:
    """Call ``action``, a function or a coroutine function, until cancelled; log its failures."""
    while True:
        await asyncio.sleep(interval_s)
        try:
            result = action()
            if inspect.isawaitable(result):
                await result
        except Exception:
            log.exception("background_work_failed", action=getattr(action, "__qualname__", "?"))


@asynccontextmanager
async def running(*work: Work) -> AsyncIterator[None]:
    """Run the coroutines until the block ends; then cancel and await them."""
    tasks = Tasks()
    for each in work:
        tasks.start(each)
    try:
        yield
    finally:
        await tasks.finish()
