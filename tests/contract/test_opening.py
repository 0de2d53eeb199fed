"""CalendarStore.open: the fence, and all an actor starts from."""

from actors.domain.appointment import Status
from actors.domain.channels import availability_channel
from actors.domain.ids import DentistId, ProfileId
from tests.contract.clinic import DAY, HOUR, MINUTE, Clinic, booked, held


async def test_a_new_dentists_calendar_is_closed_in_their_zone(clinic: Clinic) -> None:
    ann = await clinic.add_dentist(time_zone="Europe/Berlin")
    bob = await clinic.add_dentist("Dr Bob")
    loaded = await clinic.open(ann)
    assert loaded.schedule.time_zone == "Europe/Berlin"
    assert (loaded.schedule.rules, loaded.schedule.overrides) == ((), ())
    assert loaded.schedule.version == 1
    assert (await clinic.open(bob)).schedule.time_zone == "UTC"


async def test_live_rows_that_still_matter_are_loaded(clinic: Clinic) -> None:
    ann, bob = await clinic.add_dentist("Dr Ann"), await clinic.add_dentist("Dr Bob")
    pat = await clinic.add_patient()
    now = clinic.clock.now()
    upcoming = clinic.row(ann, pat, now + DAY)
    running = clinic.row(ann, pat, now - DAY - 15 * MINUTE)
    over = clinic.row(ann, pat, now - DAY - 30 * MINUTE - HOUR)
    gone = clinic.row(ann, pat, now + 2 * DAY, status=Status.CANCELLED)
    overdue = clinic.row(
        ann, pat, now + 3 * DAY, status=Status.HELD, expires_at=now - HOUR, created_at=now - DAY
    )
    elsewhere = clinic.row(bob, pat, now + 4 * DAY)
    rows = (upcoming, running, over, gone)
    await clinic.commit(await clinic.open(ann), *(clinic.turn(booked(row)) for row in rows))
    await clinic.commit(await clinic.open(ann), clinic.turn(held(overdue)))
    await clinic.commit(await clinic.open(bob), clinic.turn(booked(elsewhere)))
    loaded = await clinic.open(ann, live_after=now - DAY)
    assert loaded.rows == (running, upcoming, overdue)
    assert loaded.types == (clinic.kind,)


async def test_rows_of_any_age_and_status_are_loaded_by_id(clinic: Clinic) -> None:
    ann, bob = await clinic.add_dentist("Dr Ann"), await clinic.add_dentist("Dr Bob")
    pat = await clinic.add_patient()
    old = clinic.row(ann, pat, clinic.clock.now() - 400 * DAY, status=Status.CANCELLED)
    elsewhere = clinic.row(bob, pat)
    await clinic.commit(await clinic.open(ann), clinic.turn(booked(old)))
    await clinic.commit(await clinic.open(bob), clinic.turn(booked(elsewhere)))
    found = await clinic.store.calendars.load_rows(old.dentist_id, [old.id, elsewhere.id])
    assert found == [old]


async def test_the_position_is_that_of_the_availability_channel(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded = await clinic.open(ann)
    assert loaded.position.offset == 0
    assert loaded.position.epoch > 1_700_000_000
    committed = await clinic.commit(loaded, clinic.turn(booked(clinic.row(ann, pat))))
    again = await clinic.open(ann)
    assert again.position == committed.positions[availability_channel(DentistId(ann.id))]


async def test_viewing_shows_what_opening_loads_without_a_fence(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    now = clinic.clock.now()
    mine = await clinic.open(ann)
    await clinic.commit(mine, clinic.turn(booked(clinic.row(ann, pat))))
    dentist_id = DentistId(ann.id)
    seen = await clinic.store.calendars.view(dentist_id, live_after=now - DAY)
    assert seen is not None
    assert seen.fence == mine.fence
    await clinic.commit(mine, clinic.turn(booked(clinic.row(ann, pat, now + 9 * DAY))))
    later = await clinic.store.calendars.view(dentist_id, live_after=now - DAY)
    opened = await clinic.open(ann, live_after=now - DAY)
    assert later is not None
    assert (later.rows, later.schedule, later.types) == (opened.rows, opened.schedule, opened.types)
    assert later.position == opened.position
    unknown = DentistId(ProfileId("unknown"))
    assert await clinic.store.calendars.view(unknown, live_after=now) is None
