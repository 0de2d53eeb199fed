"""Rules of slots: scheduling cases 8-13 in :mod:`actors.domain.slots`."""

import pytest

from actors.domain.refusals import OutsideAvailability, SlotTaken, TooFar, TooSoon
from actors.domain.schedule import Override, ReservedBlock, Schedule, Weekday
from actors.domain.slots import Taken, free_starts, in_open_time, overlaps, why_not
from tests.unit.slot_cases import (
    LONG_AGO,
    at,
    daily,
    kind,
    local_starts,
    minute,
    on,
    override,
    row,
    time_off,
    window,
)

BERLIN = "Europe/Berlin"
DAY = "2026-06-08"  # a Monday


@pytest.mark.parametrize(
    ("windows", "length", "starts"),
    [
        (("11:00-12:00", "11:20-12:40"), 20, ["11:00", "11:20", "11:40", "12:00", "12:20"]),
        (("11:20-12:40", "11:00-12:00"), 20, ["11:00", "11:20", "11:40", "12:00", "12:20"]),
        (("11:00-13:00", "11:15-13:00"), 45, ["11:00", "11:45"]),
        (("11:00-11:40", "11:40-12:20"), 30, ["11:00", "11:30"]),
        (("11:00-11:30", "11:31-12:01"), 30, ["11:00", "11:31"]),
        (("11:00-12:00", "11:00-12:00"), 30, ["11:00", "11:30"]),
    ],
)
def test_case_8_the_windows_of_a_date_are_a_union(
    windows: tuple[str, ...], length: int, starts: list[str]
) -> None:
    schedule = Schedule(time_zone=BERLIN, slot_step_minutes=length, rules=daily(*windows))
    assert local_starts(schedule, length, DAY) == starts


@pytest.mark.parametrize(
    ("overrides", "starts"),
    [
        ([], ["09:00", "09:30"]),
        ([override(DAY, "14:00-15:00")], ["14:00", "14:30"]),
        ([override(DAY)], []),
        (
            [override(DAY, "14:00-15:00"), override(DAY, "08:00-09:00")],
            ["08:00", "08:30", "14:00", "14:30"],
        ),
        ([override(DAY), override(DAY, "08:00-09:00")], ["08:00", "08:30"]),
        ([override("2026-06-09", "14:00-15:00")], ["09:00", "09:30"]),
    ],
)
def test_case_9_overrides_replace_the_day(overrides: list[Override], starts: list[str]) -> None:
    schedule = Schedule(
        time_zone=BERLIN,
        slot_step_minutes=30,
        rules=on(Weekday.MONDAY, "09:00-10:00"),
        overrides=tuple(overrides),
    )
    assert local_starts(schedule, 30, DAY) == starts


def test_case_9_an_override_opens_a_closed_weekday() -> None:
    schedule = Schedule(
        time_zone=BERLIN,
        rules=on(Weekday.MONDAY, "09:00-10:00"),
        overrides=(override("2026-06-14", "10:00-10:30"),),
    )
    assert local_starts(schedule, 30, "2026-06-14") == ["10:00"]
    assert local_starts(schedule, 30, "2026-06-21") == []


@pytest.mark.parametrize(
    ("zone", "window"),
    [("America/Los_Angeles", "20:00-21:00"), ("Pacific/Kiritimati", "01:00-02:00")],
)
def test_case_9_an_override_on_another_utc_date_keeps_its_rules(zone: str, window: str) -> None:
    schedule = Schedule(
        time_zone=zone,
        slot_step_minutes=60,
        rules=daily("12:00-13:00"),
        overrides=(override(DAY, window),),
    )
    assert local_starts(schedule, 60, "2026-06-07") == ["12:00"]
    assert local_starts(schedule, 60, DAY) == [window[:5]]
    assert local_starts(schedule, 60, "2026-06-09") == ["12:00"]


def test_case_10_a_shortened_day_has_appointments_outside_open_time() -> None:
    before = Schedule(time_zone=BERLIN, rules=daily("09:00-17:00"))
    after = Schedule(
        time_zone=BERLIN, rules=before.rules, overrides=(override(DAY, "09:00-12:00"),)
    )
    start = minute(f"{DAY}T11:45", BERLIN)
    assert in_open_time(before, start, start + 30)
    assert not in_open_time(after, start, start + 30)
    assert in_open_time(after, start - 15, start + 15)
    assert local_starts(after, 30, DAY)[-1] == "11:30"


def test_case_10_open_time_spans_midnight_but_not_a_break() -> None:
    schedule = Schedule(time_zone=BERLIN, rules=daily("00:00-12:00", "13:00-24:00"))
    night = minute(f"{DAY}T23:00", BERLIN)
    noon = minute(f"{DAY}T11:45", BERLIN)
    assert in_open_time(schedule, night, night + 120)
    assert not in_open_time(schedule, noon, noon + 120)


