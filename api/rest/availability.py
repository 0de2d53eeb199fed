"""``/api/availability`` and ``/api/slots``: schedules and what is free (2.1–2.5, 4.5)."""

import dataclasses

from actors.domain.ids import AppointmentId, DentistId, ProfileId
from actors.domain.refusals import IdempotencyMismatch
from actors.domain.schedule import Schedule
from actors.services.requests import SlotRange
from api.cursors import after_start, next_cursor
from api.rest.responses import Resource, list_page
from api.rest.route import AnyCall, Call, Result, Route, Routes
from api.schemas.pages import availability_json, schedule_json, slots_json
from api.schemas.queries import (
    AVAILABILITY_SLOTS,
    PAGE,
    REPLACE_OPTIONS,
    SLOTS,
    PageQuery,
    ReplaceOptions,
    SlotPageQuery,
)
from api.schemas.resources import appointment_data
from api.schemas.schedule import SCHEDULE

_PATH = "/api/availability/{dentistId}"
_AFFECTED = f"{_PATH}/affected"
_SLOTS = "/api/slots"


@Route(
    "GET",
    _PATH,
    "A dentist's schedule; with from, to and appointment_type_id also the free slots",
    other_statuses=(304,),
    cacheable=True,
    response="Availability",
    query=AVAILABILITY_SLOTS,
)
async def show(call: Call[SlotRange | None, None]) -> Result:
    """The schedule alone is tagged with its version, which ``PUT`` takes as ``If-Match``."""
    dentist_id = _dentist(call)
    availability = call.services.availability
    view = await availability.schedule(dentist_id)
    if call.query is None:
        return Resource(schedule_json(view), view.schedule.version)
    free = await availability.slots(call.caller, dentist_id, call.query)
    return Resource(await availability_json(view, free, call.services.turns.begin()))


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
async def replace(call: Call[ReplaceOptions, Schedule]) -> Result:
    return await call.services.availability.replace(
        call.caller,
        _dentist(call),
        call.body,
        expected_version=call.expected_version,
        dry_run=call.query.dry_run,
    )


@Route(
    "GET",
    _AFFECTED,
    "The visits to come outside of open time, by start, for the dentist and the practice",
    description=(
        "Those that lie outside of the hours as they are now, in time off, or on a day on which"
        " the practice is closed, and all of a dentist who is not active: until they are moved"
        " or cancelled."
    ),
    response="AppointmentPage",
    query=PAGE,
)
async def affected(call: Call[PageQuery, None]) -> Result:
    dentist_id = _dentist(call)
    path = f"{_AFFECTED}#{dentist_id}"
    last = after_start(path, call.query)
    found = await call.services.availability.affected(
        call.caller,
        dentist_id,
        limit=call.query.limit,
        after=(last[0], AppointmentId(last[1])) if last else None,
    )
    return list_page(
        path,
        call.query,
        [appointment_data(row, found.names) for row in found.rows],
        last=found.next_after,
        total=found.total,
        positions=found.positions,
    )


@Route(
    "GET",
    _SLOTS,
    "The first free slots over some or all dentists",
    other_statuses=(304,),
    cacheable=True,
    response="SlotPage",
    query=SLOTS,
)
async def find(call: Call[SlotPageQuery, None]) -> Result:
    query = call.query
    if last := after_start(_SLOTS, query):
        query = dataclasses.replace(query, after=(last[0], DentistId(ProfileId(last[1]))))
    page = await call.services.availability.find(call.caller, query)
    cursor = next_cursor(_SLOTS, query, page.next_after)
    return Resource(slots_json(page, limit=query.limit, next_cursor=cursor))


def _dentist(call: AnyCall) -> DentistId:
    return DentistId(ProfileId(call.path_id("dentistId", "dentist")))


ROUTES: Routes = (show, replace, affected, find)
