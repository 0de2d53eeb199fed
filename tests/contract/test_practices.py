"""Practices in the store: what they change in calendars is fenced, and loaded when next opened."""

from dataclasses import replace
from datetime import date
from typing import Any, cast

import pytest

from actors.domain.appointment import Status
from actors.domain.events import PatientLinked, PracticeSaved, ProfileSaved
from actors.domain.ids import DentistId, PatientId, PracticeId, ProfileId
from actors.domain.practice import Practice
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from actors.domain.refusals import Forbidden, VersionConflict
from actors.domain.schedule import Closure
from actors.ports.commits import Fenced
from actors.services.caller import Caller
from actors.services.directory import Directory
from actors.services.duplicates import Duplicates
from actors.services.people import People
from actors.services.practices import Practices
from actors.services.records import Records
from actors.services.requests import NewProfile
from store.engine import Store
from tests.contract.clinic import ADMIN, DAY, Clinic, booked, dentist, held, staff
from tests.contract.engines import Database

FEAST = Closure(start_date=date(2027, 12, 24), end_date=date(2027, 12, 26), reason="Fête 🎄")


def closed(practice: Practice, *dentists: Profile) -> PracticeSaved:
    after = replace(practice, closures=(FEAST,), version=practice.version + 1)
    at = tuple(DentistId(each.id) for each in sorted(dentists, key=lambda each: each.id))
    return PracticeSaved(before=practice, after=after, dentists=at)


async def test_a_practice_is_saved_and_read_as_it_was(clinic: Clinic, store: Store) -> None:
    practice = await clinic.add_practice(
        "Zähne", region="AT", address="A\nB", phone="+43 1", email="a@b.example", closures=(FEAST,)
    )
    other = await clinic.add_practice("Anfang")
    assert list(await store.practices.every()) == [other, practice]
    with pytest.raises(VersionConflict):
        await clinic.save(closed(replace(practice, version=7)))


async def test_a_closure_fences_every_calendar_of_the_practice_and_no_other(
    clinic: Clinic, store: Store
) -> None:
    here, there = await clinic.add_practice("Here"), await clinic.add_practice("There")
    ann = await clinic.add_dentist("Dr Ann", practice_id=here.id)
    bob = await clinic.add_dentist("Dr Bob", practice_id=here.id)
    cyd = await clinic.add_dentist("Dr Cyd", practice_id=there.id)
    pat = await clinic.add_patient()
    opened = [await clinic.open(each) for each in (ann, bob, cyd)]
    assert [(each.practice_id, each.schedule.closures) for each in opened] == [
        (here.id, ()),
        (here.id, ()),
        (there.id, ()),
    ]
    await clinic.save(closed(here, ann, bob))
    for loaded, whose in zip(opened[:2], (ann, bob), strict=True):
        with pytest.raises(Fenced):
            await clinic.commit(loaded, clinic.turn(booked(clinic.row(whose, pat))))
        again = await clinic.open(whose)
        assert again.schedule.closures == (FEAST,)
    await clinic.commit(opened[2], clinic.turn(booked(clinic.row(cyd, pat))))


async def test_another_change_of_a_practice_fences_no_calendar(clinic: Clinic) -> None:
    practice = await clinic.add_practice()
    ann = await clinic.add_dentist("Dr Ann", practice_id=practice.id)
    loaded, pat = await clinic.open(ann), await clinic.add_patient()
    renamed = replace(practice, name="Another", version=2)
    await clinic.save(PracticeSaved(before=practice, after=renamed, dentists=(DentistId(ann.id),)))
    await clinic.commit(loaded, clinic.turn(booked(clinic.row(ann, pat))))


async def test_a_dentist_who_came_meanwhile_makes_the_closure_start_again(
    clinic: Clinic, store: Store
) -> None:
    practice = await clinic.add_practice()
    ann = await clinic.add_dentist("Dr Ann", practice_id=practice.id)
    assert await store.practices.dentists_at(practice.id) == (ann.id,)
    await clinic.add_dentist("Dr Bob", practice_id=practice.id)
    with pytest.raises(VersionConflict):
        await clinic.save(closed(practice, ann))
    assert list(await store.practices.every()) == [practice]


