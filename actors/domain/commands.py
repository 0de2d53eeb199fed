"""Commands of a calendar: plain data, validated by the API before they get here.

``by`` is the principal whose rights apply. The ids of new rows come with the command, so that
:func:`actors.domain.decide.decide` is pure.
"""

from datetime import datetime
from enum import Enum
from typing import Final

from actors.domain.appointment import Appointment, Status
from actors.domain.cancel_reason import CancelReason
from actors.domain.ids import AppointmentId, AppointmentTypeId, PatientId, PracticeId
from actors.domain.principal import Principal
from actors.domain.schedule import Schedule
from actors.domain.values import value


class Unset(Enum):
    """The type of :data:`UNSET`: a field that was not sent, and does not change."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET


@value
class Command:
    by: Principal


@value
class SlotCommand(Command):
    """A command that takes a slot for a patient with a new row."""

    appointment_id: AppointmentId
    patient_id: PatientId
    appointment_type_id: AppointmentTypeId
    start: datetime


@value
class HoldSlot(SlotCommand):
    """Hold a slot for a patient until the hold time is over (criterion 8.1)."""


@value
class BookSlot(SlotCommand):
    """Book a slot directly. The patient's own hold of the same slot is turned into it."""

    notes: str | None = None
    overbook: bool = False


@value
class RowCommand(Command):
    """A command that names an existing row, which is loaded before it is decided."""

    appointment_id: AppointmentId


@value
class BookReservation(RowCommand):
    """Turn a hold into a confirmed appointment (criterion 8.4)."""

    notes: str | Unset | None = UNSET


@value
class ReleaseHold(RowCommand): ...


@value
class ExpireHold(RowCommand):
    """Expire an overdue hold; no change if it was booked or released meanwhile."""


@value
class AppointmentCommand(RowCommand):
    """Changes start, type, status or notes of an appointment: those that are set."""

    expected_version: int | None = None
    start: datetime | None = None
    appointment_type_id: AppointmentTypeId | None = None
    status: Status | None = None
    notes: str | Unset | None = UNSET
    cancel_reason: CancelReason | Unset | None = UNSET
    overbook: bool | None = None


@value
class ChangeAppointment(AppointmentCommand): ...


@value
class MoveAppointment(AppointmentCommand):
    """Take an appointment over from another calendar, perhaps changed. The new one decides."""

    row: Appointment
    """As the caller saw it; the commit checks that it is still so."""
    notice_minutes: int = 0
    """How long before the start a patient may still leave the other calendar."""
    practice_id: PracticeId | None = None
    """The practice of the other calendar."""


@value
class CancelAppointment(RowCommand):
    expected_version: int | None = None
    reason: CancelReason | None = None


@value
class ConfirmVisit(RowCommand):
    """The patient answers that they will come. Repeated, nothing changes."""

    expected_version: int | None = None


@value
class ReplaceSchedule(Command):
    """Replace the whole availability schedule; ``schedule.version`` is ignored."""

    schedule: Schedule
    expected_version: int | None = None
    dry_run: bool = False
