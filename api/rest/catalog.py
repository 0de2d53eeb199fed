"""``/api/appointment-types``: what can be booked."""

from itertools import islice

from aiohttp import web

from actors.domain.appointment import AppointmentType
from actors.domain.ids import AppointmentTypeId
from actors.domain.refusals import Forbidden, IdempotencyMismatch, NotFound, VersionConflict
from actors.services.requests import AppointmentTypeChange, NewAppointmentType
from api.cursors import after_name, next_cursor
from api.rest.responses import json_response, reply_response
from api.rest.route import Call, Route
from api.schemas import page_json
from api.schemas.bodies import CHANGE_TYPE, CREATE_TYPE
from api.schemas.queries import PAGE, PageQuery
from api.schemas.resources import APPOINTMENT_TYPE

_COLLECTION = "/api/appointment-types"
_TAG = "Appointment types"


async def page(call: Call[PageQuery, None]) -> web.Response:
    """The catalog is in memory, sorted by name; a page is cut out of it."""
    types, limit = await call.services.catalog.types(), call.query.limit
    after = after_name(call.request.path, call.query)
    rest = (kind for kind in types if after is None or _order(kind) > after)
    shown = list(islice(rest, limit))
    more = next(rest, None) is not None
    body = page_json(
        [APPOINTMENT_TYPE.dump(kind) for kind in shown],
        limit=limit,
        next_cursor=next_cursor(call.request.path, call.query, _order(shown[-1]) if more else None),
        total=len(types),
        position=None,
    )
    return json_response(body)


async def create(call: Call[None, NewAppointmentType]) -> web.Response:
    return reply_response(await call.services.catalog.create(call.caller, call.body), _COLLECTION)


async def change(call: Call[None, AppointmentTypeChange]) -> web.Response:
    type_id = AppointmentTypeId(call.path_id("id", "appointment type"))
    reply = await call.services.catalog.change(
        call.caller, type_id, call.body, expected_version=call.expected_version
    )
    return reply_response(reply)


def _order(kind: AppointmentType) -> tuple[str, str]:
    return kind.name, kind.id


ROUTES = (
    Route(
        method="GET",
        path=_COLLECTION,
        handler=page,
        tag=_TAG,
        summary="Every appointment type, by name",
        response="AppointmentTypePage",
        query=PAGE,
    ),
    Route(
        method="POST",
        path=_COLLECTION,
        handler=create,
        tag=_TAG,
        summary="A new type, by an admin",
        status=201,
        response="AppointmentType",
        body=CREATE_TYPE,
        refusals=(Forbidden, IdempotencyMismatch),
        example={"name": "Check-up", "duration_minutes": 30, "buffer_after_minutes": 10},
    ),
    Route(
        method="PUT",
        path=f"{_COLLECTION}/{{id}}",
        handler=change,
        tag=_TAG,
        summary="Change a type, by an admin; booked appointments stay as they are",
        response="AppointmentType",
        body=CHANGE_TYPE,
        takes_version=True,
        refusals=(Forbidden, NotFound, VersionConflict, IdempotencyMismatch),
        example={"duration_minutes": 45},
    ),
)
