"""The hub as a client sees it, without a network: for the chat that the hub serves.

Commands take the data of Socket.IO, results are the JSON of REST, and the same services decide.
Free slots come from the snapshots that calendars publish at each commit, so they need no cache
that follows events (criterion 2.3). The chatbot acts for the patient; ``created_via`` and the
audit log record it.
"""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeVar, Unpack, cast

import orjson

from actors.domain.principal import Principal
from actors.domain.refusals import Refusal
from actors.ports.appointments import AppointmentQuery
from actors.ports.commits import OutcomeUnknown, StoreUnavailable
from actors.services.caller import Caller
from actors.services.services import Services
from api.errors import to_public
from api.rest.commands import COMMANDS
from api.schemas.appointment_types import APPOINTMENT_TYPE
from api.schemas.fields import parse_instant
from api.schemas.resources import PUBLIC_CARD, appointment_data
from chairside.client.commands import Operation, RestCommands, ResultT, new_key
from chairside.client.errors import HubError
from chairside.client.shapes import (
    AppointmentFilters,
    AppointmentList,
    AppointmentType,
    DentistCard,
)

ACTOR: Final = "chairside-chat"
"""Who acts for a patient whose own token names no chatbot."""
_DENTISTS_MAX: Final = 1_000

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class InProcessHub(RestCommands):
    """The commands of one patient; raises HubError like the client, never ConnectionLost."""

    services: Services
    principal: Principal
    request_id: str

    @classmethod
    def acting(cls, services: Services, principal: Principal, request_id: str) -> "InProcessHub":
        """For the principal, by the chatbot in their token or else by the hub's own."""
        acting = replace(principal, acting=principal.acting or ACTOR)
        return cls(services, acting, request_id)

    async def perform(
        self, operation: Operation[ResultT], data: Mapping[str, object], *, key: str | None = None
    ) -> ResultT:
        sent = {name: value for name, value in data.items() if value is not None}
        if operation.writes:
            sent["idempotency_key"] = key or new_key()
        command = COMMANDS[operation.event]
        result = command(self.services, self.principal, self.request_id, sent)
        return cast("ResultT", orjson.loads(await _hub_errors(result)))

    async def dentists(self) -> list[DentistCard]:
        page = await _hub_errors(
            self.services.people.dentists(self._caller, limit=_DENTISTS_MAX, after=None)
        )
        return [cast("DentistCard", PUBLIC_CARD.dump(profile)) for profile in page.profiles]

    async def appointment_types(self) -> list[AppointmentType]:
        kinds = await _hub_errors(self.services.catalog.shown(self.principal))
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
        found = await _hub_errors(self.services.bookings.page(self._caller, query))
        rows = [appointment_data(row, found.names) for row in found.rows]
        shown = orjson.loads(orjson.dumps(rows))
        return cast("AppointmentList", {"data": shown, "pagination": {}, "position": None})

    @property
    def _caller(self) -> Caller:
        return Caller(principal=self.principal, request_id=self.request_id)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else parse_instant(text)


async def _hub_errors(result: Awaitable[T]) -> T:
    """Raise the services' refusals as the client's errors."""
    try:
        return await result
    except (Refusal, StoreUnavailable, OutcomeUnknown) as refusal:
        problem = to_public(refusal)
        raise HubError(problem.code, problem.message, status=problem.status) from refusal
