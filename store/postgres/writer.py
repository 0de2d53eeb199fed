"""The writers of PostgreSQL: several connections, one transaction at a time on each.

Each worker takes the next job, and with it those that wait and can be planned together;
runs the plan between BEGIN and COMMIT, and answers. What two transactions may not both do,
the locks that the plans take decide. Jobs that cannot be done as one are run one by one; a
transaction that lost a race for no fault of its own is run anew, a few times.
"""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import structlog

from actors.domain.refusals import Refusal
from actors.ports.clock import Clock
from actors.ports.commits import CommitFailure, ConstraintViolated, OutcomeUnknown, StoreUnavailable
from actors.ports.events import Outbox
from store.postgres.errors import (
    BROKEN,
    is_an_answer,
    is_temporary,
    to_be_retried,
    was_refused,
)
from store.postgres.outbox_order import Committing, InOrder
from store.postgres.transaction import WritingConnection
from store.sql.prepared import Done, Plan, Rows, Step
from store.sql.writer import Job, OnCommit, WriterStats, joined, log_separated

log = structlog.get_logger(__name__)

T = TypeVar("T")

TRIES_MAX = 4
_BACKOFF_S = 0.01
TOGETHER_MAX = 64
_LOCK_TOGETHER_MS = 250
"""How long several jobs wait for a lock that keeps one of them; alone, each waits its full time."""


@dataclass(slots=True)
class _Waiting:
    job: Job[Any]
    future: asyncio.Future[Any]
    alone: bool = False
    """It was tried together with others, in vain."""

    @property
    def joins(self) -> bool:
        return self.job.together is not None and not self.alone


class PostgresLane:
    """Implements :class:`~store.sql.writer.Writer`; made and used on one event loop."""

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

    async def _take(self) -> list[_Waiting]:
        """The job that waited longest, and all that can be planned together with it; empty
        when closing and nothing is left."""
        while not self._queue:
            if self._closing:
                return []
            idle = asyncio.get_running_loop().create_future()
            self._idle.append(idle)
            await idle
        taken = [self._queue.popleft()]
        if taken[0].joins:
            others = [waiting for waiting in self._queue if waiting.joins][: TOGETHER_MAX - 1]
            if others:
                taken += others
                gone = set(map(id, others))
                self._queue = deque(each for each in self._queue if id(each) not in gone)
        self.stats.waiting = len(self._queue)
        return taken

    async def _work(self) -> None:
        """One connection's life: it is opened by the first job, and anew when it was lost."""
        connection = self._connect()
        while taken := await self._take():
            started = self._clock.monotonic()
            try:
                committed = await self._commit(connection, taken)
            except _MustBeAlone as error:
                self._separate(taken, error)
            except Exception as failure:
                self._fail(taken, failure, self._clock.monotonic() - started)
            else:
                self._succeed(taken, committed, self._clock.monotonic() - started)
        await connection.close()

    async def _commit(
        self, connection: WritingConnection, taken: Sequence[_Waiting]
    ) -> "_Committed[Sequence[Any]]":
        if len(taken) > 1:
            jobs = [waiting.job for waiting in taken]
            return await _transact_together(connection, jobs, self._announcing)
        try:
            one = await _transact(connection, taken[0].job, self._announcing)
        except (CommitFailure, Refusal):
            raise
        except Exception as error:  # the plan's own bug must not end the worker
            log.error("plan_failed", exc_info=error)
            raise
        return _Committed((one.value,), one.announcement)

    def _separate(self, taken: Sequence[_Waiting], error: "_MustBeAlone") -> None:
        """Back to where they came from; the other workers help."""
        log_separated(len(taken), error.__cause__)
        self.stats.separations += 1
        for waiting in reversed(taken):
            waiting.alone = True
            self._queue.appendleft(waiting)
        self.stats.waiting = len(self._queue)
        for _ in taken:
            self._wake()

    def _fail(self, taken: Sequence[_Waiting], failure: Exception, seconds: float) -> None:
        for waiting in taken:
            if not waiting.future.done():  # else its caller was cancelled: nobody to tell
                waiting.future.set_exception(failure)
        self.stats.busy_seconds += seconds
        self.stats.failed_transactions += 1
        self.stats.failed_jobs += len(taken)

    def _succeed(
        self, taken: Sequence[_Waiting], committed: "_Committed[Sequence[Any]]", seconds: float
    ) -> None:
        for waiting, value in zip(taken, committed.value, strict=True):
            if not waiting.future.done():
                waiting.future.set_result(value)
        # After the callers, whose wake-ups were scheduled just now.
        self._announcing.end(committed.announcement, committed=True)
        turns = sum(waiting.job.turns for waiting in taken)
        calendars = sum(waiting.job.calendars for waiting in taken)
        stats = self.stats
        stats.busy_seconds += seconds
        stats.transactions += 1
        stats.turns += turns
        stats.calendars += calendars
        stats.largest_batch = max(stats.largest_batch, calendars)
        if self._on_commit and turns:
            self._on_commit(turns=turns, calendars=calendars, seconds=seconds)


@dataclass(frozen=True, slots=True)
class _Committed(Generic[T]):
    value: T
    announcement: Committing


class _MustBeAlone(Exception):
    """Jobs that were run as one were undone; its cause says why. It may be one's alone."""


async def _transact_together(
    connection: WritingConnection, jobs: Sequence[Job[Any]], announcing: InOrder
) -> _Committed[Sequence[Any]]:
    """Once, and with little patience. Raises _MustBeAlone; StoreUnavailable and
    OutcomeUnknown are everybody's, as it is no use that each finds out by itself."""
    try:
        return await _once(connection, joined(jobs), announcing, lock_timeout_ms=_LOCK_TOGETHER_MS)
    except (StoreUnavailable, OutcomeUnknown):
        raise
    except BROKEN as error:
        if is_an_answer(error):
            raise _MustBeAlone from error
        raise _meaning(error) from error
    except Exception as error:  # a refusal, or a plan's own bug
        raise _MustBeAlone from error


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


async def _once(
    connection: WritingConnection,
    job: Job[T],
    announcing: InOrder,
    *,
    lock_timeout_ms: int | None = None,
) -> _Committed[T]:
    await connection.begin(job.declares, lock_timeout_ms)
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
