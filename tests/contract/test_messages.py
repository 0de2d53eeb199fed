"""Messages to patients: written with their cause, and taken from the queue in order."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from actors.domain.appointment import Status
from actors.domain.events import MessageSaved
from actors.domain.ids import AppointmentTypeId
from actors.domain.message import Message, MessageChannel, MessageError, MessageState, is_true_of
from actors.domain.profile import ConsentSource, MessageConsents, Profile
from actors.domain.refusals import VersionConflict
from actors.ports.calendars import LoadedCalendar
from actors.ports.commits import TurnRefused
from actors.ports.messages import DueMessage
from store.engine import Store, open_store
from tests.contract.clinic import (
    DAY,
    HOUR,
    MINUTE,
    Clinic,
    Postbox,
    booked,
    cancelled,
    changed,
    held,
    moved,
    released,
    render,
    settle,
)
from tests.contract.engines import Database
from tests.contract.hooks import add_message
from tests.support.clock import FakeClock
from tests.support.ids import SerialIds

MAIL = "pat@example.org"
EMAIL_ONLY = frozenset({MessageChannel.EMAIL})


@pytest.fixture
async def store(
    database: Database, clock: FakeClock, new_id: SerialIds, postbox: Postbox
) -> AsyncIterator[Store]:
    async with open_store(
        database.settings,
        render=render,
        publisher=postbox,
        new_id=new_id,
        clock=clock,
        message_channels=EMAIL_ONLY,
    ) as store:
        yield store


class Desk:
    """A dentist's calendar of a practice, whose patient can be reached."""

    def __init__(self, clinic: Clinic, dentist: Profile, patient: Profile) -> None:
        self.clinic, self.dentist, self.patient = clinic, dentist, patient

    async def open(self) -> LoadedCalendar:
        return await self.clinic.open(self.dentist)

    async def due(self, after: timedelta = timedelta(0)) -> list[DueMessage]:
        now = self.clinic.clock.now() + after
        queue = self.clinic.store.messages
        return list(await queue.due(now, claims_before=now, limit=50))

    async def remind(self, lead: timedelta, since: datetime, now: datetime) -> int:
        queue = self.clinic.store.reminders
        return await queue.remind(lead, [self.clinic.kind.id], since, now)

    async def kinds(self) -> list[str]:
        return [str(each.message.kind) for each in await self.due()]

    async def save(self, before: Message, after: Message) -> None:
        await self.clinic.store.messages.save([MessageSaved(before=before, after=after)])
        await settle()


@pytest.fixture
async def desk(clinic: Clinic) -> Desk:
    practice = await clinic.add_practice()
    dentist = await clinic.add_dentist(practice_id=practice.id)
    patient = await clinic.add_patient(email=MAIL)
    return Desk(clinic, dentist, patient)


async def test_a_booking_a_change_and_a_cancellation_write_one_message_each(
    clinic: Clinic, desk: Desk
) -> None:
    row, loaded = clinic.row(desk.dentist, desk.patient), await desk.open()
    await clinic.commit(loaded, clinic.turn(booked(row)))
    (first,) = await desk.due()
    message = first.message
    assert (message.kind, message.state, message.channel) == ("confirmation", "queued", "email")
    assert (message.appointment_id, message.patient_id) == (row.id, desk.patient.id)
    assert (message.practice_id, message.dentist_id) == (desk.dentist.practice_id, desk.dentist.id)
    assert (message.created_at, message.expires_at) == (clinic.clock.now(), row.start)
    later = changed(row, start=row.start + HOUR, end=row.end + HOUR)
    await clinic.commit(loaded, clinic.turn(later))
    assert [(each.message.kind, each.is_replaced) for each in await desk.due()] == [
        ("confirmation", True)
    ]
    await clinic.commit(loaded, clinic.turn(cancelled(later.after)))
    stored = await desk.due()
    assert [(each.message.kind, each.is_replaced) for each in stored] == [
        ("confirmation", True),
        ("change", True),
    ]


async def test_nothing_is_written_that_concerns_no_coming_visit(clinic: Clinic, desk: Desk) -> None:
    loaded, now = await desk.open(), clinic.clock.now()
    hold = clinic.row(desk.dentist, desk.patient, status=Status.HELD)
    await clinic.commit(loaded, clinic.turn(held(hold)))
    await clinic.commit(loaded, clinic.turn(released(hold)))
    past = clinic.row(desk.dentist, desk.patient, now - HOUR)
    await clinic.commit(loaded, clinic.turn(booked(past)))
    await clinic.commit(loaded, clinic.turn(cancelled(past)))
    assert await desk.kinds() == []
    row = clinic.row(desk.dentist, desk.patient)
    await clinic.commit(loaded, clinic.turn(booked(row)))
    await clinic.commit(loaded, clinic.turn(changed(row, notes="Bring the picture")))
    assert await desk.kinds() == ["confirmation"]
    assert not (await desk.due())[0].is_replaced