@pytest.mark.parametrize("change", ["practice", "active"])
async def test_a_dentist_who_gets_a_practice_or_ends_is_fenced(clinic: Clinic, change: str) -> None:
    practice = await clinic.add_practice(closures=(FEAST,))
    ann, pat = await clinic.add_dentist("Dr Ann"), await clinic.add_patient()
    loaded = await clinic.open(ann)
    renamed = replace(ann, name="Dr Anna", version=2)
    await clinic.save(ProfileSaved(before=ann, after=renamed))
    await clinic.commit(loaded, clinic.turn(booked(clinic.row(ann, pat))))
    after = (
        replace(renamed, practice_id=practice.id, version=3)
        if change == "practice"
        else replace(renamed, active=False, version=3)
    )
    await clinic.save(ProfileSaved(before=renamed, after=after))
    with pytest.raises(Fenced):
        await clinic.commit(loaded, clinic.turn(booked(clinic.row(ann, pat))))
    again = await clinic.open(ann)
    assert (again.practice_id, again.active) == (after.practice_id, after.active)
    assert again.schedule.closures == ((FEAST,) if change == "practice" else ())


async def test_whose_patient_somebody_is(clinic: Clinic, store: Store) -> None:
    here, there = await clinic.add_practice("Here"), await clinic.add_practice("There")
    ann = await clinic.add_dentist("Dr Ann", practice_id=here.id)
    sue = await clinic.add_staff("Sue", here)
    entered, seen, nobody = [
        await clinic.add_patient(name, joins)
        for name, joins in (("E", here.id), ("S", None), ("N", None))
    ]
    await clinic.commit(await clinic.open(ann), clinic.turn(booked(clinic.row(ann, seen))))

    async def belongs(patient: Profile, practice: PracticeId) -> bool:
        return await store.practices.has_patient(practice, PatientId(patient.id))

    assert [await belongs(each, here.id) for each in (entered, seen, nobody)] == [True, True, False]
    assert not [each for each in (entered, seen) if await belongs(each, there.id)]
    by = staff(sue, ann)
    page = await store.profiles.search(by, "", limit=9, after=None)
    assert page.profiles == (entered, seen)
    assert await store.profiles.own_patient(by, PatientId(entered.id)) == entered
    assert await store.profiles.own_patient(by, PatientId(nobody.id)) is None


async def test_bookings_that_others_made_and_that_were_cancelled_make_no_patient(
    clinic: Clinic, store: Store
) -> None:
    here = await clinic.add_practice("Here")
    ann = await clinic.add_dentist("Dr Ann", practice_id=here.id)
    desk = staff(await clinic.add_staff("Sue", here), ann)
    outcomes = {}
    for number, (via, ends) in enumerate(
        (via, ends)
        for via in ("staff", "dentist", "patient", "chatbot")
        for ends in (Status.CANCELLED, Status.CONFIRMED, Status.COMPLETED, Status.NO_SHOW)
    ):
        pat = await clinic.add_patient(f"{via} {ends}")
        start = clinic.clock.now() + (number + 1) * DAY
        visit = clinic.row(ann, pat, start, created_via=via, status=ends)
        await clinic.commit(await clinic.open(ann), clinic.turn(booked(visit)))
        belongs = await store.practices.has_patient(here.id, PatientId(pat.id))
        assert (await store.profiles.own_patient(desk, PatientId(pat.id)) is not None) == belongs
        mine = await store.profiles.own_patient(dentist(ann), PatientId(pat.id))
        assert (mine is not None) == belongs
        kept = await store.practices.patient_of(here.id, PatientId(pat.id))
        assert (kept is not None) == belongs
        outcomes[pat.name] = belongs
    assert [name for name, belongs in outcomes.items() if not belongs] == [
        "staff cancelled",
        "dentist cancelled",
    ]


async def test_a_dentist_sees_the_patients_of_the_practice_where_that_is_so(
    clinic: Clinic, store: Store
) -> None:
    here = await clinic.add_practice("Here")
    ann, kim = [await clinic.add_dentist(name, practice_id=here.id) for name in ("Ann", "Kim")]
    seen, entered, nobody, held_only = [
        await clinic.add_patient(name, joins)
        for name, joins in (("S", None), ("E", here.id), ("N", None), ("H", None))
    ]
    visit = clinic.row(ann, seen)
    hold = clinic.row(ann, held_only, clinic.clock.now() + 3 * DAY, status=Status.HELD)
    await clinic.commit(await clinic.open(ann), clinic.turn(booked(visit)), clinic.turn(held(hold)))
    alone = dentist(kim)
    sharing = replace(alone, colleagues=(DentistId(ann.id), DentistId(kim.id)))
    for by, found in ((alone, ()), (sharing, (entered, seen))):
        page = await store.profiles.search(by, "", limit=9, after=None)
        assert page.profiles == found
        for each in (seen, entered, nobody, held_only):
            own = await store.profiles.own_patient(by, PatientId(each.id))
            assert own == (each if each in found else None)
        assert await store.appointments.get(by, visit.id) is None, "free or busy only"


