"""The rules of booking: ``decide(command, calendar, now)`` returns events or refuses.

This is the only place where commands are decided. The function is pure: no I/O, no clock, no
await. Commands of a calendar are decided one after the other, so that a slot which is free
during the check is still free when it is taken. A refusal is raised as one of
:mod:`actors.domain.refusals`.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from actors.domain import refusals, rules
from actors.domain.announcements import Body, ScheduleBody
from actors.domain.appointment import (
    ATTENDING,
    NEVER_BOOKED,
    Appointment,
    Status,
    check_transition,
)
from actors.domain.calendar import Calendar
from actors.domain.commands import (
    UNSET,
    AppointmentCommand,
    BookReservation,
    BookSlot,
    CancelAppointment,
    ChangeAppointment,
    Command,
    ConfirmVisit,
    ExpireHold,
    HoldSlot,
    MoveAppointment,
    ReleaseHold,
    ReplaceSchedule,
)
from actors.domain.events import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentChanged,
    AppointmentMoved,
    CalendarEvent,
    RowEvent,
    ScheduleReplaced,
    SlotHeld,
)
from actors.domain.outcome import Outcome
from actors.domain.principal import Principal
from actors.domain.slots import in_open_time, to_minute
from actors.domain.values import value


@value
class Decision:
    """The result of a command: its events in order, and the reply to the caller."""

    events: tuple[CalendarEvent, ...] = ()
    outcome: Outcome
    resource_id: str
    version: int
    reply: Body | None


def decide(command: Command, calendar: Calendar, now: datetime) -> Decision:
    """Decide ``command`` on ``calendar`` at the instant ``now``; raises a ``Refusal``."""
    match command:
        case BookSlot():
            return _book_slot(command, calendar, now)
        case HoldSlot():
            return _hold(command, calendar, now)
        case BookReservation():
            return _book_reservation(command, calendar, now)
        case ExpireHold():
            return _expire(command, calendar, now)
        case ReleaseHold():
            return _release(command, calendar, now)
        case ChangeAppointment():
            return _change(command, calendar, now)
        case MoveAppointment():
            return _move(command, calendar, now)
        case CancelAppointment():
            return _cancel(command, calendar, now)
        case ConfirmVisit():
            return _confirm_visit(command, calendar, now)
        case ReplaceSchedule():
            return _replace_schedule(command, calendar, now)
        case _:
            raise AssertionError(f"no rule for {type(command).__name__}")


def _decided(outcome: Outcome, row: Appointment, *changes: RowEvent) -> Decision:
    """The decision of a command about one row; the reply shows it, unless it is gone."""
    return Decision(
        events=changes,
        outcome=outcome,
        resource_id=row.id,
        version=row.version,
        reply=None if outcome is Outcome.GONE else row,
    )


# --- reservations --------------------------------------------------------------------


def _hold(command: HoldSlot, calendar: Calendar, now: datetime) -> Decision:
    """Hold a slot. A repeated hold returns the first one; own holds in the way end."""
    kind = rules.kind_to_book(calendar, command.appointment_type_id, command.by)
    same = rules.own_hold_of(calendar, command, now)
    if same is not None:
        return _decided(Outcome.UNCHANGED, same)
    wanted = rules.new_row(
        calendar, command, kind, now, status=Status.HELD, expires_at=now + calendar.hold_time
    )
    wanted, cleared = rules.placed(calendar, wanted, command.by, now)
    return _decided(Outcome.CREATED, wanted, *cleared, SlotHeld(before=None, after=wanted))


def _release(command: ReleaseHold, calendar: Calendar, now: datetime) -> Decision:
    """Release a hold. If it is over, or was booked meanwhile, nothing changes."""
    row = rules.visible(calendar, command.appointment_id, command.by, "reservation")
    ended = (rules.end_hold(row, now),) if row.status is Status.HELD else ()
    return _decided(Outcome.GONE, row, *ended)


def _expire(command: ExpireHold, calendar: Calendar, now: datetime) -> Decision:
    """Expire a hold that is overdue; any other row stays as it is."""
    row = rules.visible(calendar, command.appointment_id, command.by, "reservation")
    ended = (rules.end_hold(row, now),) if row.is_overdue(now) else ()
    return _decided(Outcome.GONE, row, *ended)


# --- booking -------------------------------------------------------------------------


def _book_reservation(command: BookReservation, calendar: Calendar, now: datetime) -> Decision:
    """Confirm a hold, as if its slot were booked now: the hold only keeps others out."""
    row = rules.visible(calendar, command.appointment_id, command.by, "reservation")
    match row.status:
        case Status.HELD if not row.is_overdue(now):
            notes = command.notes if command.notes is not UNSET else None
            return _confirm(calendar, row, command.by, notes, now)
        case Status.HELD | Status.EXPIRED | Status.RELEASED:
            raise refusals.ReservationExpired
        case Status.CANCELLED | Status.NO_SHOW:
            raise refusals.InvalidTransition(row.status, Status.CONFIRMED)
        case _:
            return _decided(Outcome.UNCHANGED, row)


def _book_slot(command: BookSlot, calendar: Calendar, now: datetime) -> Decision:
    """Book a slot that the listing offers; staff may book any time, and overbook."""
    if command.overbook and not command.by.works_at_practice:
        raise refusals.Forbidden("Only the dentist and staff may overbook")
    kind = rules.kind_to_book(calendar, command.appointment_type_id, command.by)
    same = rules.own_hold_of(calendar, command, now)
    if same is not None:
        return _confirm(calendar, same, command.by, command.notes, now, overbook=command.overbook)
    wanted = rules.new_row(
        calendar, command, kind, now, status=Status.CONFIRMED, notes=command.notes
    )
    wanted, cleared = rules.placed(calendar, wanted, command.by, now, overbook=command.overbook)
    return _decided(Outcome.CREATED, wanted, *cleared, AppointmentBooked(before=None, after=wanted))


def _confirm(
    calendar: Calendar,
    hold: Appointment,
    by: Principal,
    notes: str | None,
    now: datetime,
    *,
    overbook: bool = False,
) -> Decision:
    kind = rules.kind_to_book(calendar, hold.appointment_type_id, by)
    after = replace(rules.of_kind(hold, kind), status=Status.CONFIRMED, expires_at=None)
    after, cleared = rules.placed(calendar, after, by, now, overbook=overbook)
    after = rules.next_version(after, now, notes=notes)
    return _decided(Outcome.CREATED, after, *cleared, AppointmentBooked(before=hold, after=after))


# --- changing ------------------------------------------------------------------------


def _change(command: ChangeAppointment, calendar: Calendar, now: datetime) -> Decision:
    """Change an appointment. If it takes other time, that time is checked like a booking."""
    row = rules.visible(calendar, command.appointment_id, command.by, "appointment")
    _check_may_change(command, row, now)
    rules.check_version(command.expected_version, row.version)
    after = _changed(command, calendar, row)
    if (after.status, after.start) != (row.status, row.start):
        rules.check_day(calendar, row, after, now)
    cleared: Sequence[RowEvent] = ()
    if _takes_other_time(command, row, after):
        if not command.by.works_at_practice:
            rules.check_not_too_late(row, now, calendar.schedule.cancel_notice_minutes)
        overbook = bool(command.overbook)
        after, cleared = rules.placed(calendar, after, command.by, now, overbook=overbook)
    if after == row:
        return _decided(Outcome.UNCHANGED, row)
    after = rules.next_version(after, now)
    kind = AppointmentCancelled if after.status is Status.CANCELLED else AppointmentChanged
    return _decided(Outcome.CHANGED, after, *cleared, kind(before=row, after=after))


def _move(command: MoveAppointment, calendar: Calendar, now: datetime) -> Decision:
    """Take an appointment over from another calendar, where its time is checked like a booking.

    It is decided on the row as the caller read it. A row of the same id that is here already is
    newer, which is a VersionConflict, or it had moved away and the calendar does not know yet:
    then the fence will.
    """
    row, by = command.row, command.by
    if not by.works_at_practice and row.patient_id != by.person:
        raise refusals.NotFound("appointment")
    _check_may_change(command, row, now)
    rules.check_version(command.expected_version, row.version)
    here = calendar.find(row.id)
    if here and here.version >= row.version:
        raise refusals.VersionConflict(here.version)
    if not by.works_at_practice:
        rules.check_not_too_late(row, now, command.notice_minutes)
    after = _changed(command, calendar, row)
    rules.check_day(calendar, row, after, now)
    after, cleared = rules.placed(calendar, after, by, now, overbook=bool(command.overbook))
    after = rules.next_version(after, now)
    practices = {command.practice_id, calendar.practice_id}
    moved = AppointmentMoved(
        before=row,
        after=after,
        practices=tuple(sorted(filter(None, practices))) if len(practices) > 1 else (),
    )
    return _decided(Outcome.CHANGED, after, *cleared, moved)


def _changed(command: AppointmentCommand, calendar: Calendar, row: Appointment) -> Appointment:
    """The row as the command wants it, in this calendar; its place is still to be checked."""
    after = _with_status(command, _with_time(command, calendar, row), row)
    if command.notes is UNSET:
        return after
    return replace(after, notes=command.notes)


def _check_may_change(command: AppointmentCommand, row: Appointment, now: datetime) -> None:
    """Patients may change start and notes of their own confirmed, future appointments."""
    if row.status in NEVER_BOOKED:
        raise refusals.InvalidTransition(row.status, command.status or "changed")
    if command.by.works_at_practice:
        return
    if (command.status, command.appointment_type_id, command.overbook) != (None, None, None) or (
        command.cancel_reason is not UNSET
    ):
        raise refusals.Forbidden("A patient may change only the dentist, the start and the notes")
    if row.status is not Status.CONFIRMED:
        raise refusals.InvalidTransition(row.status, "changed")
    rules.check_not_too_late(row, now)


def _with_time(command: AppointmentCommand, calendar: Calendar, row: Appointment) -> Appointment:
    """The row in this calendar, with its new start and type.

    Of a new type, and where a patient moves it, it gets the present duration and buffers, as
    the listing of slots assumes. Staff move it as it is.
    """
    type_id = command.appointment_type_id or row.appointment_type_id
    start = command.start or row.start
    moved = replace(
        row, dentist_id=calendar.dentist_id, start=start, end=start + (row.end - row.start)
    )
    if moved != row:  # the patient said nothing about this place
        moved = replace(moved, patient_confirmed_at=None)
    if type_id != row.appointment_type_id:
        return rules.of_kind(moved, rules.kind_to_book(calendar, type_id, command.by))
    if moved != row and not command.by.works_at_practice:
        return rules.of_kind(moved, calendar.kind(type_id))
    return moved


def _with_status(command: AppointmentCommand, after: Appointment, row: Appointment) -> Appointment:
    """``after`` with the new status and cancel reason; only attended rows may be moved."""
    status = command.status or row.status
    if status is not row.status:
        check_transition(row.status, status)
    if after != row and status not in ATTENDING:
        raise refusals.InvalidTransition(row.status, "rescheduled")
    after = replace(after, status=status)
    if command.cancel_reason is UNSET:
        return after
    if status is not Status.CANCELLED and command.cancel_reason is not None:
        raise refusals.ValidationFailed.of(
            "cancel_reason", "belongs to a cancelled appointment only"
        )
    return replace(after, cancel_reason=command.cancel_reason)


def _takes_other_time(command: ChangeAppointment, row: Appointment, after: Appointment) -> bool:
    """Whether the row takes time that it did not take before, or overbooking changes."""
    if after.blocked is None:
        return False
    return after.blocked != row.blocked or (
        command.overbook is not None and command.overbook is not row.overbooked
    )


def _cancel(command: CancelAppointment, calendar: Calendar, now: datetime) -> Decision:
    """Cancel an appointment; its row stays. Repeated, nothing changes; a hold is released."""
    row = rules.visible(calendar, command.appointment_id, command.by, "appointment")
    if row.status is Status.CANCELLED:
        return _decided(Outcome.GONE, row)
    rules.check_version(command.expected_version, row.version)
    if row.status is Status.HELD and not command.by.works_at_practice:
        return _decided(Outcome.GONE, row, rules.end_hold(row, now))
    check_transition(row.status, Status.CANCELLED)
    if not command.by.works_at_practice:
        rules.check_not_too_late(row, now, calendar.schedule.cancel_notice_minutes)
    after = rules.next_version(row, now, status=Status.CANCELLED, cancel_reason=command.reason)
    return _decided(Outcome.GONE, after, AppointmentCancelled(before=row, after=after))


def _confirm_visit(command: ConfirmVisit, calendar: Calendar, now: datetime) -> Decision:
    """Note that the patient will come. Only the patient of a visit to come can say so."""
    row = rules.visible(calendar, command.appointment_id, command.by, "appointment")
    if command.by.works_at_practice:
        raise refusals.Forbidden("Only the patient confirms a visit")
    if row.status is not Status.CONFIRMED:
        raise refusals.InvalidTransition(row.status, "confirmed by the patient")
    rules.check_not_too_late(row, now)
    if row.patient_confirmed_at:
        return _decided(Outcome.UNCHANGED, row)
    rules.check_version(command.expected_version, row.version)
    after = rules.next_version(row, now, patient_confirmed_at=now)
    return _decided(Outcome.CHANGED, after, AppointmentChanged(before=row, after=after))


# --- the schedule --------------------------------------------------------------------


def _replace_schedule(command: ReplaceSchedule, calendar: Calendar, now: datetime) -> Decision:
    """Replace the schedule. Appointments outside it stay, and the reply lists them."""
    if not calendar.managed_by(command.by):
        raise refusals.Forbidden
    before = calendar.schedule
    rules.check_version(command.expected_version, before.version)
    after = replace(command.schedule, version=before.version, closures=before.closures)
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
