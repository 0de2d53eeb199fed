"""Announcements: which events of which type subscribers get, and in which channels.

The content is a *body*: a domain value that ``Render`` turns into the same JSON as REST. A row
that is or was only a reservation is shown as one. An announcement has one event id in all its
channels. ``docs/protocol.md`` lists the types.
"""

from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import Final

from actors.domain import events
from actors.domain.appointment import (
    UNBOOKED,
    Appointment,
    AppointmentType,
    Status,
)
from actors.domain.changed_slots import SlotsChangedBody, closures_changed, slots_changed
from actors.domain.channels import (
    AVAILABILITY_ALL,
    Channel,
    availability_channel,
    dentist_channel,
    patient_channel,
    practice_channel,
    user_profile_channel,
)
from actors.domain.consent import Consent
from actors.domain.ids import (
    AppointmentId,
    AppointmentTypeId,
    DentistId,
    PatientId,
    PracticeId,
)
from actors.domain.message import SECRET, Message, MessageState
from actors.domain.practice import Practice, PracticePatient
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
class MovedAwayBody:
    """That an appointment is no longer in this calendar, and not where it is now."""

    id: AppointmentId
    version: int


@value
class TypeChangedBody:
    """That a type changed which patients may not book. Who may see it reads the rest."""

    type_id: AppointmentTypeId
    version: int


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


@value
class PersonBody:
    """A dentist or staff, as their practice's channel shows them: without contact data."""

    profile: Profile


@value
class PatientChangedBody:
    """That a patient changed. Who may see the patient reads it; others learn nothing more."""

    patient_id: PatientId
    version: int


@value
class MergedBody:
    """That a patient was merged into another one, whose version this is."""

    patient_id: PatientId
    merged_into: PatientId
    version: int


@value
class SurvivorBody:
    """The answer to a merge: the patient who has everything now, as REST shows them."""

    profile: Profile


@value
class LinkedBody:
    """That the patient became a patient of the practice: for the patient, and who linked them."""

    practice_id: PracticeId
    patient_id: PatientId
    name: str
    """The patient's."""


