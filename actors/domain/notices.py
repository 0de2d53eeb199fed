"""Which messages follow from committed events: at most one for each visit of a turn."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from actors.domain import events
from actors.domain.appointment import ATTENDING, Appointment
from actors.domain.ids import AppointmentId, PracticeId
from actors.domain.message import Message, MessageChannel, MessageId, MessageKind
from actors.domain.values import value

CANCELLATION_KEPT: Final = timedelta(days=1)
"""For so long at least a cancellation is still sent, also when the visit would have begun."""

REMINDER_DELAY_MAX: Final = timedelta(hours=12)


@value
class VisitNotice:
    """That the patient of a visit is to be informed of what happened to it."""

    kind: MessageKind
    row: Appointment


def notices(turn_events: Iterable[events.Event], at: datetime) -> Iterable[VisitNotice]:
    """The notices of a turn that was decided at ``at``: none of visits that have begun by then."""
    found: dict[AppointmentId, VisitNotice] = {}
    for event in turn_events:
        kind = _kind(event)
        if kind is None or not isinstance(event, events.RowEvent) or event.after.start <= at:
            continue
        earlier = found.get(event.after.id)
        if earlier and kind is MessageKind.CHANGE:
            kind = earlier.kind  # booked and changed at once
        found[event.after.id] = VisitNotice(kind=kind, row=event.after)
    return found.values()


def _kind(event: events.Event) -> MessageKind | None:
    match event:
        case events.AppointmentBooked():
            return MessageKind.CONFIRMATION
        case events.AppointmentCancelled():
            return MessageKind.CANCELLATION
        case events.AppointmentMoved(after=row) if row.status in ATTENDING:
            return MessageKind.CHANGE
        case events.AppointmentChanged(before=before, after=row) if row.status in ATTENDING:
            is_moved = before is None or (before.start, before.end) != (row.start, row.end)
            return MessageKind.CHANGE if is_moved else None
        case _:
            return None


def reminder_delay(lead: timedelta) -> timedelta:
    """How much later than it is due a reminder is still made."""
    return min(lead / 2, REMINDER_DELAY_MAX)


def is_worth_reminding(row: Appointment, lead: timedelta, noticed_at: datetime | None) -> bool:
    """Whether the visit was neither booked nor reported to the patient since the reminder was due.

    ``noticed_at``: when the patient's last other message about the visit was written.
    """
    due = row.start - lead
    return row.created_at <= due and (noticed_at is None or noticed_at <= due)


def new_reminder(
    row: Appointment,
    message_id: MessageId,
    channel: MessageChannel,
    *,
    practice_id: PracticeId | None,
    lead: timedelta,
    at: datetime,
    asks: bool = False,
) -> Message:
    """A reminder that is due. It is not sent later than half the time before the visit.

    ``asks``: it asks for a confirmation, if the patient has not confirmed the visit.
    """
    is_asked = asks and row.patient_confirmed_at is None
    kind = MessageKind.CONFIRMATION_REQUEST if is_asked else MessageKind.REMINDER
    notice = VisitNotice(kind=kind, row=row)
    message = new_message(notice, message_id, channel, practice_id=practice_id, at=at)
    lead_minutes = round(lead / timedelta(minutes=1))
    return replace(message, lead_minutes=lead_minutes, expires_at=row.start - lead / 2)


def new_message(
    notice: VisitNotice,
    message_id: MessageId,
    channel: MessageChannel,
    *,
    practice_id: PracticeId | None,
    at: datetime,
) -> Message:
    """The message of a notice, due at once."""
    row, expires_at = notice.row, notice.row.start
    if notice.kind is MessageKind.CANCELLATION:
        expires_at = max(expires_at, at + CANCELLATION_KEPT)
    return Message(
        id=message_id,
        kind=notice.kind,
        channel=channel,
        practice_id=practice_id,
        dentist_id=row.dentist_id,
        patient_id=row.patient_id,
        appointment_id=row.id,
        visit_start=row.start,
        created_at=at,
        expires_at=expires_at,
        next_attempt_at=at,
    )