async def test_a_visit_moved_to_a_colleague_is_a_change(clinic: Clinic, desk: Desk) -> None:
    colleague = await clinic.add_dentist("Dr Bo", practice_id=desk.dentist.practice_id)
    row = clinic.row(desk.dentist, desk.patient)
    await clinic.commit(await desk.open(), clinic.turn(booked(row)))
    (confirmation,) = await desk.due()
    await desk.save(confirmation.message, confirmation.message.sent(clinic.clock.now()))
    await clinic.commit(await clinic.open(colleague), clinic.turn(moved(row, colleague)))
    (change,) = await desk.due()
    assert (change.message.kind, change.message.dentist_id) == ("change", colleague.id)


async def test_who_cannot_be_reached_or_refused_gets_none(clinic: Clinic, desk: Desk) -> None:
    refused = MessageConsents().answered(
        email=False, sms=None, at=clinic.clock.now(), source=ConsentSource.PATIENT
    )
    people = [
        await clinic.add_patient("No address"),
        await clinic.add_patient("Telephone", phone="+43 1 234"),
        await clinic.add_patient("Refused", email="no@example.org", consent=refused),
    ]
    loaded = await desk.open()
    for number, patient in enumerate(people):
        start = clinic.clock.now() + DAY + number * HOUR
        await clinic.commit(loaded, clinic.turn(booked(clinic.row(desk.dentist, patient, start))))
    assert await desk.due() == []


async def test_a_refused_commit_writes_no_message(clinic: Clinic, desk: Desk) -> None:
    colleague = await clinic.add_dentist("Dr Bo")
    row = clinic.row(desk.dentist, desk.patient)
    await clinic.commit(await desk.open(), clinic.turn(booked(row)))
    same = clinic.row(colleague, desk.patient, row.start)
    with pytest.raises(TurnRefused):
        await clinic.commit(await clinic.open(colleague), clinic.turn(booked(same)))
    assert await desk.kinds() == ["confirmation"]


async def test_a_patient_gets_messages_one_after_the_other(clinic: Clinic, desk: Desk) -> None:
    loaded = await desk.open()
    for hours in (24, 25):
        row = clinic.row(desk.dentist, desk.patient, clinic.clock.now() + hours * HOUR)
        await clinic.commit(loaded, clinic.turn(booked(row)))
        clinic.clock.advance(timedelta(seconds=1))
    (first,) = await desk.due()
    waiting = first.message.postponed(clinic.clock.now() + 5 * MINUTE, MessageError.DEFERRED)
    await desk.save(first.message, waiting)
    assert await desk.due() == []
    (again,) = await desk.due(5 * MINUTE)
    assert again.message == waiting
    await desk.save(waiting, waiting.sent(clinic.clock.now()))
    (second,) = await desk.due()
    assert second.message.id != first.message.id


async def test_a_claimed_message_is_left_to_its_node(clinic: Clinic, desk: Desk) -> None:
    row = clinic.row(desk.dentist, desk.patient)
    await clinic.commit(await desk.open(), clinic.turn(booked(row)))
    (found,) = await desk.due()
    claimed = found.message.claimed(clinic.clock.now() + 2 * MINUTE)
    await desk.save(found.message, claimed)
    assert await desk.due(MINUTE) == []
    (free,) = await desk.due(2 * MINUTE)
    assert free.message == claimed
    with pytest.raises(VersionConflict):
        await desk.save(found.message, found.message.claimed(clinic.clock.now() + DAY))


async def test_what_becomes_of_a_message_is_published(
    clinic: Clinic, desk: Desk, postbox: Postbox
) -> None:
    row, now = clinic.row(desk.dentist, desk.patient), clinic.clock.now()
    await clinic.commit(await desk.open(), clinic.turn(booked(row)))
    (found,) = await desk.due()
    postbox.batches.clear()
    claimed = found.message.claimed(now + MINUTE)
    await desk.save(found.message, claimed)
    again = claimed.postponed(now, MessageError.TIMEOUT).claimed(now + MINUTE)
    await desk.save(claimed, replace(again, version=claimed.version + 1))
    final = replace(again, version=claimed.version + 1)
    await desk.save(final, final.sent(now))
    channels = [f"practices:{desk.dentist.practice_id}", f"appointments:dentist:{desk.dentist.id}"]
    assert [(each.type, each.channel) for each in postbox.records] == [
        *(("message.queued", channel) for channel in channels),
        *(("message.sent", channel) for channel in channels),
    ]


