"""The writer of SQLite: one thread with one connection, which commits all that waits at once.

While a transaction runs, the next jobs wait; there is no timer. Each job, or group of jobs
with the same plan, has a savepoint, so that a failure rolls back no other job. No caller gets
an answer before COMMIT, not even a refusal: a refusal may depend on rows of the same
transaction that could still be lost.
"""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import structlog

from actors.domain.refusals import Refusal
from actors.ports.commits import CommitFailure, ConstraintViolated, OutcomeUnknown, StoreUnavailable
from actors.ports.events import EventRecord
from store.sql.prepared import Done, Plan, Rows, Step
from store.sql.writer import (
    AnyJob,
    Input,
    Job,
    QueuedJob,
    WriterContext,
    combined_declares,
    combined_plan,
)
from store.sqlite.errors import concerns_one_statement
from store.sqlite.file import SqliteConnection

log = structlog.get_logger(__name__)

T = TypeVar("T")

BATCH_JOBS_MAX = 64


@dataclass(frozen=True, slots=True)
class _JobResult:
    """What a caller gets when the transaction is over: a value, or a failure."""

    value: object = None
    records: Sequence[EventRecord] = ()
    failure: Exception | None = None


class SqliteWriter:
    """Implements :class:`~store.sql.writer.Writer`; made and used on one event loop."""

    def __init__(
        self, path: Path, context: WriterContext, *, schema_version: str, lock_timeout_ms: int
    ) -> None:
        self._path = path
        self._context = context
        self._schema_version = schema_version
        self._lock_timeout_ms = lock_timeout_ms
        self._loop = asyncio.get_running_loop()
        self._queue: deque[QueuedJob] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._closed = self._loop.create_future()
        self._connection: SqliteConnection | None = None
        """``None`` before the first transaction, and after the connection was lost."""
        self._thread = threading.Thread(target=self._work, name="sqlite-writer", daemon=True)
        self._thread.start()

    async def run(self, job: Job[Input, T]) -> T:
        future: asyncio.Future[T] = self._loop.create_future()
        with self._changed:
            self._context.admit(len(self._queue), closing=self._closing)
            self._queue.append(QueuedJob(job, future))
            self._changed.notify()
        # Awaited directly: a wrapper would resume the caller one turn later, after the publisher.
        return await future

    async def close(self) -> None:
        """Commit what waits, answer every caller, end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        await asyncio.shield(self._closed)
        self._thread.join()

    # --- in the thread ---------------------------------------------------------------

    def _work(self) -> None:
        while groups := self._take():
            started = self._context.clock.monotonic()
            try:
                results = self._transact([[queued.job for queued in group] for group in groups])
            except Exception:
                log.exception("writer_failed", jobs=sum(map(len, groups)))
                self._drop_connection()
                results = [_JobResult(failure=OutcomeUnknown()) for group in groups for _ in group]
            seconds = self._context.clock.monotonic() - started
            batch = [queued for group in groups for queued in group]
            self._loop.call_soon_threadsafe(self._finish, batch, results, seconds)
        self._drop_connection()
        self._loop.call_soon_threadsafe(self._closed.set_result, None)

    def _take(self) -> list[list[QueuedJob]]:
        """All jobs that wait, at most BATCH_JOBS_MAX, grouped by plan.

        Empty when the writer is closing and nothing is left.
        """
        with self._changed:
            while not self._queue and not self._closing:
                self._changed.wait()
            count = min(len(self._queue), BATCH_JOBS_MAX)
            batch = [self._queue.popleft() for _ in range(count)]
        groups: dict[int, list[QueuedJob]] = {}
        for queued in batch:
            groups.setdefault(id(queued.job.plan), []).append(queued)
        return list(groups.values())

    def _transact(self, groups: Sequence[Sequence[AnyJob]]) -> list[_JobResult]:
        """One result for each job, in order."""
        count = sum(map(len, groups))
        try:
            connection = self._connected()
            connection.execute("BEGIN IMMEDIATE")
        except (sqlite3.Error, OSError) as error:
            return self._unavailable(count, error)
        try:
            results = [result for group in groups for result in self._run_group(connection, group)]
            if all(result.failure for result in results):
                connection.execute("ROLLBACK")
                return results
        except sqlite3.Error as error:
            return self._unavailable(count, error)
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            return self._unknown(results, error)
        return results

    def _run_group(
        self, connection: SqliteConnection, group: Sequence[AnyJob]
    ) -> Sequence[_JobResult]:
        """Together; if that fails, one by one. Raises sqlite3.Error if the transaction is lost."""
        if len(group) > 1:
            try:
                return _attempt(connection, group)
            except Exception as error:
                if _ends_transaction(connection, error):
                    raise
                self._context.separated(len(group), error)
        return [_run_individually(connection, job) for job in group]

    def _connected(self) -> SqliteConnection:
        """The connection; a new one if it was lost, or if the file was replaced."""
        if self._connection and not self._connection.is_current:
            log.warning("database_file_replaced", path=str(self._path))
            self._drop_connection()
        if self._connection is None:
            fresh = SqliteConnection(self._path, lock_timeout_ms=self._lock_timeout_ms)
            if fresh.schema_version != self._schema_version:
                fresh.close()
                raise sqlite3.DatabaseError("the database has another schema than at the start")
            fresh.guard()
            self._connection = fresh
        return self._connection

    def _drop_connection(self) -> None:
        """Closing rolls back an open transaction; the next one connects again."""
        connection, self._connection = self._connection, None
        if connection:
            connection.close()

    def _unavailable(self, jobs: int, error: Exception) -> list[_JobResult]:
        log.error("database_unavailable", jobs=jobs, exc_info=error)
        self._drop_connection()
        return [_failed(StoreUnavailable(str(error)), error) for _ in range(jobs)]

    def _unknown(self, results: Sequence[_JobResult], error: Exception) -> list[_JobResult]:
        """COMMIT failed. A refusal may depend on rows that are lost: its caller must retry."""
        log.error("commit_outcome_unknown", jobs=len(results), exc_info=error)
        self._drop_connection()
        return [
            _failed(
                StoreUnavailable(str(error)) if result.failure else OutcomeUnknown(str(error)),
                error,
            )
            for result in results
        ]

    # --- on the event loop -----------------------------------------------------------

    def _finish(
        self, batch: Sequence[QueuedJob], results: Sequence[_JobResult], seconds: float
    ) -> None:
        committed: list[AnyJob] = []
        records: list[EventRecord] = []
        for queued, result in zip(batch, results, strict=True):
            if result.failure:
                queued.fail(result.failure)
            else:
                queued.succeed(result.value)
                committed.append(queued.job)
                records.extend(result.records)
        if records:
            # After the callers, which were scheduled to resume just now.
            self._loop.call_soon(self._context.publisher.publish, records)
        if committed:
            self._context.count(committed, seconds)


def _run_individually(connection: SqliteConnection, job: AnyJob) -> _JobResult:
    try:
        (result,) = _attempt(connection, (job,))
    except (CommitFailure, Refusal) as failure:
        return _JobResult(failure=failure)
    except sqlite3.IntegrityError as error:
        log.error("constraint_violated", exc_info=error)
        return _failed(ConstraintViolated(str(error)), error)
    except Exception as error:  # a bug of this plan must not fail other jobs
        if _ends_transaction(connection, error):
            raise
        event = "statement_failed" if isinstance(error, sqlite3.Error) else "plan_failed"
        log.error(event, exc_info=error)
        return _JobResult(failure=error)
    return result


def _attempt(connection: SqliteConnection, jobs: Sequence[AnyJob]) -> list[_JobResult]:
    """Run jobs that share a plan within a savepoint, which is rolled back if the plan raises."""
    connection.declare(combined_declares(jobs))
    connection.execute("SAVEPOINT job")
    try:
        done = _drive(combined_plan(jobs), connection.run)
    except Exception as error:
        if not _ends_transaction(connection, error):
            connection.execute("ROLLBACK TO job")
            connection.execute("RELEASE job")
        raise
    connection.execute("RELEASE job")
    first, *others = done.value
    return [_JobResult(first, done.records), *map(_JobResult, others)]


def _ends_transaction(connection: SqliteConnection, error: Exception) -> bool:
    """Whether the error ended the transaction, or leaves it in doubt."""
    if not isinstance(error, sqlite3.Error) or isinstance(error, sqlite3.IntegrityError):
        return False
    return not (connection.in_transaction and concerns_one_statement(error))


def _drive(plan: Plan[Done[T]], run: Callable[[Step], Rows]) -> Done[T]:
    try:
        group = next(plan)
        while True:
            group = plan.send(list(map(run, group)))
    except StopIteration as end:
        done: Done[T] = end.value
        return done
    finally:
        plan.close()


def _failed(failure: CommitFailure, cause: Exception) -> _JobResult:
    failure.__cause__ = cause
    return _JobResult(failure=failure)
