"""Rules that several decisions share: visibility, free slots, and how holds end."""

from dataclasses import replace
from datetime import datetime, timedelta

from actors.domain.appointment import (
    NOT_BEFORE_ITS_DAY,
    STEPS_BACK,
    Appointment,
    AppointmentType,
    Status,
)
from actors.domain.calendar import Calendar
from actors.domain.commands import SlotCommand
from actors.domain.events import HoldExpired, HoldReleased, RowEvent
from actors.domain.ids import AppointmentId, AppointmentTypeId
from actors.domain.principal import Principal, Role
from actors.domain.refusals import (
    Forbidden,
    InvalidTransition,
    NotFound,
    OutsideAvailability,
    SlotTaken,
    TooLate,
    VersionConflict,
)
from actors.domain.slots import overlaps, to_minute


def visible(
    calendar: Calendar, appointment_id: AppointmentId, by: Principal, what: str
) -> Appointment:
    """The row if it belongs to the caller; raises NotFound otherwise, as if it did not exist."""
    row = calendar.find(appointment_id)
    if row is not None and (
        by.role is Role.SYSTEM
        or calendar.managed_by(by)
        or (by.role is Role.PATIENT and row.patient_id == by.person)
    ):
        return row
    raise NotFound(what)


def kind_to_book(calendar: Calendar, type_id: AppointmentTypeId, by: Principal) -> AppointmentType:
    """The type, for a row that gets it now: NotFound if it does not exist for the caller.

    Whether patients are offered it here is decided with the start; for staff there is no more
    than this. Raises OutsideAvailability.
    """
    kind = calendar.types.get(type_id)
    if kind is None:
        raise NotFound("appointment type")
    if by.role is Role.PATIENT and kind.is_public:
        return kind
    if not kind.is_shown_to(by):
        raise NotFound("appointment type")
    if not kind.is_offered(calendar.practice_id, to_staff=True):
        raise OutsideAvailability
    return kind


def check_not_too_late(row: Appointment, now: datetime, notice_minutes: int = 0) -> None:
    """Raise TooLate if the start has come, or is less than ``notice_minutes`` away."""
    if row.start <= now or row.start - now < timedelta(minutes=notice_minutes):
        raise TooLate


def shared_patient(
    deed: str = "change contact data, date of birth and `active` of a patient",
) -> Forbidden:
    """One of several practices may not change alone what each of them relies on."""
    return Forbidden(f"Only an admin may {deed} of several practices")


def check_day(calendar: Calendar, row: Appointment, after: Appointment, now: datetime) -> None:
    """Raise InvalidTransition if a visit comes or goes on another day than its own.

    The day is a local date of the calendar: nobody arrives or is missed before it, and steps
    are taken back on it only. ``after`` is the row as it would be.
    """
    zone = calendar.schedule.zone
    was, day, today = (at.astimezone(zone).date() for at in (row.start, after.start, now))
    if after.status in NOT_BEFORE_ITS_DAY and today < day:
        raise InvalidTransition(row.status, f"{after.status} before the day of the visit")
    if (row.status, after.status) in STEPS_BACK and not was == day == today:
        raise InvalidTransition(row.status, f"{after.status} again on another day than its own")


def check_version(expected: int | None, current: int) -> None:
    if expected is not None and expected != current:
        raise VersionConflict(current)


def placed(
    calendar: Calendar, row: Appointment, by: Principal, now: datetime, *, overbook: bool = False
) -> tuple[Appointment, list[RowEvent]]:
    """The row as it may be placed now, and the ends of the holds that give way to it.

    Every way to take time ends here, so that none is less strict than a direct booking:
    booking a slot or a hold, and moving an appointment. Raises the refusal.
    """
    if not calendar.active or calendar.schedule.closures:
        calendar.check_open(row)
    if by.works_at_practice:
        if not calendar.managed_by(by):
            raise Forbidden
        row = _placed_by_staff(calendar, row, now, overbook=overbook)
    else:
        calendar.check_offered(calendar.types[row.appointment_type_id], row, now)
        if row.overbooked:
            row = replace(row, overbooked=False)
    return row, _clear_holds(calendar, row, now)


