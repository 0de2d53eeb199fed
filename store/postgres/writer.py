"""The writers of PostgreSQL: several workers, each with a connection and a transaction.

A worker takes the next job and all waiting jobs with the same plan, runs the plan between
BEGIN and COMMIT, and answers the callers. While two transactions of a plan run, its other jobs
wait and become the next batch, so that a disk which is slow to commit makes larger batches, not
more of them. The locks that plans take decide between transactions that conflict. Jobs that fail
together are run individually, by all workers; a transaction that lost a race (serialization
failure, deadlock) is retried a few times.
"""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog

from actors.domain.refusals import Refusal
from actors.ports.commits import CommitFailure, ConstraintViolated, OutcomeUnknown, StoreUnavailable
from store.postgres.errors import (
    BROKEN,
    is_an_answer,
    is_temporary,
    to_be_retried,
    was_refused,
)
from store.postgres.publishing_order import PublishingOrder, UnpublishedCommit
from store.postgres.transaction import PostgresConnection
from store.sql.prepared import Done, Group, Plan, Rows
from store.sql.writer import (
    AnyJob,
    Input,
    Job,
    QueuedJob,
    WriterContext,
    combined_declares,
    combined_plan,
)

log = structlog.get_logger(__name__)

T = TypeVar("T")

TRIES_MAX = 4
_BACKOFF_S = 0.01
BATCH_JOBS_MAX = 64
BATCH_TURNS_MAX = 512
"""A turn locks up to five channels, and the server's table of locks, which all sessions share, has
place for 6,400 by default (``max_locks_per_transaction``)."""
BATCHES_OF_A_PLAN_MAX = 2
"""At once: one commits while the next one checks and writes. Bookings at 300/s cost PostgreSQL
820 µs each, and 1,150 µs if eight batches may run."""
_BATCH_LOCK_MS = 250
"""How long a batch waits for a lock that concerns only one of its jobs; run individually, each
job waits its full time."""


@dataclass(frozen=True, slots=True)
class _Committed:
    values: Sequence[object]
    """One for each job."""
    unpublished: UnpublishedCommit


class _BatchFailed(Exception):
    """A batch was rolled back; the cause may concern only one of its jobs."""


