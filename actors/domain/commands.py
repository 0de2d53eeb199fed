"""What one may ask of a calendar: imperative names, plain data, checked by the edges.

``by`` carries the rights the command is decided with. Ids of new rows come with the
command, so that deciding stays pure.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

from actors.domain.appointment import Status
from actors.domain.cancel_reason import CancelReason
from actors.domain.ids import AppointmentId, AppointmentTypeId, PatientId
from actors.domain.principal import Principal
from actors.domain.schedule import Schedule


class Unset(Enum):
    """Told apart from ``None``: a field that was not sent stays as it is."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    by: Principal


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldSlot(Command):
    """Keep a slot for a patient until the hold time is over (criterion 8.1)."""

    appointment_id: AppointmentId
    patient_id: PatientId
    appointment_type_id: AppointmentTypeId
    start: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class BookSlot(Command):
    """Book without a reservation id; one's own hold of the same slot is converted."""

    appointment_id: AppointmentId
    patient_id: PatientId
    appointment_type_id: AppointmentTypeId
    start: datetime
    notes: str | None = None
    overbook: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class BookReservation(Command):
    """Turn a hold into a confirmed appointment (criterion 8.4)."""

    appointment_id: AppointmentId
    notes: str | Unset | None = UNSET


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseHold(Command):
    appointment_id: AppointmentId


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpireHold(Command):
    """Sent by the alarms; does nothing if the hold was booked or released meanwhile."""

    appointment_id: AppointmentId


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangeAppointment(Command):
    """Reschedule, change status, type or notes; only what is set changes."""

    appointment_id: AppointmentId
    expected_version: int | None = None
    start: datetime | None = None
    appointment_type_id: AppointmentTypeId | None = None
    status: Status | None = None
    notes: str | Unset | None = UNSET
    cancel_reason: CancelReason | Unset | None = UNSET
    overbook: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CancelAppointment(Command):
    appointment_id: AppointmentId
    expected_version: int | None = None
    reason: CancelReason | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplaceSchedule(Command):
    """Replace the availability schedule whole; ``schedule.version`` is ignored."""

    schedule: Schedule
    expected_version: int | None = None
    dry_run: bool = False


Named = BookReservation | ReleaseHold | ExpireHold | ChangeAppointment | CancelAppointment
"""Commands that name an existing row, which must be in memory before their turn."""
