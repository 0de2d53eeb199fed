"""A stopping node closes its connections one by one, so that they spread over other nodes."""

import asyncio
import random
from collections.abc import AsyncIterator, Collection
from typing import TypeVar

T = TypeVar("T")


async def one_by_one(connections: Collection[T], over_s: float) -> AsyncIterator[T]:
    """The present connections in random order, spread over a while; later ones are left out."""
    waiting = list(connections)
    random.shuffle(waiting)
    for each in waiting:
        yield each
        await asyncio.sleep(over_s / len(waiting))
