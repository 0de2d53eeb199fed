"""A calendar's snapshot between nodes: what free slots are computed from, and no more.

Notes, reasons and the patients of booked rows stay with the owner; a hold says whose it is,
for to that patient it counts as free.
"""

from datetime import datetime, timedelta
from typing import Any

from actors.calendar.snapshot import Snapshot
from actors.domain.agenda import Agenda
from actors.domain.appointment import Appointment, AppointmentType, Status
from actors.domain.calendar import Calendar
from actors.domain.channels import availability_channel
from actors.domain.ids import AppointmentId, AppointmentTypeId, DentistId, PatientId, ProfileId
from actors.domain.position import Position
from actors.domain.schedule import Schedule
from actors.domain.slots import to_instant, to_minute
from hub.cluster.internal.codec import plain, read

_NOBODY = PatientId(ProfileId(""))


def snapshot_json(snapshot: Snapshot) -> Any:
    calendar, position = snapshot.calendar, snapshot.position
    return {
        "dentist_id": calendar.dentist_id,
        "schedule": plain(calendar.schedule),
        "types": [plain(kind) for kind in calendar.types.values()],
        "hold_time_s": calendar.hold_time.total_seconds(),
        "rows": [_row_json(row) for row in calendar.agenda],
        "completed": [_row_json(row) for row in calendar.completed],
        "position": [availability_channel(calendar.dentist_id), *position],
    }


def snapshot_of(said: Any) -> Snapshot:
    dentist_id = DentistId(said["dentist_id"])
    _, epoch, offset = said["position"]
    kinds: list[AppointmentType] = [read(AppointmentType, each) for each in said["types"]]
    schedule: Schedule = read(Schedule, said["schedule"])
    return Snapshot(
        calendar=Calendar(
            dentist_id=dentist_id,
            schedule=schedule,
            types={kind.id: kind for kind in kinds},
            hold_time=timedelta(seconds=said["hold_time_s"]),
            agenda=Agenda([_row_of(each, dentist_id) for each in said["rows"]]),
            completed=tuple(_row_of(each, dentist_id) for each in said["completed"]),
        ),
        position=Position(epoch, offset),
    )


def _row_json(row: Appointment) -> Any:
    held = row.status is Status.HELD
    return [
        row.id,
        row.appointment_type_id,
        to_minute(row.start),
        to_minute(row.end),
        row.buffer_before_minutes,
        row.buffer_after_minutes,
        str(row.status),
        row.expires_at.isoformat() if row.expires_at else None,
        row.patient_id if held else _NOBODY,
    ]


def _row_of(said: Any, dentist_id: DentistId) -> Appointment:
    row_id, type_id, start, end, before, after, status, expires_at, patient_id = said
    starts = to_instant(start)
    return Appointment(
        id=AppointmentId(row_id),
        dentist_id=dentist_id,
        patient_id=PatientId(ProfileId(patient_id)),
        appointment_type_id=AppointmentTypeId(type_id),
        start=starts,
        end=to_instant(end),
        buffer_before_minutes=before,
        buffer_after_minutes=after,
        status=Status(status),
        expires_at=datetime.fromisoformat(expires_at) if expires_at else None,
        created_via="",
        created_at=starts,
        updated_at=starts,
    )
