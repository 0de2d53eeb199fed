"""Practices and their dentists, as the hub reads them."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, func, not_, or_, select

from actors.domain.ids import DentistId, PatientId, PracticeId, ProfileId
from actors.domain.practice import BOOKED, Practice, PracticePatient
from actors.domain.principal import Principal, Role
from store.commit.audit import LOOKED_UP
from store.sql.codec import PRACTICE, PRACTICE_PATIENT
from store.sql.readers import Lookup, Readers
from store.sql.schema import (
    BOOKED_BY_PATIENT,
    LINKED,
    MAKES_PATIENT,
    appointments,
    audit_log,
    practice_patients,
    practices,
    profiles,
)

_log = audit_log.c
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
            _a.dentist_id.in_(dentists), _a.patient_id == patient_id, MAKES_PATIENT
        )
        lookup = Lookup(practices=(practice_id,), calendars=dentists)
        async with self._readers.hub(lookup) as connection:
            found = await connection.execute(select(or_(member.exists(), booked.exists())))
            return bool(found.scalar_one())

    async def patient_of(
        self, practice_id: PracticeId, patient_id: PatientId
    ) -> PracticePatient | None:
        dentists = await self.dentists_at(practice_id)
        kept = select(*PRACTICE_PATIENT.columns).where(
            _m.practice_id == practice_id, _m.patient_id == patient_id
        )
        booked = select(func.min(_a.created_at)).where(
            _a.dentist_id.in_(dentists), _a.patient_id == patient_id, MAKES_PATIENT
        )
        lookup = Lookup(practices=(practice_id,), calendars=dentists)
        async with self._readers.hub(lookup) as connection:
            if row := (await connection.execute(kept)).one_or_none():
                return PRACTICE_PATIENT.read(row)
            since = (await connection.execute(booked)).scalar_one()
        return since and PracticePatient(
            practice_id=practice_id, patient_id=patient_id, source=BOOKED, since=since
        )

    async def has_looked_up(self, by: Principal, patient_id: PatientId, since: datetime) -> bool:
        looked_up = select(_log.id).where(
            _log.resource_id == patient_id,
            _log.action == LOOKED_UP,
            _log.role == str(by.role),
            _log.subject == by.subject,
            _log.at >= since,
        )
        async with self._readers.hub(Lookup(people=(patient_id,))) as connection:
            return bool((await connection.execute(select(looked_up.exists()))).scalar_one())

    async def is_only_linked(self, practice_id: PracticeId, patient_id: PatientId) -> bool:
        dentists = await self.dentists_at(practice_id)
        linked = select(_m.patient_id).where(
            _m.practice_id == practice_id, _m.patient_id == patient_id, _m.source == LINKED
        )
        booked = select(_a.patient_id).where(
            _a.dentist_id.in_(dentists), _a.patient_id == patient_id, BOOKED_BY_PATIENT
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