def test_case_11_an_appointment_must_fit_and_may_end_at_closing() -> None:
    schedule = Schedule(time_zone=BERLIN, rules=daily("09:00-10:00"))
    assert local_starts(schedule, 45, DAY) == ["09:00", "09:15"]
    assert local_starts(schedule, 60, DAY) == ["09:00"]
    assert local_starts(schedule, 61, DAY) == []


def test_case_11_adjacent_appointments_are_allowed() -> None:
    schedule = Schedule(time_zone=BERLIN, rules=daily("09:00-10:30"))
    taken = [row(f"{DAY}T09:30", 30, BERLIN)]
    assert local_starts(schedule, 30, DAY, taken=taken) == ["09:00", "10:00"]


@pytest.mark.parametrize(
    ("row_after", "own_before", "first"),
    [(10, 5, "09:40"), (5, 10, "09:40"), (10, 10, "09:40"), (0, 0, "09:30"), (0, 5, "09:35")],
)
def test_case_12_the_larger_of_two_facing_buffers_is_enough(
    row_after: int, own_before: int, first: str
) -> None:
    schedule = Schedule(time_zone=BERLIN, slot_step_minutes=5, rules=daily("09:00-17:00"))
    taken = [row(f"{DAY}T09:00", 30, BERLIN, after=row_after)]
    assert local_starts(schedule, kind(30, before=own_before), DAY, taken=taken)[0] == first


@pytest.mark.parametrize(
    ("row_before", "own_after", "last"), [(10, 5, "16:00"), (5, 10, "16:00"), (0, 0, "16:10")]
)
def test_case_12_buffers_before_the_next_row_count_too(
    row_before: int, own_after: int, last: str
) -> None:
    schedule = Schedule(time_zone=BERLIN, slot_step_minutes=5, rules=daily("09:00-17:00"))
    taken = [row(f"{DAY}T16:40", 30, BERLIN, before=row_before)]
    assert local_starts(schedule, kind(30, after=own_after), DAY, taken=taken)[-1] == last


def test_case_12_buffers_may_extend_past_opening_hours() -> None:
    schedule = Schedule(time_zone=BERLIN, rules=daily("09:00-10:00"))
    assert local_starts(schedule, kind(60, before=60, after=60), DAY) == ["09:00"]


def test_case_12_a_long_buffer_extends_past_a_later_row() -> None:
    schedule = Schedule(time_zone=BERLIN, slot_step_minutes=30, rules=daily("09:00-13:00"))
    taken = [row(f"{DAY}T09:00", 30, BERLIN, after=120), row(f"{DAY}T09:30", 15, BERLIN)]
    assert local_starts(schedule, 30, DAY, taken=taken) == ["11:30", "12:00", "12:30"]


def test_case_13_booking_a_slot_moves_no_other_slot() -> None:
    schedule = Schedule(time_zone=BERLIN, rules=daily("09:00-12:00"))
    before = local_starts(schedule, 30, DAY)
    after = local_starts(schedule, 30, DAY, taken=[row(f"{DAY}T10:05", 20, BERLIN)])
    assert after == [start for start in before if not "09:35" < start < "10:25"]


def test_a_start_gets_the_first_reason_that_holds() -> None:
    schedule = Schedule(
        time_zone="UTC", min_notice_minutes=60, horizon_days=1, rules=daily("09:00-12:00")
    )
    now = at(f"{DAY}T09:00")
    taken = [row(f"{DAY}T09:30", 30), row(f"{DAY}T11:00", 30), row("2026-06-10T11:00", 30)]
    reasons = {
        f"{DAY}T09:20": OutsideAvailability,  # off the grid, too soon
        f"{DAY}T11:45": OutsideAvailability,  # does not fit
        f"{DAY}T09:30": TooSoon,  # taken as well
        "2026-06-10T11:00": TooFar,  # taken as well
        f"{DAY}T11:15": SlotTaken,
        f"{DAY}T10:30": None,
    }
    found = {start: why_not(schedule, kind(30), taken, minute(start), now) for start in reasons}
    assert {start: reason and type(reason) for start, reason in found.items()} == reasons


def test_staff_are_bound_by_bare_overlaps_only() -> None:
    taken = [
        Taken(100, 1540, 60, 60),
        Taken(2000, 2030, 1440, 1440),
    ]
    spans = {(70, 100): False, (70, 101): True, (1539, 1569): True, (1540, 2000): False}
    assert {span: overlaps(taken, *span) for span in spans} == spans
    assert not overlaps((), 0, 1440)


def test_the_cached_days_of_a_schedule_are_bounded() -> None:
    schedule = Schedule(time_zone=BERLIN, horizon_days=1095, rules=daily("09:00-10:00"))
    first = minute(DAY)
    starts = free_starts(
        schedule, kind(60), (), first=first, before=first + 1000 * 1440, now=LONG_AGO
    )
    assert len(schedule.cached_spans) <= 400
    assert starts == free_starts(
        schedule, kind(60), (), first=first, before=first + 1000 * 1440, now=LONG_AGO
    )


