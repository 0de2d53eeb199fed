"""The owner of background tasks logs failures, and ends all tasks."""

import asyncio
import contextlib

import pytest
import structlog

from actors import tasks
from actors.tasks import Tasks


async def forever() -> None:
    await asyncio.Event().wait()


async def failing() -> None:
    raise ConnectionError("gone")


async def test_a_failure_is_logged_with_the_name_of_the_coroutine() -> None:
    owner = Tasks()
    with structlog.testing.capture_logs() as logs:
        task = owner.start(failing())
        await asyncio.wait([task])
        await asyncio.sleep(0)
    (line,) = logs
    assert (line["event"], line["task"]) == ("task_failed", "failing")
    assert isinstance(line["exc_info"], ConnectionError)


async def test_tasks_may_end_by_themselves_before_they_are_cancelled() -> None:
    owner, ended = Tasks(), asyncio.Event()

    async def short() -> None:
        await asyncio.sleep(0.01)
        ended.set()

    owner.start(short())
    lasting = owner.start(forever())
    await owner.finish(within_s=0.2)
    assert ended.is_set()
    assert lasting.cancelled()


async def test_a_task_whose_cancellation_was_swallowed_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "_CANCEL_AGAIN_S", 0.01)

    async def swallow_one_cancellation() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await forever()
        await forever()

    owner = Tasks()
    stubborn = owner.start(swallow_one_cancellation())
    owner.start(failing())
    await asyncio.sleep(0)
    await asyncio.wait_for(owner.finish(), 5.0)
    assert stubborn.cancelled()


async def test_without_tasks_finish_returns_at_once() -> None:
    finished = asyncio.create_task(Tasks().finish())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert finished.done()
