"""Appointment types: read by all users, changed by admins."""

from collections.abc import Awaitable, Callable, Sequence

from actors.domain.appointment import AppointmentType
from actors.domain.events import AppointmentTypeSaved
from actors.domain.ids import AppointmentTypeId
from actors.domain.principal import Role
from actors.domain.refusals import Forbidden, NotFound
from actors.ports.commits import Reply
from actors.ports.events import EventRecord
from actors.services import requests
from actors.services.cache import Cache
from actors.services.caller import Caller
from actors.services.records import Records, edited, retried

_ALL = "all"
Types = tuple[AppointmentType, ...]


class Catalog:
    """Lists, creates and changes appointment types."""

    def __init__(
        self, load_types: Callable[[], Awaitable[Sequence[AppointmentType]]], records: Records
    ) -> None:
        async def load(_: str) -> Types:
            return tuple(sorted(await load_types(), key=lambda kind: (kind.name, kind.id)))

        self._load = load
        self._records = records
        self.cache: Cache[str, Types] = Cache(load, limit=1)

    async def types(self) -> Types:
        """Every appointment type, by name."""
        return await self.cache.get(_ALL) or ()

    async def kind(self, type_id: AppointmentTypeId) -> AppointmentType:
        """One type, or :class:`NotFound`."""
        return _find(await self.types(), type_id)

    async def create(self, caller: Caller, new: requests.NewAppointmentType) -> Reply:
        _admins_only(caller)
        kind = AppointmentType(
            id=AppointmentTypeId(self._records.new_id()),
            name=new.name,
            duration_minutes=new.duration_minutes,
            buffer_before_minutes=new.buffer_before_minutes,
            buffer_after_minutes=new.buffer_after_minutes,
        )
        reply = await self._records.save(
            caller,
            self._records.key(caller, "appointment_type:create", requests.all_fields(new)),
            AppointmentTypeSaved(before=None, after=kind),
            kind,
        )
        self.cache.clear()
        return reply

    async def change(
        self,
        caller: Caller,
        type_id: AppointmentTypeId,
        change: requests.AppointmentTypeChange,
        *,
        expected_version: int | None = None,
    ) -> Reply:
        """Change what was sent; booked appointments keep the length they have."""
        _admins_only(caller)
        request = {**requests.sent_fields(change), "id": type_id, "version": expected_version}
        key = self._records.key(caller, "appointment_type:update", request)

        async def save() -> Reply:
            before = _find(await self._load(_ALL), type_id)
            after = edited(before, requests.sent_fields(change), expected_version)
            event = AppointmentTypeSaved(before=before, after=after)
            return await self._records.save(caller, key, event, after)

        reply = await retried(expected_version, save)
        self.cache.clear()
        return reply

    def forget(self, records: Sequence[EventRecord]) -> None:
        """Drop cached types when the relay publishes that they changed."""
        if any(record.type == "appointment_types.updated" for record in records):
            self.cache.clear()


def _find(types: Sequence[AppointmentType], type_id: AppointmentTypeId) -> AppointmentType:
    for kind in types:
        if kind.id == type_id:
            return kind
    raise NotFound("appointment type")


def _admins_only(caller: Caller) -> None:
    if caller.principal.role is not Role.ADMIN:
        raise Forbidden
