"""The clinic's rules: ``decide(calendar, command, now)`` is pure, and nothing else decides.

Between the check and the decision there is no await, so no two patients can both win.
Every refusal is raised as a leaf of :mod:`actors.domain.refusals`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import singledispatch

from actors.domain.announcements import AppointmentBody, Body, ReservationBody, ScheduleBody
from actors.domain.appointment import (
    ATTENDING,
    NEVER_BOOKED,
    Appointment,
    AppointmentType,
    Status,
    check_transition,
)
from actors.domain.calendar import Calendar
from actors.domain.commands import (
    UNSET,
    BookReservation,
    BookSlot,
    CancelAppointment,
    ChangeAppointment,
    Command,
    ExpireHold,
    HoldSlot,
    ReleaseHold,
    ReplaceSchedule,
)
from actors.domain.events import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentChanged,
    CalendarEvent,
    HoldExpired,
    HoldReleased,
    RowEvent,
    ScheduleReplaced,
    SlotHeld,
)
from actors.domain.ids import AppointmentId
from actors.domain.outcome import Outcome
from actors.domain.principal import Principal, Role
from actors.domain.refusals import (
    Forbidden,
    InvalidTransition,
    NotFound,
    ReservationExpired,
    SlotTaken,
    TooLate,
    ValidationFailed,
    VersionConflict,
)
from actors.domain.slots import in_open_time, overlaps, to_minute


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What a command comes to: the events, in order, and what its caller is shown."""

    events: tuple[CalendarEvent, ...] = ()
    outcome: Outcome
    resource_id: str
    version: int
    reply: Body | None


@singledispatch
def decide(command: Command, calendar: Calendar, now: datetime) -> Decision:
    """Decide ``command`` on ``calendar`` at ``now``; raises a ``Refusal``."""
    raise AssertionError(f"no rule for {type(command).__name__}")


# --- reservations --------------------------------------------------------------------


@decide.register
def _hold(command: HoldSlot, calendar: Calendar, now: datetime) -> Decision:
    """Holding the same again answers the same hold; what it overlaps of one's own goes."""
    kind = calendar.kind(command.appointment_type_id)
    same = _own_hold_of(calendar, command, now)
    if same is not None:
        return _reserved(Outcome.UNCHANGED, same)
    wanted = _new_row(
        calendar, command, kind, now, status=Status.HELD, expires_at=now + calendar.hold_time
    )
    _check_offered(calendar, kind, wanted, now)
    cleared = _clear_holds(calendar, wanted, now)
    return _reserved(Outcome.CREATED, wanted, *cleared, SlotHeld(before=None, after=wanted))


@decide.register
def _release(command: ReleaseHold, calendar: Calendar, now: datetime) -> Decision:
    """Releasing what is already over, or was booked meanwhile, changes nothing."""
    row = _visible(calendar, command.appointment_id, command.by, "reservation")
    events = (_end_hold(row, now),) if row.status is Status.HELD else ()
    return _gone(row, *events)


@decide.register
def _expire(command: ExpireHold, calendar: Calendar, now: datetime) -> Decision:
    """The alarm: a hold that was booked, released or held anew meanwhile is left alone."""
    row = _visible(calendar, command.appointment_id, command.by, "reservation")
    return _gone(row, *((_end_hold(row, now),) if row.is_overdue(now) else ()))


# --- booking -------------------------------------------------------------------------


@decide.register
def _book_reservation(command: BookReservation, calendar: Calendar, now: datetime) -> Decision:
    """A live hold becomes the confirmed appointment; it needs no slot check any more."""
    row = _visible(calendar, command.appointment_id, command.by, "reservation")
    match row.status:
        case Status.HELD if not row.is_overdue(now):
            return _confirm_hold(row, command.notes if command.notes is not UNSET else None, now)
        case Status.HELD | Status.EXPIRED | Status.RELEASED:
            raise ReservationExpired
        case Status.CANCELLED | Status.NO_SHOW:
            raise InvalidTransition(row.status, Status.CONFIRMED)
        case _:
            return _booked(Outcome.UNCHANGED, row)


@decide.register
def _book_slot(command: BookSlot, calendar: Calendar, now: datetime) -> Decision:
    if command.overbook and not command.by.is_staff:
        raise Forbidden("Only the dentist may overbook")
    kind = calendar.kind(command.appointment_type_id)
    same = _own_hold_of(calendar, command, now)
    if same is not None:
        return _confirm_hold(same, command.notes, now)
    wanted = _new_row(calendar, command, kind, now, status=Status.CONFIRMED, notes=command.notes)
    if command.by.is_staff:
        wanted = _staff_place(calendar, wanted, now, overbook=command.overbook)
    else:
        _check_offered(calendar, kind, wanted, now)
    cleared = _clear_holds(calendar, wanted, now)
    return _booked(Outcome.CREATED, wanted, *cleared, AppointmentBooked(before=None, after=wanted))


def _confirm_hold(row: Appointment, notes: str | None, now: datetime) -> Decision:
    after = _next(row, now, status=Status.CONFIRMED, expires_at=None, notes=notes)
    return _booked(Outcome.CREATED, after, AppointmentBooked(before=row, after=after))


