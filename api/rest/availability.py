"""``/api/availability`` and ``/api/slots``: schedules and what is free (2.1–2.5, 4.5)."""

from datetime import datetime

from aiohttp import web

from actors.domain.ids import DentistId, ProfileId
from actors.domain.refusals import Forbidden, IdempotencyMismatch, NotFound, VersionConflict
from api.cursors import after_start, next_cursor
from api.rest.headers import version_tag
from api.rest.responses import reply_answer, tagged_answer
from api.rest.route import Call, Route
from api.schemas.pages import availability_json, slots_json
from api.schemas.queries import AVAILABILITY_QUERY, REPLACE_SCHEDULE, SLOTS
from api.schemas.schedule import SCHEDULE

_TAG = "Availability"
_PATH = "/api/availability/{dentistId}"


async def show(call: Call) -> web.Response:
    """The schedule alone is tagged with its version, which ``PUT`` takes as ``If-Match``."""
    dentist_id = _dentist(call)
    availability = call.services.availability
    view = await availability.schedule(call.caller, dentist_id)
    if not call.query:
        tag = version_tag(view.schedule.version)
        return tagged_answer(call.request, availability_json(view), tag)
    free = await availability.slots(call.caller, dentist_id, **call.query)
    return tagged_answer(call.request, availability_json(view, free))


async def replace(call: Call) -> web.Response:
    reply = await call.services.availability.replace(
        call.caller,
        _dentist(call),
        call.body["schedule"],
        expected_version=call.expected_version,
        dry_run=call.query["dry_run"],
    )
    return reply_answer(reply)


async def find(call: Call) -> web.Response:
    query = dict(call.query)
    del query["cursor"]
    found = await call.services.availability.find(call.caller, after=_after(call), **query)
    cursor = next_cursor(call.request.path, call.query, found.next_after)
    body = slots_json(found, limit=query["limit"], next_cursor=cursor)
    return tagged_answer(call.request, body)


def _dentist(call: Call) -> DentistId:
    return DentistId(ProfileId(call.path_id("dentistId", "dentist")))


def _after(call: Call) -> tuple[datetime, DentistId] | None:
    last = after_start(call.request.path, call.query)
    return None if last is None else (last[0], DentistId(ProfileId(last[1])))


ROUTES = (
    Route(
        method="GET",
        path=_PATH,
        answer=show,
        tag=_TAG,
        summary="A dentist's schedule; with from, to and appointment_type_id also the free slots",
        also=(304,),
        shows="Availability",
        query=AVAILABILITY_QUERY,
        refusals=(NotFound,),
    ),
    Route(
        method="PUT",
        path=_PATH,
        answer=replace,
        tag=_TAG,
        summary="Replace the whole schedule; nothing booked is cancelled",
        shows="Availability",
        query=REPLACE_SCHEDULE,
        body=SCHEDULE,
        takes_version=True,
        refusals=(Forbidden, NotFound, VersionConflict, IdempotencyMismatch),
        example={
            "time_zone": "Europe/Vienna",
            "slot_step_minutes": 15,
            "min_notice_minutes": 60,
            "horizon_days": 180,
            "rules": [{"weekday": "monday", "start": "09:00", "end": "17:00"}],
            "overrides": [{"date": "2027-03-08", "windows": []}],
        },
    ),
    Route(
        method="GET",
        path="/api/slots",
        answer=find,
        tag=_TAG,
        summary="The first free slots over some or all dentists",
        also=(304,),
        shows="SlotPage",
        query=SLOTS,
        refusals=(NotFound,),
    ),
)
