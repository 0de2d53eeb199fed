"""The commands of a socket: the same services as REST, no rule of their own (DESIGN §8).

A command's data is the REST body plus the path and query names, ``version`` and
``idempotency_key``; its answer is what REST would show.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from actors.domain.announcements import ProfileBody
from actors.domain.ids import DentistId, ProfileId
from actors.domain.principal import Principal
from actors.ports.commits import Reply
from actors.services.caller import Caller
from actors.services.services import Services
from api.cursors import after_start, next_cursor
from api.realtime.socketio.inputs import DENTIST_PATH, ID_PATH, KEY, SLOTS, VERSION, load_parts
from api.schemas import render
from api.schemas.bodies import BOOK, CHANGE_APPOINTMENT, CHANGE_PROFILE, HOLD
from api.schemas.pages import availability_json, slots_json
from api.schemas.queries import (
    AVAILABILITY_QUERY,
    CANCEL,
    NOTHING,
    REPLACE_SCHEDULE,
)
from api.schemas.schedule import SCHEDULE
from api.schemas.strict import Strict

_SLOTS_LIST: Final = "/api/slots"
"""The same list on both wires: a cursor of one goes on in the other."""

NOTHING_LEFT: Final = b"null"
"""The answer when the resource is gone: released, cancelled."""


Run = Callable[[Services, Caller, dict[str, Any]], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Command:
    run: Run
    """Gets the loaded data under the names of the services' parameters."""
    schemas: tuple[Strict, ...]
    """What its data consists of; the last refuses what no other knows."""

    def __call__(
        self, services: Services, principal: Principal, request_id: str, data: Mapping[str, Any]
    ) -> Awaitable[bytes]:
        """The answer as JSON, or what the service refuses; raises ValidationFailed at once."""
        loaded = load_parts(data, *self.schemas)
        caller = Caller(
            principal=principal,
            request_id=request_id,
            idempotency_key=loaded.pop("idempotency_key", None),
        )
        return self.run(services, caller, loaded)


async def _list_slots(services: Services, caller: Caller, data: dict[str, Any]) -> bytes:
    last = after_start(_SLOTS_LIST, data)
    after = None if last is None else (last[0], DentistId(ProfileId(last[1])))
    query = {name: value for name, value in data.items() if name != "cursor"}
    page = await services.availability.find(caller, **query, after=after)
    cursor = next_cursor(_SLOTS_LIST, data, page.next_after)
    return slots_json(page, limit=data["limit"], next_cursor=cursor)


async def _hold(services: Services, caller: Caller, data: dict[str, Any]) -> bytes:
    return _shown(await services.bookings.hold(caller, **data))


async def _release(services: Services, caller: Caller, data: dict[str, Any]) -> bytes:
    return _shown(await services.bookings.release(caller, data["id"]))


async def _book(services: Services, caller: Caller, data: dict[str, Any]) -> bytes:
    book = (
        services.bookings.book_reservation
        if "reservation_id" in data
        else services.bookings.book_slot
    )
    return _shown(await book(caller, **data))


async def _change(services: Services, caller: Caller, data: dict[str, Any]) -> bytes:
    return _shown(await services.bookings.change(caller, data.pop("id"), **data))


async def _cancel(services: Services, caller: Caller, data: dict[str, Any]) -> bytes:
    return _shown(await services.bookings.cancel(caller, data.pop("id"), **data))


async def _get_availability(services: Services, caller: Caller, data: dict[str, Any]) -> bytes:
    dentist_id = data.pop("dentist_id")
    view = await services.availability.schedule(caller, dentist_id)
    page = await services.availability.slots(caller, dentist_id, **data) if data else None
    return availability_json(view, page)


async def _replace_availability(services: Services, caller: Caller, data: dict[str, Any]) -> bytes:
    dentist_id, schedule = data.pop("dentist_id"), data.pop("schedule")
    return _shown(await services.availability.replace(caller, dentist_id, schedule, **data))


async def _get_profile(services: Services, caller: Caller, data: dict[str, Any]) -> bytes:
    return render(ProfileBody(profile=await services.people.me(caller)), {})


async def _change_profile(services: Services, caller: Caller, data: dict[str, Any]) -> bytes:
    return _shown(await services.people.update_me(caller, **data))


def _shown(reply: Reply) -> bytes:
    return reply.body or NOTHING_LEFT


COMMANDS: Final[Mapping[str, Command]] = MappingProxyType(
    {
        "slots:list": Command(_list_slots, (SLOTS,)),
        "reservation:create": Command(_hold, (KEY, HOLD)),
        "reservation:release": Command(_release, (KEY, ID_PATH)),
        "appointment:book": Command(_book, (KEY, BOOK)),
        "appointment:update": Command(_change, (KEY, VERSION, ID_PATH, CHANGE_APPOINTMENT)),
        "appointment:cancel": Command(_cancel, (KEY, VERSION, ID_PATH, CANCEL)),
        "availability:get": Command(_get_availability, (DENTIST_PATH, AVAILABILITY_QUERY)),
        "availability:update": Command(
            _replace_availability, (KEY, VERSION, DENTIST_PATH, REPLACE_SCHEDULE, SCHEDULE)
        ),
        "profile:get": Command(_get_profile, (NOTHING,)),
        "profile:update": Command(_change_profile, (KEY, VERSION, CHANGE_PROFILE)),
    }
)
