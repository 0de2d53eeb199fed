"""A cache never answers with what was invalidated while it was read."""

import asyncio

from actors.services.cache import Cache


async def test_a_value_that_was_dropped_while_it_was_read_is_read_again() -> None:
    stored, reads = {"key": "old"}, list[str]()
    started, goes_on = asyncio.Event(), asyncio.Event()

    async def load(key: str) -> str:
        found = stored[key]
        reads.append(found)
        started.set()
        await goes_on.wait()
        return found

    cache = Cache(load)
    asking = asyncio.create_task(cache.get("key"))
    await started.wait()
    stored["key"] = "new"
    cache.drop("key")
    goes_on.set()
    assert await asking == "new"
    assert await cache.get("key") == "new"
    assert reads == ["old", "new"]


async def test_a_record_that_never_rests_is_answered_and_not_kept() -> None:
    reads = 0

    async def load(_: str) -> int:
        nonlocal reads
        reads += 1
        cache.drop("another")
        return reads

    cache = Cache(load)
    first = await cache.get("key")
    assert first == reads
    assert await cache.get("key") == reads > (first or 0)
