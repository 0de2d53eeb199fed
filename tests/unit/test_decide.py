"""The clinic's rules: decisions on single commands."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from actors.calendar.settings import MEMORY_REACH
from actors.domain.agenda import Agenda
from actors.domain.announcements import ScheduleBody
from actors.domain.appointment import Appointment, Status
from actors.domain.calendar import Calendar
from actors.domain.cancel_reason import CancelReason
from actors.domain.commands import (
    BookReservation,
    CancelAppointment,
    ChangeAppointment,
    Command,
    ExpireHold,
    ReleaseHold,
    ReplaceSchedule,
)
from actors.domain.decide import Decision, decide
from actors.domain.events import ScheduleReplaced
from actors.domain.ids import AppointmentId, PatientId, ProfileId
from actors.domain.outcome import Outcome
from actors.domain.principal import SYSTEM, Principal
from actors.domain.refusals import (
    Forbidden,
    InvalidTransition,
    NotFound,
    OutsideAvailability,
    Refusal,
    ReservationExpired,
    SlotTaken,
    TooFar,
    TooLate,
    TooSoon,
    ValidationFailed,
    VersionConflict,
)
from actors.domain.schedule import (
    DailyLimit,
    Override,
    Schedule,
    TimeOff,
    Weekday,
    WeeklyRule,
    Window,
)
from tests.unit.calendars import (
    ANNA,
    BEN,
    CHECKUP,
    CLEANING,
    HOLD_TIME,
    NOW,
    SCHEDULE,
    STAFF,
    applied,
    at,
    book_slot,
    calendar,
    changes,
    held,
    hold_slot,
    patient,
    row,
    then,
    with_schedule,
)

ROW = AppointmentId("row")
HOLD = AppointmentId("hold")


def shown(decision: Decision) -> Appointment:
    assert isinstance(decision.reply, Appointment)
    return decision.reply


# --- holding -------------------------------------------------------------------------


def test_a_hold_lasts_the_hold_time() -> None:
    decision = decide(hold_slot(at(9)), calendar(), NOW)
    assert changes(decision) == [("SlotHeld", "new", Status.HELD)]
    assert decision.outcome is Outcome.CREATED
    assert shown(decision).expires_at == NOW + HOLD_TIME


def test_a_repeated_hold_returns_the_first_one() -> None:
    decision = decide(hold_slot(at(9)), calendar([held(at(9))]), NOW + timedelta(minutes=1))
    assert decision.events == ()
    assert decision.outcome is Outcome.UNCHANGED
    assert shown(decision) == held(at(9))


def test_another_patients_hold_takes_the_slot() -> None:
    with pytest.raises(SlotTaken):
        decide(hold_slot(at(9), by=patient(BEN)), calendar([held(at(9))]), NOW)


def test_a_hold_of_any_type_blocks_every_type() -> None:
    with pytest.raises(SlotTaken):
        decide(hold_slot(at(9), by=patient(BEN), kind=CLEANING), calendar([held(at(9, 30))]), NOW)


def test_an_overlapping_own_hold_is_replaced_in_the_same_turn() -> None:
    decision = decide(hold_slot(at(9, 15)), calendar([held(at(9))]), NOW)
    assert changes(decision) == [
        ("HoldReleased", "hold", Status.RELEASED),
        ("SlotHeld", "new", Status.HELD),
    ]


def test_another_type_at_the_same_start_replaces_the_own_hold() -> None:
    decision = decide(hold_slot(at(9), kind=CLEANING), calendar([held(at(9))]), NOW)
    assert [name for name, _, _ in changes(decision)] == ["HoldReleased", "SlotHeld"]


def test_an_overdue_hold_in_the_way_expires_without_its_alarm() -> None:
    decision = decide(hold_slot(at(9), by=patient(BEN)), calendar([held(at(9))]), NOW + HOLD_TIME)
    assert changes(decision) == [
        ("HoldExpired", "hold", Status.EXPIRED),
        ("SlotHeld", "new", Status.HELD),
    ]


@pytest.mark.parametrize(
    ("start", "refusal"),
    [
        (at(8), OutsideAvailability),
        (at(9, 7), OutsideAvailability),
        (at(16, 45), OutsideAvailability),
        (NOW.replace(hour=9), TooSoon),
        (at(9) + timedelta(days=60), TooFar),
    ],
    ids=["closed", "off the grid", "would end after closing", "past", "beyond the horizon"],
)
def test_a_patient_gets_only_what_is_offered(start: datetime, refusal: type[Refusal]) -> None:
    with pytest.raises(refusal):
        decide(hold_slot(start), calendar(), NOW)


def test_a_start_exactly_at_now_plus_notice_is_allowed() -> None:
    notice = int((at(9) - NOW) / timedelta(minutes=1))
    open_for = calendar(schedule=with_schedule(min_notice_minutes=notice))
    assert decide(hold_slot(at(9)), open_for, NOW).outcome is Outcome.CREATED
    with pytest.raises(TooSoon):
        decide(hold_slot(at(9)), open_for, NOW + timedelta(seconds=1))


def test_an_unknown_type_is_not_found() -> None:
    gone = calendar()
    gone.types.pop(CHECKUP.id)  # type: ignore[attr-defined]  # a plain dict in this test
    with pytest.raises(NotFound):
        decide(hold_slot(at(9)), gone, NOW)


# --- ending holds --------------------------------------------------------------------


def test_releasing_a_hold_frees_it() -> None:
    decision = decide(ReleaseHold(by=patient(), appointment_id=HOLD), calendar([held(at(9))]), NOW)
    assert changes(decision) == [("HoldReleased", "hold", Status.RELEASED)]
    assert decision.outcome is Outcome.GONE


def test_releasing_a_booked_hold_leaves_the_appointment() -> None:
    decision = decide(ReleaseHold(by=patient(), appointment_id=ROW), calendar([row(at(9))]), NOW)
    assert (decision.events, decision.outcome) == ((), Outcome.GONE)


def test_releasing_another_patients_hold_is_not_found() -> None:
    with pytest.raises(NotFound):
        decide(ReleaseHold(by=patient(BEN), appointment_id=HOLD), calendar([held(at(9))]), NOW)


def test_the_alarm_expires_a_hold_only_once_its_time_is_over() -> None:
    expire = ExpireHold(by=SYSTEM, appointment_id=HOLD)
    assert decide(expire, calendar([held(at(9))]), NOW + HOLD_TIME / 2).events == ()
    decision = decide(expire, calendar([held(at(9))]), NOW + HOLD_TIME)
    assert changes(decision) == [("HoldExpired", "hold", Status.EXPIRED)]


def test_the_alarm_that_fires_after_conversion_does_nothing() -> None:
    booked = then(calendar([held(at(9))]), BookReservation(by=patient(), appointment_id=HOLD))
    expire = ExpireHold(by=SYSTEM, appointment_id=HOLD)
    assert decide(expire, booked, NOW + HOLD_TIME).events == ()


# --- booking -------------------------------------------------------------------------


def test_booking_a_hold_changes_the_status_of_the_same_row() -> None:
    decision = decide(
        BookReservation(by=patient(), appointment_id=HOLD, notes="left side"),
        calendar([held(at(9))]),
        NOW,
    )
    assert changes(decision) == [("AppointmentBooked", "hold", Status.CONFIRMED)]
    booked = shown(decision)
    assert (booked.version, booked.expires_at, booked.notes) == (2, None, "left side")


CLOSED = with_schedule(rules=())
AWAY = with_schedule(time_off=(TimeOff(start_date=at(9).date(), end_date=at(9).date()),))
OTHER_TYPE = with_schedule(appointment_type_ids=(CLEANING.id,))
NONE_A_DAY = with_schedule(daily_limits=(DailyLimit(appointment_type_id=CHECKUP.id, per_day=0),))


@pytest.mark.parametrize(
    ("schedule", "refusal"),
    [
        (CLOSED, OutsideAvailability),
        (AWAY, OutsideAvailability),
        (OTHER_TYPE, OutsideAvailability),
        (NONE_A_DAY, OutsideAvailability),
        (with_schedule(slot_step_minutes=120, time_zone="Asia/Kolkata"), OutsideAvailability),
        (with_schedule(min_notice_minutes=7 * 24 * 60), TooSoon),
        (with_schedule(horizon_days=1), TooFar),
    ],
    ids=["closed", "time off", "type", "daily limit", "grid and zone", "notice", "horizon"],
)
@pytest.mark.parametrize(
    "book", [BookReservation(by=patient(), appointment_id=HOLD), book_slot(at(9))]
)
def test_a_hold_is_refused_by_the_rules_of_the_moment(
    book: Command, schedule: Schedule, refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        decide(book, calendar([held(at(9))], schedule=schedule), NOW)


def test_a_hold_inside_the_notice_by_now_cannot_be_booked() -> None:
    notice = int((at(9) - NOW) / timedelta(minutes=1))
    waiting = calendar([held(at(9))], schedule=with_schedule(min_notice_minutes=notice))
    book = BookReservation(by=patient(), appointment_id=HOLD)
    assert decide(book, waiting, NOW).events
    with pytest.raises(TooSoon):
        decide(book, waiting, NOW + timedelta(seconds=1))


def test_a_hold_whose_time_staff_overbooked_cannot_be_booked() -> None:
    overbooked = row(at(9, 15), patient_id=BEN, overbooked=True)
    with pytest.raises(SlotTaken):
        decide(
            BookReservation(by=patient(), appointment_id=HOLD),
            calendar([held(at(9)), overbooked]),
            NOW,
        )


def test_a_booked_hold_gets_the_present_length_of_its_type() -> None:
    longer = replace(CHECKUP, duration_minutes=45, buffer_after_minutes=5)
    changed = replace(calendar([held(at(9))]), types={CHECKUP.id: longer})
    book = BookReservation(by=patient(), appointment_id=HOLD)
    booked = shown(decide(book, changed, NOW))
    assert (booked.end, booked.buffer_after_minutes) == (at(9, 45), 5)
    neighbour = row(at(9, 30), patient_id=BEN)
    with pytest.raises(SlotTaken):
        decide(book, replace(changed, agenda=calendar([held(at(9)), neighbour]).agenda), NOW)


def test_staff_may_book_a_patients_hold_outside_the_rules() -> None:
    decision = decide(book_slot(at(9), by=STAFF), calendar([held(at(9))], schedule=CLOSED), NOW)
    assert changes(decision) == [("AppointmentBooked", "hold", Status.CONFIRMED)]


def test_staff_must_overbook_to_book_a_hold_whose_time_is_taken() -> None:
    taken = calendar([held(at(9)), row(at(9, 15), patient_id=BEN, overbooked=True)])
    with pytest.raises(SlotTaken):
        decide(book_slot(at(9), by=STAFF), taken, NOW)
    assert shown(decide(book_slot(at(9), by=STAFF, overbook=True), taken, NOW)).overbooked


def test_booking_at_exactly_expires_at_is_too_late() -> None:
    with pytest.raises(ReservationExpired):
        decide(
            BookReservation(by=patient(), appointment_id=HOLD),
            calendar([held(at(9))]),
            NOW + HOLD_TIME,
        )


@pytest.mark.parametrize("status", [Status.EXPIRED, Status.RELEASED])
def test_an_expired_hold_of_a_free_slot_cannot_be_booked(status: Status) -> None:
    with pytest.raises(ReservationExpired):
        decide(
            BookReservation(by=patient(), appointment_id=ROW),
            calendar([row(at(9), status=status)]),
            NOW,
        )


def test_booking_a_reservation_again_returns_its_appointment() -> None:
    decision = decide(
        BookReservation(by=patient(), appointment_id=ROW), calendar([row(at(9))]), NOW
    )
    assert (decision.events, decision.outcome) == ((), Outcome.UNCHANGED)
    assert shown(decision) == row(at(9))


def test_booking_a_reservation_that_was_since_cancelled_is_refused() -> None:
    with pytest.raises(InvalidTransition):
        decide(
            BookReservation(by=patient(), appointment_id=ROW),
            calendar([row(at(9), status=Status.CANCELLED)]),
            NOW,
        )


def test_another_patients_reservation_does_not_exist() -> None:
    with pytest.raises(NotFound):
        decide(BookReservation(by=patient(BEN), appointment_id=HOLD), calendar([held(at(9))]), NOW)


def test_a_direct_booking_of_the_own_held_slot_converts_the_hold() -> None:
    decision = decide(book_slot(at(9)), calendar([held(at(9))]), NOW)
    assert changes(decision) == [("AppointmentBooked", "hold", Status.CONFIRMED)]


def test_a_direct_booking_that_overlaps_the_own_hold_releases_it() -> None:
    decision = decide(book_slot(at(9, 15)), calendar([held(at(9))]), NOW)
    assert [name for name, _, _ in changes(decision)] == ["HoldReleased", "AppointmentBooked"]


def test_a_direct_booking_that_overlaps_another_hold_is_refused() -> None:
    with pytest.raises(SlotTaken):
        decide(book_slot(at(9), who=BEN), calendar([held(at(9))]), NOW)


def test_adjacent_appointments_are_allowed() -> None:
    decision = decide(book_slot(at(9, 30), who=BEN), calendar([row(at(9))]), NOW)
    assert decision.outcome is Outcome.CREATED


def test_between_two_neighbours_the_larger_facing_buffer_is_kept() -> None:
    cleaning = row(at(9), kind=CLEANING)  # ends at 10:00 and needs 10 minutes after it
    with pytest.raises(SlotTaken):
        decide(book_slot(at(10), who=BEN), calendar([cleaning]), NOW)
    assert decide(book_slot(at(10, 15), who=BEN), calendar([cleaning]), NOW).events


def test_a_booking_by_a_chatbot_is_marked() -> None:
    by = patient(acting="bot")
    assert shown(decide(book_slot(at(9), by=by), calendar(), NOW)).created_via == "chatbot"


# --- staff ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "start",
    [at(20), at(9, 7), datetime(2027, 2, 26, 9, tzinfo=UTC), at(9) + timedelta(days=300)],
    ids=["closed", "off the grid", "past", "beyond the horizon"],
)
def test_hours_grid_notice_and_horizon_do_not_bind_staff(start: datetime) -> None:
    assert decide(book_slot(start, by=STAFF), calendar(), NOW).outcome is Outcome.CREATED


def test_buffers_do_not_bind_staff() -> None:
    cleaning = row(at(9), kind=CLEANING)
    assert decide(book_slot(at(10), by=STAFF, who=BEN), calendar([cleaning]), NOW).events


def test_overlaps_bind_staff_unless_they_overbook() -> None:
    busy = calendar([row(at(9))])
    with pytest.raises(SlotTaken):
        decide(book_slot(at(9, 15), by=STAFF, who=BEN), busy, NOW)
    decision = decide(book_slot(at(9, 15), by=STAFF, who=BEN, overbook=True), busy, NOW)
    assert shown(decision).overbooked


def test_only_overlapping_rows_are_marked_overbooked() -> None:
    decision = decide(book_slot(at(9), by=STAFF, who=BEN, overbook=True), calendar(), NOW)
    assert not shown(decision).overbooked


def test_a_patient_may_not_overbook() -> None:
    with pytest.raises(Forbidden):
        decide(book_slot(at(9), overbook=True), calendar(), NOW)


# --- changing ------------------------------------------------------------------------


def change(by: Principal | None = None, **fields: object) -> ChangeAppointment:
    return ChangeAppointment(by=by or patient(), appointment_id=ROW, **fields)  # type: ignore[arg-type]  # field names of the command


def test_rescheduling_keeps_the_id_and_raises_the_version() -> None:
    decision = decide(change(start=at(11)), calendar([row(at(9))]), NOW)
    moved = shown(decision)
    assert (moved.id, moved.version, moved.start, moved.end) == (ROW, 2, at(11), at(11, 30))


def test_rescheduling_to_the_same_time_changes_nothing() -> None:
    decision = decide(change(start=at(9)), calendar([row(at(9))]), NOW)
    assert (decision.events, decision.outcome) == ((), Outcome.UNCHANGED)


def test_rescheduling_to_a_time_that_overlaps_itself_is_allowed() -> None:
    assert decide(change(start=at(9, 15)), calendar([row(at(9))]), NOW).events


def test_a_taken_target_leaves_the_original_untouched() -> None:
    busy = calendar([row(at(9)), row(at(11), id="other", patient_id=BEN)])
    with pytest.raises(SlotTaken):
        decide(change(start=at(11)), busy, NOW)


def test_rescheduling_frees_the_old_slot() -> None:
    moved = then(calendar([row(at(9))]), change(start=at(11)))
    assert decide(book_slot(at(9), who=BEN), moved, NOW).outcome is Outcome.CREATED


def test_a_stale_version_is_refused_with_the_current_one() -> None:
    with pytest.raises(VersionConflict) as refused:
        decide(change(start=at(11), expected_version=7), calendar([row(at(9))]), NOW)
    assert refused.value.current == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"status": Status.ARRIVED},
        {"appointment_type_id": CLEANING.id},
        {"cancel_reason": CancelReason.PATIENT_ILL},
        {"overbook": True},
    ],
)
def test_a_patient_may_change_only_start_and_notes(fields: dict[str, object]) -> None:
    with pytest.raises(Forbidden):
        decide(change(None, **fields), calendar([row(at(9))]), NOW)


def test_a_patient_cannot_change_an_appointment_that_has_begun() -> None:
    with pytest.raises(TooLate):
        decide(change(notes="late"), calendar([row(at(9))]), at(9))


def test_until_exactly_the_cancel_notice_a_patient_may_cancel_or_move() -> None:
    noted = calendar([row(at(9))], schedule=with_schedule(cancel_notice_minutes=60))
    cancel = CancelAppointment(by=patient(), appointment_id=ROW)
    assert decide(cancel, noted, at(8)).events
    assert decide(change(start=at(11)), noted, at(8)).events
    for too_late in (cancel, change(start=at(11))):
        with pytest.raises(TooLate):
            decide(too_late, noted, at(8) + timedelta(seconds=1))


def test_notes_may_be_changed_until_the_start() -> None:
    noted = calendar([row(at(9))], schedule=with_schedule(cancel_notice_minutes=60))
    assert decide(change(notes="left side"), noted, at(8, 59)).events


def test_the_cancel_notice_does_not_bind_staff() -> None:
    noted = calendar([row(at(9))], schedule=with_schedule(cancel_notice_minutes=60))
    assert decide(CancelAppointment(by=STAFF, appointment_id=ROW), noted, at(8, 59)).events


# --- daily limits and offered types --------------------------------------------------

ONE_A_DAY = with_schedule(daily_limits=(DailyLimit(appointment_type_id=CHECKUP.id, per_day=1),))


def test_a_reached_daily_limit_offers_no_more_slots_of_the_type() -> None:
    busy = calendar([row(at(9))], schedule=ONE_A_DAY)
    with pytest.raises(OutsideAvailability):
        decide(book_slot(at(11), who=BEN), busy, NOW)
    assert decide(book_slot(at(11), who=BEN, kind=CLEANING), busy, NOW).events
    assert decide(book_slot(at(11) + timedelta(days=1), who=BEN), busy, NOW).events


def test_daily_limits_count_holds_and_completed_appointments() -> None:
    for taken in (held(at(9)), row(at(9), status=Status.COMPLETED)):
        busy = replace(calendar([taken], schedule=ONE_A_DAY), completed=completed_of([taken]))
        with pytest.raises(OutsideAvailability):
            decide(book_slot(at(11), who=BEN), busy, NOW)


def completed_of(rows: list[Appointment]) -> tuple[Appointment, ...]:
    return tuple(row for row in rows if row.status is Status.COMPLETED)


def test_daily_limits_count_appointments_completed_since_activation() -> None:
    seen = then(
        calendar([row(at(9), status=Status.CHECKED_IN)], schedule=ONE_A_DAY),
        change(by=STAFF, status=Status.COMPLETED),
        at(8),
    )
    with pytest.raises(OutsideAvailability):
        decide(book_slot(at(11), who=BEN), seen.settled(NOW), NOW)


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.NO_SHOW, Status.RELEASED])
def test_daily_limits_do_not_count_cancelled_or_missed_appointments(status: Status) -> None:
    free = calendar([row(at(9), status=status)], schedule=ONE_A_DAY)
    assert decide(book_slot(at(11), who=BEN), free, NOW).events


def test_daily_limits_do_not_count_own_holds_and_the_moved_row() -> None:
    assert decide(hold_slot(at(11)), calendar([held(at(9))], schedule=ONE_A_DAY), NOW).events
    assert decide(change(start=at(11)), calendar([row(at(9))], schedule=ONE_A_DAY), NOW).events


def test_of_several_holds_on_a_limited_day_one_can_be_booked() -> None:
    day = calendar(schedule=ONE_A_DAY)
    for hour in (9, 11, 14):
        day = then(day, hold_slot(at(hour), id=f"hold-{hour}"))
    day = then(day, BookReservation(by=patient(), appointment_id=AppointmentId("hold-11")))
    for hour in (9, 14):
        held_then = AppointmentId(f"hold-{hour}")
        for book in (
            BookReservation(by=patient(), appointment_id=held_then),
            book_slot(at(hour)),
            hold_slot(at(hour, 30)),
        ):
            with pytest.raises(OutsideAvailability):
                decide(book, day, NOW)


def test_daily_limits_count_the_whole_of_a_day_with_25_hours() -> None:
    zone = ZoneInfo("Europe/Vienna")
    first = datetime(2027, 10, 31, tzinfo=zone).astimezone(UTC)
    late = datetime(2027, 10, 31, 23, 45, tzinfo=zone).astimezone(UTC)
    allday = tuple(WeeklyRule(weekday=day, window=Window(0, 1440)) for day in Weekday)
    limited = replace(ONE_A_DAY, time_zone=zone.key, rules=allday)
    now = late - timedelta(minutes=1)
    assert now - row(first).end > timedelta(days=1)
    day = calendar([row(first)], schedule=limited).settled(now - MEMORY_REACH)
    with pytest.raises(OutsideAvailability):
        decide(book_slot(late, who=BEN), day, now)


def test_several_holds_of_one_patient_take_one_place_of_a_limited_day() -> None:
    limit = DailyLimit(appointment_type_id=CHECKUP.id, per_day=2)
    holds = [held(at(9)), held(at(11), id="b"), held(at(14), id="c", patient_id=BEN)]
    day = calendar(holds, schedule=with_schedule(daily_limits=(limit,)))
    cleo = patient(PatientId(ProfileId("cleo")))
    with pytest.raises(OutsideAvailability):
        decide(hold_slot(at(10), by=cleo), day, NOW)
    for first, second in (("hold", "c"), ("c", "hold"), ("b", "c")):
        one = then(day, BookReservation(by=_owner(day, first), appointment_id=AppointmentId(first)))
        both = then(
            one, BookReservation(by=_owner(day, second), appointment_id=AppointmentId(second))
        )
        assert sum(row.status is Status.CONFIRMED for row in both.agenda) == 2


def _owner(day: Calendar, name: str) -> Principal:
    found = day.find(AppointmentId(name))
    assert found
    return patient(found.patient_id)


def test_a_moved_appointment_gets_the_present_length_of_its_type() -> None:
    shorter = replace(CHECKUP, duration_minutes=15)
    changed = replace(calendar([row(at(9))]), types={CHECKUP.id: shorter})
    assert shown(decide(change(start=at(16, 45)), changed, NOW)).end == at(17)
    assert shown(decide(change(by=STAFF, start=at(11)), changed, NOW)).end == at(11, 30)


def test_a_type_that_is_not_offered_can_be_booked_by_staff_only() -> None:
    restricted = calendar(schedule=with_schedule(appointment_type_ids=(CLEANING.id,)))
    with pytest.raises(OutsideAvailability):
        decide(hold_slot(at(9)), restricted, NOW)
    assert decide(hold_slot(at(9), kind=CLEANING), restricted, NOW).events
    assert decide(book_slot(at(9), by=STAFF), restricted, NOW).events


def test_daily_limits_do_not_bind_staff() -> None:
    busy = calendar([row(at(9))], schedule=ONE_A_DAY)
    assert decide(book_slot(at(11), by=STAFF, who=BEN), busy, NOW).events


def test_appointments_in_new_time_off_are_listed_as_affected() -> None:
    away = with_schedule(time_off=(TimeOff(start_date=at(9).date(), end_date=at(9).date()),))
    decision = decide(ReplaceSchedule(by=STAFF, schedule=away), calendar([row(at(9))]), NOW)
    assert isinstance(decision.reply, ScheduleBody)
    assert decision.reply.affected == (row(at(9)),)


def test_another_patients_appointment_does_not_exist() -> None:
    with pytest.raises(NotFound):
        decide(change(by=patient(BEN), start=at(11)), calendar([row(at(9))]), NOW)


def test_changing_the_type_changes_duration_and_buffers() -> None:
    decision = decide(
        change(by=STAFF, appointment_type_id=CLEANING.id), calendar([row(at(9))]), NOW
    )
    changed = shown(decision)
    assert (changed.end, changed.buffer_after_minutes) == (at(10), 10)


@pytest.mark.parametrize(
    ("current", "wanted"),
    [
        (Status.CONFIRMED, Status.ARRIVED),
        (Status.ARRIVED, Status.CHECKED_IN),
        (Status.CHECKED_IN, Status.COMPLETED),
        (Status.CONFIRMED, Status.NO_SHOW),
        (Status.CONFIRMED, Status.CANCELLED),
        (Status.ARRIVED, Status.CONFIRMED),
        (Status.CHECKED_IN, Status.ARRIVED),
        (Status.COMPLETED, Status.CHECKED_IN),
        (Status.NO_SHOW, Status.CONFIRMED),
    ],
)
def test_every_transition_of_the_state_machine_is_allowed(current: Status, wanted: Status) -> None:
    place = calendar([row(at(9), status=current)])
    decision = decide(change(by=STAFF, status=wanted), place, at(8))
    assert shown(decision).status is wanted


def test_every_other_transition_is_refused() -> None:
    allowed = {
        ("confirmed", "arrived"),
        ("arrived", "checked_in"),
        ("checked_in", "completed"),
        ("confirmed", "no_show"),
        ("confirmed", "cancelled"),
        ("arrived", "confirmed"),
        ("checked_in", "arrived"),
        ("completed", "checked_in"),
        ("no_show", "confirmed"),
    }
    for current in Status:
        for wanted in Status:
            if current == wanted or (current, wanted) in allowed or current is Status.HELD:
                continue
            place = calendar([row(at(9), status=current)])
            with pytest.raises(InvalidTransition):
                decide(change(by=STAFF, status=wanted), place, at(8))


def in_tokyo(start: datetime, status: Status) -> Calendar:
    return calendar([row(start, status=status)], schedule=with_schedule(time_zone="Asia/Tokyo"))


@pytest.mark.parametrize(
    ("current", "wanted"),
    [
        (Status.CONFIRMED, Status.ARRIVED),
        (Status.ARRIVED, Status.CHECKED_IN),
        (Status.CHECKED_IN, Status.COMPLETED),
        (Status.CONFIRMED, Status.NO_SHOW),
    ],
)
def test_nobody_comes_or_is_missed_before_the_local_day_of_the_visit(
    current: Status, wanted: Status
) -> None:
    step, place = change(by=STAFF, status=wanted), in_tokyo(at(9), current)
    midnight = at(0) - timedelta(hours=9)
    with pytest.raises(InvalidTransition, match="before the day of the visit"):
        decide(step, place, midnight - timedelta(seconds=1))
    for now in (midnight, at(9) + timedelta(days=400)):
        assert shown(decide(step, place, now)).status is wanted


@pytest.mark.parametrize(
    ("current", "wanted"),
    [
        (Status.ARRIVED, Status.CONFIRMED),
        (Status.CHECKED_IN, Status.ARRIVED),
        (Status.COMPLETED, Status.CHECKED_IN),
    ],
)
def test_a_step_is_taken_back_on_the_local_day_of_the_visit_only(
    current: Status, wanted: Status
) -> None:
    back, place = change(by=STAFF, status=wanted), in_tokyo(at(9), current)
    midnight = at(0) - timedelta(hours=9)
    last = midnight + timedelta(days=1, seconds=-1)
    for now in (midnight, last):
        assert shown(decide(back, place, now)).status is wanted
    for now in (midnight - timedelta(seconds=1), last + timedelta(seconds=1)):
        with pytest.raises(InvalidTransition):
            decide(back, place, now)


def test_a_visit_of_another_day_is_not_taken_back_by_moving_it_to_today() -> None:
    for current, wanted in (
        (Status.COMPLETED, Status.CHECKED_IN),
        (Status.CHECKED_IN, Status.ARRIVED),
        (Status.ARRIVED, Status.CONFIRMED),
    ):
        place = calendar([row(at(9), status=current)])
        tomorrow = at(8) + timedelta(days=1)
        back = change(by=STAFF, status=wanted, start=tomorrow + timedelta(hours=2))
        with pytest.raises(InvalidTransition):
            decide(back, place, tomorrow)


def test_a_no_show_is_taken_back_on_any_day() -> None:
    place = calendar([row(at(9), status=Status.NO_SHOW)])
    undo = change(by=STAFF, status=Status.CONFIRMED)
    assert shown(decide(undo, place, at(9) + timedelta(days=3))).status is Status.CONFIRMED


def test_who_has_arrived_is_not_moved_to_a_later_day() -> None:
    place = calendar([row(at(9), status=Status.ARRIVED)])
    assert decide(change(by=STAFF, start=at(11)), place, at(8)).events
    with pytest.raises(InvalidTransition):
        decide(change(by=STAFF, start=at(9) + timedelta(days=1)), place, at(8))
    early = change(by=STAFF, start=at(8), status=Status.ARRIVED)
    tomorrow = calendar([row(at(9) + timedelta(days=1))])
    assert shown(decide(early, tomorrow, at(8))).status is Status.ARRIVED


def test_a_completed_visit_that_is_taken_back_takes_its_time_and_one_place_again() -> None:
    done = row(at(9), status=Status.COMPLETED)
    place = replace(calendar([done], schedule=ONE_A_DAY), completed=completed_of([done]))
    back = change(by=STAFF, status=Status.CHECKED_IN)
    again = then(place, back, at(8))
    assert (again.completed, again.agenda.get(ROW) is not None) == ((), True)
    with pytest.raises(SlotTaken):
        decide(book_slot(at(9), by=STAFF, who=BEN), again, at(8))
    taken = replace(place, agenda=Agenda([row(at(9), id="other", patient_id=BEN)]))
    with pytest.raises(SlotTaken):
        decide(back, taken, at(8))


def test_a_step_back_is_not_for_patients() -> None:
    place = calendar([row(at(9), status=Status.ARRIVED)])
    with pytest.raises(Forbidden):
        decide(change(status=Status.CONFIRMED), place, at(8))


def test_undoing_a_no_show_after_the_slot_was_taken_is_refused() -> None:
    missed = row(at(9), status=Status.NO_SHOW)
    with pytest.raises(SlotTaken):
        decide(
            change(by=STAFF, status=Status.CONFIRMED),
            calendar([missed, row(at(9), id="other", patient_id=BEN)]),
            NOW,
        )


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.COMPLETED, Status.NO_SHOW])
def test_an_ended_appointment_cannot_be_moved(status: Status) -> None:
    with pytest.raises(InvalidTransition):
        decide(change(by=STAFF, start=at(11)), calendar([row(at(9), status=status)]), NOW)


def test_a_cancel_reason_belongs_to_a_cancellation() -> None:
    with pytest.raises(ValidationFailed):
        decide(
            change(by=STAFF, cancel_reason=CancelReason.PATIENT_ILL), calendar([row(at(9))]), NOW
        )


def test_an_overbooked_row_moved_to_free_time_is_not_overbooked() -> None:
    rows = [row(at(9), overbooked=True), row(at(9), id="other", patient_id=BEN)]
    assert not shown(decide(change(by=STAFF, start=at(14)), calendar(rows), NOW)).overbooked


def test_an_overlapping_row_must_stay_overbooked() -> None:
    rows = [row(at(9), overbooked=True), row(at(9), id="other", patient_id=BEN)]
    with pytest.raises(SlotTaken):
        decide(change(by=STAFF, overbook=False), calendar(rows), NOW)


# --- cancelling ----------------------------------------------------------------------


def test_cancelling_keeps_the_row_with_its_reason() -> None:
    cancel = CancelAppointment(by=patient(), appointment_id=ROW, reason=CancelReason.PATIENT_ILL)
    decision = decide(cancel, calendar([row(at(9))]), NOW)
    assert changes(decision) == [("AppointmentCancelled", "row", Status.CANCELLED)]
    after = applied(calendar([row(at(9))]), decision).find(ROW)
    assert after is not None
    assert after.cancel_reason is CancelReason.PATIENT_ILL


def test_cancelling_twice_is_one_event() -> None:
    cancel = CancelAppointment(by=patient(), appointment_id=ROW)
    cancelled = then(calendar([row(at(9))]), cancel)
    assert decide(cancel, cancelled, NOW).events == ()


def test_a_cancelled_slot_can_be_booked_at_once() -> None:
    cancelled = then(calendar([row(at(9))]), CancelAppointment(by=patient(), appointment_id=ROW))
    assert decide(book_slot(at(9), who=BEN), cancelled, NOW).outcome is Outcome.CREATED


def test_only_staff_can_cancel_an_appointment_that_has_begun() -> None:
    with pytest.raises(TooLate):
        decide(CancelAppointment(by=patient(), appointment_id=ROW), calendar([row(at(9))]), at(9))
    cancel = CancelAppointment(by=STAFF, appointment_id=ROW)
    assert decide(cancel, calendar([row(at(9))]), at(9)).events


def test_cancelling_a_hold_releases_it() -> None:
    cancel = CancelAppointment(by=patient(), appointment_id=HOLD)
    decision = decide(cancel, calendar([held(at(9))]), NOW)
    assert changes(decision) == [("HoldReleased", "hold", Status.RELEASED)]


# --- the schedule --------------------------------------------------------------------


def test_replacing_the_schedule_raises_its_version() -> None:
    decision = decide(ReplaceSchedule(by=STAFF, schedule=with_schedule(rules=())), calendar(), NOW)
    (event,) = decision.events
    assert isinstance(event, ScheduleReplaced)
    assert event.after.version == SCHEDULE.version + 1


def test_the_same_schedule_again_changes_nothing() -> None:
    decision = decide(ReplaceSchedule(by=STAFF, schedule=SCHEDULE), calendar(), NOW)
    assert (decision.events, decision.outcome) == ((), Outcome.UNCHANGED)


def test_appointments_outside_the_new_hours_stay_and_are_listed() -> None:
    closed = with_schedule(
        overrides=(Override(date=at(9).date(), windows=(Window(9 * 60, 10 * 60),)),)
    )
    inside, outside = row(at(9)), row(at(14), id="late", patient_id=BEN)
    decision = decide(ReplaceSchedule(by=STAFF, schedule=closed), calendar([inside, outside]), NOW)
    assert isinstance(decision.reply, ScheduleBody)
    assert decision.reply.affected == (outside,)
    assert [type(event) for event in decision.events] == [ScheduleReplaced]


def test_a_dry_run_changes_nothing() -> None:
    dry = ReplaceSchedule(by=STAFF, schedule=with_schedule(rules=()), dry_run=True)
    decision = decide(dry, calendar([row(at(9), patient_id=ANNA)]), NOW)
    assert decision.events == ()
    assert isinstance(decision.reply, ScheduleBody)
    assert decision.reply.affected == (row(at(9)),)


def test_a_stale_schedule_version_is_refused() -> None:
    with pytest.raises(VersionConflict):
        decide(ReplaceSchedule(by=STAFF, schedule=SCHEDULE, expected_version=9), calendar(), NOW)
