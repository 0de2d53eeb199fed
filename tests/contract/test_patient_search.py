"""Searches of patients by words: who is found, in which order, and from which practice."""

from dataclasses import dataclass, replace
from datetime import date

import pytest

from actors.domain.appointment import Status
from actors.domain.events import PatientLinked, ProfileSaved
from actors.domain.practice import Practice
from actors.domain.principal import Principal
from actors.domain.profile import Profile
from store.transfer.verify import verify
from tests.contract.clinic import DAY, Clinic, booked, cancelled, changed, dentist, held, staff
from tests.contract.engines import Database, PostgresDatabase
from tests.support.postgres import ADMIN as OWNER


@dataclass
class Desk:
    """The front desk of one of two practices, each with a dentist."""

    clinic: Clinic
    here: Practice
    ann: Profile
    bob: Profile
    by: Principal
    there: Principal

    async def find(self, text: str, by: Principal | None = None, region: str = "DE") -> list[str]:
        search = self.clinic.store.profiles.search
        page = await search(by or self.by, text, limit=50, after=None, region=region)
        assert page.total == len(page.profiles)
        return [each.name for each in page.profiles]

    async def enter(self, name: str, **fields: object) -> Profile:
        return await self.clinic.add_patient(name, joins=self.here.id, **fields)

    async def rename(self, before: Profile, **changes: object) -> Profile:
        after = replace(before, version=before.version + 1, **changes)  # type: ignore[arg-type]  # keywords of a test
        await self.clinic.save(ProfileSaved(before=before, after=after))
        return after


@pytest.fixture
async def desk(clinic: Clinic) -> Desk:
    here, there = await clinic.add_practice("Here"), await clinic.add_practice("There")
    ann = await clinic.add_dentist("Dr Ann", practice_id=here.id)
    bob = await clinic.add_dentist("Dr Bob", practice_id=there.id)
    sue = await clinic.add_staff("Sue", here)
    tom = await clinic.add_staff("Tom", there)
    return Desk(clinic, here, ann, bob, staff(sue, ann), staff(tom, bob))


BORN = date(1980, 3, 8)
FOUND_BY: dict[str, tuple[str, ...]] = {
    "a word of the name": ("jürg", "MÜL", "muller", "mueller", "mül jürg", "o'b", "obrien"),
    "digits of the number": ("0176 123", "+49 (176) 123", "176", "0049176", "4567", "1234567"),
    "the e-mail address": ("JM@example.or", "jm@ex"),
    "the date of birth": ("1980-03-08", "08.03.1980", "8/3/1980"),
    "several": ("jü 1980-03-08", "mül 0176", "4567 08.03.1980 jm@e jürgen"),
}
NOT_BY = ("ürgen", "jü x", "0177", "1234", "1980-03-09", "31.02.1980", "mül 0177", "jm@f", "%", "_")


@pytest.mark.parametrize("texts", FOUND_BY.values(), ids=FOUND_BY)
async def test_a_patient_is_found_by(desk: Desk, texts: tuple[str, ...]) -> None:
    contact = {"email": "jm@example.org", "phone": "+49 176 1234567", "date_of_birth": BORN}
    await desk.enter("Jürgen Müller-O'Brien", **contact)
    await desk.enter("Anna Meier", phone="+43 1 7777777", date_of_birth=date(1980, 8, 3))
    for text in texts:
        assert await desk.find(text) == ["Jürgen Müller-O'Brien"], text
        assert await desk.find(text, desk.there) == [], text
        assert await desk.find(text, dentist(desk.ann)) == [], text


async def test_other_texts_find_nobody(desk: Desk) -> None:
    contact = {"email": "jm@example.org", "phone": "+49 176 1234567", "date_of_birth": BORN}
    await desk.enter("Jürgen Müller", **contact)
    for text in NOT_BY:
        assert await desk.find(text) == [], text


async def test_day_and_month_are_those_of_the_region(desk: Desk) -> None:
    await desk.enter("March", date_of_birth=date(1980, 3, 8))
    await desk.enter("August", date_of_birth=date(1980, 8, 3))
    assert await desk.find("3/8/1980", region="US") == ["March"]
    assert await desk.find("3/8/1980", region="AT") == ["August"]


async def test_the_best_match_comes_first_page_by_page(desk: Desk) -> None:
    wanted = ["Otto Müller", "Müller Karl Otto", "Otto Karl Müller", "Ottokar Müller"]
    for name in (*wanted[::-1], "Otto Maier"):
        await desk.enter(name)
    twins = [await desk.enter("Otto Müller") for _ in range(2)]
    search, seen, after = desk.clinic.store.profiles.search, list[Profile](), None
    while True:
        page = await search(desk.by, "otto muller", limit=2, after=after, region="DE")
        assert page.total == 6
        seen += page.profiles
        if (after := page.next_after) is None:
            break
    assert [each.name for each in seen] == ["Otto Müller"] * 2 + wanted
    assert [each.id for each in seen[1:3]] == [each.id for each in twins]


async def test_someone_who_is_not_active_is_found_and_shown_as_such(desk: Desk) -> None:
    gone = await desk.rename(await desk.enter("Gone Away"), active=False)
    search = desk.clinic.store.profiles.search
    page = await search(desk.by, "gone", limit=9, after=None)
    assert page.profiles == (gone,)


