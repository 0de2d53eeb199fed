"""The agenda finds the rows near a time, for rows and buffers of any length."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

from actors.domain.agenda import Agenda
from actors.domain.appointment import Appointment, Status
from actors.domain.ids import AppointmentId, AppointmentTypeId, DentistId, PatientId, ProfileId
from actors.domain.slots import to_minute

NOON = datetime(2027, 3, 8, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
START = to_minute(NOON)


def row(name: str, at: int, minutes: int = 30, *, before: int = 0, after: int = 0) -> Appointment:
    """A row that starts ``at`` minutes after noon."""
    start = NOON + at * MINUTE
    return Appointment(
        id=AppointmentId(name),
        dentist_id=DentistId(ProfileId("d")),
        patient_id=PatientId(ProfileId("p")),
        appointment_type_id=AppointmentTypeId("t"),
        start=start,
        end=start + minutes * MINUTE,
        buffer_before_minutes=before,
        buffer_after_minutes=after,
        status=Status.CONFIRMED,
        created_via="patient",
        created_at=NOON,
        updated_at=NOON,
    )


def near(agenda: Agenda, *, before: int = 0, after: int = 0) -> list[str]:
    """The rows near the half hour from noon."""
    return [each.id for each in agenda.near(START - before, START + 30 + after)]


def test_adjacent_rows_are_not_near() -> None:
    assert near(Agenda([row("left", -30), row("right", 30), row("here", 15)])) == ["here"]


def test_a_row_of_a_day_with_a_buffer_of_a_day_blocks_two_days() -> None:
    day = 24 * 60
    long = row("long", -2 * day + 1, day, after=day)
    assert near(Agenda([long])) == ["long"]
    assert near(Agenda().changed(None, long)) == ["long"]
    assert near(Agenda([row("over", -2 * day, day, after=day)])) == []


def test_a_buffer_before_blocks_time_before_the_start() -> None:
    assert near(Agenda([row("later", 89, before=60)])) == ["later"]
    assert near(Agenda().changed(None, row("later", 89, before=60))) == ["later"]
    assert near(Agenda([row("too late", 90, before=60)])) == []


def test_the_buffers_of_the_interval_count_too() -> None:
    agenda = Agenda([row("left", -40, 30), row("right", 40)])
    assert near(agenda, before=10, after=10) == []
    assert near(agenda, before=11) == ["left"]
    assert near(agenda, after=11) == ["right"]


def test_only_rows_that_have_ended_are_dropped() -> None:
    agenda = Agenda([row("long", -300, 240), row("short", -120, 30), row("next", 0)])
    assert agenda.since(NOON - 91 * MINUTE) is agenda
    assert [each.id for each in agenda.since(NOON - 90 * MINUTE + MINUTE / 2)] == ["long", "next"]
    assert [each.id for each in agenda.since(NOON)] == ["next"]
    assert agenda.since(NOON).get(AppointmentId("long")) is None


def test_a_changed_agenda_is_the_one_of_the_rows_that_are_left() -> None:
    random, rows, agenda = Random(7), dict[str, Appointment](), Agenda()
    for _ in range(600):
        name = str(random.randrange(40))
        before = rows.pop(name, None)
        status = random.choice((Status.HELD, Status.CONFIRMED, Status.CANCELLED))
        after = replace(
            row(name, random.randrange(-3_000, 3_000), 60, after=random.choice((0, 90))),
            status=status,
            expires_at=NOON,
        )
        agenda = agenda.changed(before, after)
        if after.is_live:
            rows[name] = after
        fresh = Agenda(rows.values())
        assert list(agenda) == list(fresh)
        assert agenda.hold_count == fresh.hold_count
        assert agenda.get(after.id) == fresh.get(after.id)
        assert set(near(fresh, after=600)) <= set(near(agenda, after=600))
