"""``/api/reservations``: keep a slot while its patient completes the booking (8.1–8.4)."""

from aiohttp import web

from actors.domain.ids import AppointmentId
from actors.domain.refusals import (
    Forbidden,
    IdempotencyMismatch,
    NotFound,
    OutsideAvailability,
    ReservationExpired,
    SlotTaken,
    TooFar,
    TooManyReservations,
    TooSoon,
)
from api.rest.responses import reply_answer, resource_answer
from api.rest.route import Call, Route
from api.schemas.bodies import HOLD
from api.schemas.pages import reservation_json

_COLLECTION = "/api/reservations"
_TAG = "Reservations"


async def hold(call: Call) -> web.Response:
    return reply_answer(await call.services.bookings.hold(call.caller, **call.body), _COLLECTION)


async def show(call: Call) -> web.Response:
    row, names = await call.services.bookings.reservation(call.caller, _id(call))
    return resource_answer(reservation_json(row, names), row.version)


async def release(call: Call) -> web.Response:
    return reply_answer(await call.services.bookings.release(call.caller, _id(call)))


def _id(call: Call) -> AppointmentId:
    return AppointmentId(call.path_id("id", "reservation"))


ROUTES = (
    Route(
        method="POST",
        path=_COLLECTION,
        answer=hold,
        tag=_TAG,
        summary="Hold a slot until expires_at; holding the same again answers the same hold",
        status=201,
        also=(200,),
        shows="Reservation",
        body=HOLD,
        refusals=(
            Forbidden,
            NotFound,
            SlotTaken,
            OutsideAvailability,
            TooSoon,
            TooFar,
            TooManyReservations,
            IdempotencyMismatch,
        ),
        example={
            "dentist_id": "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f",
            "appointment_type_id": "01976f2e-5b1a-7c3d-9e4f-1a2b3c4d5e6f",
            "start": "2027-03-08T09:00:00Z",
        },
    ),
    Route(
        method="GET",
        path=f"{_COLLECTION}/{{id}}",
        answer=show,
        tag=_TAG,
        summary="One reservation",
        shows="Reservation",
        refusals=(NotFound, ReservationExpired),
    ),
    Route(
        method="DELETE",
        path=f"{_COLLECTION}/{{id}}",
        answer=release,
        tag=_TAG,
        summary="Release it; what is already over, or was booked, stays as it is",
        status=204,
        refusals=(Forbidden, NotFound, IdempotencyMismatch),
    ),
)