# --- changing ------------------------------------------------------------------------


@decide.register
def _change(command: ChangeAppointment, calendar: Calendar, now: datetime) -> Decision:
    row = _visible(calendar, command.appointment_id, command.by, "appointment")
    _check_may_change(command, row, now)
    _check_version(command.expected_version, row.version)
    after = _with_status(command, _with_time(command, calendar, row), row)
    if command.notes is not UNSET:
        after = replace(after, notes=command.notes)
    cleared: Sequence[RowEvent] = ()
    if _needs_place(command, row, after):
        if command.by.is_staff:
            after = _staff_place(calendar, after, now, overbook=bool(command.overbook))
        else:
            _check_not_too_late(row, now, notice=_cancel_notice(calendar))
            _check_offered(calendar, _kind_of(after), after, now)
        cleared = _clear_holds(calendar, after, now)
    if after == row:
        return _booked(Outcome.UNCHANGED, row)
    after = _next(after, now)
    kind = AppointmentCancelled if after.status is Status.CANCELLED else AppointmentChanged
    return _booked(Outcome.CHANGED, after, *cleared, kind(before=row, after=after))


def _check_may_change(command: ChangeAppointment, row: Appointment, now: datetime) -> None:
    """Patients: start and notes of their own confirmed, future appointments."""
    if row.status in NEVER_BOOKED:
        raise InvalidTransition(row.status, command.status or "changed")
    if command.by.is_staff:
        return
    if (command.status, command.appointment_type_id, command.overbook) != (None, None, None) or (
        command.cancel_reason is not UNSET
    ):
        raise Forbidden("A patient may change only the start and the notes")
    if row.status is not Status.CONFIRMED:
        raise InvalidTransition(row.status, "changed")
    _check_not_too_late(row, now, notice=timedelta())


def _with_time(command: ChangeAppointment, calendar: Calendar, row: Appointment) -> Appointment:
    """The row at its new start, with its new type's length and buffers."""
    start, length = command.start or row.start, row.end - row.start
    type_id = command.appointment_type_id
    if type_id is None or type_id == row.appointment_type_id:
        return replace(row, start=start, end=start + length)
    kind = calendar.kind(type_id)
    return replace(
        row,
        appointment_type_id=kind.id,
        start=start,
        end=start + timedelta(minutes=kind.duration_minutes),
        buffer_before_minutes=kind.buffer_before_minutes,
        buffer_after_minutes=kind.buffer_after_minutes,
    )


def _with_status(command: ChangeAppointment, after: Appointment, row: Appointment) -> Appointment:
    """``after`` is the row with its new time; only one that is attended has a time to move."""
    status = command.status or row.status
    if status is not row.status:
        check_transition(row.status, status)
    if after != row and status not in ATTENDING:
        raise InvalidTransition(row.status, "rescheduled")
    after = replace(after, status=status)
    if command.cancel_reason is UNSET:
        return after
    if status is not Status.CANCELLED and command.cancel_reason is not None:
        raise ValidationFailed.of("cancel_reason", "belongs to a cancelled appointment only")
    return replace(after, cancel_reason=command.cancel_reason)


def _needs_place(command: ChangeAppointment, row: Appointment, after: Appointment) -> bool:
    """Whether time is taken that this row did not take before, or on other terms."""
    if after.blocked is None:
        return False
    return after.blocked != row.blocked or (
        command.overbook is not None and command.overbook is not row.overbooked
    )


@decide.register
def _cancel(command: CancelAppointment, calendar: Calendar, now: datetime) -> Decision:
    """Softly: the row stays. Cancelling twice is one event; a hold is released."""
    row = _visible(calendar, command.appointment_id, command.by, "appointment")
    if row.status is Status.CANCELLED:
        return _gone(row)
    _check_version(command.expected_version, row.version)
    if row.status is Status.HELD and not command.by.is_staff:
        return _gone(row, _end_hold(row, now))
    check_transition(row.status, Status.CANCELLED)
    if not command.by.is_staff:
        _check_not_too_late(row, now, notice=_cancel_notice(calendar))
    after = _next(row, now, status=Status.CANCELLED, cancel_reason=command.reason)
    return _gone(after, AppointmentCancelled(before=row, after=after))


# --- the schedule --------------------------------------------------------------------


@decide.register
def _replace_schedule(command: ReplaceSchedule, calendar: Calendar, now: datetime) -> Decision:
    """A schedule change never cancels: what falls outside is listed, and stays."""
    before = calendar.schedule
    _check_version(command.expected_version, before.version)
    after = replace(command.schedule, version=before.version)
    affected = tuple(
        row
        for row in calendar.agenda
        if row.status in ATTENDING
        and row.start > now
        and in_open_time(before, to_minute(row.start), to_minute(row.end))
        and not in_open_time(after, to_minute(row.start), to_minute(row.end))
    )
    changes = after != before and not command.dry_run
    if changes:
        after = replace(after, version=before.version + 1)
    dentist_id = calendar.dentist_id
    return Decision(
        events=(ScheduleReplaced(dentist_id=dentist_id, before=before, after=after),)
        if changes
        else (),
        outcome=Outcome.CHANGED if changes else Outcome.UNCHANGED,
        resource_id=dentist_id,
        version=after.version,
        reply=ScheduleBody(dentist_id=dentist_id, schedule=after, affected=affected),
    )