Body = (
    Appointment
    | MovedAwayBody
    | Practice
    | PracticePatient
    | LinkedBody
    | MergedBody
    | SurvivorBody
    | PersonBody
    | PatientChangedBody
    | ScheduleBody
    | SlotsChangedBody
    | AvailabilityChangedBody
    | AppointmentType
    | TypeChangedBody
    | Profile
    | WebhookBody
    | ConsentBody
    | Message
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
    practices_of: PatientId | None = None
    """If set, also goes to ``practices:*`` of this patient's practices, in the same way."""
    to_practices: bool = False
    """Whether it also goes to ``practices:*`` of every practice, in the same way."""
    except_practice: PracticeId | None = None
    """Of these, the one that another announcement is for."""


MOVED_AWAY: Final = "appointment.moved_away"
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
    rows = [event for event in turn_events if isinstance(event, events.RowEvent)]
    return (*each, *map(_slots, slots_changed(rows)))


def _announce(event: events.Event) -> Iterable[Announcement]:
    match event:
        case events.RowInherited(after=row):
            yield from _moved_row(row)
        case events.AppointmentMoved(before=old, after=row) if old is not None:
            yield from _moved(old, row)
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
        case events.ProfileSaved():
            yield from _profile_saved(event)
        case events.PatientsMerged():
            yield from _merged_patients(event)
        case events.PracticeSaved():
            yield from _practice_saved(event)
        case events.PatientLinked(practice_id=practice_id, patient=profile, is_new=True):
            yield from _linked(practice_id, profile)
        case events.PracticePatientSaved(after=kept, patient=profile):
            yield Announcement(
                type="patient.updated",
                channels=(practice_channel(kept.practice_id),),
                body=PatientChangedBody(patient_id=kept.patient_id, version=profile.version),
            )
        case events.AppointmentTypeSaved():
            yield from _type_saved(event)
        case events.MessageSaved():
            yield from _message_saved(event)


def _moved_row(row: Appointment) -> Iterable[Announcement]:
    """A row that a merge gave to the survivor."""
    if row.status in UNBOOKED:
        return  # nothing shows it
    is_held = row.status is Status.HELD
    yield Announcement(
        type="reservation.created" if is_held else "appointment.updated",
        channels=(dentist_channel(row.dentist_id), patient_channel(row.patient_id)),
        body=row,
    )


def _linked(practice_id: PracticeId, patient: Profile) -> Iterable[Announcement]:
    patient_id = PatientId(patient.id)
    yield Announcement(
        type="patient.updated",
        channels=(practice_channel(practice_id),),
        body=PatientChangedBody(patient_id=patient_id, version=patient.version),
    )
    yield Announcement(
        type="practice.linked",
        channels=(user_profile_channel(patient.id),),
        body=LinkedBody(practice_id=practice_id, patient_id=patient_id, name=patient.name),
    )


def _type_saved(event: events.AppointmentTypeSaved) -> Iterable[Announcement]:
    """Everyone learns that it changed, and those who work at its practice the whole of it.

    Others are shown only what patients may book; so is the practice that had it before.
    """
    kind, name = event.after, "appointment_types.updated"
    practices = {each.practice_id for each in (event.before, kind) if each}
    if kind.is_public:
        everyone = (AVAILABILITY_ALL, *_channels_of(practices))
        yield Announcement(type=name, channels=everyone, body=kind, to_practices=None in practices)
        return
    now = {kind.practice_id}
    before = practices - now
    others = () if None in now else _channels_of(before)  # every practice is shown it then
    yield Announcement(
        type=name,
        channels=(AVAILABILITY_ALL, *others),
        body=TypeChangedBody(type_id=kind.id, version=kind.version),
        to_practices=None in before,
        except_practice=kind.practice_id,
    )
    yield Announcement(type=name, channels=_channels_of(now), body=kind, to_practices=None in now)


_OF_STATES: dict[MessageState, str] = {
    MessageState.QUEUED: "message.queued",
    MessageState.SENT: "message.sent",
    MessageState.FAILED: "message.failed",
    MessageState.EXPIRED: "message.failed",
}


def _message_saved(event: events.MessageSaved) -> Iterable[Announcement]:
    """What became of a message. A queued one is announced at its first attempt, and when it is
    postponed or queued again; codes and invitations never are."""
    before, message = event.before, event.after
    is_retried = before is not None and 0 < before.attempts < message.attempts
    is_pending = message.state is MessageState.QUEUED
    if message.kind in SECRET or (is_pending and (message.attempts == 0 or is_retried)):
        return
    channels = _channels_of((message.practice_id,))
    if message.dentist_id:
        channels = (*channels, dentist_channel(message.dentist_id))
    yield Announcement(type=_OF_STATES[message.state], channels=channels, body=message)


def _channels_of(practices: Iterable[PracticeId | None]) -> tuple[Channel, ...]:
    return tuple(practice_channel(each) for each in sorted(filter(None, practices)))


def _moved(before: Appointment, row: Appointment) -> Iterable[Announcement]:
    """New to one dentist, gone for the other, changed for the patient."""
    yield Announcement(
        type="appointment.created", channels=(dentist_channel(row.dentist_id),), body=row
    )
    yield Announcement(
        type=MOVED_AWAY,
        channels=(dentist_channel(before.dentist_id),),
        body=MovedAwayBody(id=row.id, version=row.version),
    )
    yield Announcement(
        type="appointment.updated", channels=(patient_channel(row.patient_id),), body=row
    )


def _profile_saved(event: events.ProfileSaved) -> Iterable[Announcement]:
    before, profile = event.before, event.after
    is_patient = profile.role is Role.PATIENT
    patient = PatientId(profile.id) if is_patient else None
    if before is not None:
        channels = (user_profile_channel(profile.id),)
        yield Announcement(
            type="profile.updated", channels=channels, body=profile, dentists_of=patient
        )
    if patient:
        joined = (practice_channel(event.joins),) if event.joins else ()
        if joined or before is not None:
            body = PatientChangedBody(patient_id=patient, version=profile.version)
            yield Announcement(
                type="patient.updated", channels=joined, body=body, practices_of=patient
            )
        return
    practices = {each.practice_id for each in (before, profile) if each} - {None}
    if practices:
        yield Announcement(
            type="people.updated",
            channels=_channels_of(practices),
            body=PersonBody(profile=profile),
        )


def _merged_patients(event: events.PatientsMerged) -> Iterable[Announcement]:
    """To the merged person and all who know them; then the survivor, as a changed patient."""
    merged, survivor = PatientId(event.merged.id), event.after
    yield Announcement(
        type="patient.merged",
        channels=(user_profile_channel(merged),),
        body=MergedBody(
            patient_id=merged, merged_into=PatientId(survivor.id), version=survivor.version
        ),
        dentists_of=merged,
        practices_of=merged,
    )
    yield from _profile_saved(events.ProfileSaved(before=event.before, after=survivor))


def _practice_saved(event: events.PracticeSaved) -> Iterable[Announcement]:
    """Its own channel; and where closures changed, the times to be read again."""
    practice = event.after
    yield Announcement(
        type="practice.updated", channels=(practice_channel(practice.id),), body=practice
    )
    if event.before:
        yield from map(_slots, closures_changed(event))


def _slots(body: SlotsChangedBody) -> Announcement:
    return Announcement(
        type="slots.changed", channels=(availability_channel(body.dentist_id),), body=body
    )
