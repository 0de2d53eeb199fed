"""The writers of PostgreSQL: several connections, one transaction a job.

Each worker takes the next job, runs its plan between BEGIN and COMMIT, and answers. What
two transactions may not both do, the locks that the plans take decide; a transaction that
lost a race for no fault of its own is run anew, a few times.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import structlog

from actors.domain.refusals import Refusal
from actors.ports import (
    Clock,
    CommitFailure,
    ConstraintViolated,
    Outbox,
    OutcomeUnknown,
    StoreUnavailable,
)
from store.outbox_order import Committing, InOrder
from store.postgres_errors import (
    BROKEN,
    is_an_answer,
    is_temporary,
    to_be_retried,
    was_refused,
)
from store.postgres_transaction import WritingConnection
from store.statements import Done, Plan, Rows, Step
from store.writer import Job, OnCommit, WriterStats

log = structlog.get_logger(__name__)

T = TypeVar("T")

TRIES_MAX = 4
_BACKOFF_S = 0.01


@dataclass(frozen=True, slots=True)
class _Waiting:
    job: Job[Any]
    future: asyncio.Future[Any]


class PostgresLane:
    """Implements :class:`~store.writer.Writer`; made and used on one event loop."""

    def __init__(
        self,
        connect: Callable[[], WritingConnection],
        *,
        workers: int,
        outbox: Outbox,
        clock: Clock,
        queued_jobs_max: int,
        on_commit: OnCommit | None = None,
    ) -> None:
        self.stats = WriterStats()
        self._connect = connect
        self._announcing = InOrder(outbox)
        self._clock = clock
        self._queued_jobs_max = queued_jobs_max
        self._on_commit = on_commit
        self._queue: deque[_Waiting] = deque()
        self._idle: list[asyncio.Future[None]] = []
        """The worker that was busy last is woken first: its statements are prepared."""
        self._closing = False
        self._workers = [
            asyncio.create_task(self._work(), name=f"store-writer-{n}") for n in range(workers)
        ]

    async def run(self, job: Job[T]) -> T:
        if self._closing:
            raise StoreUnavailable("the store is closed")
        if len(self._queue) >= self._queued_jobs_max:
            raise StoreUnavailable("too many commits are waiting")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(job, future))
        self.stats.waiting = len(self._queue)
        self._wake()
        # Awaited bare: a wrapper would resume the caller a loop turn later, after the outbox.
        return await future

    async def close(self) -> None:
        """Finish what waits, answer everyone, end the connections."""
        self._closing = True
        while self._idle:
            self._wake()
        await asyncio.gather(*self._workers)

    def _wake(self) -> None:
        while self._idle:
            idle = self._idle.pop()
            if not idle.done():  # else its worker was cancelled
                idle.set_result(None)
                return

    async def _take(self) -> _Waiting | None:
        """The job that waited longest; ``None`` when closing and nothing is left."""
        while not self._queue:
            if self._closing:
                return None
            idle = asyncio.get_running_loop().create_future()
            self._idle.append(idle)
            await idle
        taken = self._queue.popleft()
        self.stats.waiting = len(self._queue)
        return taken

    async def _work(self) -> None:
        """One connection's life: it is opened by the first job, and anew when it was lost."""
        connection = self._connect()
        while waiting := await self._take():
            started = self._clock.monotonic()
            committed: _Committed[Any] | None = None
            failure: Exception | None = None
            try:
                committed = await _transact(connection, waiting.job, self._announcing)
            except (CommitFailure, Refusal) as error:
                failure = error
            except Exception as error:  # the plan's own bug must not end the worker
                log.error("plan_failed", exc_info=error)
                failure = error
            self._finish(waiting, committed, failure, self._clock.monotonic() - started)
        await connection.close()

    def _finish(
        self,
        waiting: _Waiting,
        committed: "_Committed[Any] | None",
        failure: Exception | None,
        seconds: float,
    ) -> None:
        if not waiting.future.done():  # else its caller was cancelled: nobody to tell
            if failure:
                waiting.future.set_exception(failure)
            else:
                assert committed, "a job has succeeded or failed"
                waiting.future.set_result(committed.value)
        if committed:
            # After the caller, whose wake-up was scheduled just now.
            self._announcing.end(committed.announcement, committed=True)
        self._count(waiting.job, committed is not None, seconds)

    def _count(self, job: Job[Any], succeeded: bool, seconds: float) -> None:
        stats = self.stats
        stats.busy_seconds += seconds
        if not succeeded:
            stats.failed_transactions += 1
            stats.failed_jobs += 1
            return
        stats.transactions += 1
        stats.turns += job.turns
        stats.calendars += job.calendars
        stats.largest_batch = max(stats.largest_batch, job.calendars)
        if self._on_commit and job.turns:
            self._on_commit(turns=job.turns, calendars=job.calendars, seconds=seconds)


@dataclass(frozen=True, slots=True)
class _Committed(Generic[T]):
    value: T
    announcement: Committing


async def _transact(
    connection: WritingConnection, job: Job[T], announcing: InOrder
) -> _Committed[T]:
    """The job's plan in a transaction of its own, tried again when it only lost a race.

    Raises what the plan raises, ConstraintViolated, StoreUnavailable, OutcomeUnknown.
    """
    tries = 0
    while True:
        tries += 1
        try:
            return await _once(connection, job, announcing)
        except BROKEN as error:
            if not to_be_retried(error):
                raise _meaning(error) from error
            if tries == TRIES_MAX:
                raise StoreUnavailable(f"lost {tries} races: {error}") from error
            log.warning("transaction_retried", tries=tries, error=str(error))
            await asyncio.sleep(_BACKOFF_S * 2**tries * random.uniform(0.5, 1.5))  # noqa: S311  # jitter


async def _once(connection: WritingConnection, job: Job[T], announcing: InOrder) -> _Committed[T]:
    await connection.begin(job.declares)
    try:
        done = await _drive(job.plan(), connection.run)
    except BaseException:
        await connection.rollback()
        raise
    announcement = announcing.begin(done.records)
    try:
        await connection.commit()
    except BaseException as error:
        announcing.end(announcement, committed=False)
        await connection.rollback()
        if not isinstance(error, BROKEN):
            raise
        if is_an_answer(error):
            raise
        log.error("commit_outcome_unknown", exc_info=error)
        raise OutcomeUnknown(str(error)) from error
    return _Committed(done.value, announcement)


def _meaning(error: Exception) -> Exception:
    if was_refused(error):
        log.error("constraint_violated", exc_info=error)
        return ConstraintViolated(str(error))
    if is_temporary(error):
        log.error("database_unavailable", exc_info=error)
        return StoreUnavailable(str(error))
    log.error("statement_failed", exc_info=error)
    return error


async def _drive(plan: Plan[Done[T]], run: Callable[[Step], Awaitable[Rows]]) -> Done[T]:
    try:
        step = next(plan)
        while True:
            step = plan.send(await run(step))
    except StopIteration as end:
        return cast("Done[T]", end.value)
    finally:
        plan.close()
