"""Practices and their dentists, as the hub reads them."""

from collections.abc import Sequence

from sqlalchemy import and_, not_, or_, select

from actors.domain.ids import DentistId, PatientId, PracticeId, ProfileId
from actors.domain.practice import Practice
from actors.domain.principal import Role
from store.sql.codec import PRACTICE
from store.sql.readers import Lookup, Readers
from store.sql.schema import (
    LINKED,
    WAS_BOOKED,
    appointments,
    practice_patients,
    practices,
    profiles,
)

_a, _m, _p, _s = appointments.c, practice_patients.c, profiles.c, practices.c


class PracticeRepository:
    """Implements :class:`actors.ports.practices.PracticeReads`."""

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def every(self) -> Sequence[Practice]:
        query = select(*PRACTICE.columns).order_by(_s.name, _s.id)
        async with self._readers.hub() as connection:
            return [PRACTICE.read(row) for row in await connection.execute(query)]

    async def dentists_at(self, practice_id: PracticeId) -> tuple[DentistId, ...]:
        query = select(_p.id).where(_p.practice_id == practice_id, _p.role == Role.DENTIST.value)
        async with self._readers.hub(Lookup(practices=(practice_id,))) as connection:
            found = await connection.execute(query.order_by(_p.id))
            return tuple(DentistId(ProfileId(each)) for each in found.scalars())

    async def has_patient(self, practice_id: PracticeId, patient_id: PatientId) -> bool:
        dentists = await self.dentists_at(practice_id)
        member = select(_m.patient_id).where(
            _m.practice_id == practice_id, _m.patient_id == patient_id
        )
        booked = select(_a.patient_id).where(
            _a.dentist_id.in_(dentists), _a.patient_id == patient_id, WAS_BOOKED
        )
        lookup = Lookup(practices=(practice_id,), calendars=dentists)
        async with self._readers.hub(lookup) as connection:
            found = await connection.execute(select(or_(member.exists(), booked.exists())))
            return bool(found.scalar_one())

    async def is_only_linked(self, practice_id: PracticeId, patient_id: PatientId) -> bool:
        dentists = await self.dentists_at(practice_id)
        linked = select(_m.patient_id).where(
            _m.practice_id == practice_id, _m.patient_id == patient_id, _m.source == LINKED
        )
        booked = select(_a.patient_id).where(
            _a.dentist_id.in_(dentists), _a.patient_id == patient_id, WAS_BOOKED
        )
        lookup = Lookup(practices=(practice_id,), calendars=dentists)
        async with self._readers.hub(lookup) as connection:
            found = await connection.execute(select(and_(linked.exists(), not_(booked.exists()))))
            return bool(found.scalar_one())

    async def calendars_of(self, patient_id: PatientId) -> tuple[DentistId, ...]:
        query = select(_a.dentist_id).where(_a.patient_id == patient_id).distinct()
        async with self._readers.hub(Lookup(people=(patient_id,))) as connection:
            found = await connection.execute(query.order_by(_a.dentist_id))
            return tuple(DentistId(ProfileId(each)) for each in found.scalars())
