"""Appointment types: shown to those who could book them, changed by admins."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from actors.domain.appointment import AppointmentType
from actors.domain.events import AppointmentTypeSaved
from actors.domain.ids import AppointmentTypeId, PracticeId
from actors.domain.principal import Principal, Role
from actors.domain.refusals import Forbidden, NotFound, ValidationFailed
from actors.ports.commits import Reply
from actors.ports.events import EventRecord
from actors.services import requests
from actors.services.cache import Cache
from actors.services.caller import Caller
from actors.services.practices import Practices
from actors.services.records import Records, edited, retried

_ALL = "all"
_FIRST_FIELDS = frozenset(
    {"name", "duration_minutes", "buffer_before_minutes", "buffer_after_minutes"}
)
Types = tuple[AppointmentType, ...]


class Catalog:
    """Lists, creates and changes appointment types."""

    def __init__(
        self,
        load_types: Callable[[], Awaitable[Sequence[AppointmentType]]],
        records: Records,
        practices: Practices,
    ) -> None:
        async def load(_: str) -> Types:
            return tuple(
                sorted(await load_types(), key=lambda kind: (kind.order, kind.name, kind.id))
            )

        self._load = load
        self._records, self._practices = records, practices
        self.cache: Cache[str, Types] = Cache(load, limit=1)

    async def types(self) -> Types:
        """Every appointment type, by order and name."""
        return await self.cache.get(_ALL) or ()

    async def shown(self, by: Principal) -> Types:
        """Those that exist for the caller; see :meth:`AppointmentType.is_shown_to`."""
        return tuple(kind for kind in await self.types() if kind.is_shown_to(by))

    async def kind(self, by: Principal, type_id: AppointmentTypeId) -> AppointmentType:
        """One of those, or :class:`NotFound`."""
        kind = _find(await self.types(), type_id)
        if not kind.is_shown_to(by):
            raise NotFound("appointment type")
        return kind

    async def create(self, caller: Caller, new: requests.NewAppointmentType) -> Reply:
        _admins_only(caller)
        await self._check_practice(new.practice_id)
        kind = AppointmentType(
            id=AppointmentTypeId(self._records.new_id()),
            **requests.all_fields(new),  # type: ignore[arg-type]  # it has the fields of a type
        )
        reply = await self._records.save(
            caller,
            self._records.key(caller, "appointment_type:create", _without_newer_defaults(new)),
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
        await self._check_practice(requests.sent_or(change.practice_id, None))
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

    async def _check_practice(self, practice_id: PracticeId | None) -> None:
        if practice_id and all(each.id != practice_id for each in await self._practices.every()):
            raise ValidationFailed.of("practice_id", "there is no such practice")

    def forget(self, records: Sequence[EventRecord]) -> None:
        """Drop cached types when the relay publishes that they changed."""
        if any(record.type == "appointment_types.updated" for record in records):
            self.cache.clear()


def _without_newer_defaults(new: requests.NewAppointmentType) -> Mapping[str, object]:
    """As in keys of versions whose types had only the first fields."""
    plain = requests.NewAppointmentType(name="", duration_minutes=0)
    return {
        name: value
        for name, value in requests.all_fields(new).items()
        if name in _FIRST_FIELDS or value != getattr(plain, name)
    }


def _find(types: Sequence[AppointmentType], type_id: AppointmentTypeId) -> AppointmentType:
    for kind in types:
        if kind.id == type_id:
            return kind
    raise NotFound("appointment type")


def _admins_only(caller: Caller) -> None:
    if caller.principal.role is not Role.ADMIN:
        raise Forbidden
