"""Commands of a calendar: plain data, validated by the API before they get here.

``by`` is the principal whose rights apply. The ids of new rows come with the command, so that
:func:`actors.domain.decide.decide` is pure.
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
    """The type of :data:`UNSET`: a field that was not sent, and does not change."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    by: Principal


@dataclass(frozen=True, kw_only=True, slots=True)
class HoldSlot(Command):
    """Hold a slot for a patient until the hold time is over (criterion 8.1)."""

    appointment_id: AppointmentId
    patient_id: PatientId
    appointment_type_id: AppointmentTypeId
    start: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class BookSlot(Command):
    """Book a slot directly. The patient's own hold of the same slot is turned into it."""

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
    """Expire an overdue hold; no change if it was booked or released meanwhile."""

    appointment_id: AppointmentId


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangeAppointment(Command):
    """Change start, type, status or notes of an appointment: those that are set."""

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
    """Replace the whole availability schedule; ``schedule.version`` is ignored."""

    schedule: Schedule
    expected_version: int | None = None
    dry_run: bool = False


Named = BookReservation | ReleaseHold | ExpireHold | ChangeAppointment | CancelAppointment
"""Commands that name an existing row. It is loaded before they are decided."""
