"""Every route under /api, by the tag under which the API document lists it."""

from collections.abc import Mapping
from typing import Final

from api.rest import (
    appointments,
    availability,
    catalog,
    changes,
    consents,
    imports,
    invitations,
    merging,
    messages,
    passkeys,
    people,
    practices,
    reservations,
    sessions,
    visit_links,
    webhooks,
)
from api.rest.chat import chat
from api.rest.route import Routes

ROUTES: Final[Mapping[str, Routes]] = {
    "Appointments": appointments.ROUTES,
    "Reservations": reservations.ROUTES,
    "Availability": availability.ROUTES,
    "People": (*people.ROUTES, *merging.ROUTES),
    "Practices": practices.ROUTES,
    "Imports": imports.ROUTES,
    "Consents": consents.ROUTES,
    "Messages": (*messages.ROUTES, *visit_links.ROUTES),
    "Sessions": (*sessions.ROUTES, *passkeys.ROUTES, *invitations.ROUTES),
    "Appointment types": catalog.ROUTES,
    "Changes": changes.ROUTES,
    "Webhooks": webhooks.ROUTES,
    "Chat": chat.ROUTES,
}

TAGS: Final[Mapping[str, str]] = {
    "Appointments": "Booked slots: book, list, show, move, cancel.",
    "Reservations": "Slots kept for one patient for a few minutes, before they are booked.",
    "Availability": "Schedules of dentists, and the free slots that follow from them.",
    "People": "Profiles of dentists, staff and patients.",
    "Practices": "Where dentists and staff work, and when that is closed.",
    "Imports": "The patients of a practice as a file.",
    "Consents": "Which chatbots may act for a patient.",
    "Messages": "Messages to patients about their visits, and what became of them.",
    "Sessions": "Who may sign in at the hub itself, and where people are signed in.",
    "Appointment types": "What can be booked, and how long it takes.",
    "Changes": "Events of channels: those missed, or live as a stream.",
    "Webhooks": "Events sent by POST requests to servers that cannot hold a stream.",
    "Chat": "The chatbot that ships with the hub.",
}
"""What each tag is about, for the API document."""
