"""The calendar actor on the real store: batches, replies after commit, and every failure."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from actors.calendar.registry import Registry
from actors.calendar.settings import ActorSettings, ReservationSettings
from actors.domain.announcements import Body, announcements
from actors.domain.appointment import AppointmentType
from actors.domain.channels import practice_channel
from actors.domain.commands import (
    BookReservation,
    BookSlot,
    CancelAppointment,
    Command,
    HoldSlot,
    ReplaceSchedule,
)
from actors.domain.events import AppointmentTypeSaved, PracticeSaved, ProfileSaved
from actors.domain.ids import (
    AppointmentId,
    AppointmentTypeId,
    DentistId,
    EventId,
    PatientId,
    PracticeId,
    ProfileId,
)
from actors.domain.outcome import Outcome
from actors.domain.position import Position
from actors.domain.practice import Practice
from actors.domain.principal import SYSTEM, Principal, Role
from actors.domain.profile import Profile
from actors.domain.refusals import (
    CalendarBusy,
    IdempotencyMismatch,
    NotFound,
    PatientConflict,
    SlotTaken,
    TooManyReservations,
    Unavailable,
)
from actors.domain.schedule import Schedule, Weekday, WeeklyRule, Window
from actors.ports.calendars import DueHold, LoadedCalendar
from actors.ports.commits import (
    ConstraintViolated,
    IdempotencyKey,
    OutcomeUnknown,
    Reply,
    StoreUnavailable,
    Turn,
)
from actors.ports.events import EventRecord
from actors.ports.rendering import Names
from store.engine import Store, open_store
from store.migrations.migrate import upgrade
from store.settings import DatabaseSettings
from tests.support.clock import FakeClock
from tests.support.faulty_store import FaultyStore
from tests.support.ids import SerialIds

SCHEDULE = Schedule(
    time_zone="UTC",
    rules=tuple(WeeklyRule(weekday=day, window=Window(9 * 60, 17 * 60)) for day in Weekday),
)


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2027, 3, 1, hour, minute, tzinfo=UTC)


def render(body: Body, names: Names) -> bytes:
    """The content of a reply does not matter here, only that repeated replies are equal."""
    return repr(body).encode()


class NoRelay:
    """A publisher without subscribers."""

    def publish(self, records: Sequence[EventRecord]) -> None:
        pass


class Clinic:
    """Two dentists, three patients and a registry over the (faulty) store."""

    def __init__(self, store: Store, clock: FakeClock, new_id: SerialIds) -> None:
        self.store, self.clock, self.new_id = store, clock, new_id
        self.faulty = FaultyStore(store.calendars)
        self.due: list[DueHold] = []
        self.settings = ActorSettings(mailbox_size=8, batch_size=4)
        self.reservations = ReservationSettings(max_future_per_patient=0)
        self.registry = self.new_registry()
        self.kind = AppointmentType(
            id=AppointmentTypeId(new_id()), name="Check-up", duration_minutes=30
        )
        self.dentist, self.other_dentist = DentistId(ProfileId("")), DentistId(ProfileId(""))
        self.anna, self.ben, self.cleo = (PatientId(ProfileId("")) for _ in range(3))

    def new_registry(self, settings: ActorSettings | None = None) -> Registry:
        return Registry(
            self.faulty,
            self.clock,
            settings or self.settings,
            self.reservations,
            on_hold=self.due.append,
        )

    async def set_up(self) -> None:
        self.dentist = DentistId(await self._person(Role.DENTIST))
        self.other_dentist = DentistId(await self._person(Role.DENTIST))
        self.anna = PatientId(await self._person(Role.PATIENT))
        self.ben = PatientId(await self._person(Role.PATIENT))
        self.cleo = PatientId(await self._person(Role.PATIENT))
        await self.save(AppointmentTypeSaved(before=None, after=self.kind))
        for dentist in (self.dentist, self.other_dentist):
            await self.execute(ReplaceSchedule(by=self.staff(dentist), schedule=SCHEDULE), dentist)
        self.faulty.batches.clear()

    async def _person(self, role: Role) -> ProfileId:
        profile = Profile(id=ProfileId(self.new_id()), role=role, name=f"A {role}")
        await self.save(ProfileSaved(before=None, after=profile))
        return profile.id

    async def save(self, event: ProfileSaved | AppointmentTypeSaved | PracticeSaved) -> None:
        await self.store.records.commit_record(
            Turn(
                by=SYSTEM,
                at=self.clock.now(),
                request_id="set-up",
                key=self.key(),
                events=(event,),
                announcements=announcements([event]),
                outcome=Outcome.CREATED,
                resource_id=event.after.id,
                version=event.after.version,
                reply=event.after,
            )
        )

    def key(self, key: str | None = None, fingerprint: str = "f") -> IdempotencyKey:
        return IdempotencyKey(
            scope="s", key=key or self.new_id(), fingerprint=fingerprint, internal=key is None
        )

    def patient(self, who: PatientId) -> Principal:
        return Principal(role=Role.PATIENT, subject=f"sub-{who}", person=who)

    def staff(self, who: DentistId) -> Principal:
        return Principal(role=Role.DENTIST, subject=f"sub-{who}", person=who)

    def book(self, start: datetime, who: PatientId | None = None) -> BookSlot:
        who = who or self.anna
        return BookSlot(
            by=self.patient(who),
            appointment_id=AppointmentId(self.new_id()),
            patient_id=who,
            appointment_type_id=self.kind.id,
            start=start,
        )

    def hold(self, start: datetime, who: PatientId | None = None) -> HoldSlot:
        who = who or self.anna
        return HoldSlot(
            by=self.patient(who),
            appointment_id=AppointmentId(self.new_id()),
            patient_id=who,
            appointment_type_id=self.kind.id,
            start=start,
        )

    def execute(
        self,
        command: Command,
        dentist: DentistId | None = None,
        *,
        key: IdempotencyKey | None = None,
        registry: Registry | None = None,
    ) -> Awaitable[Reply]:
        return (registry or self.registry).execute(
            dentist or self.dentist, command, key=key or self.key(), request_id="r"
        )

    def start(
        self,
        command: Command,
        dentist: DentistId | None = None,
        *,
        key: IdempotencyKey | None = None,
    ) -> "asyncio.Task[Reply]":
        async def execute() -> Reply:
            return await self.execute(command, dentist, key=key)

        return asyncio.create_task(execute())

    async def starts(self, dentist: DentistId | None = None) -> list[datetime]:
        """Starts of the live rows, as readers see them."""
        snapshot = await self.registry.snapshot(dentist or self.dentist)
        return [row.start for row in snapshot.calendar.agenda]


@pytest.fixture
async def clinic(tmp_path: Path) -> AsyncIterator[Clinic]:
    clock, new_id = FakeClock(), SerialIds()
    url = f"sqlite:///{tmp_path / 'hub.db'}"
    upgrade(url)
    async with open_store(
        DatabaseSettings(url=url), render=render, publisher=NoRelay(), new_id=new_id, clock=clock
    ) as store:
        clinic = Clinic(store, clock, new_id)
        await clinic.set_up()
        yield clinic
        clinic.faulty.let_commits_go()
        await clinic.registry.close()


async def let_tasks_run(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


# --- batches, and replies after the commit -----------------------------------------------------


async def test_commands_that_wait_for_a_commit_are_the_next_batch(clinic: Clinic) -> None:
    clinic.faulty.hold_commits()
    first = clinic.start(clinic.book(at(9)))
    await clinic.faulty.commit_begun()
    rest = [clinic.start(clinic.book(at(10 + n), clinic.ben)) for n in range(3)]
    await let_tasks_run()
    clinic.faulty.let_commits_go()
    await asyncio.gather(first, *rest)
    assert clinic.faulty.batches == [1, 3]


async def test_nothing_is_visible_before_its_commit(clinic: Clinic) -> None:
    clinic.faulty.hold_commits()
    booking = clinic.start(clinic.book(at(9)))
    await clinic.faulty.commit_begun()
    await let_tasks_run()
    assert not booking.done()
    assert await clinic.starts() == []
    clinic.faulty.let_commits_go()
    await booking
    assert await clinic.starts() == [at(9)]


async def test_a_refusal_due_to_an_uncommitted_booking_waits_for_it(clinic: Clinic) -> None:
    clinic.faulty.hold_commits()
    other = clinic.start(clinic.book(at(15), clinic.cleo))
    await clinic.faulty.commit_begun()
    winner, loser = clinic.start(clinic.book(at(9))), clinic.start(clinic.book(at(9), clinic.ben))
    await let_tasks_run()
    assert not loser.done()
    clinic.faulty.let_commits_go()
    await asyncio.gather(other, winner)
    with pytest.raises(SlotTaken):
        await loser


async def test_a_command_refused_by_a_full_mailbox_can_be_retried(clinic: Clinic) -> None:
    clinic.faulty.hold_commits()
    first = clinic.start(clinic.book(at(9)))
    await clinic.faulty.commit_begun()
    commands = [clinic.book(at(10 + n % 6, 30 * (n // 6)), clinic.ben) for n in range(12)]
    keys = [clinic.key(f"key-{n}") for n in range(12)]
    tasks = [clinic.start(c, key=k) for c, k in zip(commands, keys, strict=True)]
    await let_tasks_run()
    clinic.faulty.let_commits_go()
    await first
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    busy = [answer for answer in answers if isinstance(answer, CalendarBusy)]
    assert len(busy) == 12 - clinic.settings.mailbox_size
    for command, key in zip(commands, keys, strict=True):
        await clinic.execute(command, key=key)
    assert len(await clinic.starts()) == 13


async def test_overdue_commands_are_not_executed(clinic: Clinic) -> None:
    clinic.faulty.hold_commits()
    first = clinic.start(clinic.book(at(9)))
    await clinic.faulty.commit_begun()
    waiting = clinic.start(clinic.book(at(10), clinic.ben))
    await let_tasks_run()
    clinic.clock.advance(timedelta(seconds=clinic.settings.command_deadline_s + 1))
    clinic.registry.sweep()
    with pytest.raises(CalendarBusy):
        await waiting
    clinic.faulty.let_commits_go()
    await first
    assert await clinic.starts() == [at(9)]


# --- what one calendar cannot know ---------------------------------------------------


async def test_a_patient_booked_elsewhere_fails_only_their_own_command(
    clinic: Clinic,
) -> None:
    await clinic.execute(clinic.book(at(9)), clinic.other_dentist)
    clinic.faulty.hold_commits()
    first = clinic.start(clinic.book(at(15), clinic.cleo))
    await clinic.faulty.commit_begun()
    conflict = clinic.start(clinic.book(at(9)))
    fine = clinic.start(clinic.book(at(9, 30), clinic.ben))
    await let_tasks_run()
    clinic.faulty.let_commits_go()
    await asyncio.gather(first, fine)
    with pytest.raises(PatientConflict):
        await conflict
    assert await clinic.starts() == [at(9, 30), at(15)]


async def test_one_patient_at_two_dentists_at_once_is_booked_once(clinic: Clinic) -> None:
    answers = await asyncio.gather(
        clinic.execute(clinic.book(at(9))),
        clinic.execute(clinic.book(at(9, 15)), clinic.other_dentist),
        return_exceptions=True,
    )
    kinds = sorted(type(answer).__name__ for answer in answers)
    assert kinds == ["PatientConflict", "Reply"]


async def test_holds_of_a_patient_are_limited_over_all_dentists(clinic: Clinic) -> None:
    for start in (at(9), at(10)):
        await clinic.execute(clinic.hold(start))
    await clinic.execute(clinic.hold(at(11)), clinic.other_dentist)
    with pytest.raises(TooManyReservations):
        await clinic.execute(clinic.hold(at(12)))
    clinic.clock.advance(timedelta(seconds=clinic.reservations.hold_seconds))
    assert (await clinic.execute(clinic.hold(at(12)))).outcome is Outcome.CREATED


async def test_replacing_a_hold_does_not_count_twice(clinic: Clinic) -> None:
    for start in (at(9), at(10), at(11)):
        await clinic.execute(clinic.hold(start))
    assert (await clinic.execute(clinic.hold(at(11, 15)))).outcome is Outcome.CREATED


# --- idempotency ---------------------------------------------------------------------


async def test_the_same_key_and_body_get_the_first_reply_and_one_row(clinic: Clinic) -> None:
    key = clinic.key("k")
    first = await clinic.execute(clinic.book(at(9)), key=key)
    again = await clinic.execute(clinic.book(at(9)), key=key)
    assert again == first
    assert await clinic.starts() == [at(9)]


async def test_a_repeated_request_in_flight_waits_for_the_first_reply(clinic: Clinic) -> None:
    clinic.faulty.hold_commits()
    other = clinic.start(clinic.book(at(15), clinic.cleo))
    await clinic.faulty.commit_begun()
    repeated = [clinic.start(clinic.book(at(9)), key=clinic.key("k")) for _ in range(2)]
    await let_tasks_run()
    clinic.faulty.let_commits_go()
    await other
    first, second = await asyncio.gather(*repeated)
    assert first == second
    assert clinic.faulty.batches == [1, 1]


async def test_another_body_under_the_same_key_is_a_mismatch(clinic: Clinic) -> None:
    await clinic.execute(clinic.book(at(9)), key=clinic.key("k", "one"))
    with pytest.raises(IdempotencyMismatch):
        await clinic.execute(clinic.book(at(10)), key=clinic.key("k", "two"))


async def test_a_key_survives_a_restart(clinic: Clinic) -> None:
    first = await clinic.execute(clinic.book(at(9)), key=clinic.key("k"))
    await clinic.registry.close()
    clinic.registry = clinic.new_registry()
    assert await clinic.execute(clinic.book(at(9)), key=clinic.key("k")) == first


async def test_a_key_used_at_another_calendar_is_found_in_the_database(clinic: Clinic) -> None:
    first = await clinic.execute(clinic.book(at(9)), key=clinic.key("k"))
    elsewhere = await clinic.execute(clinic.book(at(9)), clinic.other_dentist, key=clinic.key("k"))
    assert elsewhere == first
    assert await clinic.starts(clinic.other_dentist) == []


async def test_refusals_are_not_kept_under_a_key(clinic: Clinic) -> None:
    blocker = await clinic.execute(clinic.book(at(9)))
    with pytest.raises(SlotTaken):
        await clinic.execute(clinic.book(at(9), clinic.ben), key=clinic.key("k"))
    await clinic.execute(
        CancelAppointment(
            by=clinic.patient(clinic.anna), appointment_id=AppointmentId(blocker.resource_id)
        )
    )
    reply = await clinic.execute(clinic.book(at(9), clinic.ben), key=clinic.key("k"))
    assert reply.outcome is Outcome.CREATED


# --- failures ------------------------------------------------------------------------


async def test_the_reply_of_a_commit_without_answer_is_looked_up(clinic: Clinic) -> None:
    clinic.faulty.after = [OutcomeUnknown()]
    reply = await clinic.execute(clinic.book(at(9)))
    assert reply.outcome is Outcome.CREATED
    assert await clinic.starts() == [at(9)]


async def test_a_commit_that_was_not_written_can_be_retried(
    clinic: Clinic,
) -> None:
    clinic.faulty.before = [OutcomeUnknown()]
    with pytest.raises(Unavailable):
        await clinic.execute(clinic.book(at(9)), key=clinic.key("k"))
    assert await clinic.starts() == []
    await clinic.execute(clinic.book(at(9)), key=clinic.key("k"))
    assert await clinic.starts() == [at(9)]


async def test_a_second_unknown_outcome_is_unavailable(
    clinic: Clinic, caplog: pytest.LogCaptureFixture
) -> None:
    """The calendar is loaded again to settle the first one, which is a write as well."""
    clinic.faulty.after, clinic.faulty.open_failures = [OutcomeUnknown()], [OutcomeUnknown()]
    with pytest.raises(Unavailable):
        await clinic.execute(clinic.book(at(9)), key=clinic.key("k"))
    assert "calendar_actor_failed" not in caplog.text
    clinic.faulty.open_failures = [OutcomeUnknown()]
    with pytest.raises(Unavailable):
        await clinic.execute(clinic.book(at(9)), key=clinic.key("k"))
    await clinic.execute(clinic.book(at(9)), key=clinic.key("k"))
    assert await clinic.starts() == [at(9)]


async def test_a_hold_whose_commit_was_not_answered_has_an_alarm(clinic: Clinic) -> None:
    """It would stay held until somebody wants the slot, or the hub restarts."""
    clinic.faulty.after = [OutcomeUnknown()]
    reply = await clinic.execute(clinic.hold(at(9)))
    assert [due.appointment_id for due in clinic.due] == [reply.resource_id]


async def test_an_unreachable_database_loses_nothing(clinic: Clinic) -> None:
    await clinic.execute(clinic.book(at(9)))
    clinic.faulty.before = [StoreUnavailable()]
    with pytest.raises(Unavailable):
        await clinic.execute(clinic.book(at(10)))
    await clinic.execute(clinic.book(at(11)))
    assert await clinic.starts() == [at(9), at(11)]


async def test_a_calendar_is_unavailable_until_it_can_be_loaded(
    clinic: Clinic,
) -> None:
    registry = clinic.new_registry()
    clinic.faulty.open_failures = [StoreUnavailable()]
    with pytest.raises(Unavailable):
        await registry.snapshot(clinic.dentist)
    assert (await registry.snapshot(clinic.dentist)).calendar.dentist_id == clinic.dentist
    await registry.close()


async def test_a_violated_constraint_is_decided_once_more_after_a_reload(clinic: Clinic) -> None:
    clinic.faulty.before = [ConstraintViolated()]
    await clinic.execute(clinic.book(at(9)))
    assert await clinic.starts() == [at(9)]


async def test_a_constraint_violated_twice_fails_only_that_batch(
    clinic: Clinic,
) -> None:
    clinic.faulty.before = [ConstraintViolated(), ConstraintViolated()]
    with pytest.raises(ConstraintViolated):
        await clinic.execute(clinic.book(at(9)))
    await clinic.execute(clinic.book(at(9)))
    assert await clinic.starts() == [at(9)]


async def test_callers_of_a_fenced_actor_are_served_by_the_next_one(
    clinic: Clinic,
) -> None:
    await clinic.execute(clinic.book(at(9)))
    later = clinic.new_registry()
    await clinic.execute(clinic.book(at(10), clinic.ben), registry=later)  # raises the fence
    with pytest.raises(SlotTaken):
        await clinic.execute(clinic.book(at(10), clinic.cleo))
    assert await clinic.starts() == [at(9), at(10)]
    await later.close()


async def test_a_changed_appointment_type_is_loaded_before_the_commit(clinic: Clinic) -> None:
    await clinic.execute(clinic.book(at(9)))
    longer = replace(clinic.kind, duration_minutes=60, version=2)
    await clinic.save(AppointmentTypeSaved(before=clinic.kind, after=longer))
    await clinic.execute(clinic.book(at(10), clinic.ben))
    snapshot = await clinic.registry.snapshot(clinic.dentist)
    lengths = [row.end - row.start for row in snapshot.calendar.agenda]
    assert lengths == [timedelta(minutes=30), timedelta(minutes=60)]


# --- lifetime ----------------------------------------------------------------------------


async def test_a_command_can_name_a_row_of_any_age_and_status(clinic: Clinic) -> None:
    booked = await clinic.execute(clinic.book(at(9)))
    await clinic.registry.close()
    clinic.clock.advance(timedelta(days=60))
    clinic.registry = clinic.new_registry()
    assert await clinic.starts() == []
    cancel = CancelAppointment(
        by=clinic.staff(clinic.dentist), appointment_id=AppointmentId(booked.resource_id)
    )
    assert (await clinic.execute(cancel)).outcome is Outcome.GONE


async def test_an_unknown_row_is_not_found(clinic: Clinic) -> None:
    with pytest.raises(NotFound):
        await clinic.execute(
            BookReservation(
                by=clinic.patient(clinic.anna), appointment_id=AppointmentId(clinic.new_id())
            )
        )


async def test_an_unknown_dentist_is_not_found(clinic: Clinic) -> None:
    with pytest.raises(NotFound):
        await clinic.registry.snapshot(DentistId(ProfileId(clinic.new_id())))


async def test_a_hold_sets_an_alarm_and_survives_a_restart(clinic: Clinic) -> None:
    reply = await clinic.execute(clinic.hold(at(9)))
    expires_at = clinic.clock.now() + timedelta(seconds=clinic.reservations.hold_seconds)
    expected = DueHold(
        expires_at=expires_at,
        dentist_id=clinic.dentist,
        appointment_id=AppointmentId(reply.resource_id),
    )
    assert clinic.due == [expected]
    assert list(await clinic.store.calendars.live_holds()) == [expected]


async def test_an_idle_calendar_leaves_memory_unless_it_has_holds(clinic: Clinic) -> None:
    await clinic.execute(clinic.book(at(9)))
    await clinic.execute(clinic.hold(at(9)), clinic.other_dentist)
    clinic.clock.advance(timedelta(minutes=clinic.settings.passivate_after_minutes))
    clinic.registry.sweep()
    assert [actor.dentist_id for actor in clinic.registry.actors()] == [clinic.other_dentist]
    assert await clinic.starts() == [at(9)]


async def test_closing_finishes_accepted_commands(clinic: Clinic) -> None:
    clinic.faulty.hold_commits()
    tasks = [clinic.start(clinic.book(at(9 + n), clinic.ben)) for n in range(3)]
    await clinic.faulty.commit_begun()
    closing = asyncio.create_task(clinic.registry.close())
    await let_tasks_run()
    clinic.faulty.let_commits_go()
    await closing
    assert [(await one).outcome for one in tasks] == [Outcome.CREATED] * 3
    with pytest.raises(Unavailable):
        await clinic.execute(clinic.book(at(14), clinic.ben))


async def test_a_changed_practice_lets_only_its_calendars_leave_memory(clinic: Clinic) -> None:
    practice = Practice(id=PracticeId(clinic.new_id()), name="Practice", time_zone="UTC")
    await clinic.save(PracticeSaved(before=None, after=practice))
    dentist = ProfileId(clinic.new_id())
    works_there = Profile(id=dentist, role=Role.DENTIST, name="A dentist", practice_id=practice.id)
    await clinic.save(ProfileSaved(before=None, after=works_there))
    for each in (DentistId(dentist), clinic.dentist):
        await clinic.registry.snapshot(each)

    clinic.registry.on_events([practice_updated(clinic, PracticeId("another"))])
    assert clinic.registry.has(DentistId(dentist))
    clinic.registry.on_events([practice_updated(clinic, practice.id)])
    assert not clinic.registry.has(DentistId(dentist))
    assert clinic.registry.has(clinic.dentist)


async def test_a_calendar_is_loaded_again_only_for_a_change_of_its_own_practice(
    clinic: Clinic,
) -> None:
    practice = Practice(id=PracticeId(clinic.new_id()), name="Practice", time_zone="UTC")
    await clinic.save(PracticeSaved(before=None, after=practice))
    dentist = DentistId(ProfileId(clinic.new_id()))
    works = Profile(id=dentist, role=Role.DENTIST, name="A dentist", practice_id=practice.id)
    await clinic.save(ProfileSaved(before=None, after=works))
    for changed, loads in ((PracticeId("another"), 1), (practice.id, 2)):
        store = ChangedMeanwhile(clinic.store.calendars)
        registry = Registry(
            store, clinic.clock, clinic.settings, clinic.reservations, on_hold=clinic.due.append
        )
        store.events = [practice_updated(clinic, changed)]
        store.registry = registry
        await registry.snapshot(dentist)
        assert store.loads == loads
        await registry.close()


async def test_all_calendars_are_loaded_again_after_lost_events(clinic: Clinic) -> None:
    store = ChangedMeanwhile(clinic.store.calendars)
    registry = Registry(
        store, clinic.clock, clinic.settings, clinic.reservations, on_hold=clinic.due.append
    )
    store.registry = registry
    await registry.snapshot(clinic.dentist)
    registry.reopen_all()
    assert not registry.has(clinic.dentist)
    await registry.snapshot(clinic.dentist)
    assert store.loads == 2
    await registry.close()


class ChangedMeanwhile(FaultyStore):
    """Events come while a calendar is loaded, once."""

    registry: Registry
    events: Sequence[EventRecord] = ()
    loads = 0

    async def open(
        self, dentist_id: DentistId, *, live_after: datetime, owner: str | None = None
    ) -> LoadedCalendar | None:
        self.loads += 1
        loaded = await super().open(dentist_id, live_after=live_after, owner=owner)
        self.registry.on_events(self.events)
        self.events = ()
        return loaded


def practice_updated(clinic: Clinic, practice_id: PracticeId) -> EventRecord:
    return EventRecord(
        channel=practice_channel(practice_id),
        position=Position(1, 1),
        event_id=EventId("e"),
        type="practice.updated",
        time=clinic.clock.now(),
        payload=b"{}",
    )
