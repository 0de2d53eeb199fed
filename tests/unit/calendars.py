"""A small calendar for tests of the domain: open daily from 09:00 to 17:00 UTC."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from actors.domain.agenda import Agenda
from actors.domain.appointment import Appointment, AppointmentType, Status
from actors.domain.calendar import Calendar, evolve
from actors.domain.commands import BookSlot, Command, HoldSlot
from actors.domain.decide import Decision, decide
from actors.domain.events import RowEvent
from actors.domain.ids import AppointmentId, AppointmentTypeId, DentistId, PatientId, ProfileId
from actors.domain.principal import Principal, Role
from actors.domain.schedule import Schedule, Weekday, WeeklyRule, Window

NOW = datetime(2027, 2, 26, 12, tzinfo=UTC)
HOLD_TIME = timedelta(minutes=5)
DENTIST = DentistId(ProfileId("dentist"))
ANNA, BEN = PatientId(ProfileId("anna")), PatientId(ProfileId("ben"))

CHECKUP = AppointmentType(id=AppointmentTypeId("checkup"), name="Check-up", duration_minutes=30)
CLEANING = AppointmentType(
    id=AppointmentTypeId("cleaning"),
    name="Cleaning",
    duration_minutes=60,
    buffer_before_minutes=5,
    buffer_after_minutes=10,
)

SCHEDULE = Schedule(
    time_zone="UTC",
    rules=tuple(WeeklyRule(weekday=day, window=Window(9 * 60, 17 * 60)) for day in Weekday),
    horizon_days=30,
)


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2027, 3, 1, hour, minute, tzinfo=UTC)


def patient(who: PatientId = ANNA, *, acting: str | None = None) -> Principal:
    return Principal(role=Role.PATIENT, subject=f"sub-{who}", person=who, acting=acting)


STAFF = Principal(role=Role.DENTIST, subject="sub-dentist", person=DENTIST)


def calendar(rows: Sequence[Appointment] = (), schedule: Schedule = SCHEDULE) -> Calendar:
    return Calendar(
        dentist_id=DENTIST,
        schedule=schedule,
        types={CHECKUP.id: CHECKUP, CLEANING.id: CLEANING},
        hold_time=HOLD_TIME,
        agenda=Agenda(rows),
    ).with_named(rows)


def row(
    start: datetime,
    *,
    id: str = "row",
    patient_id: PatientId = ANNA,
    kind: AppointmentType = CHECKUP,
    status: Status = Status.CONFIRMED,
    expires_at: datetime | None = None,
    overbooked: bool = False,
) -> Appointment:
    return Appointment(
        id=AppointmentId(id),
        dentist_id=DENTIST,
        patient_id=patient_id,
        appointment_type_id=kind.id,
        start=start,
        end=start + timedelta(minutes=kind.duration_minutes),
        buffer_before_minutes=kind.buffer_before_minutes,
        buffer_after_minutes=kind.buffer_after_minutes,
        status=status,
        expires_at=expires_at,
        overbooked=overbooked,
        created_via="patient",
        created_at=NOW,
        updated_at=NOW,
    )


def held(start: datetime, *, id: str = "hold", patient_id: PatientId = ANNA) -> Appointment:
    return row(start, id=id, patient_id=patient_id, status=Status.HELD, expires_at=NOW + HOLD_TIME)


def hold_slot(
    start: datetime,
    *,
    by: Principal | None = None,
    kind: AppointmentType = CHECKUP,
    id: str = "new",
) -> HoldSlot:
    by = by or patient()
    assert by.person
    return HoldSlot(
        by=by,
        appointment_id=AppointmentId(id),
        patient_id=PatientId(by.person),
        appointment_type_id=kind.id,
        start=start,
    )


def book_slot(
    start: datetime,
    *,
    by: Principal | None = None,
    who: PatientId = ANNA,
    kind: AppointmentType = CHECKUP,
    id: str = "new",
    overbook: bool = False,
) -> BookSlot:
    return BookSlot(
        by=by or patient(who),
        appointment_id=AppointmentId(id),
        patient_id=who,
        appointment_type_id=kind.id,
        start=start,
        overbook=overbook,
    )


def applied(before: Calendar, decision: Decision) -> Calendar:
    for event in decision.events:
        before = evolve(before, event)
    return before


def then(before: Calendar, command: Command, now: datetime = NOW) -> Calendar:
    """The calendar after the command."""
    return applied(before, decide(command, before, now))


def changes(decision: Decision) -> list[tuple[str, str, Status]]:
    """The changed rows of a decision: event, row id, new status."""
    return [
        (type(event).__name__, event.after.id, event.after.status)
        for event in decision.events
        if isinstance(event, RowEvent)
    ]


def with_schedule(**changed: object) -> Schedule:
    return replace(SCHEDULE, **changed)  # type: ignore[arg-type]  # field names of Schedule
