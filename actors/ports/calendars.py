"""Calendars in the store: opening, loading and committing them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from actors.domain.appointment import Appointment, AppointmentType
from actors.domain.ids import AppointmentId, DentistId
from actors.domain.position import Position
from actors.domain.schedule import Schedule
from actors.ports.commits import CalendarCommit, Committed, IdempotencyKey, Reply


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredReply:
    key: IdempotencyKey
    reply: Reply
    at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedCalendar:
    """All an actor starts from, read in the transaction that raised the fence."""

    dentist_id: DentistId
    fence: int
    schedule: Schedule
    types: tuple[AppointmentType, ...]
    rows: tuple[Appointment, ...]
    """Live rows (overdue holds included) and completed ones that end after the instant
    asked for."""
    replies: tuple[StoredReply, ...]
    """Replies to clients' keys of the last day at this calendar, oldest first, bounded."""
    position: Position
    """Head of ``availability:dentist:{id}``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DueHold:
    expires_at: datetime
    dentist_id: DentistId
    appointment_id: AppointmentId


class CalendarStore(Protocol):
    """The actors' side of the store.

    ``commit`` is durable when it returns; its announcements reach the outbox in commit
    order, after the awaiting actors were resumed (so a snapshot is published before
    anybody hears of it). Commits of different calendars are independent.
    """

    async def open(
        self, dentist_id: DentistId, *, live_after: datetime, owner: str | None = None
    ) -> LoadedCalendar | None:
        """Raise the fence, then load; ``None`` if there is no such calendar.

        Waits for a half-dead transaction of the previous owner. With ``owner``, a node's id
        (PostgreSQL), the calendar becomes that node's, unless a node that is alive has it:
        raises OwnedElsewhere. Raises StoreUnavailable.
        """
        ...

    async def view(self, dentist_id: DentistId, *, live_after: datetime) -> LoadedCalendar | None:
        """What ``open`` would load, as it is committed now; nobody is fenced."""
        ...

    async def load_rows(
        self, dentist_id: DentistId, ids: Sequence[AppointmentId]
    ) -> Sequence[Appointment]:
        """Rows of this calendar by id, whatever their age or status."""
        ...

    async def load_types(self) -> Sequence[AppointmentType]: ...

    async def replies(self, keys: Sequence[IdempotencyKey]) -> Sequence[StoredReply]:
        """What is stored under these keys: settles an unknown outcome."""
        ...

    async def commit(self, commit: CalendarCommit) -> Committed:
        """Fence, channels, checks, rows, events, replies, audit: one transaction.

        Raises a :class:`CommitFailure`.
        """
        ...

    async def live_holds(self) -> Sequence[DueHold]:
        """Every row that is ``held``, of all calendars, overdue ones included."""
        ...
