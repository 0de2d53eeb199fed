"""The hub as the chatbot's client sees it, without a network: for the chat that it serves.

The same commands with the same data as Socket.IO's, the same JSON as REST's, and the same
services decide; only the wire is left out. Whatever is done is done by the chatbot for the
patient: ``created_via`` says so.
"""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar, Unpack, cast

import orjson

from actors.domain.principal import Principal
from actors.domain.refusals import Refusal
from actors.ports.appointments import AppointmentQuery
from actors.ports.commits import OutcomeUnknown, StoreUnavailable
from actors.services.caller import Caller
from actors.services.services import Services
from api.errors import to_public
from api.realtime.socketio.commands import COMMANDS
from api.schemas.fields import parse_instant
from api.schemas.resources import APPOINTMENT_TYPE, PUBLIC_CARD, appointment_data
from chairside.client.commands import Commands, new_key
from chairside.client.errors import HubError
from chairside.client.operations import Operation, ResultT
from chairside.client.shapes import (
    AppointmentFilters,
    AppointmentList,
    AppointmentType,
    DentistCard,
)

ACTOR: Final = "chairside-chat"
"""Who acts for a patient that uses the hub's own chat with a token of their own."""
_DENTISTS_MAX: Final = 1_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class InHub(Commands):
    """One patient's view. Raises :class:`HubError` like the client, never a connection's end."""

    services: Services
    principal: Principal
    request_id: str

    @classmethod
    def acting(cls, services: Services, principal: Principal, request_id: str) -> "InHub":
        """For the principal, by the chatbot they use or, if none says so, by the hub's own."""
        acting = replace(principal, acting=principal.acting or ACTOR)
        return cls(services, acting, request_id)

    async def perform(
        self, operation: Operation[ResultT], data: Mapping[str, object], *, key: str | None = None
    ) -> ResultT:
        sent = {name: value for name, value in data.items() if value is not None}
        if operation.writes:
            sent["idempotency_key"] = key or new_key()
        command = COMMANDS[operation.event]
        answer = command(self.services, self.principal, self.request_id, sent)
        return cast("ResultT", orjson.loads(await _answered(answer)))

    async def dentists(self) -> list[DentistCard]:
        page = await _answered(
            self.services.people.dentists(self._caller, limit=_DENTISTS_MAX, after=None)
        )
        return [cast("DentistCard", PUBLIC_CARD.dump(profile)) for profile in page.profiles]

    async def appointment_types(self) -> list[AppointmentType]:
        kinds = await _answered(self.services.catalog.types())
        return [cast("AppointmentType", APPOINTMENT_TYPE.dump(kind)) for kind in kinds]

    async def appointments(self, **filters: Unpack[AppointmentFilters]) -> AppointmentList:
        query = AppointmentQuery(
            statuses=frozenset(),
            starts_from=_instant(filters.get("from_")),
            starts_before=_instant(filters.get("to")),
            descending=filters.get("sort") == "-start",
            limit=filters["limit"],
            after=None,
        )
        found = await _answered(self.services.bookings.page(self._caller, query))
        rows = [appointment_data(row, found.names) for row in found.rows]
        shown = orjson.loads(orjson.dumps(rows))
        return cast("AppointmentList", {"data": shown, "pagination": {}, "position": None})

    @property
    def _caller(self) -> Caller:
        return Caller(principal=self.principal, request_id=self.request_id)


def _instant(text: str | None) -> Any:
    return None if text is None else parse_instant(text)


async def _answered(answer: Awaitable[T]) -> T:
    """The services' refusals as the client knows them."""
    try:
        return await answer
    except (Refusal, StoreUnavailable, OutcomeUnknown) as refusal:
        problem = to_public(refusal)
        raise HubError(problem.code, problem.message, status=problem.status) from refusal