# --- shared rules --------------------------------------------------------------------


def _visible(
    calendar: Calendar, appointment_id: AppointmentId, by: Principal, what: str
) -> Appointment:
    """The row, if it concerns the caller; what is not theirs does not exist."""
    row = calendar.find(appointment_id)
    match by.role:
        case Role.SYSTEM:
            theirs = row is not None
        case Role.DENTIST:
            theirs = row is not None and row.dentist_id == by.person
        case Role.PATIENT:
            theirs = row is not None and row.patient_id == by.person
        case _:
            theirs = False
    if row is None or not theirs:
        raise NotFound(what)
    return row


def _check_not_too_late(row: Appointment, now: datetime, *, notice: timedelta) -> None:
    """Until exactly ``notice`` before the start; what has begun is always too late."""
    if row.start <= now or row.start - now < notice:
        raise TooLate


def _cancel_notice(calendar: Calendar) -> timedelta:
    return timedelta(minutes=calendar.schedule.cancel_notice_minutes)


def _check_version(expected: int | None, current: int) -> None:
    if expected is not None and expected != current:
        raise VersionConflict(current)


def _check_offered(
    calendar: Calendar, kind: AppointmentType, row: Appointment, now: datetime
) -> None:
    """A patient may have what the listing would show them, and nothing else."""
    if refusal := calendar.why_not(kind, row, now):
        raise refusal


def _staff_place(
    calendar: Calendar, row: Appointment, now: datetime, *, overbook: bool
) -> Appointment:
    """Hours, grid, notice and buffers do not bind staff; overlaps do, unless overbooked."""
    start, end = to_minute(row.start), to_minute(row.end)
    taken = calendar.agenda.taken(start, end, now, free_for=row.patient_id, ignoring=row.id)
    crowded = overlaps(taken, start, end)
    if crowded and not overbook:
        raise SlotTaken
    return replace(row, overbooked=crowded)


def _clear_holds(calendar: Calendar, row: Appointment, now: datetime) -> list[RowEvent]:
    """End the holds in the way: anybody's overdue ones, and the patient's own live ones."""
    start, end = to_minute(row.start), to_minute(row.end)
    return [
        _end_hold(hold, now)
        for hold in calendar.agenda.near(start, end)
        if hold.status is Status.HELD
        and hold.id != row.id
        and (hold.is_overdue(now) or hold.patient_id == row.patient_id)
        and _touches(hold, row)
    ]


def _touches(hold: Appointment, row: Appointment) -> bool:
    """Whether the two could not stand side by side, buffers included."""
    gap_after = max(hold.buffer_after_minutes, row.buffer_before_minutes)
    gap_before = max(hold.buffer_before_minutes, row.buffer_after_minutes)
    return row.start < hold.end + timedelta(minutes=gap_after) and row.end > hold.start - timedelta(
        minutes=gap_before
    )


def _own_hold_of(
    calendar: Calendar, command: HoldSlot | BookSlot, now: datetime
) -> Appointment | None:
    """The patient's live hold of exactly this start and type."""
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


def _new_row(
    calendar: Calendar,
    command: HoldSlot | BookSlot,
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


def _kind_of(row: Appointment) -> AppointmentType:
    """The type as it was when this row was booked: a reschedule keeps its length."""
    return AppointmentType(
        id=row.appointment_type_id,
        name="",
        duration_minutes=int((row.end - row.start) / timedelta(minutes=1)),
        buffer_before_minutes=row.buffer_before_minutes,
        buffer_after_minutes=row.buffer_after_minutes,
    )


def _end_hold(hold: Appointment, now: datetime) -> RowEvent:
    if hold.is_overdue(now):
        return HoldExpired(before=hold, after=_next(hold, now, status=Status.EXPIRED))
    return HoldReleased(before=hold, after=_next(hold, now, status=Status.RELEASED))


def _next(row: Appointment, now: datetime, **changes: object) -> Appointment:
    """The row's next version."""
    return replace(row, version=row.version + 1, updated_at=now, **changes)  # type: ignore[arg-type]  # field names are this module's own


def _reserved(outcome: Outcome, row: Appointment, *events: RowEvent) -> Decision:
    return _decision(outcome, row, ReservationBody(appointment=row), events)


def _booked(outcome: Outcome, row: Appointment, *events: RowEvent) -> Decision:
    return _decision(outcome, row, AppointmentBody(appointment=row), events)


def _gone(row: Appointment, *events: RowEvent) -> Decision:
    return _decision(Outcome.GONE, row, None, events)


def _decision(
    outcome: Outcome, row: Appointment, reply: Body | None, events: Sequence[RowEvent]
) -> Decision:
    return Decision(
        events=tuple(events),
        outcome=outcome,
        resource_id=row.id,
        version=row.version,
        reply=reply,
    )
