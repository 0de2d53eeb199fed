"""What the repositories need of an engine's write side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import structlog

from actors.domain.refusals import Refusal
from actors.ports.commits import CommitFailure
from store.sql.prepared import Done, Plan

log = structlog.get_logger(__name__)

T = TypeVar("T")

MakePlan = Callable[[], Plan[Done[T]]]
"""Begins the plan anew: an engine that must retry a transaction calls it again."""


class OnCommit(Protocol):
    def __call__(self, *, turns: int, calendars: int, seconds: float) -> None:
        """After each transaction that committed calendars; called on the event loop."""
        ...


@dataclass(slots=True)
class WriterStats:
    """Counters since the start, for metrics; written by the engine alone."""

    transactions: int = 0
    calendars: int = 0
    turns: int = 0
    failed_jobs: int = 0
    """Jobs that were refused or failed alone; the rest of their transaction went on."""
    failed_transactions: int = 0
    separations: int = 0
    """Times that jobs which had been run as one were undone, and run one by one."""
    largest_batch: int = 0
    busy_seconds: float = 0.0
    waiting: int = 0
    """Jobs in the queue now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job(Generic[T]):
    """A plan to run in a transaction, and what it counts as."""

    plan: MakePlan[T]
    turns: int = 0
    calendars: int = 0
    declares: tuple[str, ...] = ()
    """The people (calendars' dentists, saved profiles) whose records the plan may write:
    where the database knows row security, it refuses all others."""
    part: Any = None
    together: Callable[[Sequence[Any]], Plan[Done[Sequence[T]]]] | None = None
    """Plans the parts of several such jobs as one, and answers each. An engine may use it
    instead of their own plans; if it fails, whatever the reason, each is run by its own."""


def joined(jobs: Sequence[Job[T]]) -> Job[Sequence[T]]:
    """Jobs of one kind, each with :attr:`~Job.together`, as a single one."""
    together = jobs[0].together
    assert together, "jobs that can be planned together"
    parts = [job.part for job in jobs]
    return Job(
        plan=lambda: together(parts),
        turns=sum(job.turns for job in jobs),
        calendars=sum(job.calendars for job in jobs),
        declares=tuple(sorted({person for job in jobs for person in job.declares})),
    )


def log_separated(jobs: int, why: BaseException | None) -> None:
    """What one of several jobs may not do is everyday; anything else that undoes them, a lock
    that somebody keeps or a bug of their common plan, would else only make the hub slower."""
    if isinstance(why, CommitFailure | Refusal):
        log.debug("jobs_separated", jobs=jobs, error=type(why).__name__)
    else:
        log.warning("jobs_separated", jobs=jobs, exc_info=why)


class Writer(Protocol):
    stats: WriterStats

    async def run(self, job: Job[T]) -> T:
        """Run the plan: durable when this returns, rolled back when it raises.

        Its records reach the outbox in commit order, after the awaiting callers were
        resumed. A cancelled caller's job is finished all the same. Raises what the plan
        raises, ConstraintViolated, StoreUnavailable or OutcomeUnknown.
        """
        ...
