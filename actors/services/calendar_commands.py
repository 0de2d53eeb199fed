"""Sends commands to calendars: to a dentist's, or to the one that has an appointment."""

from collections.abc import Mapping
from typing import Final

from cachetools import LRUCache

from actors.calendar.registry import Calendars
from actors.domain.appointment import Appointment
from actors.domain.commands import Command
from actors.domain.ids import AppointmentId, DentistId
from actors.domain.outcome import Outcome
from actors.domain.principal import Role
from actors.domain.refusals import CalendarBusy, NotFound, Refusal, Unavailable
from actors.ports.appointments import Appointments
from actors.ports.clock import NewId
from actors.ports.commits import Reply
from actors.ports.rendering import Names
from actors.services.caller import Caller, idempotency_key
from actors.services.stored_bytes import StoredBytes

_KNOWN_DENTISTS_MAX: Final = 50_000
_TRIES: Final = 5
"""How often an appointment that others move meanwhile is followed."""


class CalendarCommands:
    """Gives each command its idempotency key, and remembers which calendar has a row."""

    def __init__(
        self, registry: Calendars, appointments: Appointments, new_id: NewId, stored: StoredBytes
    ) -> None:
        self._registry, self._appointments = registry, appointments
        self._new_id, self._stored = new_id, stored
        self._dentist_of: LRUCache[AppointmentId, DentistId] = LRUCache(_KNOWN_DENTISTS_MAX)

    async def send(
        self,
        caller: Caller,
        dentist_id: DentistId,
        command: Command,
        operation: str,
        request: Mapping[str, object],
    ) -> Reply:
        """Send a command to the calendar of a dentist."""
        key = idempotency_key(caller, operation, request, self._new_id)
        self._stored.check(caller.principal)
        reply = await self._registry.execute(
            dentist_id, command, key=key, request_id=caller.request_id
        )
        self._stored.add(caller.principal, reply)
        if reply.outcome is Outcome.CREATED:
            self.remember(AppointmentId(reply.resource_id), dentist_id)
        return reply

    async def send_to_row(
        self,
        caller: Caller,
        appointment_id: AppointmentId,
        what: str,
        command: Command,
        operation: str,
        request: Mapping[str, object],
    ) -> Reply:
        """Send a command to the calendar that has the row; raises NotFound.

        A row may move to another calendar meanwhile. The one that it left changes nothing any
        more, but may refuse the command for what it has in memory: such a refusal does not
        count. Whether the caller may see the row, the calendar checks at each command.
        """
        if caller.principal.role is Role.DENTIST and caller.principal.person:
            own = DentistId(caller.principal.person)
            return await self.send(caller, own, command, operation, request)
        dentist_id = self._dentist_of.get(appointment_id)
        if dentist_id is None:
            dentist_id = await self._find(caller, appointment_id, what)
        for _ in range(_TRIES):
            try:
                return await self.send(caller, dentist_id, command, operation, request)
            except (CalendarBusy, Unavailable):
                raise
            except Refusal:
                former, dentist_id = dentist_id, await self._find(caller, appointment_id, what)
                if dentist_id == former:
                    raise
        raise Unavailable

    def remember(self, appointment_id: AppointmentId, dentist_id: DentistId) -> None:
        self._dentist_of[appointment_id] = dentist_id

    async def row(
        self, caller: Caller, appointment_id: AppointmentId, what: str
    ) -> tuple[Appointment, Names]:
        """The row as the caller sees it in the database; raises NotFound."""
        found = await self._appointments.get(caller.principal, appointment_id)
        if found is None:
            raise NotFound(what)
        return found

    async def _find(self, caller: Caller, appointment_id: AppointmentId, what: str) -> DentistId:
        row, _ = await self.row(caller, appointment_id, what)
        self.remember(appointment_id, row.dentist_id)
        return row.dentist_id
