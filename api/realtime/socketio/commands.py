"""The commands of a socket: the same services and requests as REST, no rule of their own.

A command's data is the REST body plus the path and query names, ``version`` and
``idempotency_key``; the data of its reply is the body of the REST response.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

from actors.domain.ids import AppointmentId, DentistId, ProfileId
from actors.domain.principal import Principal
from actors.domain.schedule import Schedule
from actors.ports.commits import Reply
from actors.services.caller import Caller
from actors.services.requests import (
    AppointmentChange,
    BookingRequest,
    Cancellation,
    HoldRequest,
    ProfileChange,
    SlotRange,
)
from actors.services.services import Services
from api.realtime.socketio.inputs import SLOTS, CommandHeader, HeaderSchema, load_command
from api.schemas import render
from api.schemas.bodies import BOOK, CHANGE_APPOINTMENT, CHANGE_PROFILE, HOLD
from api.schemas.pages import availability_json
from api.schemas.queries import AVAILABILITY_SLOTS, CANCEL, NOTHING, SlotPageQuery
from api.schemas.schedule import SCHEDULE
from api.schemas.strict import RequestSchema
from api.slot_page import slot_page_json

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CommandCall(Generic[T]):
    """A command whose every part was checked; the argument of handlers."""

    services: Services
    caller: Caller
    header: CommandHeader
    body: T

    @property
    def appointment_id(self) -> AppointmentId:
        return AppointmentId(self.header.id)

    @property
    def dentist_id(self) -> DentistId:
        return DentistId(ProfileId(self.header.dentist_id))


class SocketCommand(Generic[T]):
    """One command: the fields it takes beside its body, and its handler."""

    def __init__(
        self,
        handler: Callable[[CommandCall[T]], Awaitable[bytes]],
        body: RequestSchema[T],
        *header: str,
    ) -> None:
        self._handler, self._body, self._header = handler, body, HeaderSchema(only=header)

    def __call__(
        self, services: Services, principal: Principal, request_id: str, data: Mapping[str, object]
    ) -> Awaitable[bytes]:
        """The response as JSON, or the service's refusal; raises ValidationFailed at once."""
        header, body = load_command(data, self._header, self._body)
        caller = Caller(
            principal=principal, request_id=request_id, idempotency_key=header.idempotency_key
        )
        return self._handler(CommandCall(services, caller, header, body))


async def _list_slots(call: CommandCall[SlotPageQuery]) -> bytes:
    return await slot_page_json(call.services.availability, call.caller, call.body)


async def _hold(call: CommandCall[HoldRequest]) -> bytes:
    return _body(await call.services.bookings.hold(call.caller, call.body))


async def _release(call: CommandCall[None]) -> bytes:
    return _body(await call.services.bookings.release(call.caller, call.appointment_id))


async def _book(call: CommandCall[BookingRequest]) -> bytes:
    return _body(await call.services.bookings.book(call.caller, call.body))


async def _change(call: CommandCall[AppointmentChange]) -> bytes:
    version = call.header.expected_version
    reply = await call.services.bookings.change(
        call.caller, call.appointment_id, call.body, expected_version=version
    )
    return _body(reply)


async def _cancel(call: CommandCall[Cancellation]) -> bytes:
    version = call.header.expected_version
    reply = await call.services.bookings.cancel(
        call.caller, call.appointment_id, call.body, expected_version=version
    )
    return _body(reply)


async def _get_availability(call: CommandCall[SlotRange | None]) -> bytes:
    availability, query = call.services.availability, call.body
    view = await availability.schedule(call.dentist_id)
    page = await availability.slots(call.caller, call.dentist_id, query) if query else None
    return availability_json(view, page)


async def _replace_availability(call: CommandCall[Schedule]) -> bytes:
    reply = await call.services.availability.replace(
        call.caller,
        call.dentist_id,
        call.body,
        expected_version=call.header.expected_version,
        dry_run=call.header.dry_run,
    )
    return _body(reply)


async def _get_profile(call: CommandCall[None]) -> bytes:
    return render(await call.services.people.me(call.caller), {})


async def _change_profile(call: CommandCall[ProfileChange]) -> bytes:
    version = call.header.expected_version
    return _body(
        await call.services.people.update_me(call.caller, call.body, expected_version=version)
    )


def _body(reply: Reply) -> bytes:
    """``null`` when the resource is gone: released, cancelled."""
    return reply.body or b"null"


_KEY: Final = "idempotency_key"
_VERSION: Final = "expected_version"

COMMANDS: Final[Mapping[str, SocketCommand[Any]]] = MappingProxyType(
    {
        "slots:list": SocketCommand(_list_slots, SLOTS),
        "reservation:create": SocketCommand(_hold, HOLD, _KEY),
        "reservation:release": SocketCommand(_release, NOTHING, _KEY, "id"),
        "appointment:book": SocketCommand(_book, BOOK, _KEY),
        "appointment:update": SocketCommand(_change, CHANGE_APPOINTMENT, _KEY, _VERSION, "id"),
        "appointment:cancel": SocketCommand(_cancel, CANCEL, _KEY, _VERSION, "id"),
        "availability:get": SocketCommand(_get_availability, AVAILABILITY_SLOTS, "dentist_id"),
        "availability:update": SocketCommand(
            _replace_availability, SCHEDULE, _KEY, _VERSION, "dentist_id", "dry_run"
        ),
        "profile:get": SocketCommand(_get_profile, NOTHING),
        "profile:update": SocketCommand(_change_profile, CHANGE_PROFILE, _KEY, _VERSION),
    }
)
