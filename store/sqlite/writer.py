"""The writer lane of SQLite: one thread, one connection, all that waits in one commit.

While a transaction runs, the next jobs gather; there is no timer. Those that can be planned
together are one job. Each job has a savepoint: one that fails is undone and reported alone,
several that were one are then run one by one. Nothing is reported, not even a refusal,
before COMMIT: it may rest on a neighbour's rows that could still be lost.
"""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import structlog

from actors.domain.refusals import Refusal
from actors.ports.clock import Clock
from actors.ports.commits import CommitFailure, ConstraintViolated, OutcomeUnknown, StoreUnavailable
from actors.ports.events import EventRecord, Outbox
from store.sql.prepared import Done, Plan, Rows, Step
from store.sql.writer import Job, OnCommit, WriterStats, joined, log_separated
from store.sqlite.errors import concerns_one_statement
from store.sqlite.file import WriterConnection

log = structlog.get_logger(__name__)

T = TypeVar("T")

BATCH_JOBS_MAX = 64
QUEUED_JOBS_MAX = 1_024


@dataclass(frozen=True, slots=True)
class _Waiting:
    job: Job[Any]
    future: asyncio.Future[Any]


@dataclass(slots=True)
class _Answer:
    """What one job of a transaction will be told, once the transaction is over."""

    done: Done[Any] | None = None
    failure: Exception | None = None


class Lane:
    """Implements :class:`~store.sql.writer.Writer`; made and used on one event loop."""

    def __init__(
        self,
        path: Path,
        *,
        schema_version: str,
        outbox: Outbox,
        clock: Clock,
        busy_timeout_ms: int,
        queued_jobs_max: int = QUEUED_JOBS_MAX,
        on_commit: OnCommit | None = None,
    ) -> None:
        self.stats = WriterStats()
        self._path = path
        self._schema_version = schema_version
        self._outbox = outbox
        self._clock = clock
        self._busy_timeout_ms = busy_timeout_ms
        self._queued_jobs_max = queued_jobs_max
        self._on_commit = on_commit
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Waiting] = deque()
        self._gathered = threading.Condition()
        self._closing = False
        self._closed = self._loop.create_future()
        self._connection: WriterConnection | None = None
        self._thread = threading.Thread(target=self._live, name="store-lane", daemon=True)

    def start(self) -> None:
        self._thread.start()

    async def run(self, job: Job[T]) -> T:
        future: asyncio.Future[T] = self._loop.create_future()
        with self._gathered:
            if self._closing:
                raise StoreUnavailable("the store is closed")
            if len(self._queue) >= self._queued_jobs_max:
                raise StoreUnavailable("too many commits are waiting")
            self._queue.append(_Waiting(job, future))
            self.stats.waiting = len(self._queue)
            self._gathered.notify()
        # Awaited bare: a wrapper would resume the caller a loop turn later, after the outbox.
        return await future

    async def close(self) -> None:
        """Finish what waits, answer everyone, end the thread."""
        with self._gathered:
            self._closing = True
            self._gathered.notify()
        if self._thread.ident is not None:
            await asyncio.shield(self._closed)
            self._thread.join()

    # --- in the thread ---------------------------------------------------------------

    def _live(self) -> None:
        while batch := self._take():
            started = self._clock.monotonic()
            try:
                answers = self._transact([waiting.job for waiting in batch])
            except Exception:
                log.exception("lane_failed", jobs=len(batch))
                self._drop_connection()
                answers = [_Answer(failure=OutcomeUnknown()) for _ in batch]
            seconds = self._clock.monotonic() - started
            self._loop.call_soon_threadsafe(self._finish, batch, answers, seconds)
        self._drop_connection()
        self._loop.call_soon_threadsafe(self._closed.set_result, None)

    def _take(self) -> list[_Waiting]:
        """All that waits, up to the bound, what can be planned together first; empty when
        closing and nothing is left."""
        with self._gathered:
            while not self._queue and not self._closing:
                self._gathered.wait()
            count = min(len(self._queue), BATCH_JOBS_MAX)
            batch = [self._queue.popleft() for _ in range(count)]
            self.stats.waiting = len(self._queue)
        batch.sort(key=lambda waiting: waiting.job.together is None)
        return batch

    def _transact(self, jobs: Sequence[Job[Any]]) -> list[_Answer]:
        try:
            connection = self._connected()
            connection.say("BEGIN IMMEDIATE")
        except (sqlite3.Error, OSError) as error:
            return self._unavailable(jobs, error)
        try:
            answers = self._run_jobs(connection, jobs)
            if not any(answer.done for answer in answers):
                connection.say("ROLLBACK")
                return answers
        except sqlite3.Error as error:
            return self._unavailable(jobs, error)
        try:
            connection.say("COMMIT")
        except sqlite3.Error as error:
            return self._unknown(answers, error)
        return answers

    def _run_jobs(self, connection: WriterConnection, jobs: Sequence[Job[Any]]) -> list[_Answer]:
        """Raises ``sqlite3.Error`` if the whole transaction is lost."""
        answers: list[_Answer] = []
        joint = [job for job in jobs if job.together]  # they were taken first
        if len(joint) > 1:
            answers = _run_together(connection, joint)
            self.stats.separations += not answers
        return answers + [_run_job(connection, job) for job in jobs[len(answers) :]]

    def _connected(self) -> WriterConnection:
        """The connection, made anew when it was lost or the file is another one."""
        if self._connection and not self._connection.is_current:
            log.warning("database_file_replaced", path=str(self._path))
            self._drop_connection()
        if self._connection is None:
            fresh = WriterConnection(self._path, busy_timeout_ms=self._busy_timeout_ms)
            if fresh.schema_version != self._schema_version:
                fresh.close()
                raise sqlite3.DatabaseError("the database has another schema than at the start")
            fresh.guard()
            self._connection = fresh
        return self._connection

    def _drop_connection(self) -> None:
        """Closing rolls back whatever is open; the next transaction connects again."""
        connection, self._connection = self._connection, None
        if connection:
            connection.close()

    def _unavailable(self, jobs: Sequence[Job[Any]], error: Exception) -> list[_Answer]:
        log.error("database_unavailable", jobs=len(jobs), exc_info=error)
        self._drop_connection()
        return [_Answer(failure=_caused(StoreUnavailable(str(error)), error)) for _ in jobs]

    def _unknown(self, answers: Sequence[_Answer], error: Exception) -> list[_Answer]:
        """COMMIT failed. What was refused rested on rows that may be lost: ask again."""
        log.error("commit_outcome_unknown", jobs=len(answers), exc_info=error)
        self._drop_connection()
        return [
            _Answer(
                failure=_caused(
                    OutcomeUnknown(str(error)) if answer.done else StoreUnavailable(str(error)),
                    error,
                )
            )
            for answer in answers
        ]

    # --- on the loop -----------------------------------------------------------------

    def _finish(
        self, batch: Sequence[_Waiting], answers: Sequence[_Answer], seconds: float
    ) -> None:
        records: list[EventRecord] = []
        for waiting, answer in zip(batch, answers, strict=True):
            _resolve(waiting.future, answer)
            if answer.done:
                records.extend(answer.done.records)
        if records:
            # After the callers, whose wake-ups were scheduled just now.
            self._loop.call_soon(self._outbox.announce, records)
        self._count(batch, answers, seconds)

    def _count(self, batch: Sequence[_Waiting], answers: Sequence[_Answer], seconds: float) -> None:
        done = [w.job for w, answer in zip(batch, answers, strict=True) if answer.done]
        turns, calendars = sum(j.turns for j in done), sum(j.calendars for j in done)
        stats = self.stats
        stats.transactions += bool(done)
        stats.failed_transactions += not done
        stats.failed_jobs += len(batch) - len(done)
        stats.turns += turns
        stats.calendars += calendars
        stats.largest_batch = max(stats.largest_batch, calendars)
        stats.busy_seconds += seconds
        if self._on_commit and turns:
            self._on_commit(turns=turns, calendars=calendars, seconds=seconds)


