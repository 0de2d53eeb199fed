"""``/api/sessions``: where people are signed in at the hub."""

from aiohttp import web

from actors.domain.ids import ProfileId
from actors.domain.sign_in import SessionId
from api.middleware import CLAIMS
from api.rest.responses import Resource
from api.rest.route import Call, Result, Route, Routes
from api.schemas.sessions import SESSIONS, SessionsQuery, sessions_json

_COLLECTION = "/api/sessions"
_AT_EVERY_NODE = " 503: a node did not answer, so send it again; the others have done it."


@Route(
    "GET",
    _COLLECTION,
    "The browsers in which the caller is signed in",
    description="Those used last come first. An admin may name a person.",
    response="Sessions",
    query=SESSIONS,
)
async def page(call: Call[SessionsQuery, None]) -> Result:
    found = await call.services.sign_ins.page(call.caller, call.query.profile_id)
    return Resource(sessions_json(found, call.request[CLAIMS].session))


@Route(
    "DELETE",
    f"{_COLLECTION}/{{id}}",
    "Sign a browser out",
    description=(
        "By the person, or an admin. Its access tokens and live connections end at once, at every"
        f" node.{_AT_EVERY_NODE}"
    ),
    status=204,
)
async def end(call: Call[None, None]) -> Result:
    await call.services.sign_ins.end(call.caller, SessionId(call.path_id("id", "session")))
    return web.Response(status=204)


@Route(
    "DELETE",
    "/api/profiles/{id}/sessions",
    "Sign a person out everywhere",
    description=(
        "By an admin. All sessions and live connections of the person end, at every"
        f" node.{_AT_EVERY_NODE}"
    ),
    status=204,
)
async def end_of_person(call: Call[None, None]) -> Result:
    person = ProfileId(call.path_id("id", "profile"))
    await call.services.sign_ins.end_of_person(call.caller, person)
    return web.Response(status=204)


ROUTES: Routes = (page, end, end_of_person)
