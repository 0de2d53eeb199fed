"""``/api/appointment-types``: what can be booked."""

from itertools import islice

from actors.domain.appointment import ORDER_MAX, AppointmentType
from actors.domain.ids import AppointmentTypeId
from actors.domain.refusals import IdempotencyMismatch
from actors.services.requests import AppointmentTypeChange, NewAppointmentType
from api.cursors import after_name
from api.rest.responses import list_page
from api.rest.route import Call, Result, Route, Routes
from api.schemas.appointment_types import APPOINTMENT_TYPE, CHANGE_TYPE, CREATE_TYPE
from api.schemas.queries import PAGE, PageQuery

_COLLECTION = "/api/appointment-types"


@Route(
    "GET",
    _COLLECTION,
    "The appointment types that one could book, or all of one's practice; by order and name",
    response="AppointmentTypePage",
    query=PAGE,
)
async def page(call: Call[PageQuery, None]) -> Result:
    """The catalog is in memory, sorted; a page is cut out of it."""
    types = await call.services.catalog.shown(call.caller.principal)
    after = after_name(_COLLECTION, call.query)
    rest = (kind for kind in types if after is None or _order(kind) > after)
    shown = list(islice(rest, call.query.limit))
    more = next(rest, None) is not None
    return list_page(
        _COLLECTION,
        call.query,
        [APPOINTMENT_TYPE.dump(kind) for kind in shown],
        last=_order(shown[-1]) if more else None,
        total=len(types),
    )


@Route(
    "POST",
    _COLLECTION,
    "A new type, by an admin",
    status=201,
    response="AppointmentType",
    body=CREATE_TYPE,
    refusals=(IdempotencyMismatch,),
    example={"name": "Check-up", "duration_minutes": 30, "buffer_after_minutes": 10},
)
async def create(call: Call[None, NewAppointmentType]) -> Result:
    return await call.services.catalog.create(call.caller, call.body)


@Route(
    "PUT",
    f"{_COLLECTION}/{{id}}",
    "Change a type, by an admin; booked appointments stay as they are",
    response="AppointmentType",
    body=CHANGE_TYPE,
    takes_version=True,
    refusals=(IdempotencyMismatch,),
    example={"duration_minutes": 45},
)
async def change(call: Call[None, AppointmentTypeChange]) -> Result:
    type_id = AppointmentTypeId(call.path_id("id", "appointment type"))
    return await call.services.catalog.change(
        call.caller, type_id, call.body, expected_version=call.expected_version
    )


def _order(kind: AppointmentType) -> tuple[str, str]:
    """As text, in the order of the list; after its place, each begins with its name."""
    return f"{kind.order + ORDER_MAX:05}{kind.name}", kind.id


ROUTES: Routes = (page, create, change)
