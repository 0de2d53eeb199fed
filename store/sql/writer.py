"""The contract of an engine's write side: jobs, and the writer that runs them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import structlog

from actors.domain.refusals import Refusal
from actors.ports.clock import Clock
from actors.ports.commits import CommitFailure, StoreUnavailable
from actors.ports.events import EventPublisher
from store.sql.prepared import Done, Plan, Step

log = structlog.get_logger(__name__)

Input = TypeVar("Input")
T = TypeVar("T")

QUEUED_JOBS_MAX = 1_024


@dataclass(frozen=True, kw_only=True, slots=True)
class Job(Generic[Input, T]):
    """What a caller wants to be written, and how many turns it is."""

    plan: Callable[[Sequence[Input]], Plan[Done[Sequence[T]]]]
    """Plans any number of inputs at once; answers one result for each, in their order.

    Jobs with the same plan that wait together are run as one. A writer may call it again,
    for instance to retry a transaction.
    """
    input: Input
    turns: int = 0
    declares: tuple[str, ...] = ()
    """The people (dentists of calendars, saved profiles) whose records the plan may write.
    Row security refuses all others."""


AnyJob = Job[Any, Any]


def single_job(
    plan: Callable[[], Plan[Done[T]]], *, turns: int = 0, declares: tuple[str, ...] = ()
) -> Job[None, T]:
    """A job that is never combined with another one."""

    def plan_alone(inputs: Sequence[None]) -> Plan[Done[Sequence[T]]]:
        assert len(inputs) == 1, "a single job shares its plan with no other"
        done = yield from plan()
        return Done((done.value,), done.records)

    return Job(plan=plan_alone, input=None, turns=turns, declares=declares)


def step_job(step: Step, *, declares: tuple[str, ...] = ()) -> Job[None, None]:
    """A single job of one step, whose rows do not matter."""

    def plan() -> Plan[Done[None]]:
        yield (step,)
        return Done(None)

    return single_job(plan, declares=declares)


def combined_plan(jobs: Sequence[Job[Input, T]]) -> Plan[Done[Sequence[T]]]:
    """The plan of jobs that share it."""
    return jobs[0].plan([job.input for job in jobs])


def combined_declares(jobs: Sequence[AnyJob]) -> Sequence[str]:
    return sorted({person for job in jobs for person in job.declares})


OnCommit = Callable[[int, float], None]
"""Called on the event loop after each transaction that committed turns: their number, seconds."""


@dataclass(slots=True)
class WriterStats:
    """Counters since the start; written by the engine alone."""

    transactions: int = 0
    """Those that were committed."""
    separations: int = 0
    """How often jobs that had been run as one were rolled back, to be run individually."""
    largest_batch: int = 0
    """The most jobs that one transaction committed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WriterContext:
    """What every writer needs: where it reports commits, and its limits."""

    publisher: EventPublisher
    clock: Clock
    on_commit: OnCommit | None = None
    queued_jobs_max: int = QUEUED_JOBS_MAX
    stats: WriterStats = field(default_factory=WriterStats)

    def admit(self, queued: int, *, closing: bool) -> None:
        """Raises StoreUnavailable unless one more job may wait."""
        if closing:
            raise StoreUnavailable("the store is closed")
        if queued >= self.queued_jobs_max:
            raise StoreUnavailable("too many commits are waiting")

    def count(self, committed: Sequence[AnyJob], seconds: float) -> None:
        """Record a transaction that committed these jobs."""
        self.stats.transactions += 1
        self.stats.largest_batch = max(self.stats.largest_batch, len(committed))
        turns = sum(job.turns for job in committed)
        if self.on_commit and turns:
            self.on_commit(turns, seconds)

    def separated(self, jobs: int, why: BaseException | None) -> None:
        """Record that jobs which had been run as one were rolled back.

        Refusals and commit failures are routine. Anything else, such as a lock that is held for
        long or a bug of the plan, deserves a warning, because otherwise it would only show as
        slowness.
        """
        self.stats.separations += 1
        if isinstance(why, CommitFailure | Refusal):
            log.debug("jobs_separated", jobs=jobs, error=type(why).__name__)
        else:
            log.warning("jobs_separated", jobs=jobs, exc_info=why)


@dataclass(slots=True)
class QueuedJob:
    """A job in a writer's queue, and the caller that awaits it."""

    job: AnyJob
    future: asyncio.Future[Any]
    individually: bool = False
    """It has been run together with others, and they were rolled back."""

    def succeed(self, value: object) -> None:
        if not self.future.done():  # done already: its caller was cancelled
            self.future.set_result(value)

    def fail(self, failure: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(failure)


class Writer(Protocol):
    """Runs jobs in transactions. SqliteWriter and PostgresWriters implement it.

    - Durability: a job is on disk when ``run`` returns, and rolled back when it raises
      (unless it raises OutcomeUnknown).
    - Batching: jobs that wait together may share a transaction, and those with the same plan
      are planned as one. If that fails, it is rolled back and each job is run individually:
      no refusal or bug of one job fails another.
    - Order: after COMMIT the callers are resumed; then the records go to the publisher. The
      records of one channel arrive in the order of their offsets.
    - Cancellation: the job of a cancelled caller is finished all the same.
    """

    async def run(self, job: Job[Input, T]) -> T:
        """Raises what the plan raises (CommitFailure, Refusal), and

        - ConstraintViolated: a constraint or row security refused a row;
        - StoreUnavailable: nothing was written, because the database cannot be reached or
          locked, the queue is full, or the store is closed;
        - OutcomeUnknown: COMMIT was sent and not answered.
        """
        ...
