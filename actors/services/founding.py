"""Sets up an empty hub: its first practice, who works there, and what can be booked."""

from dataclasses import replace
from typing import Final

from actors.domain.appointment import AppointmentType
from actors.domain.events import AppointmentTypeSaved, PracticeSaved, ProfileSaved, RecordEvent
from actors.domain.ids import AppointmentTypeId, PracticeId, ProfileId
from actors.domain.practice import Practice
from actors.domain.principal import Role
from actors.domain.profile import Profile
from actors.domain.refusals import Forbidden, IdempotencyMismatch
from actors.domain.values import value
from actors.ports.practices import PracticeReads
from actors.services.caller import Caller
from actors.services.records import Records
from actors.services.requests import NewAppointmentType, NewPractice, NewProfile, all_fields

_FIRST: Final = "first-practice"
"""The idempotency key of the first practice: two processes that set up a hub do it once."""


@value
class NewClinic:
    """What a hub needs before it can be used."""

    practice: NewPractice
    people: tuple[NewProfile, ...]
    """Its dentists and staff."""
    types: tuple[NewAppointmentType, ...]


@value
class Founded:
    practice: Practice
    people: tuple[Profile, ...] = ()
    """Those who were entered; none where the practice was there before."""

    @property
    def is_new(self) -> bool:
        return bool(self.people)


class Founding:
    """Writes a practice with its people and appointment types in one commit."""

    def __init__(self, reads: PracticeReads, records: Records) -> None:
        self._reads, self._records = reads, records

    async def found(self, caller: Caller, new: NewClinic, *, another: bool = False) -> Founded:
        """Everything, or nothing if the hub has a practice already, unless it is ``another``.

        Raises ValidationFailed if the subject of a person is used already.
        """
        if caller.principal.role is not Role.ADMIN:
            raise Forbidden
        key = self._records.key(caller, "setup", all_fields(new))
        if known := await self.first():
            if not another:
                return Founded(practice=known)
        else:
            key = replace(key, scope=_FIRST, key=_FIRST, internal=False)
        made = Practice(id=PracticeId(self._records.new_id()), **all_fields(new.practice))  # type: ignore[arg-type]  # it has the fields of a practice
        people = tuple(self._person(each, made) for each in new.people)
        events: tuple[RecordEvent, ...] = (
            PracticeSaved(before=None, after=made),
            *(AppointmentTypeSaved(before=None, after=self._type(each)) for each in new.types),
            *(ProfileSaved(before=None, after=each) for each in people),
        )
        try:
            reply = await self._records.save_together(caller, key, events, made)
        except IdempotencyMismatch:
            pass  # another process was faster, with other answers
        else:
            if reply.resource_id == made.id:
                return Founded(practice=made, people=people)
        known = await self.first()
        assert known is not None, "the other process has committed"
        return Founded(practice=known)

    async def first(self) -> Practice | None:
        """A practice of the hub, if there is one."""
        return next(iter(await self._reads.every()), None)

    def _person(self, new: NewProfile, practice: Practice) -> Profile:
        zone = new.time_zone or (practice.time_zone if new.role is Role.DENTIST else None)
        return Profile(
            id=ProfileId(self._records.new_id()),
            role=new.role,
            name=new.name,
            subject=new.subject,
            email=new.email,
            phone=new.phone,
            time_zone=zone,
            practice_id=practice.id,
        )

    def _type(self, new: NewAppointmentType) -> AppointmentType:
        kind_id = AppointmentTypeId(self._records.new_id())
        return AppointmentType(id=kind_id, **all_fields(new))  # type: ignore[arg-type]  # it has the fields of a type
