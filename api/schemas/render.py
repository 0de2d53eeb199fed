"""Bodies as JSON bytes: the ``Render`` that the store is given (actors/ports/rendering.py)."""

import orjson

from actors.domain.announcements import (
    AppointmentBody,
    AppointmentTypeBody,
    AvailabilityChangedBody,
    Body,
    ProfileBody,
    ReservationBody,
    ScheduleBody,
    SlotsChangedBody,
    WebhookBody,
)
from actors.ports.rendering import Names
from api.schemas.resources import (
    APPOINTMENT_TYPE,
    AVAILABILITY_CHANGED,
    PROFILE,
    RESERVATION,
    SLOTS_CHANGED,
    Shown,
    appointment_data,
)
from api.schemas.schedule import availability_data
from api.schemas.webhooks import webhook_data


def render(body: Body, names: Names) -> bytes:
    """The body as REST shows it; implements :data:`actors.ports.Render`."""
    return orjson.dumps(_data(body, names))


def _data(body: Body, names: Names) -> object:
    match body:
        case AppointmentBody(appointment=row):
            return appointment_data(row, names)
        case ReservationBody(appointment=row):
            return RESERVATION.dump(Shown(row, names))
        case SlotsChangedBody():
            return SLOTS_CHANGED.dump(body)
        case ScheduleBody():
            return availability_data(body.dentist_id, body.schedule, body.affected, names)
        case AvailabilityChangedBody():
            return AVAILABILITY_CHANGED.dump(body)
        case ProfileBody(profile=profile):
            return PROFILE.dump(profile)
        case AppointmentTypeBody(appointment_type=kind):
            return APPOINTMENT_TYPE.dump(kind)
        case WebhookBody(webhook=webhook, progress=progress, secret=secret):
            return webhook_data(webhook, progress, secret)
