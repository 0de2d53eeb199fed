"""What a client can ask a hub to do, whatever the wire."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import uuid4

from chairside.client import operations
from chairside.client.operations import Operation
from chairside.client.shapes import Appointment, Availability, Profile, Reservation, SlotPage

READ_ONLY = frozenset({"dentist_id", "version", "slots", "affected_appointments", "position"})
"""Fields of a shown schedule that are not part of a sent one."""


def new_key() -> str:
    """An idempotency key for one logical command, the same over all its attempts."""
    return str(uuid4())


class Commands(ABC):
    """Typed commands over :meth:`perform`.

    Each raises :class:`~chairside.client.errors.HubError` when the hub says no, and
    :class:`~chairside.client.errors.ConnectionLost` when no answer came within the retries:
    then repeat it with the same ``key`` to learn what became of it.
    """

    @abstractmethod
    async def perform(
        self, operation: Operation, data: Mapping[str, Any], *, key: str | None = None
    ) -> Any:
        """Carry out one operation; ``key`` (made when missing) makes repeating it safe."""

    async def find_slots(
        self,
        *,
        appointment_type_id: str,
        starts_from: str,
        starts_before: str,
        dentist_ids: Sequence[str] = (),
        limit: int | None = None,
        cursor: str | None = None,
    ) -> SlotPage:
        """Free slots over some dentists (all when none is named), the first ones first."""
        data = {
            "dentist_id": list(dentist_ids) or None,
            "appointment_type_id": appointment_type_id,
            "from": starts_from,
            "to": starts_before,
            "limit": limit,
            "cursor": cursor,
        }
        return cast("SlotPage", await self.perform(operations.SLOTS, _set_only(data)))

    async def hold(
        self, *, dentist_id: str, appointment_type_id: str, start: str, key: str | None = None
    ) -> Reservation:
        data = {
            "dentist_id": dentist_id,
            "appointment_type_id": appointment_type_id,
            "start": start,
        }
        return cast("Reservation", await self.perform(operations.HOLD, data, key=key))

    async def release(self, reservation_id: str, *, key: str | None = None) -> None:
        await self.perform(operations.RELEASE, {"id": reservation_id}, key=key)

    async def book_reservation(
        self, reservation_id: str, *, notes: str | None = None, key: str | None = None
    ) -> Appointment:
        data = _set_only({"reservation_id": reservation_id, "notes": notes})
        return cast("Appointment", await self.perform(operations.BOOK, data, key=key))

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
        data = {
            "dentist_id": dentist_id,
            "appointment_type_id": appointment_type_id,
            "start": start,
            "patient_id": patient_id,
            "notes": notes,
            "overbook": overbook,
        }
        return cast("Appointment", await self.perform(operations.BOOK, _set_only(data), key=key))

    async def change(
        self,
        appointment_id: str,
        *,
        version: int | None = None,
        key: str | None = None,
        **fields: Any,
    ) -> Appointment:
        """Reschedule (``start``), ``status``, ``notes``, …: only what is given changes."""
        data = {"id": appointment_id, **fields}
        if version is not None:
            data["version"] = version
        return cast("Appointment", await self.perform(operations.CHANGE, data, key=key))

    async def cancel(
        self,
        appointment_id: str,
        *,
        reason: str | None = None,
        version: int | None = None,
        key: str | None = None,
    ) -> None:
        data = _set_only({"id": appointment_id, "reason": reason, "version": version})
        await self.perform(operations.CANCEL, data, key=key)

    async def availability(
        self,
        dentist_id: str,
        *,
        appointment_type_id: str | None = None,
        starts_from: str | None = None,
        starts_before: str | None = None,
    ) -> Availability:
        """The schedule; with a type and a range of instants also its free ``slots``."""
        data = {
            "dentist_id": dentist_id,
            "appointment_type_id": appointment_type_id,
            "from": starts_from,
            "to": starts_before,
        }
        return cast("Availability", await self.perform(operations.AVAILABILITY, _set_only(data)))

    async def replace_availability(
        self,
        dentist_id: str,
        schedule: Mapping[str, Any],
        *,
        version: int | None = None,
        key: str | None = None,
    ) -> Availability:
        """Replace the schedule whole; a schedule as the hub shows it may be sent back."""
        sent = {name: value for name, value in schedule.items() if name not in READ_ONLY}
        data = {**sent, "dentist_id": dentist_id}
        if version is not None:
            data["version"] = version
        return cast(
            "Availability", await self.perform(operations.REPLACE_AVAILABILITY, data, key=key)
        )

    async def me(self) -> Profile:
        return cast("Profile", await self.perform(operations.ME, {}))

    async def update_me(
        self, *, version: int | None = None, key: str | None = None, **fields: Any
    ) -> Profile:
        data = dict(fields)
        if version is not None:
            data["version"] = version
        return cast("Profile", await self.perform(operations.UPDATE_ME, data, key=key))


def _set_only(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value is not None}
