"""Reading appointments."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from actors.domain.appointment import Appointment, Status
from actors.domain.author import Author
from actors.domain.channels import Channel
from actors.domain.ids import (
    AppointmentId,
    AppointmentTypeId,
    DentistId,
    PatientId,
)
from actors.domain.position import Position
from actors.domain.principal import Principal, Role
from actors.domain.values import value
from actors.ports.rendering import Names


@value
class AppointmentQuery:
    """Filters of a list. Starts are in ``[starts_from, starts_before)``."""

    statuses: frozenset[Status]
    """Empty means the default: every status but held, released and expired."""
    starts_from: datetime | None = None
    starts_before: datetime | None = None
    updated_since: datetime | None = None
    """Only rows that changed at this instant or later."""
    dentist_ids: tuple[DentistId, ...] = ()
    """Empty: of every dentist."""
    patient_id: PatientId | None = None
    appointment_type_id: AppointmentTypeId | None = None
    descending: bool = False
    limit: int = 50
    after: tuple[datetime, AppointmentId] | None = None
    """The last row of the previous page; rows inserted meanwhile shift nothing."""


@value
class AppointmentPage:
    rows: tuple[Appointment, ...]
    names: Names
    total: int
    next_after: tuple[datetime, AppointmentId] | None
    positions: Mapping[Channel, Position]
    """The channels of the rows and their heads, read in the same transaction: the caller's own,
    or those of the calendars of staff."""

    @property
    def position(self) -> tuple[Channel, Position] | None:
        """The only channel and its head, if there is one."""
        return next(iter(self.positions.items())) if len(self.positions) == 1 else None


@value
class HistoryEntry:
    """One change of an appointment, from the audit log."""

    at: datetime
    action: str
    """E.g. ``slot.held``, ``appointment.booked``, ``hold.expired``."""
    by: Author
    """Whose rights applied; patients are shown the role only."""
    via: Role
    """``chatbot`` if one acted, else the same as ``by``."""
    old_status: Status | None
    new_status: Status
    old_start: datetime | None
    new_start: datetime
    old_end: datetime | None
    new_end: datetime
    version: int


class Appointments(Protocol):
    """Reads appointments with the caller's rights; other rows do not exist for them.

    Raises StoreUnavailable.
    """

    async def page(self, principal: Principal, query: AppointmentQuery) -> AppointmentPage: ...

    async def get(
        self, principal: Principal, appointment_id: AppointmentId
    ) -> tuple[Appointment, Names] | None: ...

    async def some(
        self, principal: Principal, ids: Sequence[AppointmentId]
    ) -> tuple[tuple[Appointment, ...], Names]:
        """Those of a page of rows that the caller sees, by start and id."""
        ...

    async def history(
        self, principal: Principal, appointment_id: AppointmentId
    ) -> Sequence[HistoryEntry] | None:
        """All changes of the row, oldest first; ``None`` if it is not the caller's."""
        ...
