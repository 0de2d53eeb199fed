"""A node that stops lets its connections go one by one: they come back elsewhere."""

import asyncio
import random
from collections.abc import AsyncIterator, Collection
from typing import TypeVar

T = TypeVar("T")


async def one_by_one(connections: Collection[T], over_s: float) -> AsyncIterator[T]:
    """Those of now, at random, spread over a while; who comes meanwhile is not among them."""
    waiting = list(connections)
    random.shuffle(waiting)
    for each in waiting:
        yield each
        await asyncio.sleep(over_s / len(waiting))
