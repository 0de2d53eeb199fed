"""Rows of ``audit_log``: who did what to which record. They contain no names and no notes."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from actors.domain import events
from actors.domain.announcements import MOVED_AWAY
from actors.domain.appointment import Appointment
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from actors.domain.webhook import Webhook
from actors.ports.commits import Turn
from store.sql.prepared import Params
from store.sql.schema import audit_log

_ACTIONS: dict[type[events.Event], str] = {
    events.SlotHeld: "slot.held",
    events.HoldReleased: "hold.released",
    events.HoldExpired: "hold.expired",
    events.AppointmentBooked: "appointment.booked",
    events.AppointmentChanged: "appointment.changed",
    events.AppointmentMoved: "appointment.moved",
    events.AppointmentCancelled: "appointment.cancelled",
    events.ScheduleReplaced: "schedule.replaced",
    events.ProfileSaved: "profile.saved",
    events.PracticePatientSaved: "practice_patient.saved",
    events.PracticeSaved: "practice.saved",
    events.PatientLinked: "patient.linked",
    events.PatientsMerged: "patient.merged",
    events.RowInherited: "appointment.moved_to_survivor",
    events.AppointmentTypeSaved: "appointment_type.saved",
    events.WebhookSaved: "webhook.saved",
    events.WebhookDeleted: "webhook.deleted",
    events.ConsentSaved: "consent.saved",
    events.MessageSaved: "message.saved",
}


LOOKED_UP = "patient.looked_up"


def audit_rows(turns: Sequence[Turn]) -> list[Params]:
    return [_params(turn, event) for turn in turns for event in turn.events]


def left_rows(moves: Iterable[tuple[Turn, events.AppointmentMoved]]) -> list[Params]:
    """Of the calendars that appointments left."""
    return [
        _params(turn, event) | {"action": MOVED_AWAY, "dentist_id": event.before.dentist_id}
        for turn, event in moves
        if event.before
    ]


def _params(turn: Turn, event: events.Event) -> dict[str, object]:
    row = _entry(turn.by, turn.at, turn.request_id) | {"action": _ACTIONS[type(event)]}
    match event:
        case events.RowEvent(before=before, after=after):
            return row | _appointment(before, after)
        case events.ScheduleReplaced(dentist_id=dentist_id, after=schedule):
            kind, key, version = "schedule", str(dentist_id), schedule.version
            row["dentist_id"] = dentist_id
        case events.ProfileSaved(after=profile):
            kind, key, version = "profile", str(profile.id), profile.version
            row |= _person(profile)
        case events.PatientLinked(patient=linked):
            kind, key, version = "profile", str(linked.id), linked.version
            row["patient_id"] = linked.id
        case events.PatientsMerged(merged=merged, after=survivor):
            kind, key, version = "profile", str(merged.id), survivor.version
            row["patient_id"] = survivor.id
        case events.PracticePatientSaved(after=kept):
            kind, key, version = "profile", str(kept.patient_id), kept.version
            row["patient_id"] = kept.patient_id
        case events.PracticeSaved(after=practice):
            kind, key, version = "practice", str(practice.id), practice.version
        case events.AppointmentTypeSaved(after=type_):
            kind, key, version = "appointment_type", str(type_.id), type_.version
        case events.WebhookSaved(after=webhook) | events.WebhookDeleted(before=webhook):
            return row | _webhook(webhook)
        case events.ConsentSaved(after=consent):
            kind, key, version = "consent", str(consent.id), consent.version
            row |= {
                "patient_id": consent.patient_id,
                "new_status": "ended" if consent.ended_at else "given",
            }
        case events.MessageSaved(before=was, after=message):
            kind, key, version = "message", str(message.id), message.version
            row |= {
                "dentist_id": message.dentist_id,
                "patient_id": message.patient_id,
                "old_status": str(was.state) if was else None,
                "new_status": str(message.state),
            }
    return row | {"resource_kind": kind, "resource_id": key, "version": version}


def disconnect_params(
    by: Principal, at: datetime, request_id: str, person: Profile
) -> dict[str, object]:
    """An admin ended the connections of a person."""
    return _about(person, by, at, request_id) | {"action": "connections.ended"}


def view_params(by: Principal, at: datetime, request_id: str, person: Profile) -> dict[str, object]:
    """An admin was shown a profile without changing it."""
    return _about(person, by, at, request_id) | {"action": "profile.viewed"}


def _about(person: Profile, by: Principal, at: datetime, request_id: str) -> dict[str, object]:
    kind = {"resource_kind": "profile", "resource_id": person.id}
    return _entry(by, at, request_id) | kind | _person(person)


def lookup_params(
    by: Principal, at: datetime, request_id: str, found: Profile | None
) -> dict[str, object]:
    """Someone looked a patient up by two identifiers, which are not recorded."""
    row = _about(found, by, at, request_id) if found else _entry(by, at, request_id)
    return row | {"action": LOOKED_UP, "resource_kind": "profile", "found": int(bool(found))}


def search_params(by: Principal, at: datetime, request_id: str, found: int) -> dict[str, object]:
    """A person searched for people. The text of the search is not recorded."""
    return _entry(by, at, request_id) | {
        "action": "people.searched",
        "resource_kind": "profile",
        "found": found,
    }


def export_params(by: Principal, at: datetime, request_id: str) -> dict[str, object]:
    """Staff got the patients of their practice as a file."""
    return _entry(by, at, request_id) | {
        "action": "patients.exported",
        "resource_kind": "practice",
        "resource_id": by.practice,
    }


def sign_in_params(
    by: Principal, at: datetime, request_id: str, kind: str, key: str, action: str
) -> dict[str, object]:
    """Of a session, an invitation or a passkey."""
    return _entry(by, at, request_id) | {
        "action": f"{kind}.{action}",
        "resource_kind": kind,
        "resource_id": key,
    }


def webhook_params(
    by: Principal, at: datetime, request_id: str, webhook: Webhook
) -> dict[str, object]:
    """The hub disabled a webhook."""
    return _entry(by, at, request_id) | {"action": "webhook.disabled"} | _webhook(webhook)


def _person(profile: Profile) -> dict[str, object]:
    """The column of a patient or a dentist; staff have none."""
    column = {Role.PATIENT: "patient_id", Role.DENTIST: "dentist_id"}.get(profile.role)
    return {column: profile.id} if column else {}


def _webhook(webhook: Webhook) -> dict[str, object]:
    return {
        "resource_kind": "webhook",
        "resource_id": webhook.id,
        "patient_id": webhook.patient,
        "new_status": str(webhook.status),
        "version": webhook.version,
    }


def _entry(by: Principal, at: datetime, request_id: str) -> dict[str, object]:
    return _UNSET | {
        "at": at,
        "role": str(by.role),
        "subject": by.subject,
        "acting": by.acting,
        "on_behalf_of": by.person,
        "request_id": request_id,
    }


def _appointment(before: Appointment | None, after: Appointment) -> dict[str, object]:
    return {
        "resource_kind": "appointment",
        "resource_id": after.id,
        "dentist_id": after.dentist_id,
        "patient_id": after.patient_id,
        "old_status": str(before.status) if before else None,
        "new_status": str(after.status),
        "old_starts_at": before.start if before else None,
        "old_ends_at": before.end if before else None,
        "new_starts_at": after.start,
        "new_ends_at": after.end,
        "version": after.version,
    }


_UNSET: dict[str, None] = dict.fromkeys(column.name for column in audit_log.c if column.nullable)
"""All rows have the same columns, so that one statement inserts them."""
