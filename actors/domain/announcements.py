"""Announcements: which events of which type subscribers get, and in which channels.

The content is a *body*: a domain value that ``Render`` turns into the same JSON as REST. A row
that is or was only a reservation is shown as one. An announcement has one event id in all its
channels. ``docs/protocol.md`` lists the types.
"""

from collections.abc import Iterable, Sequence
from dataclasses import field

from actors.domain import events
from actors.domain.appointment import Appointment, AppointmentType, TimeBlock
from actors.domain.channels import (
    AVAILABILITY_ALL,
    Channel,
    availability_channel,
    dentist_channel,
    patient_channel,
    user_profile_channel,
)
from actors.domain.consent import Consent
from actors.domain.ids import AppointmentId, DentistId, PatientId
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from actors.domain.schedule import Schedule
from actors.domain.values import value
from actors.domain.webhook import DeliveryProgress, Webhook


@value
class ScheduleBody:
    dentist_id: DentistId
    schedule: Schedule
    affected: tuple[Appointment, ...] | None = None
    """Booked appointments outside the new hours; only in the reply to the dentist."""


@value
class SlotsChangedBody:
    """Times that became taken or free. Bodies for everyone do not identify patients."""

    dentist_id: DentistId
    taken: tuple[TimeBlock, ...]
    freed: tuple[TimeBlock, ...]
    refetch: tuple[TimeBlock, ...] = ()


@value
class AvailabilityChangedBody:
    dentist_id: DentistId
    version: int


@value
class WebhookBody:
    """A webhook, as in REST; the secret is only in the reply that creates it."""

    webhook: Webhook
    reader: Principal | None = None
    """Who gets it, if that is not its owner."""
    progress: tuple[DeliveryProgress, ...] = ()
    secret: str | None = field(default=None, repr=False)


@value
class ConsentBody:
    """A consent, as in REST."""

    consent: Consent


Body = (
    Appointment
    | ScheduleBody
    | SlotsChangedBody
    | AvailabilityChangedBody
    | AppointmentType
    | Profile
    | WebhookBody
    | ConsentBody
)


@value
class Announcement:
    """One event for subscribers."""

    type: str
    """The type in the envelope, for instance ``appointment.created``."""
    channels: tuple[Channel, ...]
    body: Body
    dentists_of: PatientId | None = None
    """If set, also goes to ``profiles:dentist:*`` of this patient's dentists; the store
    resolves them."""


_TYPES: dict[type[events.RowEvent], str] = {
    events.SlotHeld: "reservation.created",
    events.HoldReleased: "reservation.released",
    events.HoldExpired: "reservation.expired",
    events.AppointmentBooked: "appointment.created",
    events.AppointmentChanged: "appointment.updated",
    events.AppointmentCancelled: "appointment.cancelled",
}


def announcements(turn_events: Sequence[events.Event]) -> tuple[Announcement, ...]:
    """The announcements of one turn; one ``slots.changed`` at the end sums up its rows."""
    each = [announcement for event in turn_events for announcement in _announce(event)]
    return (*each, *_slots_changed([e for e in turn_events if isinstance(e, events.RowEvent)]))


def _announce(event: events.Event) -> Iterable[Announcement]:
    match event:
        case events.RowEvent(after=row):
            yield Announcement(
                type=_TYPES[type(event)],
                channels=(dentist_channel(row.dentist_id), patient_channel(row.patient_id)),
                body=row,
            )
        case events.ScheduleReplaced(dentist_id=dentist_id, after=schedule):
            yield Announcement(
                type="availability.updated",
                channels=(availability_channel(dentist_id),),
                body=ScheduleBody(dentist_id=dentist_id, schedule=schedule),
            )
            yield Announcement(
                type="availability.changed",
                channels=(AVAILABILITY_ALL,),
                body=AvailabilityChangedBody(dentist_id=dentist_id, version=schedule.version),
            )
        case events.ProfileSaved(before=before, after=profile) if before is not None:
            yield Announcement(
                type="profile.updated",
                channels=(user_profile_channel(profile.id),),
                body=profile,
                dentists_of=PatientId(profile.id) if profile.role is Role.PATIENT else None,
            )
        case events.AppointmentTypeSaved(after=kind):
            yield Announcement(
                type="appointment_types.updated",
                channels=(AVAILABILITY_ALL,),
                body=kind,
            )


def _slots_changed(turn_events: Sequence[events.RowEvent]) -> Iterable[Announcement]:
    """Compare the times that rows blocked before the turn with those after it.

    A booked hold blocks the same time as before, so it is no change.
    """
    changes: dict[AppointmentId, tuple[TimeBlock | None, TimeBlock | None]] = {}
    for event in turn_events:
        row = event.after
        before = event.before.blocked if event.before else None
        before, _ = changes.get(row.id, (before, None))
        changes[row.id] = before, row.blocked
    changed = [(before, after) for before, after in changes.values() if before != after]
    taken = tuple(after for _, after in changed if after)
    freed = tuple(before for before, _ in changed if before)
    if taken or freed:
        dentist_id = turn_events[0].after.dentist_id
        yield Announcement(
            type="slots.changed",
            channels=(availability_channel(dentist_id),),
            body=SlotsChangedBody(dentist_id=dentist_id, taken=taken, freed=freed),
        )
