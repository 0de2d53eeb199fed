"""``/api/appointments``: book, list, look, change, cancel (criteria 4.1–4.4)."""

from datetime import datetime

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
from actors.ports.appointments import AppointmentQuery
from api.cursors import after_start, next_cursor
from api.rest.responses import json_answer, reply_answer, resource_answer
from api.rest.route import Call, Route
from api.schemas import page_json
from api.schemas.bodies import BOOK, CHANGE_APPOINTMENT
from api.schemas.queries import APPOINTMENTS, CANCEL
from api.schemas.resources import HISTORY, appointment_data

_COLLECTION = "/api/appointments"
_TAG = "Appointments"
_PLACE = (OutsideAvailability, TooSoon, TooFar, SlotTaken, PatientConflict)


async def book(call: Call) -> web.Response:
    bookings = call.services.bookings
    if "reservation_id" in call.body:
        reply = await bookings.book_reservation(call.caller, **call.body)
    else:
        reply = await bookings.book_slot(call.caller, **call.body)
    return reply_answer(reply, _COLLECTION)


async def page(call: Call) -> web.Response:
    query = dict(call.query)
    del query["cursor"]
    wanted = AppointmentQuery(
        statuses=frozenset(query.pop("statuses")),
        descending=query.pop("sort") == "-start",
        after=_after(call),
        **query,
    )
    found = await call.services.bookings.page(call.caller, wanted)
    body = page_json(
        [appointment_data(row, found.names) for row in found.rows],
        limit=wanted.limit,
        next_cursor=next_cursor(call.request.path, call.query, found.next_after),
        total=found.total,
        position=found.position,
    )
    return json_answer(body)


async def show(call: Call) -> web.Response:
    row, names = await call.services.bookings.get(call.caller, _id(call))
    return resource_answer(orjson.dumps(appointment_data(row, names)), row.version)


async def change(call: Call) -> web.Response:
    reply = await call.services.bookings.change(
        call.caller, _id(call), expected_version=call.expected_version, **call.body
    )
    return reply_answer(reply)


async def cancel(call: Call) -> web.Response:
    reply = await call.services.bookings.cancel(
        call.caller, _id(call), expected_version=call.expected_version, **call.query
    )
    return reply_answer(reply)


def _id(call: Call) -> AppointmentId:
    return AppointmentId(call.path_id("id", "appointment"))


def _after(call: Call) -> tuple[datetime, AppointmentId] | None:
    last = after_start(call.request.path, call.query)
    return None if last is None else (last[0], AppointmentId(last[1]))


async def history(call: Call) -> web.Response:
    entries = await call.services.bookings.history(call.caller, _id(call))
    return json_answer(orjson.dumps({"data": HISTORY.dump(entries)}))


ROUTES = (
    Route(
        method="POST",
        path=_COLLECTION,
        answer=book,
        tag=_TAG,
        summary="Book a reservation, or a slot at once",
        status=201,
        also=(200,),
        shows="Appointment",
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
        answer=page,
        tag=_TAG,
        summary="One's own appointments, with filters, in pages",
        shows="AppointmentPage",
        query=APPOINTMENTS,
        refusals=(Forbidden,),
    ),
    Route(
        method="GET",
        path=f"{_COLLECTION}/{{id}}",
        answer=show,
        tag=_TAG,
        summary="One appointment",
        shows="Appointment",
        refusals=(NotFound,),
    ),
    Route(
        method="GET",
        path=f"{_COLLECTION}/{{id}}/history",
        answer=history,
        tag=_TAG,
        summary="What was done to it, oldest first: statuses and times",
        shows="AppointmentHistory",
        refusals=(NotFound,),
    ),
    Route(
        method="PUT",
        path=f"{_COLLECTION}/{{id}}",
        answer=change,
        tag=_TAG,
        summary="Reschedule, or change status or notes: only what is sent changes",
        shows="Appointment",
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
        answer=cancel,
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