def _placed_by_staff(
    calendar: Calendar, row: Appointment, now: datetime, *, overbook: bool
) -> Appointment:
    """The row as staff may book it: at any time that no other row takes, or overbooked.

    Opening hours, grid, notice and buffers do not bind staff, closures do. Raises SlotTaken.
    """
    start, end = to_minute(row.start), to_minute(row.end)
    taken = calendar.agenda.taken(start, end, now, free_for=row.patient_id, ignoring=row.id)
    is_taken = overlaps(taken, start, end)
    if is_taken and not overbook:
        raise SlotTaken
    return replace(row, overbooked=is_taken)


def _clear_holds(calendar: Calendar, row: Appointment, now: datetime) -> list[RowEvent]:
    """End the holds in the way of a row: all overdue ones, and the patient's own."""
    if not calendar.agenda.hold_count:
        return []
    start = to_minute(row.start) - row.buffer_before_minutes
    end = to_minute(row.end) + row.buffer_after_minutes
    return [
        end_hold(hold, now)
        for hold in calendar.agenda.near(start, end)
        if hold.status is Status.HELD
        and hold.id != row.id
        and (hold.is_overdue(now) or hold.patient_id == row.patient_id)
        and _touches(hold, row)
    ]


def _touches(hold: Appointment, row: Appointment) -> bool:
    """Whether the two are too close to each other, buffers included."""
    gap_after = max(hold.buffer_after_minutes, row.buffer_before_minutes)
    gap_before = max(hold.buffer_before_minutes, row.buffer_after_minutes)
    return row.start < hold.end + timedelta(minutes=gap_after) and row.end > hold.start - timedelta(
        minutes=gap_before
    )


def own_hold_of(calendar: Calendar, command: SlotCommand, now: datetime) -> Appointment | None:
    """The patient's live hold of exactly this start and type."""
    if not calendar.agenda.hold_count:
        return None
    start = to_minute(command.start)
    for row in calendar.agenda.near(start, start + 1):
        if (
            row.status is Status.HELD
            and row.patient_id == command.patient_id
            and row.start == command.start
            and row.appointment_type_id == command.appointment_type_id
            and not row.is_overdue(now)
        ):
            return row
    return None


def new_row(
    calendar: Calendar,
    command: SlotCommand,
    kind: AppointmentType,
    now: datetime,
    *,
    status: Status,
    expires_at: datetime | None = None,
    notes: str | None = None,
) -> Appointment:
    return Appointment(
        id=command.appointment_id,
        dentist_id=calendar.dentist_id,
        patient_id=command.patient_id,
        appointment_type_id=kind.id,
        start=command.start,
        end=command.start + timedelta(minutes=kind.duration_minutes),
        buffer_before_minutes=kind.buffer_before_minutes,
        buffer_after_minutes=kind.buffer_after_minutes,
        status=status,
        expires_at=expires_at,
        created_via=command.by.created_via,
        notes=notes,
        created_at=now,
        updated_at=now,
    )


def of_kind(row: Appointment, kind: AppointmentType) -> Appointment:
    """The row with the type, and with its duration and buffers as they are now."""
    return replace(
        row,
        appointment_type_id=kind.id,
        end=row.start + timedelta(minutes=kind.duration_minutes),
        buffer_before_minutes=kind.buffer_before_minutes,
        buffer_after_minutes=kind.buffer_after_minutes,
    )


def end_hold(hold: Appointment, now: datetime) -> RowEvent:
    if hold.is_overdue(now):
        return HoldExpired(before=hold, after=next_version(hold, now, status=Status.EXPIRED))
    return HoldReleased(before=hold, after=next_version(hold, now, status=Status.RELEASED))


def next_version(row: Appointment, now: datetime, **changes: object) -> Appointment:
    return replace(row, version=row.version + 1, updated_at=now, **changes)  # type: ignore[arg-type]  # field names are this module's own