async def test_staff_write_on_behalf_of_the_dentist_and_the_audit_names_them(
    clinic: Clinic, database: Database
) -> None:
    practice = await clinic.add_practice()
    ann, pat = (
        await clinic.add_dentist("Dr Ann", practice_id=practice.id),
        await clinic.add_patient(),
    )
    sue = await clinic.add_staff("Sue", practice)
    turn = clinic.turn(booked(clinic.row(ann, pat)), by=staff(sue, ann))
    await clinic.commit(await clinic.open(ann), turn)
    ((by, whose),) = database.query("SELECT changed_by, on_behalf_of FROM appointments")
    assert (by, whose) == (f"sub-{sue.id}", ann.id)
    ((role, person),) = database.query(
        "SELECT role, on_behalf_of FROM audit_log WHERE action = 'appointment.booked'"
    )
    assert (role, person) == ("staff", sue.id)


async def test_a_link_is_kept_also_for_who_is_known_already(
    clinic: Clinic, store: Store, database: Database
) -> None:
    practice = await clinic.add_practice()
    ann, pat = (
        await clinic.add_dentist("Dr Ann", practice_id=practice.id),
        await clinic.add_patient(),
    )
    await clinic.commit(await clinic.open(ann), clinic.turn(booked(clinic.row(ann, pat))))
    clinic.postbox.batches.clear()
    for _ in range(2):
        await clinic.save(PatientLinked(practice_id=practice.id, patient=pat, is_new=False))
    assert clinic.postbox.records == []
    linked = database.query("SELECT patient_id, source FROM practice_patients")
    assert [tuple(row) for row in linked] == [(pat.id, "linked")]
    audited = database.query("SELECT id FROM audit_log WHERE action = 'patient.linked'")
    assert len(list(audited)) == 2


@pytest.mark.parametrize("via", ["staff", "dentist", "patient", "chatbot"])
async def test_only_an_own_booking_lets_a_practice_change_who_was_linked(
    clinic: Clinic, store: Store, via: str
) -> None:
    practice, pat = await clinic.add_practice(), await clinic.add_patient()
    ann = await clinic.add_dentist("Dr Ann", practice_id=practice.id)
    await clinic.save(PatientLinked(practice_id=practice.id, patient=pat))
    patient = PatientId(pat.id)
    assert await store.practices.is_only_linked(practice.id, patient)
    visit = clinic.row(ann, pat, created_via=via)
    await clinic.commit(await clinic.open(ann), clinic.turn(booked(visit)))
    still = await store.practices.is_only_linked(practice.id, patient)
    assert still == (via in ("staff", "dentist"))


async def test_who_is_entered_belongs_to_the_practice_where_there_is_only_one(
    clinic: Clinic, store: Store
) -> None:
    directory = Directory(store.profiles)
    records = Records(store.records, clinic.clock, clinic.new_id, cast("Any", Unlimited()))
    practices = Practices(store.practices, directory, records)
    duplicates = Duplicates(store.profiles, practices, "")
    people = People(store.profiles, directory, practices, records, cast("Any", None), duplicates)

    async def belongs_after_entering(by: Principal) -> list[bool]:
        caller = Caller(principal=by, request_id=clinic.new_id())
        reply = await people.create(caller, NewProfile(role=Role.PATIENT, name="Pat"))
        patient = PatientId(ProfileId(reply.resource_id))
        every = await practices.every()
        return [await store.practices.has_patient(each.id, patient) for each in every]

    bot = Principal(role=Role.CHATBOT, subject="bot")
    for expected in ([], [True], [False, False]):
        assert await belongs_after_entering(ADMIN) == expected
        assert await belongs_after_entering(bot) == expected
        await clinic.add_practice()
        practices.clear()


class Unlimited:
    def check(self, _: Principal) -> None: ...

    def add(self, *_: object) -> None: ...


async def test_another_practice_that_links_meanwhile_keeps_the_contact_data(
    clinic: Clinic,
) -> None:
    here, there = await clinic.add_practice("Here"), await clinic.add_practice("There")
    pat = await clinic.add_patient("Pat", email="pat@example.org", joins=here.id)
    change = ProfileSaved(
        before=pat, after=replace(pat, email="x@example.org", version=2), only_of=here.id
    )
    await clinic.save(PatientLinked(practice_id=there.id, patient=pat))
    with pytest.raises(Forbidden, match="several practices"):
        await clinic.save(change)
    assert await clinic.store.profiles.by_id(pat.id) == pat
    await clinic.save(replace(change, only_of=None))
