"""A new patient whom the practice knows is refused in the commit."""

import asyncio
from dataclasses import replace
from datetime import date

import pytest

from actors.domain.appointment import Status
from actors.domain.events import PatientsMerged, ProfileSaved
from actors.domain.ids import ProfileId
from actors.domain.likeness import Traits
from actors.domain.practice import Practice
from actors.domain.principal import Role
from actors.domain.profile import Profile
from actors.domain.refusals import DuplicatePatient, KnownPatient
from actors.ports.commits import TurnReplayed
from store.commit import likeness
from store.engine import Store
from tests.contract.clinic import DAY, Clinic, booked, client_key, staff

BORN = date(1980, 3, 8)


def entered(clinic: Clinic, practice: Practice, **fields: object) -> ProfileSaved:
    profile = Profile(id=ProfileId(clinic.new_id()), role=Role.PATIENT, name="New")
    profile = replace(profile, **fields)  # type: ignore[arg-type]  # keywords of a test
    known = Traits.of(profile, practice.region or "")
    return ProfileSaved(before=None, after=profile, joins=practice.id, unless_known=known)


async def candidates(clinic: Clinic, event: ProfileSaved) -> list[str]:
    with pytest.raises(DuplicatePatient) as refused:
        await clinic.save(event)
    return [each.id for each in refused.value.candidates]


async def test_who_has_the_contact_or_name_and_birthday_of_a_patient_is_refused(
    clinic: Clinic, store: Store
) -> None:
    practice = await clinic.add_practice(region="AT")
    pat = await clinic.add_patient(
        "Ána Huber", practice.id, phone="01 2345678", email="a@x.org", date_of_birth=BORN
    )
    same: tuple[dict[str, object], ...] = (
        {"phone": "+43 1 2345678"},
        {"email": "A@X.org"},
        {"name": "HUBER ANA", "date_of_birth": BORN},
    )
    for fields in same:
        event = entered(clinic, practice, **fields)
        with pytest.raises(DuplicatePatient) as refused:
            await clinic.save(event)
        known = KnownPatient(id=pat.id, name="Ána Huber", date_of_birth=BORN)
        assert refused.value.candidates == (known,)
        assert await store.profiles.by_id(event.after.id) is None
    others: tuple[dict[str, object], ...] = (
        {"name": "Ána Huber"},
        {"date_of_birth": BORN},
        {"phone": "+43 1 2345679"},
    )
    for fields in others:
        await clinic.save(entered(clinic, practice, **fields))


async def test_only_patients_of_the_practice_count(clinic: Clinic) -> None:
    here, there = await clinic.add_practice("Here"), await clinic.add_practice("There")
    await clinic.add_patient("There", there.id, phone="+43 1 1")
    await clinic.add_patient("Nowhere", phone="+43 1 1")
    await clinic.add_staff("Sue", here, phone="+43 1 1")
    ann = await clinic.add_dentist("Dr Ann", practice_id=here.id, phone="+43 1 1")
    await clinic.save(entered(clinic, here, phone="+43 1 1"))
    seen = await clinic.add_patient("Seen", phone="+43 1 2")
    await clinic.commit(await clinic.open(ann), clinic.turn(booked(clinic.row(ann, seen))))
    assert await candidates(clinic, entered(clinic, here, phone="+43 1 2")) == [seen.id]
    never = await clinic.add_patient("Never", phone="+43 1 3")
    start = clinic.clock.now() + 2 * DAY
    visit = clinic.row(ann, never, start, created_via="staff", status=Status.CANCELLED)
    await clinic.commit(await clinic.open(ann), clinic.turn(booked(visit)))
    await clinic.save(entered(clinic, here, phone="+43 1 3"))


async def test_who_was_merged_does_not_count(clinic: Clinic, store: Store) -> None:
    practice = await clinic.add_practice()
    pat = await clinic.add_patient("Pat", practice.id, phone="+43 1 1", date_of_birth=BORN)
    twin = await clinic.add_patient("Twin", practice.id)
    after = replace(twin, version=2)
    await clinic.save(
        PatientsMerged(merged=pat, before=twin, after=after, dentists=(), practices=(practice.id,))
    )
    new = entered(clinic, practice, name="Pat", phone="+43 1 1", date_of_birth=BORN)
    await clinic.save(new)
    assert await store.profiles.by_id(new.after.id) == new.after


async def test_two_desks_at_once_enter_one_patient(clinic: Clinic, store: Store) -> None:
    practice = await clinic.add_practice()
    for number in range(5):
        phone = f"+43 1 {number}00"
        results = await asyncio.gather(
            *(clinic.save(entered(clinic, practice, phone=phone)) for _ in range(3)),
            return_exceptions=True,
        )
        failed = [each for each in results if isinstance(each, Exception)]
        assert [type(each) for each in failed] == [DuplicatePatient] * 2


async def test_a_repeated_request_gets_its_first_reply(clinic: Clinic) -> None:
    practice = await clinic.add_practice()
    event, key = entered(clinic, practice, phone="+43 1 1"), client_key("k")
    await clinic.save(event, key=key)
    again = replace(event, after=replace(event.after, id=ProfileId(clinic.new_id())))
    with pytest.raises(TurnReplayed):
        await clinic.save(again, key=key)


async def test_candidates_have_a_bound(clinic: Clinic) -> None:
    practice = await clinic.add_practice()
    for _ in range(likeness.CANDIDATES_MAX + 2):
        await clinic.add_patient("Family", practice.id, phone="+43 1 1")
    found = await candidates(clinic, entered(clinic, practice, phone="+43 1 1"))
    assert len(found) == likeness.CANDIDATES_MAX


async def test_suspects_are_read_as_the_caller(clinic: Clinic, store: Store) -> None:
    here, there = await clinic.add_practice("Here"), await clinic.add_practice("There")
    ann = await clinic.add_dentist("Dr Ann", practice_id=here.id)
    sue, tom = await clinic.add_staff("Sue", here), await clinic.add_staff("Tom", there)
    pat = await clinic.add_patient("Pat", here.id, phone="+43 1 1")
    twin = await clinic.add_patient("Twin", here.id, phone="+43 1 1")
    await clinic.add_patient("Other", there.id, phone="+43 1 1")
    traits = Traits.of(pat, "")
    found = await store.profiles.alike(staff(sue, ann), traits, here.id)
    assert [each.id for each in found] == [pat.id, twin.id]
    assert await store.profiles.alike(staff(tom), traits, here.id) == []
