"""``/api/appointments``: book, list, show, change, cancel (criteria 4.1–4.4)."""

from collections.abc import Awaitable
from dataclasses import replace

import orjson
from aiohttp import web

from actors.domain.ids import AppointmentId
from actors.domain.refusals import (
    IdempotencyMismatch,
    InvalidTransition,
    OutsideAvailability,
    PatientConflict,
    ProfileIncomplete,
    ReservationExpired,
    SlotTaken,
    TooFar,
    TooLate,
    TooManyAppointments,
    TooSoon,
)
from actors.services.requests import AppointmentChange, BookingRequest, Cancellation
from api.cursors import after_start
from api.rest.responses import Resource, list_page
from api.rest.route import AnyCall, Call, Result, Route, Routes
from api.schemas.bodies import BOOK, CHANGE_APPOINTMENT
from api.schemas.queries import APPOINTMENTS, CANCEL, AppointmentPageQuery
from api.schemas.resources import HISTORY, appointment_data

_COLLECTION = "/api/appointments"
_CALENDAR = "text/calendar"
_PLACE = (OutsideAvailability, TooSoon, TooFar, SlotTaken, PatientConflict)


@Route(
    "POST",
    _COLLECTION,
    "Book a reservation, or a slot at once",
    status=201,
    other_statuses=(200,),
    response="Appointment",
    body=BOOK,
    refusals=(
        ReservationExpired,
        InvalidTransition,
        IdempotencyMismatch,
        TooManyAppointments,
        ProfileIncomplete,
        *_PLACE,
    ),
    example={"reservation_id": "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f", "notes": "First visit"},
)
def book(call: Call[None, BookingRequest]) -> Awaitable[Result]:
    return call.services.bookings.book(call.caller, call.body)


@Route(
    "GET",
    _COLLECTION,
    "One's own appointments, for staff those of the practice, with filters, in pages",
    response="AppointmentPage",
    query=APPOINTMENTS,
)
async def page(call: Call[AppointmentPageQuery, None]) -> Result:
    query = call.query
    if last := after_start(_COLLECTION, query):
        query = replace(query, after=(last[0], AppointmentId(last[1])))
    found = await call.services.bookings.page(call.caller, query)
    return list_page(
        _COLLECTION,
        call.query,
        [appointment_data(row, found.names) for row in found.rows],
        last=found.next_after,
        total=found.total,
        position=found.position,
        positions=found.positions,
    )


@Route(
    "GET",
    f"{_COLLECTION}/{{id}}",
    "One appointment",
    other_statuses=(304,),
    response="Appointment",
)
async def show(call: Call[None, None]) -> Result:
    row, names = await call.services.bookings.get(call.caller, _id(call))
    return Resource(orjson.dumps(appointment_data(row, names)), row.version)


@Route(
    "PUT",
    f"{_COLLECTION}/{{id}}",
    "Reschedule, move to another dentist, or change status or notes: only what is sent changes",
    response="Appointment",
    body=CHANGE_APPOINTMENT,
    takes_version=True,
    refusals=(InvalidTransition, TooLate, IdempotencyMismatch, ProfileIncomplete, *_PLACE),
    example={"start": "2027-03-08T09:30:00Z"},
)
async def change(call: Call[None, AppointmentChange]) -> Result:
    return await call.services.bookings.change(
        call.caller, _id(call), call.body, expected_version=call.expected_version
    )


@Route(
    "DELETE",
    f"{_COLLECTION}/{{id}}",
    "Cancel; cancelling again changes nothing",
    status=204,
    query=CANCEL,
    takes_version=True,
    refusals=(InvalidTransition, TooLate, IdempotencyMismatch),
)
async def cancel(call: Call[Cancellation, None]) -> Result:
    return await call.services.bookings.cancel(
        call.caller, _id(call), call.query, expected_version=call.expected_version
    )


@Route(
    "GET",
    f"{_COLLECTION}/{{id}}/history",
    "What was done to it, oldest first: statuses and times",
    response="AppointmentHistory",
)
async def history(call: Call[None, None]) -> Result:
    entries = await call.services.bookings.history(call.caller, _id(call))
    return Resource(orjson.dumps({"data": HISTORY.dump(entries)}))


@Route(
    "GET",
    f"{_COLLECTION}/{{id}}/calendar.ics",
    "The visit as a calendar file, cancelled ones too",
    description=(
        "An iCalendar object with a stable `UID` and a `SEQUENCE` that rises with each change, so"
        " that a calendar updates its entry, and removes it when the visit is cancelled."
    ),
    downloads=_CALENDAR,
)
async def calendar_file(call: Call[None, None]) -> Result:
    content = await call.services.calendar_entries.file(call.caller, _id(call))
    name = {"Content-Disposition": 'attachment; filename="appointment.ics"'}
    return web.Response(body=content, content_type=_CALENDAR, charset="utf-8", headers=name)


def _id(call: AnyCall) -> AppointmentId:
    return AppointmentId(call.path_id("id", "appointment"))


ROUTES: Routes = (book, page, show, history, calendar_file, change, cancel)
