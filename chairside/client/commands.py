"""Commands and queries that a client can send to a hub, over any protocol.

A Socket.IO command carries the fields of the REST body, path and query together, so one
:class:`Operation` describes both (``docs/protocol.md``).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar, Unpack
from uuid import uuid4

from chairside.client import shapes

ResultT = TypeVar("ResultT")

READ_ONLY = frozenset({"dentist_id", "version", "slots", "affected_appointments", "position"})
"""Fields that the hub adds to a schedule, and that an update must not contain."""


@dataclass(frozen=True)
class Operation(Generic[ResultT]):
    """One command or query; ``ResultT`` is the JSON of its answer."""

    event: str
    """Its name over Socket.IO."""
    method: str
    path: str
    """Contains names of fields in braces. Over REST the other fields go into the body of POST
    and PUT, and into the query string otherwise."""

    @property
    def writes(self) -> bool:
        return self.method != "GET"


SLOTS: Final = Operation[shapes.SlotList]("slots:list", "GET", "/api/slots")
HOLD: Final = Operation[shapes.Reservation]("reservation:create", "POST", "/api/reservations")
RELEASE: Final = Operation[None]("reservation:release", "DELETE", "/api/reservations/{id}")
BOOK: Final = Operation[shapes.Appointment]("appointment:book", "POST", "/api/appointments")
CHANGE: Final = Operation[shapes.Appointment]("appointment:update", "PUT", "/api/appointments/{id}")
CANCEL: Final = Operation[None]("appointment:cancel", "DELETE", "/api/appointments/{id}")
SCHEDULE: Final = Operation[shapes.DentistAvailability](
    "availability:get", "GET", "/api/availability/{dentist_id}"
)
REPLACE_SCHEDULE: Final = Operation[shapes.DentistAvailability](
    "availability:update", "PUT", "/api/availability/{dentist_id}"
)
ME: Final = Operation[shapes.Profile]("profile:get", "GET", "/api/profiles/me")
UPDATE_ME: Final = Operation[shapes.Profile]("profile:update", "PUT", "/api/profiles/me")


def new_key() -> str:
    """An idempotency key for one command, the same over all its attempts."""
    return str(uuid4())


class Commands(ABC):
    """Typed commands on top of :meth:`perform`.

    Each raises :class:`~chairside.client.errors.HubError` if the hub refuses, and
    :class:`~chairside.client.errors.ConnectionLost` if no answer arrived within all attempts.
    In that case send it again with the same ``key``: the hub then returns the outcome of the
    first attempt and executes nothing twice.
    """

    @abstractmethod
    async def perform(
        self, operation: Operation[ResultT], data: Mapping[str, object], *, key: str | None = None
    ) -> ResultT:
        """Execute one operation; without ``key`` a new idempotency key is generated."""

    async def find_slots(
        self,
        *,
        appointment_type_id: str,
        starts_from: str,
        starts_before: str,
        dentist_ids: Sequence[str] = (),
        time_from: str | None = None,
        time_to: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> shapes.SlotList:
        """Free slots of the given dentists (of all, if empty), the earliest first.

        ``time_from`` and ``time_to`` limit the start to a part of the dentist's day.
        """
        data = {
            "dentist_id": list(dentist_ids) or None,
            "appointment_type_id": appointment_type_id,
            "from": starts_from,
            "to": starts_before,
            "time_from": time_from,
            "time_to": time_to,
            "limit": limit,
            "cursor": cursor,
        }
        return await self.perform(SLOTS, without_none(data))

    async def hold(
        self, *, key: str | None = None, **slot: Unpack[shapes.SlotChoice]
    ) -> shapes.Reservation:
        """Hold a free slot until the ``expires_at`` of the answer."""
        return await self.perform(HOLD, slot, key=key)

    async def release(self, reservation_id: str, *, key: str | None = None) -> None:
        await self.perform(RELEASE, {"id": reservation_id}, key=key)

    async def book_reservation(
        self, reservation_id: str, *, notes: str | None = None, key: str | None = None
    ) -> shapes.Appointment:
        """Book a held slot."""
        data = without_none({"reservation_id": reservation_id, "notes": notes})
        return await self.perform(BOOK, data, key=key)

    async def book_slot(
        self, *, key: str | None = None, **booking: Unpack[shapes.Booking]
    ) -> shapes.Appointment:
        """Book a free slot without holding it first."""
        return await self.perform(BOOK, without_none(booking), key=key)

    async def change(
        self,
        appointment_id: str,
        *,
        version: int | None = None,
        key: str | None = None,
        **fields: object,
    ) -> shapes.Appointment:
        """Change the given fields: ``start`` (reschedule), ``status``, ``notes``, …"""
        data = {"id": appointment_id, **fields, **without_none({"version": version})}
        return await self.perform(CHANGE, data, key=key)

    async def cancel(
        self,
        appointment_id: str,
        *,
        reason: str | None = None,
        version: int | None = None,
        key: str | None = None,
    ) -> None:
        data = without_none({"id": appointment_id, "reason": reason, "version": version})
        await self.perform(CANCEL, data, key=key)

    async def availability(
        self,
        dentist_id: str,
        *,
        appointment_type_id: str | None = None,
        starts_from: str | None = None,
        starts_before: str | None = None,
    ) -> shapes.DentistAvailability:
        """The schedule; with a type and a range of instants also its free ``slots``."""
        data = {
            "dentist_id": dentist_id,
            "appointment_type_id": appointment_type_id,
            "from": starts_from,
            "to": starts_before,
        }
        return await self.perform(SCHEDULE, without_none(data))

    async def replace_availability(
        self,
        dentist_id: str,
        schedule: Mapping[str, object],
        *,
        version: int | None = None,
        key: str | None = None,
    ) -> shapes.DentistAvailability:
        """Replace the whole schedule; the answer of :meth:`availability` is accepted, too."""
        sent = {name: value for name, value in schedule.items() if name not in READ_ONLY}
        data = {**sent, "dentist_id": dentist_id, **without_none({"version": version})}
        return await self.perform(REPLACE_SCHEDULE, data, key=key)

    async def me(self) -> shapes.Profile:
        return await self.perform(ME, {})

    async def update_me(
        self, *, version: int | None = None, key: str | None = None, **fields: object
    ) -> shapes.Profile:
        """Change the given fields of the caller's own profile."""
        data = {**fields, **without_none({"version": version})}
        return await self.perform(UPDATE_ME, data, key=key)


class RestCommands(Commands):
    """Commands, and the lists that Socket.IO does not offer."""

    @abstractmethod
    async def dentists(self) -> list[shapes.DentistCard]:
        """The whole public directory."""

    @abstractmethod
    async def appointment_types(self) -> list[shapes.AppointmentType]:
        """All of them, by name."""

    @abstractmethod
    async def appointments(
        self, **filters: Unpack[shapes.AppointmentFilters]
    ) -> shapes.AppointmentList:
        """One page of the appointments that the caller may see."""


def without_none(data: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in data.items() if value is not None}
