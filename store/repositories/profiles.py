"""Reads of people: :class:`~actors.ports.profiles.Profiles`."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, false, func, or_, select, tuple_, union
from sqlalchemy.ext.asyncio import AsyncConnection

from actors.domain.contact import email_key
from actors.domain.ids import PatientId, PracticeId, ProfileId
from actors.domain.likeness import Traits
from actors.domain.patient_query import PatientQuery
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from actors.ports.clock import Clock
from actors.ports.profiles import ProfilePage
from store.commit.audit import disconnect_params, export_params, search_params, view_params
from store.commit.likeness import alike
from store.repositories.patient_search import named, page_of, search_among, search_practice
from store.sql.codec import PROFILE
from store.sql.prepared import Done, Params, Plan, once
from store.sql.readers import Lookup, Readers
from store.sql.schema import WAS_BOOKED, appointments, practice_patients, profiles
from store.sql.write_statements import WriteStatements
from store.sql.writer import Writer, single_job, step_job

_p = profiles.c
_EXACT_MAX = 500  # people who share one e-mail or phone
_ADOPTABLE_MAX = 2  # one is adopted, two are ambiguous; more do not matter


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

    async def by_subject(self, subject: str) -> Profile | None:
        return await self._one(_p.subject == subject, Lookup(subjects=(subject,)))

    async def by_id(self, profile_id: ProfileId) -> Profile | None:
        return await self._one(_p.id == profile_id, Lookup(people=(profile_id,)))

    async def adoptable(self, email: str) -> Sequence[Profile]:
        if (key := email_key(email)) is None:
            return []
        query = (
            select(*PROFILE.columns)
            .where(
                _p.email_key == key,
                _p.subject.is_(None),
                _p.role == Role.PATIENT.value,
                _p.active,
            )
            .order_by(_p.id)
            .limit(_ADOPTABLE_MAX)
        )
        async with self._readers.hub(Lookup(exact=email)) as connection:
            return [PROFILE.read(row) for row in await connection.execute(query)]

    async def dentists(
        self, by: Principal, *, limit: int, after: tuple[str, ProfileId] | None
    ) -> ProfilePage:
        listed = _p.role == Role.DENTIST.value
        if not (by.works_at_practice or by.role is Role.ADMIN):
            listed &= _p.active
        async with self._readers.caller(by) as connection:
            return await _page(connection, listed, false(), limit=limit, after=after)

    async def own_patient(self, by: Principal, patient_id: PatientId) -> Profile | None:
        query = select(*PROFILE.columns).where(_p.id == patient_id, _own_patients(by))
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
        text, region = text.strip(), region or self._region
        lookup = Lookup(exact=text or None, region=region)
        if not (text and by.works_at_practice):
            return await self._listed(by, text, lookup, limit, after)
        query = PatientQuery.of(text, region)
        exact = await self._with_exact(text, lookup)
        async with self._readers.caller(by, lookup) as connection:
            if by.role is Role.STAFF and by.practice:
                found = await search_practice(connection, by.practice, query)
            else:
                found = await search_among(connection, query, _own_patients(by))
            others = await named(connection, {*exact} - {each.id for each in found})
            return await page_of(connection, found, others, limit=limit, after=after)

    async def _listed(
        self,
        by: Principal,
        text: str,
        lookup: Lookup,
        limit: int,
        after: tuple[str, ProfileId] | None,
    ) -> ProfilePage:
        found_exactly = await self._with_exact(text, lookup) if text else ()
        exact: ColumnElement[bool] = _p.id.in_(found_exactly)
        own: ColumnElement[bool] = false()
        among = exact
        if by.works_at_practice:
            own = among = _own_patients(by)
        found = (_p.role == Role.PATIENT.value) & among
        async with self._readers.caller(by, lookup) as connection:
            return await _page(connection, found, own, limit=limit, after=after)

    async def _with_exact(self, text: str, lookup: Lookup) -> Sequence[ProfileId]:
        """The ids of those whose e-mail or phone is the text.

        The hub reads them, because the compared columns are hidden from callers, and a search
        through the callers' views would use no index.
        """
        # A row that the version before this one wrote has no phone_key yet.
        known, same = lookup.contact, [_p.phone == text]
        if known and known.email_key:
            same.append(_p.email_key == known.email_key)
        if known and known.phone_keys:
            same.append(_p.phone_key.in_(known.phone_keys))
        query = select(_p.id).where(or_(*same))
        async with self._readers.hub(lookup) as connection:
            return (await connection.execute(query.limit(_EXACT_MAX))).scalars().all()

    async def of_practice(
        self, by: Principal, *, entered: bool, after: ProfileId | None, limit: int
    ) -> Sequence[Profile]:
        a, m = appointments.c, practice_patients.c
        ids = select(m.patient_id).where(m.practice_id == by.practice)
        whose = m.patient_id
        if not entered:
            members, whose = ids, a.patient_id
            ids = select(whose).distinct().where(WAS_BOOKED, a.dentist_id.in_(by.calendars))
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
    own: ColumnElement[bool],
    *,
    limit: int,
    after: tuple[str, ProfileId] | None,
) -> ProfilePage:
    counting = select(func.count()).select_from(profiles).where(condition)
    page = (
        select(*PROFILE.columns, own.label("own"))
        .where(condition)
        .order_by(_p.name, _p.id)
        .limit(limit + 1)
    )
    if after:
        page = page.where(tuple_(_p.name, _p.id) > tuple_(*after))
    found = (await connection.execute(page)).all()
    total = (await connection.execute(counting)).scalar_one()
    people = tuple(PROFILE.read(row) for row in found[:limit])
    return ProfilePage(
        profiles=people,
        total=total,
        next_after=(people[-1].name, people[-1].id) if len(found) > limit else None,
        own=frozenset(row.id for row in found[:limit] if row.own),
    )


def _own_patients(by: Principal) -> ColumnElement[bool]:
    """Patients with any appointment confirmed or later here, or entered here."""
    return _p.id.in_(union(*_ids_of_own(by)))


def _ids_of_own(by: Principal) -> tuple[Select[Any], Select[Any]]:
    a, m, entered = appointments.c, practice_patients.c, profiles.alias("entered")
    booked = select(a.patient_id).where(WAS_BOOKED)
    if by.role is Role.STAFF:
        members = select(m.patient_id).where(m.practice_id == by.practice)
        return booked.where(a.dentist_id.in_(by.calendars)), members
    mine = select(entered.c.id).where(entered.c.created_by == by.person)
    return booked.where(a.dentist_id == by.person), mine
