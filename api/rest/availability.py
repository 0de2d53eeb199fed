"""``/api/availability`` and ``/api/slots``: schedules and what is free (2.1–2.5, 4.5)."""

from aiohttp import web

from actors.domain.ids import DentistId, ProfileId
from actors.domain.refusals import IdempotencyMismatch
from actors.domain.schedule import Schedule
from actors.services.requests import SlotRange
from api.rest.headers import version_tag
from api.rest.responses import reply_response, tagged_response
from api.rest.route import AnyCall, Call, Route, Routes
from api.schemas.pages import availability_json
from api.schemas.queries import (
    AVAILABILITY_SLOTS,
    REPLACE_OPTIONS,
    SLOTS,
    ReplaceOptions,
    SlotPageQuery,
)
from api.schemas.schedule import SCHEDULE
from api.slot_page import slot_page_json

_PATH = "/api/availability/{dentistId}"


@Route(
    "GET",
    _PATH,
    "A dentist's schedule; with from, to and appointment_type_id also the free slots",
    other_statuses=(304,),
    response="Availability",
    query=AVAILABILITY_SLOTS,
)
async def show(call: Call[SlotRange | None, None]) -> web.Response:
    """The schedule alone is tagged with its version, which ``PUT`` takes as ``If-Match``."""
    dentist_id = _dentist(call)
    availability = call.services.availability
    view = await availability.schedule(dentist_id)
    if call.query is None:
        tag = version_tag(view.schedule.version)
        return tagged_response(call.request, availability_json(view), tag)
    free = await availability.slots(call.caller, dentist_id, call.query)
    return tagged_response(call.request, availability_json(view, free))


@Route(
    "PUT",
    _PATH,
    "Replace the whole schedule; nothing booked is cancelled",
    response="Availability",
    query=REPLACE_OPTIONS,
    body=SCHEDULE,
    takes_version=True,
    refusals=(IdempotencyMismatch,),
    example={
        "time_zone": "Europe/Vienna",
        "slot_step_minutes": 15,
        "min_notice_minutes": 60,
        "horizon_days": 180,
        "rules": [{"weekday": "monday", "start": "09:00", "end": "17:00"}],
        "overrides": [{"date": "2027-03-08", "windows": []}],
    },
)
async def replace(call: Call[ReplaceOptions, Schedule]) -> web.Response:
    reply = await call.services.availability.replace(
        call.caller,
        _dentist(call),
        call.body,
        expected_version=call.expected_version,
        dry_run=call.query.dry_run,
    )
    return reply_response(reply)


@Route(
    "GET",
    "/api/slots",
    "The first free slots over some or all dentists",
    other_statuses=(304,),
    response="SlotPage",
    query=SLOTS,
)
async def find(call: Call[SlotPageQuery, None]) -> web.Response:
    body = await slot_page_json(call.services.availability, call.caller, call.query)
    return tagged_response(call.request, body)


def _dentist(call: AnyCall) -> DentistId:
    return DentistId(ProfileId(call.path_id("dentistId", "dentist")))


ROUTES: Routes = (show, replace, find)
