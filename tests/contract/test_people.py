"""Profiles: who is this, whose patient, and who may be found."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from actors.domain.appointment import Status
from actors.domain.ids import PatientId, ProfileId
from actors.domain.profile import Profile
from store.engine import open_store
from tests.contract.clinic import (
    ADMIN,
    DAY,
    Clinic,
    Postbox,
    booked,
    cancelled,
    dentist,
    held,
    render,
)
from tests.contract.engines import Database
from tests.support.clock import FakeClock
from tests.support.ids import SerialIds


def names(found: Sequence[Profile]) -> list[str]:
    return [profile.name for profile in found]


BORN = date(1980, 3, 8)


async def identified(clinic: Clinic, contact: str, born: date = BORN) -> list[str]:
    return names(await clinic.store.profiles.identified(contact, born))


async def search(clinic: Clinic, who: Profile, text: str) -> list[str]:
    page = await clinic.store.profiles.search(dentist(who), text, limit=50, after=None)
    assert page.total == len(page.profiles)
    return names(page.profiles)


async def test_dentists_are_listed_by_name_page_by_page(clinic: Clinic) -> None:
    await clinic.add_patient("Aaron")
    wanted = sorted(["Dr Cy", "Dr Ann", "Dr Bob", "Dr Ann", "Dr Dee"])
    for name in wanted[::-1]:
        await clinic.add_dentist(name)
    seen: list[Profile] = []
    after: tuple[str, ProfileId] | None = None
    while True:
        page = await clinic.store.profiles.dentists(ADMIN, limit=2, after=after)
        assert page.total == 5
        seen += page.profiles
        if (after := page.next_after) is None:
            break
    assert names(seen) == wanted
    assert len({profile.id for profile in seen}) == 5


async def test_a_patient_entered_by_the_clinic_is_adoptable_by_email(clinic: Clinic) -> None:
    ann = await clinic.add_dentist(email="pat@example.org")
    pat = await clinic.add_patient("Pat", email="Pat@Example.org", created_by=ann.id)
    await clinic.add_patient("Taken", email="pat@example.org", subject="auth|1")
    assert await clinic.store.profiles.adoptable("PAT@example.ORG") == [pat]
    for n in range(3):
        await clinic.add_patient(f"Twin {n}", email="twin@example.org")
    assert len(await clinic.store.profiles.adoptable("twin@example.org")) == 2
    assert await clinic.store.profiles.adoptable("nobody@example.org") == []


async def test_dentists_know_their_own_patients(clinic: Clinic) -> None:
    ann, bob = await clinic.add_dentist("Dr Ann"), await clinic.add_dentist("Dr Bob")
    seen, gone, holding = [await clinic.add_patient(name) for name in ("Seen", "Gone", "Holding")]
    entered = await clinic.add_patient("Entered", created_by=ann.id)
    loaded, now = await clinic.open(ann), clinic.clock.now()
    past = clinic.row(ann, gone, now + 2 * DAY)
    hold = clinic.row(ann, holding, now + 3 * DAY, status=Status.HELD)
    await clinic.commit(
        loaded,
        clinic.turn(booked(clinic.row(ann, seen))),
        clinic.turn(booked(past)),
        clinic.turn(cancelled(past)),
        clinic.turn(held(hold)),
    )
    own = clinic.store.profiles.own_patient
    for one in (seen, gone, entered):
        assert await own(dentist(ann), PatientId(one.id)) == one
        assert await own(dentist(bob), PatientId(one.id)) is None
    assert await own(dentist(ann), PatientId(holding.id)) is None
    assert await search(clinic, ann, "") == ["Entered", "Gone", "Seen"]
    assert await search(clinic, bob, "") == []


async def test_a_dentist_finds_own_patients_by_any_part(clinic: Clinic) -> None:
    ann = await clinic.add_dentist()
    await clinic.add_patient(
        "Özil Ümit", email="oe@example.org", phone="+1 555 0100", created_by=ann.id
    )
    await clinic.add_patient("100%_sure", created_by=ann.id)
    await clinic.add_patient("Somebody Else")
    for text in ("özil", "ÜMIT", " ümit ", "OE@exam", "555 01"):
        assert await search(clinic, ann, text) == ["Özil Ümit"], text
    assert await search(clinic, ann, "100 sure") == ["100%_sure"]
    assert await search(clinic, ann, "%") == await search(clinic, ann, "_") == []
    assert await search(clinic, ann, "somebody") == []


async def test_a_patient_is_identified_by_a_contact_and_the_date_of_birth(clinic: Clinic) -> None:
    ann = await clinic.add_dentist("Dr Ann", email="ann@example.org", phone="+1 555 0100")
    far: dict[str, Any] = {"email": "Far@Example.org", "phone": "+1 555 0199"}
    await clinic.add_patient("Far", **far, date_of_birth=BORN)
    await clinic.add_patient("Twin", **far, date_of_birth=date(1980, 3, 9))
    await clinic.add_patient("Unknown", **far)
    await clinic.add_patient("Gone", **far, date_of_birth=BORN, active=False)
    for contact in ("far@example.org", "+1 555 0199", "+1 (555) 0199"):
        assert await identified(clinic, contact) == ["Far"], contact
        assert await identified(clinic, contact, date(1980, 3, 9)) == ["Twin"]
        assert await identified(clinic, contact, date(1981, 3, 8)) == []
        assert await search(clinic, ann, contact) == [], "a contact alone finds no one"
    for other in ("far@example", "ann@example.org", "+1 555 0100", "555 0199", "Far", ""):
        assert await identified(clinic, other) == [], other
    for _ in range(2):
        await clinic.add_patient("Another", **far, date_of_birth=BORN)
    assert len(await identified(clinic, far["email"])) == 2, "no more than that it is not one"


async def test_domains_that_only_look_alike_are_different(clinic: Clinic) -> None:
    find = clinic.store.profiles.adoptable
    sharp = await clinic.add_patient("Sharp", email="Pat@Straße.example", date_of_birth=BORN)
    double = await clinic.add_patient("Double", email="pat@strasse.example")
    for same in ("PAT@straße.EXAMPLE", "pat@xn--strae-oqa.example", "pat@XN--STRAE-OQA.example"):
        assert await find(same) == [sharp], same
        assert await identified(clinic, same) == ["Sharp"]
    assert await find("pat@STRASSE.example") == [double]
    # Each has a character that casefolding, but not ASCII, takes for another one.
    for other in ("pat@\u017ftrasse.example2", "\u212aim@example.org", "paT\u0307@example.org"):
        assert await find(other) == []
    await clinic.add_patient("Kim", email="kim@example.org")
    assert await find("\u212aim@example.org") == []


async def test_what_is_no_address_adopts_no_one(clinic: Clinic) -> None:
    await clinic.add_patient("Without an address")
    for email in ("", "@", "pat@", "@example.org", "pat", "pat@\u200d", "a\rb@c.d"):
        await clinic.add_patient("With none that can be used", email=email)
        assert await clinic.store.profiles.adoptable(email) == []


async def test_a_number_is_found_in_any_punctuation(clinic: Clinic) -> None:
    ann = await clinic.add_dentist("Dr Ann")
    await clinic.add_patient("Far", phone="+43 (0)1 234-56.78", date_of_birth=BORN)
    await clinic.add_patient("Near", phone="(01) 234 5678", date_of_birth=BORN)
    await clinic.add_patient("Own", phone="+1 202 555 0100", created_by=ann.id)
    for same in ("+4312345678", "+43 1 234 5678", "+43(1)2345678", "+43 (0) 1 2345678"):
        assert await identified(clinic, same) == ["Far"], same
    assert await identified(clinic, "01/2345678") == ["Near"]
    for other in ("+4312345679", "+44 1 2345678", "2345678", "4312345678"):
        assert await identified(clinic, other) == []
    for part in ("202-555", "(202) 5550", "+1 (202)", "5550100"):
        assert await search(clinic, ann, part) == ["Own"], part


async def test_in_a_region_national_numbers_are_international_ones(
    database: Database, clock: FakeClock, new_id: SerialIds, postbox: Postbox
) -> None:
    async with open_store(
        database.settings,
        render=render,
        publisher=postbox,
        new_id=new_id,
        clock=clock,
        region="AT",
    ) as store:
        clinic = Clinic(store, clock, new_id, postbox)
        for number, phone in enumerate(("+43 1 2345678", "01/234 56 78", "0043-1-2345678")):
            day = BORN.replace(day=number + 1)
            await clinic.add_patient(f"Pat {number}", phone=phone, date_of_birth=day)
        await clinic.add_patient("Local", phone="2345678", date_of_birth=BORN)
        for same in ("+43 1 2345678", "(01) 2345678", "0043 1 2345678", "+43 (0)1 2345678"):
            for number in range(3):
                day = BORN.replace(day=number + 1)
                assert await identified(clinic, same, day) == [f"Pat {number}"], same
        assert await identified(clinic, "2345678") == ["Local"]
        assert await identified(clinic, "01 2345679") == []


async def test_a_number_without_a_key_is_found_as_it_was_typed(
    clinic: Clinic, database: Database
) -> None:
    """As the version before this one writes it, on the same database."""
    await clinic.add_patient("Old", phone="+1 555 0199", date_of_birth=BORN)
    database.query("UPDATE profiles SET phone_key = NULL")
    assert await identified(clinic, "+1 555 0199") == ["Old"]


async def test_a_search_is_paged_by_name(clinic: Clinic) -> None:
    ann = await clinic.add_dentist()
    for n in range(5):
        await clinic.add_patient(f"Pat {n}", created_by=ann.id)
    first = await clinic.store.profiles.search(dentist(ann), "pat", limit=3, after=None)
    second = await clinic.store.profiles.search(
        dentist(ann), "pat", limit=3, after=first.next_after
    )
    assert names([*first.profiles, *second.profiles]) == [f"Pat {n}" for n in range(5)]
    assert (first.total, second.total, second.next_after) == (5, 5, None)


async def test_a_search_leaves_a_trace(clinic: Clinic, database: Database) -> None:
    ann = await clinic.add_dentist()
    await clinic.store.profiles.record_search(dentist(ann), "request-7", 3)
    sql = (
        "SELECT on_behalf_of, resource_kind, found, request_id FROM audit_log "
        "WHERE action = 'people.searched'"
    )
    assert database.query(sql) == [(ann.id, "profile", 3, "request-7")]


async def test_ending_somebodys_connections_leaves_a_trace(
    clinic: Clinic, database: Database
) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient("Pat Secret")
    for person in (ann, pat):
        await clinic.store.profiles.record_disconnect(ADMIN, "request-8", person)
    sql = (
        "SELECT role, subject, resource_kind, resource_id, dentist_id, patient_id, request_id "
        "FROM audit_log WHERE action = 'connections.ended' ORDER BY id"
    )
    assert database.query(sql) == [
        ("admin", "admin", "profile", ann.id, ann.id, None, "request-8"),
        ("admin", "admin", "profile", pat.id, None, pat.id, "request-8"),
    ]
