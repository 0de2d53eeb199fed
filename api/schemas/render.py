"""Bodies as JSON bytes: the ``Render`` that the store is given (actors/ports/rendering.py)."""

import orjson

from actors.domain.announcements import (
    AvailabilityChangedBody,
    Body,
    ConsentBody,
    LinkedBody,
    MergedBody,
    MovedAwayBody,
    PatientChangedBody,
    PersonBody,
    ScheduleBody,
    SurvivorBody,
    TypeChangedBody,
    WebhookBody,
)
from actors.domain.appointment import NEVER_BOOKED, Appointment, AppointmentType
from actors.domain.changed_slots import SlotsChangedBody
from actors.domain.message import Message
from actors.domain.practice import Practice, PracticePatient
from actors.domain.profile import Profile
from actors.ports.rendering import Names
from api.schemas.appointment_types import APPOINTMENT_TYPE, TYPE_CHANGED
from api.schemas.consents import CONSENT
from api.schemas.messages import MESSAGE
from api.schemas.practices import (
    LINKED,
    MERGED,
    PATIENT_CHANGED,
    PERSON,
    PRACTICE,
    PRACTICE_PATIENT,
)
from api.schemas.resources import (
    AVAILABILITY_CHANGED,
    PROFILE,
    RESERVATION,
    SLOTS_CHANGED,
    Shown,
    appointment_data,
    survivor_data,
)
from api.schemas.schedule import availability_data
from api.schemas.webhooks import webhook_data


def render(body: Body, names: Names) -> bytes:
    """The body as REST shows it; implements :data:`actors.ports.Render`."""
    return orjson.dumps(_data(body, names))


def _data(body: Body, names: Names) -> object:
    match body:
        case Appointment(status=status) if status in NEVER_BOOKED:
            return RESERVATION.dump(Shown(body, names))
        case Appointment():
            return appointment_data(body, names)
        case MovedAwayBody(id=appointment_id, version=version):
            return {"id": appointment_id, "version": version}
        case SlotsChangedBody():
            return SLOTS_CHANGED.dump(body)
        case ScheduleBody():
            return availability_data(body.dentist_id, body.schedule, body.affected, names)
        case AvailabilityChangedBody():
            return AVAILABILITY_CHANGED.dump(body)
        case Profile():
            return PROFILE.dump(body)
        case Practice():
            return PRACTICE.dump(body)
        case PracticePatient():
            return PRACTICE_PATIENT.dump(body)
        case PersonBody(profile=person):
            return PERSON.dump(person)
        case LinkedBody():
            return LINKED.dump(body)
        case MergedBody():
            return MERGED.dump(body)
        case SurvivorBody(profile=survivor):
            return survivor_data(survivor)
        case PatientChangedBody():
            return PATIENT_CHANGED.dump(body)
        case ConsentBody(consent=consent):
            return CONSENT.dump(consent)
        case Message():
            return MESSAGE.dump(body)
        case AppointmentType():
            return APPOINTMENT_TYPE.dump(body)
        case TypeChangedBody():
            return TYPE_CHANGED.dump(body)
        case WebhookBody(webhook=webhook, progress=progress, secret=secret, reader=reader):
            return webhook_data(webhook, progress, secret, reader=reader)
