"""``/api/reservations``: keep a slot while its patient completes the booking (8.1–8.4)."""

from actors.domain import refusals
from actors.domain.ids import AppointmentId
from actors.services.requests import HoldRequest
from api.rest.responses import Resource
from api.rest.route import AnyCall, Call, Result, Route, Routes
from api.schemas.bodies import HOLD
from api.schemas.pages import reservation_json

_COLLECTION = "/api/reservations"


@Route(
    "POST",
    _COLLECTION,
    "Hold a slot until expires_at; holding the same again answers the same hold",
    status=201,
    other_statuses=(200,),
    leads_to=("/api/appointments",),
    response="Reservation",
    body=HOLD,
    refusals=(
        refusals.SlotTaken,
        refusals.OutsideAvailability,
        refusals.TooSoon,
        refusals.TooFar,
        refusals.TooManyReservations,
        refusals.TooManyAppointments,
        refusals.IdempotencyMismatch,
    ),
    example={
        "dentist_id": "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f",
        "appointment_type_id": "01976f2e-5b1a-7c3d-9e4f-1a2b3c4d5e6f",
        "start": "2027-03-08T09:00:00Z",
    },
)
async def hold(call: Call[None, HoldRequest]) -> Result:
    return await call.services.bookings.hold(call.caller, call.body)


@Route(
    "GET",
    f"{_COLLECTION}/{{id}}",
    "One reservation",
    other_statuses=(304,),
    response="Reservation",
    refusals=(refusals.ReservationExpired,),
)
async def show(call: Call[None, None]) -> Result:
    row, names = await call.services.bookings.reservation(call.caller, _id(call))
    return Resource(reservation_json(row, names), row.version)


@Route(
    "DELETE",
    f"{_COLLECTION}/{{id}}",
    "Release it; what is already over, or was booked, stays as it is",
    status=204,
    refusals=(refusals.IdempotencyMismatch,),
)
async def release(call: Call[None, None]) -> Result:
    return await call.services.bookings.release(call.caller, _id(call))


def _id(call: AnyCall) -> AppointmentId:
    return AppointmentId(call.path_id("id", "reservation"))


ROUTES: Routes = (hold, show, release)
