"""Commands and queries that a client can send to a hub, over any protocol."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Unpack
from uuid import uuid4

from chairside.client import operations
from chairside.client.operations import Operation, ResultT
from chairside.client.shapes import (
    Appointment,
    AppointmentFilters,
    AppointmentList,
    AppointmentType,
    DentistAvailability,
    DentistCard,
    Profile,
    Reservation,
    SlotList,
)

READ_ONLY = frozenset({"dentist_id", "version", "slots", "affected_appointments", "position"})
"""Fields that the hub adds to a schedule, and that an update must not contain."""


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
    ) -> SlotList:
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
        return await self.perform(operations.SLOTS, _without_none(data))

    async def hold(
        self, *, dentist_id: str, appointment_type_id: str, start: str, key: str | None = None
    ) -> Reservation:
        """Hold a free slot until the ``expires_at`` of the answer."""
        data = {
            "dentist_id": dentist_id,
            "appointment_type_id": appointment_type_id,
            "start": start,
        }
        return await self.perform(operations.HOLD, data, key=key)

    async def release(self, reservation_id: str, *, key: str | None = None) -> None:
        await self.perform(operations.RELEASE, {"id": reservation_id}, key=key)

    async def book_reservation(
        self, reservation_id: str, *, notes: str | None = None, key: str | None = None
    ) -> Appointment:
        """Book a held slot."""
        data = _without_none({"reservation_id": reservation_id, "notes": notes})
        return await self.perform(operations.BOOK, data, key=key)

    async def book_slot(
        self,
        *,
        dentist_id: str,
        appointment_type_id: str,
        start: str,
        patient_id: str | None = None,
        notes: str | None = None,
        overbook: bool | None = None,
        key: str | None = None,
    ) -> Appointment:
        """Book a free slot without holding it first."""
        data = {
            "dentist_id": dentist_id,
            "appointment_type_id": appointment_type_id,
            "start": start,
            "patient_id": patient_id,
            "notes": notes,
            "overbook": overbook,
        }
        return await self.perform(operations.BOOK, _without_none(data), key=key)

    async def change(
        self,
        appointment_id: str,
        *,
        version: int | None = None,
        key: str | None = None,
        **fields: object,
    ) -> Appointment:
        """Change the given fields: ``start`` (reschedule), ``status``, ``notes``, …"""
        data = {"id": appointment_id, **fields, **_without_none({"version": version})}
        return await self.perform(operations.CHANGE, data, key=key)

    async def cancel(
        self,
        appointment_id: str,
        *,
        reason: str | None = None,
        version: int | None = None,
        key: str | None = None,
    ) -> None:
        data = _without_none({"id": appointment_id, "reason": reason, "version": version})
        await self.perform(operations.CANCEL, data, key=key)

    async def availability(
        self,
        dentist_id: str,
        *,
        appointment_type_id: str | None = None,
        starts_from: str | None = None,
        starts_before: str | None = None,
    ) -> DentistAvailability:
        """The schedule; with a type and a range of instants also its free ``slots``."""
        data = {
            "dentist_id": dentist_id,
            "appointment_type_id": appointment_type_id,
            "from": starts_from,
            "to": starts_before,
        }
        return await self.perform(operations.AVAILABILITY, _without_none(data))

    async def replace_availability(
        self,
        dentist_id: str,
        schedule: Mapping[str, object],
        *,
        version: int | None = None,
        key: str | None = None,
    ) -> DentistAvailability:
        """Replace the whole schedule; the answer of :meth:`availability` is accepted, too."""
        sent = {name: value for name, value in schedule.items() if name not in READ_ONLY}
        data = {**sent, "dentist_id": dentist_id, **_without_none({"version": version})}
        return await self.perform(operations.REPLACE_AVAILABILITY, data, key=key)

    async def me(self) -> Profile:
        return await self.perform(operations.ME, {})

    async def update_me(
        self, *, version: int | None = None, key: str | None = None, **fields: object
    ) -> Profile:
        """Change the given fields of the caller's own profile."""
        data = {**fields, **_without_none({"version": version})}
        return await self.perform(operations.UPDATE_ME, data, key=key)


class RestCommands(Commands):
    """Commands, and the lists that Socket.IO does not offer."""

    @abstractmethod
    async def dentists(self) -> list[DentistCard]:
        """The whole public directory."""

    @abstractmethod
    async def appointment_types(self) -> list[AppointmentType]:
        """All of them, by name."""

    @abstractmethod
    async def appointments(self, **filters: Unpack[AppointmentFilters]) -> AppointmentList:
        """One page of the appointments that the caller may see."""


def _without_none(data: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in data.items() if value is not None}
