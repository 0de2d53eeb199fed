"""``/api/appointments/{id}/links``: the links by which a patient reaches a visit."""

from aiohttp import web

from actors.domain.ids import AppointmentId
from api.rest.route import Call, Result, Route, Routes


@Route(
    "DELETE",
    "/api/appointments/{id}/links",
    "Revoke the links to a visit, by the dentist or the staff",
    description=(
        "The links in messages that were sent until now open the visit no more, at once and at"
        " every node. Later messages have new ones."
    ),
    status=204,
)
async def revoke(call: Call[None, None]) -> Result:
    appointment = AppointmentId(call.path_id("id", "appointment"))
    await call.services.linked_visits.revoke(call.caller, appointment)
    return web.Response(status=204)


ROUTES: Routes = (revoke,)
