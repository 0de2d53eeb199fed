"""Reads of people: :class:`~actors.ports.profiles.Profiles`."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select, tuple_, union
from sqlalchemy.ext.asyncio import AsyncConnection

from actors.domain.contact import email_key
from actors.domain.ids import PatientId, PracticeId, ProfileId
from actors.domain.issuers import IssuedSubject
from actors.domain.likeness import Traits
from actors.domain.patient_query import PatientQuery
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from actors.ports.clock import Clock
from actors.ports.profiles import ProfilePage
from store.commit.audit import (
    disconnect_params,
    export_params,
    lookup_params,
    search_params,
    view_params,
)
from store.commit.likeness import alike
from store.repositories.patient_search import page_of, search_among, search_practice
from store.sql.codec import PROFILE
from store.sql.prepared import Done, Params, Plan, once
from store.sql.readers import Lookup, Readers
from store.sql.schema import (
    MAKES_PATIENT,
    appointments,
    identities,
    patient_words,
    practice_patients,
    profiles,
)
from store.sql.write_statements import WriteStatements
from store.sql.writer import Writer, single_job, step_job

_p, _i = profiles.c, identities.c
_OF_EVERY_PATIENT = ""  # the word in patient_words
_TWO_ARE_AMBIGUOUS = 2  # one is the person; more than two do not matter


class ProfileRepository:
    def __init__(
        self,
        writer: Writer,
        readers: Readers,
        sql: WriteStatements,
        clock: Clock,
        *,
        region: str = "",
    ) -> None:
        self._region = region
        self._writer = writer
        self._readers = readers
        self._sql = sql
        self._clock = clock

    async def by_identity(self, identity: IssuedSubject) -> Profile | None:
        issuer, subject = identity
        same = (_i.issuer == issuer, _i.subject == subject)
        person = select(_i.profile_id).where(*same).scalar_subquery()
        return await self._one(_p.id == person, Lookup(issuer=issuer, subjects=(subject,)))

    async def by_id(self, profile_id: ProfileId) -> Profile | None:
        return await self._one(_p.id == profile_id, Lookup(people=(profile_id,)))

    async def adoptable(self, email: str) -> Sequence[Profile]:
        if (key := email_key(email)) is None:
            return []
        query = (
            select(*PROFILE.columns)
            .where(
                _p.email_key == key,
                ~select(_i.profile_id).where(_i.profile_id == _p.id).exists(),
                _p.role == Role.PATIENT.value,
                _p.active,
            )
            .order_by(_p.id)
            .limit(_TWO_ARE_AMBIGUOUS)
        )
        async with self._readers.hub(Lookup(exact=email)) as connection:
            return [PROFILE.read(row) for row in await connection.execute(query)]

    async def identified(
        self, contact: str, date_of_birth: date, *, region: str | None = None
    ) -> Sequence[Profile]:
        lookup = Lookup(exact=contact, region=region or self._region)
        if (known := lookup.contact) is None:
            return []
        # A row that the version before 0011 wrote has no phone_key.
        same = [_p.phone == contact, _p.phone_key.in_(known.phone_keys)]
        if known.email_key:
            same.append(_p.email_key == known.email_key)
        query = (
            select(*PROFILE.columns)
            .where(
                or_(*same),
                _p.date_of_birth == date_of_birth.isoformat(),  # only patients have one
                _p.active,
            )
            .order_by(_p.id)
            .limit(_TWO_ARE_AMBIGUOUS)
        )
        async with self._readers.hub(lookup) as connection:
            return [PROFILE.read(row) for row in await connection.execute(query)]

    async def dentists(
        self, by: Principal, *, limit: int, after: tuple[str, ProfileId] | None
    ) -> ProfilePage:
        listed = _p.role == Role.DENTIST.value
        if not (by.works_at_practice or by.role is Role.ADMIN):
            listed &= _p.active
        async with self._readers.caller(by) as connection:
            return await _page(connection, listed, limit=limit, after=after)

    async def own_patient(self, by: Principal, patient_id: PatientId) -> Profile | None:
        own = _is_shown() if by.colleagues else _own_patients(by)
        query = select(*PROFILE.columns).where(_p.id == patient_id, own)
        async with self._readers.caller(by) as connection:
            row = (await connection.execute(query)).one_or_none()
        return PROFILE.read(row) if row else None

    async def search(
        self,
        by: Principal,
        text: str,
        *,
        limit: int,
        after: tuple[str, ProfileId] | None,
        region: str | None = None,
    ) -> ProfilePage:
        found = (_p.role == Role.PATIENT.value) & _own_patients(by)
        query = PatientQuery.of(text.strip(), region or self._region)
        async with self._readers.caller(by) as connection:
            if not text.strip():
                return await _page(connection, found, limit=limit, after=after)
            if by.sight:
                matches = await search_practice(connection, by.sight, query)
            else:
                matches = await search_among(connection, query, _own_patients(by))
            return await page_of(connection, matches, limit=limit, after=after)

    async def of_practice(
        self, by: Principal, *, entered: bool, after: ProfileId | None, limit: int
    ) -> Sequence[Profile]:
        a, m = appointments.c, practice_patients.c
        ids = select(m.patient_id).where(m.practice_id == by.practice)
        whose = m.patient_id
        if not entered:
            members, whose = ids, a.patient_id
            ids = select(whose).distinct().where(MAKES_PATIENT, a.dentist_id.in_(by.calendars))
            ids = ids.where(whose.not_in(members))
        if after is not None:
            ids = ids.where(whose > after)
        page = ids.order_by(whose).limit(limit).subquery()
        query = select(*PROFILE.columns).where(_p.id.in_(select(page.c.patient_id)))
        async with self._readers.caller(by) as connection:
            return [PROFILE.read(row) for row in await connection.execute(query.order_by(_p.id))]

    async def record_export(self, by: Principal, request_id: str) -> None:
        await self._audit(export_params(by, self._clock.now(), request_id))

    async def alike(
        self, by: Principal, traits: Traits, practice_id: PracticeId
    ) -> Sequence[Profile]:
        """Found as the commit of a new patient finds them, then read as the caller."""

        def plan() -> Plan[Done[list[ProfileId]]]:
            found = yield from alike(traits, practice_id, self._sql)
            return Done([each.id for each in found])

        ids = await self._writer.run(single_job(plan))
        query = select(*PROFILE.columns).where(_p.id.in_(ids), _own_patients(by))
        async with self._readers.caller(by) as connection:
            found = await connection.execute(query.order_by(_p.name, _p.id))
            return [PROFILE.read(row) for row in found]

    async def record_search(self, by: Principal, request_id: str, found: int) -> None:
        await self._audit(search_params(by, self._clock.now(), request_id, found))

    async def record_lookup(self, by: Principal, request_id: str, found: Profile | None) -> None:
        params = lookup_params(by, self._clock.now(), request_id, found)
        await self._audit(params, *([found.id] if found else ()))

    async def record_disconnect(self, by: Principal, request_id: str, person: Profile) -> None:
        params = disconnect_params(by, self._clock.now(), request_id, person)
        await self._audit(params, person.id)

    async def record_view(self, by: Principal, request_id: str, person: Profile) -> None:
        params = view_params(by, self._clock.now(), request_id, person)
        await self._audit(params, person.id)

    async def _audit(self, params: Params, *declares: str) -> None:
        entry = once(self._sql.insert_audit, **params)
        await self._writer.run(step_job(entry, declares=declares))

    async def _one(self, condition: ColumnElement[bool], lookup: Lookup) -> Profile | None:
        query = select(*PROFILE.columns).where(condition)
        async with self._readers.hub(lookup) as connection:
            row = (await connection.execute(query)).one_or_none()
        return PROFILE.read(row) if row else None


async def _page(
    connection: AsyncConnection,
    condition: ColumnElement[bool],
    *,
    limit: int,
    after: tuple[str, ProfileId] | None,
) -> ProfilePage:
    counting = select(func.count()).select_from(profiles).where(condition)
    page = select(*PROFILE.columns).where(condition).order_by(_p.name, _p.id).limit(limit + 1)
    if after:
        page = page.where(tuple_(_p.name, _p.id) > tuple_(*after))
    found = (await connection.execute(page)).all()
    total = (await connection.execute(counting)).scalar_one()
    people = tuple(PROFILE.read(row) for row in found[:limit])
    return ProfilePage(
        profiles=people,
        total=total,
        next_after=(people[-1].name, people[-1].id) if len(found) > limit else None,
    )


def _is_shown() -> ColumnElement[bool]:
    """Whether row security shows the caller the whole row."""
    return _p.search_text.is_not(None)


def _own_patients(by: Principal) -> ColumnElement[bool]:
    """Patients of the dentist or practice: see :meth:`Profiles.own_patient`."""
    if by.colleagues:  # whose visits the dentist does not see
        known = select(patient_words.c.patient_id).where(
            patient_words.c.practice_id == by.sight, patient_words.c.word == _OF_EVERY_PATIENT
        )
        return _is_shown() & _p.id.in_(known)
    return _p.id.in_(union(*_ids_of_own(by)))


def _ids_of_own(by: Principal) -> tuple[Select[Any], Select[Any]]:
    a, m, entered = appointments.c, practice_patients.c, profiles.alias("entered")
    booked = select(a.patient_id).where(MAKES_PATIENT)
    if by.role is Role.STAFF:
        members = select(m.patient_id).where(m.practice_id == by.practice)
        return booked.where(a.dentist_id.in_(by.calendars)), members
    mine = select(entered.c.id).where(entered.c.created_by == by.person)
    return booked.where(a.dentist_id == by.person), mine