class PostgresWriters:
    """Implements :class:`~store.sql.writer.Writer`; made and used on one event loop."""

    def __init__(
        self, connect: Callable[[], PostgresConnection], context: WriterContext, *, workers: int
    ) -> None:
        self._connect = connect
        self._context = context
        self._publishing = PublishingOrder(context.publisher)
        self._queue: deque[QueuedJob] = deque()
        self._running: Counter[Hashable] = Counter()
        """How many batches of each plan run; jobs that run individually do not count."""
        self._idle: list[asyncio.Future[None]] = []
        """The worker that was busy last is woken first: its statements are prepared."""
        self._closing = False
        self._workers = [
            asyncio.create_task(self._work(), name=f"store-writer-{n}") for n in range(workers)
        ]

    async def run(self, job: Job[Input, T]) -> T:
        self._context.admit(len(self._queue), closing=self._closing)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        queued = QueuedJob(job, future)
        self._queue.append(queued)
        if self._may_run(queued):
            self._wake()
        # Awaited directly: a wrapper would resume the caller one turn later, after the publisher.
        return await future

    async def close(self) -> None:
        """Commit what waits, answer every caller, close the connections."""
        self._closing = True
        while self._idle:
            self._wake()
        await asyncio.gather(*self._workers)

    def _wake(self) -> None:
        while self._idle:
            idle = self._idle.pop()
            if not idle.done():  # done already: its worker was cancelled
                idle.set_result(None)
                return

    async def _take(self) -> list[QueuedJob]:
        """The job that waited longest, and those with the same plan.

        Empty when the writers are closing and nothing is left.
        """
        while not (first := next(filter(self._may_run, self._queue), None)):
            if self._closing:
                return []  # what cannot run yet is left to the workers that are busy
            idle = asyncio.get_running_loop().create_future()
            self._idle.append(idle)
            await idle
        batch = [first] if first.individually else self._together_with(first)
        taken = set(map(id, batch))
        self._queue = deque(queued for queued in self._queue if id(queued) not in taken)
        return batch

    def _together_with(self, first: QueuedJob) -> list[QueuedJob]:
        """The jobs of its plan that wait, with ``first``, within the bounds of a batch."""
        batch, turns = list[QueuedJob](), 0
        for queued in self._queue:
            if queued.job.plan is not first.job.plan or queued.individually:
                continue
            turns += queued.job.turns
            if batch and (len(batch) == BATCH_JOBS_MAX or turns > BATCH_TURNS_MAX):
                break
            batch.append(queued)
        return batch

    def _may_run(self, queued: QueuedJob) -> bool:
        return queued.individually or self._running[queued.job.plan] < BATCHES_OF_A_PLAN_MAX

    async def _work(self) -> None:
        """One worker: its connection is opened by the first job, and again when it was lost."""
        connection = self._connect()
        while batch := await self._take():
            if batch[0].individually:
                await self._run_batch(connection, batch)
                continue
            plan = batch[0].job.plan
            self._running[plan] += 1
            await self._run_batch(connection, batch)
            self._running[plan] -= 1
            if not self._running[plan]:
                del self._running[plan]
        await connection.close()

    async def _run_batch(self, connection: PostgresConnection, batch: Sequence[QueuedJob]) -> None:
        started = self._context.clock.monotonic()
        jobs = [queued.job for queued in batch]
        try:
            committed = await self._commit(connection, jobs)
        except _BatchFailed as error:
            self._separate(batch, error)
        except Exception as failure:
            for queued in batch:
                queued.fail(failure)
        else:
            for queued, value in zip(batch, committed.values, strict=True):
                queued.succeed(value)
            # After the callers, which were scheduled to resume just now.
            self._publishing.end(committed.unpublished, committed=True)
            self._context.count(jobs, self._context.clock.monotonic() - started)

    def _separate(self, batch: Sequence[QueuedJob], error: _BatchFailed) -> None:
        """Put the jobs back at the head of the queue, for all workers to run individually."""
        self._context.separated(len(batch), error.__cause__)
        for queued in reversed(batch):
            queued.individually = True
            self._queue.appendleft(queued)
        for _ in batch:
            self._wake()

    async def _commit(self, connection: PostgresConnection, jobs: Sequence[AnyJob]) -> _Committed:
        if len(jobs) > 1:
            return await self._commit_batch(connection, jobs)
        try:
            return await self._commit_retrying(connection, jobs)
        except (CommitFailure, Refusal):
            raise
        except Exception as error:  # a bug of the plan must not end the worker
            log.error("plan_failed", exc_info=error)
            raise

    async def _commit_batch(
        self, connection: PostgresConnection, jobs: Sequence[AnyJob]
    ) -> _Committed:
        """One try, with a short wait for locks. Raises _BatchFailed.

        StoreUnavailable and OutcomeUnknown concern every job, so they are raised as they are.
        """
        try:
            return await self._transact(connection, jobs, lock_timeout_ms=_BATCH_LOCK_MS)
        except (StoreUnavailable, OutcomeUnknown):
            raise
        except BROKEN as error:
            if is_an_answer(error):
                raise _BatchFailed from error
            raise _meaning(error) from error
        except Exception as error:  # a refusal, or a bug of the plan
            raise _BatchFailed from error

    async def _commit_retrying(
        self, connection: PostgresConnection, jobs: Sequence[AnyJob]
    ) -> _Committed:
        """Raises what the plan raises, ConstraintViolated, StoreUnavailable, OutcomeUnknown."""
        tries = 0
        while True:
            tries += 1
            try:
                return await self._transact(connection, jobs)
            except BROKEN as error:
                if not to_be_retried(error):
                    raise _meaning(error) from error
                if tries == TRIES_MAX:
                    raise StoreUnavailable(f"lost {tries} races: {error}") from error
                log.warning("transaction_retried", tries=tries, error=str(error))
                await asyncio.sleep(_BACKOFF_S * 2**tries * random.uniform(0.5, 1.5))  # noqa: S311  # jitter

    async def _transact(
        self,
        connection: PostgresConnection,
        jobs: Sequence[AnyJob],
        *,
        lock_timeout_ms: int | None = None,
    ) -> _Committed:
        connection.begin(combined_declares(jobs), lock_timeout_ms)
        try:
            done = await _drive(combined_plan(jobs), connection.run)
        except BaseException:
            await connection.rollback()
            raise
        unpublished = self._publishing.begin(done.records)
        try:
            await connection.commit()
        except BaseException as error:
            self._publishing.end(unpublished, committed=False)
            await connection.rollback()
            if not isinstance(error, BROKEN) or is_an_answer(error):
                raise
            log.error("commit_outcome_unknown", exc_info=error)
            raise OutcomeUnknown(str(error)) from error
        return _Committed(done.value, unpublished)


def _meaning(error: Exception) -> Exception:
    if was_refused(error):
        log.error("constraint_violated", exc_info=error)
        return ConstraintViolated(str(error))
    if is_temporary(error):
        log.error("database_unavailable", exc_info=error)
        return StoreUnavailable(str(error))
    log.error("statement_failed", exc_info=error)
    return error


async def _drive(plan: Plan[Done[T]], run: Callable[[Group], Awaitable[Sequence[Rows]]]) -> Done[T]:
    try:
        group = next(plan)
        while True:
            group = plan.send(await run(group))
    except StopIteration as end:
        done: Done[T] = end.value
        return done
    finally:
        plan.close()
