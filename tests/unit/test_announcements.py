"""Which announcements events have, and in which channels."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from actors.domain.announcements import (
    Announcement,
    announcements,
)
from actors.domain.appointment import Status
from actors.domain.changed_slots import REFETCH_MAX, SlotsChangedBody
from actors.domain.channels import AVAILABILITY_ALL
from actors.domain.commands import BookReservation, CancelAppointment, ReplaceSchedule
from actors.domain.decide import decide
from actors.domain.events import (
    AppointmentChanged,
    AppointmentTypeSaved,
    PatientLinked,
    PracticeSaved,
    ProfileSaved,
)
from actors.domain.ids import AppointmentId, PracticeId, ProfileId
from actors.domain.practice import Practice
from actors.domain.principal import Role
from actors.domain.profile import Profile
from actors.domain.schedule import Closure
from tests.unit.calendars import (
    ANNA,
    CHECKUP,
    DENTIST,
    NOW,
    SCHEDULE,
    STAFF,
    at,
    calendar,
    held,
    hold_slot,
    patient,
    row,
    with_schedule,
)

ROW, HOLD = AppointmentId("row"), AppointmentId("hold")
BOTH = ("appointments:dentist:dentist", "appointments:patient:anna")
SLOTS = ("availability:dentist:dentist",)


def shown(found: tuple[Announcement, ...]) -> list[tuple[str, tuple[str, ...]]]:
    return [(one.type, one.channels) for one in found]


def slots_changed(found: tuple[Announcement, ...]) -> tuple[list[object], list[object]]:
    """Starts taken and freed by the last announcement."""
    body = found[-1].body
    assert isinstance(body, SlotsChangedBody)
    return [block.start for block in body.taken], [block.start for block in body.freed]


def test_a_hold_is_announced_to_its_people_and_its_time_to_all() -> None:
    found = announcements(decide(hold_slot(at(9)), calendar(), NOW).events)
    assert shown(found) == [("reservation.created", BOTH), ("slots.changed", SLOTS)]
    assert slots_changed(found) == ([at(9)], [])


def test_booking_a_hold_announces_no_change_of_slots() -> None:
    book = BookReservation(by=patient(), appointment_id=HOLD)
    found = announcements(decide(book, calendar([held(at(9))]), NOW).events)
    assert shown(found) == [("appointment.created", BOTH)]


def test_a_cancellation_frees_its_time() -> None:
    cancel = CancelAppointment(by=patient(), appointment_id=ROW)
    found = announcements(decide(cancel, calendar([row(at(9))]), NOW).events)
    assert shown(found) == [("appointment.cancelled", BOTH), ("slots.changed", SLOTS)]
    assert slots_changed(found) == ([], [at(9)])


def test_a_replaced_hold_is_one_change_of_slots() -> None:
    found = announcements(decide(hold_slot(at(9, 15)), calendar([held(at(9))]), NOW).events)
    assert [name for name, _ in shown(found)] == [
        "reservation.released",
        "reservation.created",
        "slots.changed",
    ]
    assert slots_changed(found) == ([at(9, 15)], [at(9)])


def test_changed_slots_do_not_identify_patients() -> None:
    found = announcements(decide(hold_slot(at(9)), calendar(), NOW).events)
    assert ANNA not in repr(found[-1])


def test_a_new_schedule_is_announced_and_its_version_to_all() -> None:
    replace_it = ReplaceSchedule(by=STAFF, schedule=with_schedule(rules=()))
    found = announcements(decide(replace_it, calendar(), NOW).events)
    assert shown(found) == [
        ("availability.updated", SLOTS),
        ("availability.changed", (AVAILABILITY_ALL,)),
    ]
    assert SCHEDULE.version == 1


def test_a_changed_patient_is_announced_to_them_and_their_dentists() -> None:
    before = Profile(id=ProfileId("anna"), role=Role.PATIENT, name="Anna")
    found, of_practice = announcements(
        [ProfileSaved(before=before, after=replace(before, phone="1"))]
    )
    assert (of_practice.type, of_practice.channels) == ("patient.updated", ())
    assert of_practice.practices_of == ANNA
    assert (found.type, found.channels) == ("profile.updated", ("profiles:user:anna",))
    assert found.dentists_of == ANNA


def test_a_new_profile_is_not_announced() -> None:
    new = Profile(id=ProfileId("anna"), role=Role.PATIENT, name="Anna")
    assert announcements([ProfileSaved(before=None, after=new)]) == ()


def test_appointment_types_are_announced_to_all() -> None:
    (found,) = announcements([AppointmentTypeSaved(before=None, after=CHECKUP)])
    assert (found.type, found.channels) == ("appointment_types.updated", (AVAILABILITY_ALL,))


def test_a_row_that_is_no_longer_live_frees_its_time() -> None:
    before = row(at(9), status=Status.CHECKED_IN)
    after = replace(before, status=Status.COMPLETED, version=2)
    found = announcements([AppointmentChanged(before=before, after=after)])
    assert slots_changed(found) == ([], [at(9)])


def closing(*days: int) -> tuple[Announcement, ...]:
    first = date(2027, 3, 1)
    closures = tuple(
        Closure(start_date=first + timedelta(days=day), end_date=first + timedelta(days=day))
        for day in days
    )
    practice = Practice(id=PracticeId("practice"), name="Practice", time_zone="UTC")
    after = replace(practice, closures=closures, version=2)
    return announcements([PracticeSaved(before=practice, after=after, dentists=(DENTIST,))])


def test_times_to_be_read_again_do_not_overlap_and_are_few() -> None:
    def refetch(*days: int) -> list[tuple[int, int]]:
        """Of each block: the days from the first date to its start and end."""
        body = closing(*days)[-1].body
        assert isinstance(body, SlotsChangedBody)
        first = datetime(2027, 3, 1, tzinfo=UTC)
        return [((each.start - first).days, (each.end - first).days) for each in body.refetch]

    assert refetch(0, 1, 2, 10) == [(-2, 4), (8, 12)]
    assert refetch(10, 0) == [(-2, 2), (8, 12)]
    apart = range(0, 10 * REFETCH_MAX, 10)
    assert len(refetch(*apart)) == REFETCH_MAX
    assert refetch(*apart, 500) == [(-2, 502)]


def test_linking_a_patient_of_the_practice_again_is_told_to_nobody() -> None:
    patient_ = Profile(id=ProfileId("pat"), role=Role.PATIENT, name="Pat")
    link = PatientLinked(practice_id=PracticeId("practice"), patient=patient_)
    assert [each.type for each in announcements([link])] == ["patient.updated", "practice.linked"]
    assert announcements([replace(link, is_new=False)]) == ()