async def test_a_change_is_found_and_what_was_before_is_not(desk: Desk, database: Database) -> None:
    pat = await desk.enter("Pat Old", phone="+49 176 1111111", date_of_birth=BORN)
    pat = await desk.rename(pat, name="Pat New", phone=None, email="pat@example.org")
    for text in ("old", "0176", "1111"):
        assert await desk.find(text) == [], text
    for text in ("new", "pat@", "8.3.1980", "pat"):
        assert await desk.find(text) == ["Pat New"], text
    assert _problems(database) == ()


async def test_who_belongs_to_a_practice_by_an_appointment_is_found(desk: Desk) -> None:
    clinic = desk.clinic
    pat, hal = await clinic.add_patient("Pat"), await clinic.add_patient("Hal")
    loaded = await clinic.open(desk.ann)
    hold = clinic.row(desk.ann, hal, clinic.clock.now() + 2 * DAY, status=Status.HELD)
    await clinic.commit(loaded, clinic.turn(booked(clinic.row(desk.ann, pat))))
    await clinic.commit(loaded, clinic.turn(held(hold)))
    assert await desk.find("pat") == ["Pat"]
    assert await desk.find("hal") == [], "a hold is no visit"
    assert await desk.find("pat", dentist(desk.ann)) == ["Pat"]
    for stranger in (desk.there, dentist(desk.bob)):
        assert await desk.find("pat", stranger) == []
    confirmed = replace(hold, status=Status.CONFIRMED, expires_at=None, version=2)
    await clinic.commit(loaded, clinic.turn(booked(confirmed, hold)))
    await clinic.commit(loaded, clinic.turn(changed(confirmed, notes="x")))
    assert await desk.find("hal") == ["Hal"]


async def test_who_was_booked_by_others_only_and_cancelled_is_found_no_more(
    desk: Desk, database: Database
) -> None:
    eve, now = await desk.clinic.add_patient("Eve"), desk.clinic.clock.now()
    loaded = await desk.clinic.open(desk.ann)
    first, second, own = (
        desk.clinic.row(desk.ann, eve, now + n * DAY, created_via=via)
        for n, via in ((1, "staff"), (2, "staff"), (3, "patient"))
    )
    for row in (first, second):
        await desk.clinic.commit(loaded, desk.clinic.turn(booked(row)))
    await desk.clinic.commit(loaded, desk.clinic.turn(cancelled(first)))
    assert await desk.find("eve") == ["Eve"], "one visit is left"
    await desk.clinic.commit(loaded, desk.clinic.turn(cancelled(second)))
    assert await desk.find("eve") == []
    await desk.clinic.commit(loaded, desk.clinic.turn(booked(own)))
    await desk.clinic.commit(loaded, desk.clinic.turn(cancelled(own)))
    assert await desk.find("eve") == ["Eve"], "a patient who booked remains one"
    assert _problems(database) == ()


async def test_who_is_linked_is_found(desk: Desk) -> None:
    far = await desk.clinic.add_patient("Far", phone="+49 176 1234567")
    assert await desk.find("far") == []
    await desk.clinic.save(PatientLinked(practice_id=desk.here.id, patient=far))
    assert await desk.find("far 0176") == ["Far"]
    await desk.rename(far, name="Near")
    assert (await desk.find("near"), await desk.find("far")) == (["Near"], [])


async def test_the_patients_of_a_dentist_come_to_the_first_practice(desk: Desk) -> None:
    clinic = desk.clinic
    eva, pat = await clinic.add_dentist("Dr Eva"), await clinic.add_patient("Pat")
    loaded = await clinic.open(eva)
    await clinic.commit(loaded, clinic.turn(booked(clinic.row(eva, pat))))
    by = replace(desk.by, calendars=(*desk.by.calendars, loaded.dentist_id))
    assert await desk.find("pat", by) == []
    await desk.rename(eva, practice_id=desk.here.id)
    assert await desk.find("pat", by) == ["Pat"]


async def test_no_one_is_found_without_a_practice(desk: Desk) -> None:
    await desk.clinic.add_patient("Nowhere Man")
    assert await desk.find("nowhere") == []


@pytest.mark.parametrize(
    "text",
    ["---", "%", "'\"\\", "\x01\x02", "ü" * 10_000, "a " * 5_000, "1 " * 5_000, "\U0010ffff"],
)
async def test_what_is_no_name_is_no_error(desk: Desk, text: str) -> None:
    await desk.enter("Anna Meier")
    assert await desk.find(text) in ([], ["Anna Meier"])


async def test_words_with_quotes_and_backslashes_are_kept(desk: Desk) -> None:
    """SQLite splits the words of a profile as JSON."""
    await desk.enter('Ann "Q" \\n \\" {x}', email='"a\\n"@example.org')
    assert await desk.find("ann q n x") == ['Ann "Q" \\n \\" {x}']


async def test_the_check_finds_words_that_are_wrong(desk: Desk, database: Database) -> None:
    pat, eve = await desk.enter("Pat"), await desk.enter("Eve")
    assert _problems(database) == ()
    database.query("DELETE FROM patient_words WHERE patient_id = ? AND word = 'npat'", pat.id)
    database.query("DELETE FROM patient_words WHERE patient_id = ? AND word = ''", eve.id)
    assert _problems(database) == (
        f"patient {eve.id} is not found at a practice that they belong to",
        f"patient {pat.id} is not found by the words of their profile",
    )


def _problems(database: Database) -> tuple[str, ...]:
    if isinstance(database, PostgresDatabase):
        return verify(database.server.url(database.name, OWNER)).problems
    return verify(database.url).problems