# --- time off and reserved blocks ----------------------------------------------------


@pytest.mark.parametrize(
    ("off", "starts"),
    [
        (("2026-06-08", "00:00", "2026-06-08", "24:00"), []),
        (("2026-06-01", "00:00", "2026-06-30", "24:00"), []),
        (("2026-06-07", "00:00", "2026-06-08", "10:00"), ["10:00", "10:30", "11:00", "11:30"]),
        (
            ("2026-06-08", "10:10", "2026-06-08", "10:20"),
            ["09:00", "09:30", "10:30", "11:00", "11:30"],
        ),
        (("2026-06-08", "11:00", "2026-06-09", "24:00"), ["09:00", "09:30", "10:00", "10:30"]),
        (
            ("2026-06-09", "00:00", "2026-06-09", "24:00"),
            ["09:00", "09:30", "10:00", "10:30", "11:00", "11:30"],
        ),
    ],
    ids=["the day", "the month", "its morning", "a moment", "from eleven on", "the next day"],
)
def test_time_off_closes_whole_or_part_days_and_moves_no_slot(
    off: tuple[str, str, str, str], starts: list[str]
) -> None:
    schedule = Schedule(
        time_zone=BERLIN,
        slot_step_minutes=30,
        rules=daily("09:00-12:00"),
        time_off=(time_off(*off),),
    )
    assert local_starts(schedule, 30, DAY) == starts


def test_time_off_closes_the_time_of_an_override() -> None:
    schedule = Schedule(
        time_zone=BERLIN,
        rules=(),
        overrides=(override(DAY, "09:00-10:00"),),
        time_off=(time_off(DAY, "00:00", DAY, "24:00"),),
    )
    assert local_starts(schedule, 30, DAY) == []


def test_a_buffer_may_extend_into_time_off() -> None:
    schedule = Schedule(
        time_zone=BERLIN,
        slot_step_minutes=30,
        rules=daily("09:00-12:00"),
        time_off=(time_off(DAY, "10:00", DAY, "24:00"),),
    )
    assert local_starts(schedule, kind(30, after=20), DAY) == ["09:00", "09:30"]


@pytest.mark.parametrize(
    ("now", "starts"),
    [
        ("2026-06-01T12:00", ["09:00", "09:30", "11:00", "11:30"]),
        ("2026-06-07T09:59", ["09:00", "09:30", "11:00", "11:30"]),
        ("2026-06-07T10:00", ["09:00", "09:30", "10:00", "10:30", "11:00", "11:30"]),
    ],
    ids=["a week before", "a minute too early", "exactly a day before"],
)
def test_a_reserved_block_opens_before_its_start(now: str, starts: list[str]) -> None:
    schedule = Schedule(
        time_zone=BERLIN,
        slot_step_minutes=30,
        rules=daily("09:00-12:00"),
        reserved_blocks=(
            ReservedBlock(
                weekday=Weekday.MONDAY,
                window=window("10:00-11:00"),
                opens_minutes_before=24 * 60,
            ),
        ),
    )
    assert local_starts(schedule, 30, DAY, now=at(now, BERLIN)) == starts


def test_reserved_blocks_may_stand_in_any_order() -> None:
    schedule = Schedule(
        time_zone=BERLIN,
        slot_step_minutes=30,
        rules=daily("09:00-12:00"),
        reserved_blocks=tuple(
            ReservedBlock(weekday=Weekday.MONDAY, window=window(each), opens_minutes_before=60)
            for each in ("11:00-11:30", "09:00-10:00")
        ),
    )
    assert local_starts(schedule, 30, DAY) == ["10:00", "10:30", "11:30"]


def test_an_appointment_may_not_extend_into_a_closed_reserved_block() -> None:
    schedule = Schedule(
        time_zone=BERLIN,
        slot_step_minutes=30,
        rules=daily("09:00-12:00"),
        reserved_blocks=(
            ReservedBlock(
                weekday=Weekday.MONDAY, window=window("10:00-10:30"), opens_minutes_before=60
            ),
        ),
    )
    assert local_starts(schedule, 60, DAY) == ["09:00", "10:30", "11:00"]
    refusal = why_not(schedule, kind(60), (), minute("2026-06-08T09:30", BERLIN), LONG_AGO)
    assert isinstance(refusal, OutsideAvailability)


def test_reserved_blocks_do_not_make_appointments_affected() -> None:
    schedule = Schedule(
        time_zone=BERLIN,
        rules=daily("09:00-12:00"),
        reserved_blocks=(
            ReservedBlock(
                weekday=Weekday.MONDAY, window=window("10:00-10:30"), opens_minutes_before=60
            ),
        ),
    )
    start = minute("2026-06-08T10:00", BERLIN)
    assert in_open_time(schedule, start, start + 30)
