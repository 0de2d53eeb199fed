"""CalendarStore.commit: all of it or nothing, durable, in order, guarded."""

import asyncio
from dataclasses import replace

import pytest

from actors.domain.appointment import Status
from actors.domain.channels import dentist_channel, patient_channel
from actors.domain.events import AppointmentTypeSaved, ScheduleReplaced
from actors.domain.ids import DentistId, PatientId
from actors.domain.refusals import PatientConflict
from actors.domain.schedule import Override, Weekday, WeeklyRule, Window
from actors.ports.commits import ConstraintViolated, Fenced, StaleTypes, TurnRefused
from tests.contract.clinic import (
    DAY,
    MINUTE,
    Clinic,
    booked,
    cancelled,
    changed,
    held,
    released,
)
from tests.contract.engines import Database
from tests.support.eventually import eventually


async def test_a_booking_is_stored_and_answered(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist("Dr Ann"), await clinic.add_patient("Pat")
    row = clinic.row(ann, pat, notes="left molar")
    committed = await clinic.commit(await clinic.open(ann), clinic.turn(booked(row)))
    assert await clinic.stored(row) == row
    (reply,) = committed.replies
    assert (reply.resource_id, reply.version) == (row.id, 1)
    assert b'"confirmed"' in reply.body
    assert b"Dr Ann" in reply.body
    assert b"Pat" in reply.body


async def test_a_former_owner_writes_nothing(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    former = await clinic.open(ann)
    present = await clinic.open(ann)
    assert present.fence == former.fence + 1
    row = clinic.row(ann, pat)
    with pytest.raises(Fenced):
        await clinic.commit(former, clinic.turn(booked(row)))
    assert await clinic.stored(row) is None
    assert clinic.postbox.batches == []
    await clinic.commit(present, clinic.turn(booked(row)))


async def test_an_unknown_calendar_does_not_open(clinic: Clinic) -> None:
    stranger = DentistId(clinic.kind.id)  # type: ignore[arg-type]  # any id but a dentist's
    found = await clinic.store.calendars.open(stranger, live_after=clinic.clock.now())
    assert found is None


async def test_offsets_are_gapless_and_in_the_order_of_the_turns(clinic: Clinic) -> None:
    ann, pat, pia = [
        await clinic.add_dentist(),
        await clinic.add_patient(),
        await clinic.add_patient("Pia"),
    ]
    loaded = await clinic.open(ann)
    first, second = clinic.row(ann, pat), clinic.row(ann, pia, clinic.clock.now() + 2 * DAY)
    await clinic.commit(loaded, clinic.turn(booked(first)), clinic.turn(booked(second)))
    await clinic.commit(loaded, clinic.turn(cancelled(first)))
    published = [
        r for r in clinic.postbox.records if r.channel == dentist_channel(DentistId(ann.id))
    ]
    assert [(r.position.offset, r.type) for r in published] == [
        (1, "appointment.created"),
        (2, "appointment.created"),
        (3, "appointment.cancelled"),
    ]
    assert [first.id.encode() in r.payload for r in published] == [True, False, True]


async def test_one_announcement_has_one_id_on_all_its_channels(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    await clinic.commit(await clinic.open(ann), clinic.turn(booked(clinic.row(ann, pat))))
    by_type: dict[str, set[str]] = {}
    for record in clinic.postbox.records:
        by_type.setdefault(record.type, set()).add(record.event_id)
    assert {kind: len(ids) for kind, ids in by_type.items()} == {
        "appointment.created": 1,
        "slots.changed": 1,
    }
    assert len({r.payload for r in clinic.postbox.records if r.type.startswith("app")}) == 1


async def test_the_answer_names_the_new_heads(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded = await clinic.open(ann)
    committed = await clinic.commit(loaded, clinic.turn(booked(clinic.row(ann, pat))))
    channels = [record.channel for record in clinic.postbox.records]
    assert set(committed.positions) == set(channels)
    assert await clinic.store.events.heads(channels) == committed.positions


async def test_the_body_of_an_event_and_of_the_reply_are_the_same_bytes(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    turn = clinic.turn(booked(clinic.row(ann, pat)))
    committed = await clinic.commit(await clinic.open(ann), turn)
    assert committed.replies[0].body == clinic.postbox.records[0].payload


async def test_rows_are_written_in_the_order_of_the_events(clinic: Clinic) -> None:
    """Released first, the time is free for the booking; regrouped, it would collide."""
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded = await clinic.open(ann)
    hold = clinic.row(ann, pat, status=Status.HELD)
    await clinic.commit(loaded, clinic.turn(held(hold)))
    row = clinic.row(ann, pat, hold.start + 15 * MINUTE)
    await clinic.commit(loaded, clinic.turn(released(hold), booked(row)))
    assert await clinic.stored(row) == row


async def test_later_turns_of_a_batch_build_on_earlier_ones(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    row = clinic.row(ann, pat)
    moved = changed(row, start=row.start + DAY, end=row.end + DAY)
    again = clinic.row(ann, pat, row.start)
    turns = [clinic.turn(booked(row)), clinic.turn(moved), clinic.turn(booked(again))]
    await clinic.commit(await clinic.open(ann), *turns)
    assert await clinic.stored(row) == moved.after
    assert await clinic.stored(again) == again


async def test_a_row_that_changed_meanwhile_is_not_overwritten(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded = await clinic.open(ann)
    row = clinic.row(ann, pat)
    await clinic.commit(loaded, clinic.turn(booked(row)))
    await clinic.commit(loaded, clinic.turn(cancelled(row)))
    with pytest.raises(ConstraintViolated):
        await clinic.commit(loaded, clinic.turn(changed(row, notes="stale")))


async def test_the_database_refuses_what_overlaps_at_one_dentist(clinic: Clinic) -> None:
    ann, pat, pia = [
        await clinic.add_dentist(),
        await clinic.add_patient(),
        await clinic.add_patient("Pia"),
    ]
    loaded = await clinic.open(ann)
    row = clinic.row(ann, pat)
    await clinic.commit(loaded, clinic.turn(booked(row)))
    for start, minutes in [(0, 30), (-15, 30), (15, 30), (-30, 90), (10, 10)]:
        other = clinic.row(ann, pia, row.start + start * MINUTE, minutes=minutes)
        with pytest.raises(ConstraintViolated):
            await clinic.commit(loaded, clinic.turn(booked(other)))
        hold = replace(other, status=Status.HELD, expires_at=clinic.clock.now() + MINUTE)
        with pytest.raises(ConstraintViolated):
            await clinic.commit(loaded, clinic.turn(held(hold)))
        overbooked = replace(other, overbooked=True)
        await clinic.commit(loaded, clinic.turn(booked(overbooked)))
        await clinic.commit(loaded, clinic.turn(cancelled(overbooked)))


async def test_what_began_nearly_a_day_before_overlaps_too(clinic: Clinic) -> None:
    """The longest row there can be: it ends one minute after the other one's start."""
    ann, pat, pia = [
        await clinic.add_dentist(),
        await clinic.add_patient(),
        await clinic.add_patient("Pia"),
    ]
    bob = await clinic.add_dentist("Dr Bob")
    loaded, elsewhere = await clinic.open(ann), await clinic.open(bob)
    longest = clinic.row(ann, pat, minutes=24 * 60)
    await clinic.commit(loaded, clinic.turn(booked(longest)))
    late = clinic.row(ann, pia, longest.end - MINUTE)
    with pytest.raises(ConstraintViolated):
        await clinic.commit(loaded, clinic.turn(booked(late)))
    row = clinic.row(bob, pat, longest.end - MINUTE)
    with pytest.raises(TurnRefused) as refused:
        await clinic.commit(elsewhere, clinic.turn(booked(row)))
    assert isinstance(refused.value.refusal, PatientConflict)
    later = (await clinic.open(ann, live_after=longest.end - MINUTE)).rows
    assert later == (longest,), "it is loaded while it lasts"


async def test_no_row_is_longer_than_a_day(clinic: Clinic) -> None:
    """Overlaps are looked for among the rows of a day."""
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    row = clinic.row(ann, pat, minutes=24 * 60 + 1)
    with pytest.raises(ConstraintViolated):
        await clinic.commit(await clinic.open(ann), clinic.turn(booked(row)))


async def test_back_to_back_is_no_overlap(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded = await clinic.open(ann)
    middle = clinic.row(ann, pat)
    before = clinic.row(ann, pat, middle.start - 30 * MINUTE)
    after = clinic.row(ann, pat, middle.end)
    turns = [clinic.turn(booked(row)) for row in (before, after, middle)]
    assert len((await clinic.commit(loaded, *turns)).replies) == 3


async def test_moving_onto_a_taken_time_is_refused_by_the_database(clinic: Clinic) -> None:
    ann, pat, pia = [
        await clinic.add_dentist(),
        await clinic.add_patient(),
        await clinic.add_patient("Pia"),
    ]
    loaded = await clinic.open(ann)
    row, other = clinic.row(ann, pat), clinic.row(ann, pia, clinic.clock.now() + 2 * DAY)
    await clinic.commit(loaded, clinic.turn(booked(row)), clinic.turn(booked(other)))
    with pytest.raises(ConstraintViolated):
        await clinic.commit(loaded, clinic.turn(changed(other, start=row.start, end=row.end)))
    own_old_time = changed(row, start=row.start + 15 * MINUTE, end=row.end + 15 * MINUTE)
    await clinic.commit(loaded, clinic.turn(own_old_time))


async def test_a_failing_batch_leaves_nothing_behind(clinic: Clinic, database: Database) -> None:
    ann, pat, pia = [
        await clinic.add_dentist(),
        await clinic.add_patient(),
        await clinic.add_patient("Pia"),
    ]
    loaded = await clinic.open(ann)
    before = _everything(database)
    row = clinic.row(ann, pat)
    turns = [clinic.turn(booked(row)), clinic.turn(booked(clinic.row(ann, pia, row.start)))]
    with pytest.raises(ConstraintViolated):
        await clinic.commit(loaded, *turns)
    assert _everything(database) == before
    assert clinic.postbox.batches == []


async def test_a_failing_calendar_does_not_fail_its_neighbours(clinic: Clinic) -> None:
    """Committed together in one transaction, each under a savepoint of its own."""
    dentists = [await clinic.add_dentist(f"Dr {n}") for n in range(5)]
    patients = [await clinic.add_patient(f"Pat {n}") for n in range(5)]
    loaded = [await clinic.open(one) for one in dentists]
    await clinic.open(dentists[2])  # fences the third one's commit
    rows = [clinic.row(d, p) for d, p in zip(dentists, patients, strict=True)]
    results = await asyncio.gather(
        *(clinic.commit(a, clinic.turn(booked(r))) for a, r in zip(loaded, rows, strict=True)),
        return_exceptions=True,
    )
    assert [isinstance(result, Fenced) for result in results] == [0, 0, 1, 0, 0]
    assert [await clinic.stored(row) is not None for row in rows] == [1, 1, 0, 1, 1]


async def test_a_stale_appointment_type_stops_the_commit(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded = await clinic.open(ann)
    longer = replace(clinic.kind, duration_minutes=45, version=2)
    await clinic.save(AppointmentTypeSaved(before=clinic.kind, after=longer))
    row = clinic.row(ann, pat)
    with pytest.raises(StaleTypes):
        await clinic.commit(loaded, clinic.turn(booked(row)))
    assert await clinic.stored(row) is None
    assert longer in await clinic.store.calendars.load_types()
    clinic.kind = longer
    await clinic.commit(loaded, clinic.turn(booked(row)))


async def test_schedule_is_replaced_and_published(clinic: Clinic) -> None:
    ann = await clinic.add_dentist()
    loaded = await clinic.open(ann)
    wanted = replace(
        loaded.schedule,
        time_zone="America/New_York",
        slot_step_minutes=20,
        rules=(WeeklyRule(weekday=Weekday.MONDAY, window=Window(540, 1440)),),
        overrides=(
            Override(date=clinic.clock.now().date(), windows=()),
            Override(date=(clinic.clock.now() + DAY).date(), windows=(Window(0, 60),)),
        ),
        version=2,
    )
    event = ScheduleReplaced(dentist_id=loaded.dentist_id, before=loaded.schedule, after=wanted)
    await clinic.commit(loaded, clinic.turn(event))
    assert (await clinic.open(ann)).schedule == wanted
    assert [r.type for r in clinic.postbox.records] == [
        "availability.updated",
        "availability.changed",
    ]
    with pytest.raises(ConstraintViolated):
        await clinic.commit(await clinic.open(ann), clinic.turn(event))


async def test_callers_resume_before_events_are_published(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded, log = await clinic.open(ann), clinic.postbox.log
    log.clear()
    turn = clinic.turn(booked(clinic.row(ann, pat)))

    async def actor() -> None:
        await clinic.store.calendars.commit(clinic.commit_of(loaded, turn))
        log.append("published")

    await asyncio.create_task(actor())
    for _ in range(3):
        await asyncio.sleep(0)
    assert log == ["published", "announced"]


async def test_events_reach_the_outbox_in_commit_order(clinic: Clinic) -> None:
    dentists = [await clinic.add_dentist(f"Dr {n}") for n in range(8)]
    loaded = [await clinic.open(one) for one in dentists]
    pat = await clinic.add_patient()
    tasks = []
    for day in range(1, 6):
        for n, (one, calendar) in enumerate(zip(dentists, loaded, strict=True)):
            start = clinic.clock.now() + day * DAY + n * 30 * MINUTE
            turn = clinic.turn(booked(clinic.row(one, pat, start)))
            tasks.append(asyncio.create_task(clinic.commit(calendar, turn)))
    await asyncio.gather(*tasks)
    channel = patient_channel(PatientId(pat.id))
    offsets = [r.position.offset for r in clinic.postbox.records if r.channel == channel]
    assert offsets == list(range(1, 41))


async def test_commit_of_a_cancelled_caller_is_finished_and_published(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded, row = await clinic.open(ann), clinic.row(ann, pat)
    task = asyncio.create_task(clinic.commit(loaded, clinic.turn(booked(row))))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await eventually(lambda: len(clinic.postbox.records) == 3, 5.0)
    assert await clinic.stored(row) == row


async def test_audit_names_the_parties_by_id_only(clinic: Clinic, database: Database) -> None:
    ann, pat = await clinic.add_dentist("Dr Ann"), await clinic.add_patient("Pat Secret")
    loaded = await clinic.open(ann)
    row = clinic.row(ann, pat, notes="Hush")
    await clinic.commit(loaded, clinic.turn(booked(row)))
    await clinic.commit(loaded, clinic.turn(cancelled(row)))
    found = database.query(
        "SELECT action, role, on_behalf_of, old_status, new_status, version, request_id "
        "FROM audit_log WHERE resource_id = ? ORDER BY id",
        row.id,
    )
    assert found == [
        ("appointment.booked", "patient", pat.id, None, "confirmed", 1, "request-1"),
        ("appointment.cancelled", "patient", pat.id, "confirmed", "cancelled", 2, "request-1"),
    ]
    everything = repr(database.query("SELECT * FROM audit_log"))
    assert "Secret" not in everything
    assert "Hush" not in everything


def _everything(database: Database) -> list[list[tuple[object, ...]]]:
    return [
        database.query("SELECT * FROM appointments"),
        database.query("SELECT * FROM event_log"),
        database.query("SELECT * FROM event_channels"),
        database.query("SELECT * FROM idempotency_keys"),
        database.query("SELECT * FROM audit_log"),
    ]
