"""Appointment types: read by everybody, changed by admins."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from actors.domain.announcements import AppointmentTypeBody
from actors.domain.appointment import AppointmentType
from actors.domain.commands import UNSET, Unset
from actors.domain.events import AppointmentTypeSaved
from actors.domain.ids import AppointmentTypeId
from actors.domain.principal import Role
from actors.domain.refusals import Forbidden, NotFound, VersionConflict
from actors.ports.commits import Reply
from actors.ports.events import EventRecord
from actors.services.cache import Cache
from actors.services.caller import Caller
from actors.services.records import Records, retried

_ALL = "all"
Types = tuple[AppointmentType, ...]


class Catalog:
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

    async def create(
        self,
        caller: Caller,
        *,
        name: str,
        duration_minutes: int,
        buffer_before_minutes: int = 0,
        buffer_after_minutes: int = 0,
    ) -> Reply:
        _admins_only(caller)
        kind = AppointmentType(
            id=AppointmentTypeId(self._records.new_id()),
            name=name,
            duration_minutes=duration_minutes,
            buffer_before_minutes=buffer_before_minutes,
            buffer_after_minutes=buffer_after_minutes,
        )
        request = {
            "name": name,
            "duration_minutes": duration_minutes,
            "buffer_before_minutes": buffer_before_minutes,
            "buffer_after_minutes": buffer_after_minutes,
        }
        reply = await self._records.save(
            caller,
            self._records.key(caller, "appointment_type:create", request),
            AppointmentTypeSaved(before=None, after=kind),
            AppointmentTypeBody(appointment_type=kind),
        )
        self.cache.clear()
        return reply

    async def change(
        self,
        caller: Caller,
        type_id: AppointmentTypeId,
        *,
        expected_version: int | None = None,
        name: str | Unset = UNSET,
        duration_minutes: int | Unset = UNSET,
        buffer_before_minutes: int | Unset = UNSET,
        buffer_after_minutes: int | Unset = UNSET,
    ) -> Reply:
        """Change what was sent; booked appointments keep the length they have."""
        _admins_only(caller)
        sent = {
            "name": name,
            "duration_minutes": duration_minutes,
            "buffer_before_minutes": buffer_before_minutes,
            "buffer_after_minutes": buffer_after_minutes,
        }
        changes = {field: value for field, value in sent.items() if value is not UNSET}
        request = {**changes, "id": type_id, "version": expected_version}
        key = self._records.key(caller, "appointment_type:update", request)

        async def save() -> Reply:
            before = _find(await self._load(_ALL), type_id)
            if expected_version not in (None, before.version):
                raise VersionConflict(before.version)
            after = replace(before, **changes)  # type: ignore[arg-type]  # field names are those of this signature
            if after != before:
                after = replace(after, version=before.version + 1)
            event = AppointmentTypeSaved(before=before, after=after)
            body = AppointmentTypeBody(appointment_type=after)
            return await self._records.save(caller, key, event, body)

        reply = await retried(expected_version, save)
        self.cache.clear()
        return reply

    def forget(self, record: EventRecord) -> None:
        """Listen to the outbox: changed types are read anew."""
        if record.type == "appointment_types.updated":
            self.cache.clear()


def _find(types: Sequence[AppointmentType], type_id: AppointmentTypeId) -> AppointmentType:
    for kind in types:
        if kind.id == type_id:
            return kind
    raise NotFound("appointment type")


def _admins_only(caller: Caller) -> None:
    if caller.principal.role is not Role.ADMIN:
        raise Forbidden
