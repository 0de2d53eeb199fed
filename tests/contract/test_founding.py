"""A hub is set up once, and as a whole."""

import asyncio
from dataclasses import replace

import pytest

from actors.domain.ids import DentistId
from actors.domain.issuers import EXTERNAL
from actors.domain.principal import Role
from actors.domain.refusals import ValidationFailed
from actors.services.caller import Caller
from actors.services.founding import Founding, NewClinic
from actors.services.records import Records
from actors.services.requests import NewAppointmentType, NewPractice, NewProfile
from actors.services.stored_bytes import StoredBytes
from store.engine import Store
from tests.contract.clinic import ADMIN
from tests.support.clock import FakeClock
from tests.support.ids import SerialIds

BY = Caller(principal=ADMIN, request_id="setup")
NEW = NewClinic(
    practice=NewPractice(name="On the square", time_zone="Europe/Vienna", region="AT"),
    people=(
        NewProfile(role=Role.DENTIST, name="Dr Ann", subject="dentist"),
        NewProfile(role=Role.STAFF, name="Eva", subject="desk"),
    ),
    types=(NewAppointmentType(name="Check-up", duration_minutes=30),),
)


@pytest.fixture
def founding(store: Store, clock: FakeClock, new_id: SerialIds) -> Founding:
    records = Records(store.records, clock, new_id, StoredBytes(0, clock.monotonic))
    return Founding(store.practices, records)


async def test_practice_people_and_types_are_written_together(
    founding: Founding, store: Store, clock: FakeClock
) -> None:
    founded = await founding.found(BY, NEW)
    assert founded.is_new
    assert await store.practices.every() == [founded.practice]
    ann, eva = founded.people
    assert await store.profiles.by_identity((EXTERNAL, "dentist")) == ann
    assert await store.profiles.by_identity((EXTERNAL, "desk")) == eva
    assert {ann.practice_id, eva.practice_id} == {founded.practice.id}
    assert (ann.time_zone, eva.time_zone) == ("Europe/Vienna", None)
    assert [kind.name for kind in await store.calendars.load_types()] == ["Check-up"]
    opened = await store.calendars.open(DentistId(ann.id), live_after=clock.now())
    assert opened is not None
    assert opened.schedule.time_zone == "Europe/Vienna"


async def test_a_hub_that_is_set_up_stays_as_it_is(founding: Founding, store: Store) -> None:
    first = await founding.found(BY, NEW)
    again = await founding.found(BY, replace(NEW, practice=replace(NEW.practice, name="Other")))
    assert (again.is_new, again.practice) == (False, first.practice)
    assert len(await store.practices.every()) == 1
    assert len(await store.calendars.load_types()) == 1


async def test_two_that_set_up_at_once_do_it_once(founding: Founding, store: Store) -> None:
    other = replace(NEW, practice=replace(NEW.practice, name="Other"), people=())
    results = await asyncio.gather(
        founding.found(BY, NEW), founding.found(BY, other), founding.found(BY, NEW)
    )
    assert len({each.practice.id for each in results}) == 1
    assert len(await store.practices.every()) == 1


async def test_another_practice_is_added_only_on_request(founding: Founding, store: Store) -> None:
    await founding.found(BY, NEW)
    people = (NewProfile(role=Role.DENTIST, name="Dr Bob", subject="dentist-2"),)
    other = replace(NEW, practice=replace(NEW.practice, name="Other"), people=people, types=())
    founded = await founding.found(BY, other, another=True)
    assert founded.is_new
    assert {each.name for each in await store.practices.every()} == {"On the square", "Other"}


async def test_a_subject_in_use_leaves_nothing_behind(founding: Founding, store: Store) -> None:
    await founding.found(BY, NEW)
    with pytest.raises(ValidationFailed):
        await founding.found(
            BY, replace(NEW, practice=replace(NEW.practice, name="Other")), another=True
        )
    assert len(await store.practices.every()) == 1
    assert len(await store.calendars.load_types()) == 1
