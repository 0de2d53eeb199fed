"""Opening, loading and committing calendars."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from actors.domain.appointment import Appointment, AppointmentType
from actors.domain.ids import AppointmentId, DentistId, PracticeId
from actors.domain.position import Position
from actors.domain.schedule import Schedule
from actors.domain.values import value
from actors.ports.commits import CalendarCommit, Committed, IdempotencyKey, Reply


@value
class StoredReply:
    """The reply that is stored under an idempotency key."""

    key: IdempotencyKey
    reply: Reply
    at: datetime


@value
class LoadedCalendar:
    """What an actor starts with, read in the transaction that raised the fence."""

    dentist_id: DentistId
    fence: int
    schedule: Schedule
    types: tuple[AppointmentType, ...]
    rows: tuple[Appointment, ...]
    """Live rows, overdue holds included, and completed rows that end after ``live_after``."""
    replies: tuple[StoredReply, ...]
    """Replies of the last day under clients' keys, oldest first; a bounded number."""
    position: Position
    """The head of ``availability:dentist:{id}``."""
    practice_id: PracticeId | None = None
    """Where the dentist works; the schedule has its closures."""
    active: bool = True


@value
class DueHold:
    """A held slot, and when its hold ends."""

    expires_at: datetime
    dentist_id: DentistId
    appointment_id: AppointmentId


class CalendarStore(Protocol):
    """The store as calendar actors use it.

    Guarantees:

    - A commit is durable when ``commit`` returns.
    - Events are published in the order of the commits, after the committing actor was resumed.
      So its new snapshot is visible before subscribers get the events.
    - Commits of different calendars do not affect each other, even if the store writes them
      in one transaction.
    """

    async def open(
        self, dentist_id: DentistId, *, live_after: datetime, owner: str | None = None
    ) -> LoadedCalendar | None:
        """Raise the fence, then load; ``None`` if there is no such calendar.

        From then on, commits with an older fence fail. Waits for a transaction of the previous
        owner that is still open. With ``owner``, the id of a node, the calendar becomes that
        node's. Raises OwnedElsewhere if another live node owns it, and StoreUnavailable.
        """
        ...

    async def view(self, dentist_id: DentistId, *, live_after: datetime) -> LoadedCalendar | None:
        """Load the committed state without raising the fence; ``None`` as in ``open``."""
        ...

    async def load_rows(
        self, dentist_id: DentistId, ids: Sequence[AppointmentId]
    ) -> Sequence[Appointment]:
        """Rows of this calendar by id, of any age and status."""
        ...

    async def load_types(self) -> Sequence[AppointmentType]: ...

    async def replies(self, keys: Sequence[IdempotencyKey]) -> Sequence[StoredReply]:
        """The replies stored under these keys; after an unknown outcome, they decide it."""
        ...

    async def commit(self, commit: CalendarCommit) -> Committed:
        """Write a batch in one transaction: rows, events, replies and audit entries.

        Checks first the fence, the versions of appointment types, and what other calendars
        know of the patients. Raises a :class:`~actors.ports.commits.CommitFailure`.
        """
        ...

    async def live_holds(self) -> Sequence[DueHold]:
        """All holds of all calendars, overdue ones included."""
        ...
