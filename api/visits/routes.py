"""``/visit``: a patient confirms, moves or cancels one visit with the link of a message.

The token is in the body only. Each request is a POST of the hub's own page, also those that read:
opening a link changes nothing, and nothing of it is in an address or a log.
"""

from collections.abc import Iterator
from typing import TypeVar

from aiohttp import web

from actors.services.linked_visits import LinkCaller, LinkedVisit
from api.http.forwarded import counted_as
from api.middleware import REQUEST_ID
from api.own_pages import check_own_page
from api.rest.parser import load_body
from api.rest.responses import json_response
from api.schemas.strict import RequestSchema
from api.schemas.visit_links import (
    VISIT_CANCELLATION,
    VISIT_MOVE,
    VISIT_OPENING,
    VISIT_TIMES,
    VISIT_VERSION,
    VisitOpening,
    times_json,
    visit_json,
)
from api.visits.deps import VISITS, VisitDeps

Sent = TypeVar("Sent", bound=VisitOpening)


def visit_routes() -> Iterator[web.RouteDef]:
    yield web.post("/visit/open", show)
    yield web.post("/visit/times", times)
    yield web.post("/visit/calendar", calendar)
    yield web.post("/visit/confirm", confirm)
    yield web.post("/visit/move", move)
    yield web.post("/visit/cancel", cancel)


async def show(request: web.Request) -> web.Response:
    """The visit, with masked contact data."""
    deps, caller, _ = await _admitted(request, VISIT_OPENING)
    return _shown(deps, await deps.visits.show(caller))


async def times(request: web.Request) -> web.Response:
    """Free times of the same dentist and type."""
    deps, caller, sent = await _admitted(request, VISIT_TIMES)
    return json_response(times_json(await deps.visits.times(caller, sent.after)))


async def calendar(request: web.Request) -> web.Response:
    """The visit as a file for calendars."""
    deps, caller, _ = await _admitted(request, VISIT_OPENING)
    body = await deps.visits.calendar(caller)
    return web.Response(body=body, content_type="text/calendar", charset="utf-8")


async def confirm(request: web.Request) -> web.Response:
    """Note that the patient will come."""
    deps, caller, sent = await _admitted(request, VISIT_VERSION, is_change=True)
    return _shown(deps, await deps.visits.confirm(caller, sent.version))


async def move(request: web.Request) -> web.Response:
    """Move the visit to another free time."""
    deps, caller, sent = await _admitted(request, VISIT_MOVE, is_change=True)
    return _shown(deps, await deps.visits.move(caller, sent.start, sent.version))


async def cancel(request: web.Request) -> web.Response:
    """Cancel the visit, with a reason."""
    deps, caller, sent = await _admitted(request, VISIT_CANCELLATION, is_change=True)
    return _shown(deps, await deps.visits.cancel(caller, sent.reason, sent.version))


async def _admitted(
    request: web.Request, schema: RequestSchema[Sent], *, is_change: bool = False
) -> tuple[VisitDeps, LinkCaller, Sent]:
    """Who sends the request, and what. Raises Forbidden, RateLimited, InvalidToken."""
    deps = request.app[VISITS]
    check_own_page(request, deps.public_url, "Only pages of this hub may open a link")
    deps.addresses.take(counted_as(request.remote or ""))
    sent = await load_body(request, schema)
    caller = await deps.visits.caller(sent.token, request_id=request[REQUEST_ID])
    deps.reads.take(caller.visit_id)
    if is_change:
        deps.changes.take(caller.visit_id)
    return deps, caller, sent


def _shown(deps: VisitDeps, visit: LinkedVisit) -> web.Response:
    return json_response(visit_json(visit, includes_type=deps.includes_type))
