"""A node's own tasks end when it leaves, whatever the libraries they call are doing."""

import asyncio
import contextlib

import pytest

from hub.cluster import cluster


async def test_a_task_whose_cancellation_was_swallowed_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cluster, "_CANCEL_AGAIN_S", 0.01)

    async def deaf_once() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    async def failing() -> None:
        raise ConnectionError("gone")

    tasks = [asyncio.create_task(deaf_once()), asyncio.create_task(failing())]
    await asyncio.sleep(0)
    await asyncio.wait_for(cluster.end(tasks), 5.0)
    assert tasks[0].cancelled()


async def test_nothing_to_end_is_ended_at_once() -> None:
    ended = asyncio.create_task(cluster.end([]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert ended.done()