def _run_together(connection: WriterConnection, jobs: Sequence[Job[Any]]) -> list[_Answer]:
    """Empty if they must be run one by one: what one of them may not do undid all."""
    try:
        done = _attempt(connection, joined(jobs))
    except Exception as error:
        if _loses_all(connection, error):
            raise
        log_separated(len(jobs), error)
        return []
    first, *others = done.value
    return [_Answer(Done(first, done.records)), *(_Answer(Done(value)) for value in others)]


def _run_job(connection: WriterConnection, job: Job[Any]) -> _Answer:
    try:
        return _Answer(_attempt(connection, job))
    except (CommitFailure, Refusal) as failure:
        return _Answer(failure=failure)
    except sqlite3.IntegrityError as error:
        log.error("constraint_violated", exc_info=error)
        return _Answer(failure=_caused(ConstraintViolated(str(error)), error))
    except Exception as error:  # a plan's own bug must not fail its neighbours
        if _loses_all(connection, error):
            raise
        failed = "statement_failed" if isinstance(error, sqlite3.Error) else "plan_failed"
        log.error(failed, exc_info=error)
        return _Answer(failure=error)


def _attempt(connection: WriterConnection, job: Job[T]) -> Done[T]:
    """The job's plan within its savepoint: undone if it raises, unless all is lost."""
    connection.declare(job.declares)
    connection.say("SAVEPOINT job")
    try:
        done = _drive(job.plan(), connection.run)
    except Exception as error:
        if not _loses_all(connection, error):
            connection.say("ROLLBACK TO job")
            connection.say("RELEASE job")
        raise
    connection.say("RELEASE job")
    return done


def _loses_all(connection: WriterConnection, error: Exception) -> bool:
    """Whether it ended the transaction, or leaves it in doubt."""
    if not isinstance(error, sqlite3.Error) or isinstance(error, sqlite3.IntegrityError):
        return False
    return not (connection.in_transaction and concerns_one_statement(error))


def _drive(plan: Plan[Done[T]], run: Callable[[Step], Rows]) -> Done[T]:
    try:
        step = next(plan)
        while True:
            step = plan.send(run(step))
    except StopIteration as end:
        return cast("Done[T]", end.value)
    finally:
        plan.close()


def _resolve(future: asyncio.Future[Any], answer: _Answer) -> None:
    if future.done():  # its caller was cancelled: finished all the same, nobody to tell
        return
    if answer.failure:
        future.set_exception(answer.failure)
    else:
        assert answer.done, "a job has succeeded or failed"
        future.set_result(answer.done.value)


def _caused(failure: CommitFailure, cause: Exception) -> CommitFailure:
    failure.__cause__ = cause
    return failure