async def test_details_are_those_of_the_visit_now(clinic: Clinic, desk: Desk) -> None:
    row = clinic.row(desk.dentist, desk.patient)
    await clinic.commit(await desk.open(), clinic.turn(booked(row)))
    (found,) = await desk.due()
    details = await clinic.store.messages.details(found.message)
    assert details
    assert (details.row, details.kind) == (row, clinic.kind)
    assert (details.patient, details.dentist) == (desk.patient, desk.dentist)
    assert details.practice
    assert details.practice.id == desk.dentist.practice_id
    gone = replace(found.message, dentist_id=None)
    with pytest.raises(AssertionError):
        await clinic.store.messages.details(gone)


async def test_messages_sent_today_are_counted(clinic: Clinic, desk: Desk) -> None:
    row, now = clinic.row(desk.dentist, desk.patient), clinic.clock.now()
    await clinic.commit(await desk.open(), clinic.turn(booked(row)))
    (found,) = await desk.due()
    queue = clinic.store.messages
    before = await queue.sent_since(found.message, now - DAY)
    assert (before.to_recipient, before.of_practice) == (0, 0)
    await desk.save(found.message, found.message.sent(now))
    after = await queue.sent_since(found.message, now - DAY)
    assert (after.to_recipient, after.of_practice) == (1, 1)
    later = await queue.sent_since(found.message, now + MINUTE)
    assert (later.to_recipient, later.of_practice) == (0, 0)


async def test_old_messages_are_forgotten_unless_they_are_queued(
    clinic: Clinic, desk: Desk
) -> None:
    loaded = await desk.open()
    for hours in (24, 25):
        row = clinic.row(desk.dentist, desk.patient, clinic.clock.now() + hours * HOUR)
        await clinic.commit(loaded, clinic.turn(booked(row)))
        clinic.clock.advance(timedelta(seconds=1))
    (first,) = await desk.due()
    await desk.save(first.message, first.message.ended(MessageState.FAILED, MessageError.REFUSED))
    clinic.clock.advance(181 * DAY)
    done = await clinic.store.retention.forget(clinic.clock.now())
    assert done["messages"] == 1
    (kept,) = await desk.due()
    assert kept.message.state is MessageState.QUEUED


async def test_without_channels_nothing_is_written(
    database: Database, clock: FakeClock, new_id: SerialIds
) -> None:
    async with open_store(
        database.settings, render=render, publisher=Postbox(), new_id=new_id, clock=clock
    ) as store:
        clinic = Clinic(store, clock, new_id, Postbox())
        await clinic.found()
        dentist, patient = await clinic.add_dentist(), await clinic.add_patient(email=MAIL)
        await clinic.commit(
            await clinic.open(dentist), clinic.turn(booked(clinic.row(dentist, patient)))
        )
    assert database.query("SELECT count(*) FROM messages") == [(0,)]


async def test_a_visit_is_reminded_of_once_for_each_lead(clinic: Clinic, desk: Desk) -> None:
    clock, row = clinic.clock, clinic.row(desk.dentist, desk.patient, clinic.clock.now() + 5 * DAY)
    await clinic.commit(await desk.open(), clinic.turn(booked(row)))
    (confirmation,) = await desk.due()
    await desk.save(confirmation.message, confirmation.message.sent(clock.now()))
    lead, remind = 2 * DAY, desk.remind
    assert await remind(lead, clock.now() - HOUR, clock.now()) == 0
    clock.advance(3 * DAY)
    assert await remind(lead, clock.now() - HOUR, clock.now() - MINUTE) == 0
    assert await remind(lead, clock.now() - HOUR, clock.now()) == 1
    assert await remind(lead, clock.now() - HOUR, clock.now()) == 0
    (reminder,) = await desk.due()
    message = reminder.message
    assert (message.kind, message.lead_minutes) == ("reminder", 2 * 24 * 60)
    assert (message.visit_start, message.expires_at) == (row.start, row.start - DAY)
    assert not reminder.is_replaced
    clock.advance(2 * DAY - 3 * HOUR)
    assert await remind(3 * HOUR, clock.now() - HOUR, clock.now()) == 1


