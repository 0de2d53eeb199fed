"""Every route under /api, by the tag under which the API document lists it."""

from collections.abc import Mapping
from typing import Final

from api.rest import (
    appointments,
    availability,
    catalog,
    changes,
    people,
    reservations,
    webhooks,
)
from api.rest.chat import chat
from api.rest.route import Routes

ROUTES: Final[Mapping[str, Routes]] = {
    "Appointments": appointments.ROUTES,
    "Reservations": reservations.ROUTES,
    "Availability": availability.ROUTES,
    "People": people.ROUTES,
    "Appointment types": catalog.ROUTES,
    "Changes": changes.ROUTES,
    "Webhooks": webhooks.ROUTES,
    "Chat": chat.ROUTES,
}
