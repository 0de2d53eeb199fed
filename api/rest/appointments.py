"""``/api/appointments``: book, list, show, change, cancel (criteria 4.1–4.4)."""

from dataclasses import replace

import orjson
from aiohttp import web

from actors.domain.ids import AppointmentId
from actors.domain.refusals import (
    Forbidden,
    IdempotencyMismatch,
    InvalidTransition,
    NotFound,
    OutsideAvailability,
    PatientConflict,
    ReservationExpired,
    SlotTaken,
    TooFar,
    TooLate,
    TooSoon,
    VersionConflict,
)
from actors.services.requests import AppointmentChange, BookingRequest, Cancellation
from api.cursors import after_start, next_cursor
from api.rest.responses import json_response, reply_response, resource_response
from api.rest.route import AnyCall, Call, Route
from api.schemas import page_json
from api.schemas.bodies import BOOK, CHANGE_APPOINTMENT
from api.schemas.queries import APPOINTMENTS, CANCEL, AppointmentPageQuery
from api.schemas.resources import HISTORY, appointment_data

_COLLECTION = "/api/appointments"
_TAG = "Appointments"
_PLACE = (OutsideAvailability, TooSoon, TooFar, SlotTaken, PatientConflict)


async def book(call: Call[None, BookingRequest]) -> web.Response:
    reply = await call.services.bookings.book(call.caller, call.body)
    return reply_response(reply, _COLLECTION)


async def page(call: Call[AppointmentPageQuery, None]) -> web.Response:
    path, query = call.request.path, call.query
    last = after_start(path, query)
    wanted = replace(query, after=(last[0], AppointmentId(last[1]))) if last else query
    found = await call.services.bookings.page(call.caller, wanted)
    body = page_json(
        [appointment_data(row, found.names) for row in found.rows],
        limit=query.limit,
        next_cursor=next_cursor(path, query, found.next_after),
        total=found.total,
        position=found.position,
    )
    return json_response(body)


async def show(call: Call[None, None]) -> web.Response:
    row, names = await call.services.bookings.get(call.caller, _id(call))
    return resource_response(orjson.dumps(appointment_data(row, names)), row.version)


async def change(call: Call[None, AppointmentChange]) -> web.Response:
    reply = await call.services.bookings.change(
        call.caller, _id(call), call.body, expected_version=call.expected_version
    )
    return reply_response(reply)


async def cancel(call: Call[Cancellation, None]) -> web.Response:
    reply = await call.services.bookings.cancel(
        call.caller, _id(call), call.query, expected_version=call.expected_version
    )
    return reply_response(reply)


async def history(call: Call[None, None]) -> web.Response:
    entries = await call.services.bookings.history(call.caller, _id(call))
    return json_response(orjson.dumps({"data": HISTORY.dump(entries)}))


def _id(call: AnyCall) -> AppointmentId:
    return AppointmentId(call.path_id("id", "appointment"))


ROUTES = (
    Route(
        method="POST",
        path=_COLLECTION,
        handler=book,
        tag=_TAG,
        summary="Book a reservation, or a slot at once",
        status=201,
        other_statuses=(200,),
        response="Appointment",
        body=BOOK,
        refusals=(
            Forbidden,
            NotFound,
            ReservationExpired,
            InvalidTransition,
            IdempotencyMismatch,
            *_PLACE,
        ),
        example={"reservation_id": "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f", "notes": "First visit"},
    ),
    Route(
        method="GET",
        path=_COLLECTION,
        handler=page,
        tag=_TAG,
        summary="One's own appointments, with filters, in pages",
        response="AppointmentPage",
        query=APPOINTMENTS,
        refusals=(Forbidden,),
    ),
    Route(
        method="GET",
        path=f"{_COLLECTION}/{{id}}",
        handler=show,
        tag=_TAG,
        summary="One appointment",
        response="Appointment",
        refusals=(NotFound,),
    ),
    Route(
        method="GET",
        path=f"{_COLLECTION}/{{id}}/history",
        handler=history,
        tag=_TAG,
        summary="What was done to it, oldest first: statuses and times",
        response="AppointmentHistory",
        refusals=(NotFound,),
    ),
    Route(
        method="PUT",
        path=f"{_COLLECTION}/{{id}}",
        handler=change,
        tag=_TAG,
        summary="Reschedule, or change status or notes: only what is sent changes",
        response="Appointment",
        body=CHANGE_APPOINTMENT,
        takes_version=True,
        refusals=(
            Forbidden,
            NotFound,
            InvalidTransition,
            VersionConflict,
            TooLate,
            IdempotencyMismatch,
            *_PLACE,
        ),
        example={"start": "2027-03-08T09:30:00Z"},
    ),
    Route(
        method="DELETE",
        path=f"{_COLLECTION}/{{id}}",
        handler=cancel,
        tag=_TAG,
        summary="Cancel; cancelling again changes nothing",
        status=204,
        query=CANCEL,
        takes_version=True,
        refusals=(
            Forbidden,
            NotFound,
            InvalidTransition,
            VersionConflict,
            TooLate,
            IdempotencyMismatch,
        ),
    ),
)
