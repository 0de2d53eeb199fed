"""A calendar's snapshot between nodes: what free slots are computed from, and no more.

Notes, reasons and the patients of booked rows stay with the owner. A hold names its patient,
because it counts as free for that patient.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from actors.calendar.snapshot import Snapshot
from actors.domain.agenda import Agenda
from actors.domain.appointment import Appointment, AppointmentType, Status
from actors.domain.calendar import Calendar
from actors.domain.channels import Channel, availability_channel
from actors.domain.ids import (
    AppointmentId,
    AppointmentTypeId,
    DentistId,
    PatientId,
    PracticeId,
    ProfileId,
)
from actors.domain.position import Position
from actors.domain.schedule import Schedule
from actors.domain.slots import to_instant, to_minute
from hub.cluster.internal.codec import JsonObject, from_json, to_json

_NO_PATIENT = PatientId(ProfileId(""))


class _Row(NamedTuple):
    """The times of one appointment; ``start`` and ``end`` in minutes since 1970."""

    id: AppointmentId
    type_id: AppointmentTypeId
    start: int
    end: int
    buffer_before_minutes: int
    buffer_after_minutes: int
    status: Status
    expires_at: datetime | None
    patient_id: PatientId


@dataclass(frozen=True, kw_only=True, slots=True)
class _Message:
    dentist_id: DentistId
    schedule: Schedule
    types: tuple[AppointmentType, ...]
    hold_time_s: float
    rows: tuple[_Row, ...]
    completed: tuple[_Row, ...]
    position: tuple[Channel, int, int]
    active: bool = True
    practice_id: PracticeId | None = None


def snapshot_json(snapshot: Snapshot) -> JsonObject:
    calendar, position = snapshot.calendar, snapshot.position
    message = _Message(
        dentist_id=calendar.dentist_id,
        schedule=calendar.schedule,
        types=tuple(calendar.types.values()),
        hold_time_s=calendar.hold_time.total_seconds(),
        rows=tuple(map(_row, calendar.agenda)),
        completed=tuple(map(_row, calendar.completed)),
        position=(availability_channel(calendar.dentist_id), *position),
        active=calendar.active,
        practice_id=calendar.practice_id,
    )
    data: JsonObject = to_json(message)
    return data


def snapshot_of(data: object) -> Snapshot:
    """Raises :class:`~hub.cluster.internal.codec.Unreadable`."""
    message = from_json(data, _Message)
    _, epoch, offset = message.position
    return Snapshot(
        calendar=Calendar(
            dentist_id=message.dentist_id,
            schedule=message.schedule,
            types={kind.id: kind for kind in message.types},
            hold_time=timedelta(seconds=message.hold_time_s),
            agenda=Agenda([_appointment(row, message.dentist_id) for row in message.rows]),
            completed=tuple(_appointment(row, message.dentist_id) for row in message.completed),
            practice_id=message.practice_id,
            active=message.active,
        ),
        position=Position(epoch, offset),
    )


def _row(appointment: Appointment) -> _Row:
    is_held = appointment.status is Status.HELD
    return _Row(
        id=appointment.id,
        type_id=appointment.appointment_type_id,
        start=to_minute(appointment.start),
        end=to_minute(appointment.end),
        buffer_before_minutes=appointment.buffer_before_minutes,
        buffer_after_minutes=appointment.buffer_after_minutes,
        status=appointment.status,
        expires_at=appointment.expires_at,
        patient_id=appointment.patient_id if is_held else _NO_PATIENT,
    )


def _appointment(row: _Row, dentist_id: DentistId) -> Appointment:
    starts = to_instant(row.start)
    return Appointment(
        id=row.id,
        dentist_id=dentist_id,
        patient_id=row.patient_id,
        appointment_type_id=row.type_id,
        start=starts,
        end=to_instant(row.end),
        buffer_before_minutes=row.buffer_before_minutes,
        buffer_after_minutes=row.buffer_after_minutes,
        status=row.status,
        expires_at=row.expires_at,
        created_via="",
        created_at=starts,
        updated_at=starts,
    )
