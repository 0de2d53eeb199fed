"""Polls a condition until it becomes true or a time limit passes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

T = TypeVar("T")

STEP_S = 0.02


@overload
async def eventually(look: Callable[[], Awaitable[T]], within_s: float) -> T: ...


@overload
async def eventually(look: Callable[[], T], within_s: float) -> T: ...


async def eventually(look: Callable[[], Awaitable[T] | T], within_s: float) -> T:
    """The first true result of ``look``, or its last result when the time is over.

    An assertion on the result then shows the actual value.
    """
    until = time.monotonic() + within_s
    while True:
        found = look()
        answer: T = await found if isinstance(found, Awaitable) else found
        if answer or time.monotonic() >= until:
            return answer
        await asyncio.sleep(STEP_S)