async def test_who_has_not_confirmed_a_visit_is_asked_to(clinic: Clinic, desk: Desk) -> None:
    clock, loaded = clinic.clock, await desk.open()
    other = await clinic.add_patient(email="other@example.org")
    open_one = clinic.row(desk.dentist, desk.patient, clock.now() + 5 * DAY)
    sure_one = clinic.row(desk.dentist, other, clock.now() + 5 * DAY + HOUR)
    sure = changed(sure_one, patient_confirmed_at=clock.now())
    await clinic.commit(loaded, clinic.turn(booked(open_one)), clinic.turn(booked(sure_one)))
    await clinic.commit(loaded, clinic.turn(sure))
    for each in await desk.due():
        await desk.save(each.message, each.message.sent(clock.now()))
    clock.advance(3 * DAY + HOUR)
    queue, types = clinic.store.reminders, [clinic.kind.id]
    since, now = clock.now() - 2 * HOUR, clock.now()
    assert await queue.remind(2 * DAY, types, since, now, asks=True) == 2
    due = {each.message.appointment_id: each.message for each in await desk.due()}
    kinds = {visit: message.kind for visit, message in due.items()}
    assert kinds == {open_one.id: "confirmation_request", sure.after.id: "reminder"}
    confirmed = changed(open_one, patient_confirmed_at=now)
    await clinic.commit(loaded, clinic.turn(confirmed))
    assert await queue.remind(2 * DAY, types, since, now) == 0, "the question was the reminder"
    asked = due[open_one.id]
    assert is_true_of(asked.kind, asked.visit_start, open_one)
    assert not is_true_of(asked.kind, asked.visit_start, confirmed.after)


async def test_of_what_was_booked_or_changed_late_no_one_is_reminded(
    clinic: Clinic, desk: Desk
) -> None:
    clock, loaded = clinic.clock, await desk.open()
    late = clinic.row(desk.dentist, desk.patient, clock.now() + DAY)
    moved_late = clinic.row(desk.dentist, desk.patient, clock.now() + 5 * DAY)
    gone = clinic.row(desk.dentist, desk.patient, clock.now() + 6 * DAY)
    for each in (late, moved_late, gone):
        await clinic.commit(loaded, clinic.turn(booked(each)))
    clock.advance(4 * DAY)
    start = clock.now() + DAY + HOUR
    change = changed(moved_late, start=start, end=start + 30 * MINUTE)
    await clinic.commit(loaded, clinic.turn(change), clinic.turn(cancelled(gone)))
    assert await desk.remind(2 * DAY, clock.now() - 9 * DAY, clock.now()) == 0


async def test_a_moved_visit_is_reminded_of_at_its_new_time(clinic: Clinic, desk: Desk) -> None:
    clock, loaded = clinic.clock, await desk.open()
    row = clinic.row(desk.dentist, desk.patient, clock.now() + 5 * DAY)
    await clinic.commit(loaded, clinic.turn(booked(row)))
    remind = desk.remind
    clock.advance(3 * DAY)
    assert await remind(2 * DAY, clock.now() - HOUR, clock.now()) == 1
    start = row.start + 3 * DAY
    later = changed(row, start=start, end=start + 30 * MINUTE)
    await clinic.commit(loaded, clinic.turn(later))
    clock.advance(3 * DAY)
    assert await remind(2 * DAY, clock.now() - HOUR, clock.now()) == 1


async def test_only_who_can_be_reached_is_reminded(clinic: Clinic, desk: Desk) -> None:
    clock, silent = clinic.clock, await clinic.add_patient("No address")
    loaded, start = await desk.open(), clock.now() + 5 * DAY
    await clinic.commit(loaded, clinic.turn(booked(clinic.row(desk.dentist, silent, start))))
    clock.advance(3 * DAY)
    assert await desk.remind(2 * DAY, clock.now() - HOUR, clock.now()) == 0


async def test_only_visits_of_the_types_are_reminded_of(clinic: Clinic, desk: Desk) -> None:
    clock = clinic.clock
    row = clinic.row(desk.dentist, desk.patient, clock.now() + 5 * DAY)
    await clinic.commit(await desk.open(), clinic.turn(booked(row)))
    clock.advance(3 * DAY)
    queue, since = clinic.store.reminders, clock.now() - HOUR
    other = AppointmentTypeId("other")
    assert await queue.remind(2 * DAY, [other], since, clock.now()) == 0
    assert await queue.remind(2 * DAY, [other, clinic.kind.id], since, clock.now()) == 1


async def test_a_code_comes_before_all_that_waits(clinic: Clinic, desk: Desk) -> None:
    row = clinic.row(desk.dentist, desk.patient)
    await clinic.commit(await desk.open(), clinic.turn(booked(row)))
    clinic.clock.advance(MINUTE)
    code = await add_message(clinic)
    assert [each.message.kind for each in await desk.due()] == ["code", "confirmation"]
    sent = code.sent(clinic.clock.now())
    assert (sent.content, sent.address) == (None, code.address), "the code is erased"
    postbox = clinic.postbox
    postbox.batches.clear()
    await desk.save(code, sent)
    assert postbox.records == [], "nobody is shown that it was sent"
    assert await desk.kinds() == ["confirmation"]
