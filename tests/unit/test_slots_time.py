"""Time zones and dates: scheduling cases 1-7 in :mod:`actors.domain.slots`."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from actors.domain.refusals import OutsideAvailability, TooFar, TooSoon
from actors.domain.schedule import Schedule, Weekday, Window
from actors.domain.slots import free_starts, in_open_time, to_instant, to_minute, why_not
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
)

NEW_YORK = "America/New_York"
SPRING, AUTUMN = "2026-03-08", "2026-11-01"


def utc_starts(schedule: Schedule, duration: int, first: datetime, before: datetime) -> list[str]:
    starts = free_starts(
        schedule,
        kind(duration),
        (),
        first=to_minute(first),
        before=to_minute(before),
        now=LONG_AGO,
    )
    return [f"{to_instant(start):%d %H:%M}" for start in starts]


@pytest.mark.parametrize(("day", "utc"), [(SPRING, "13:00"), (AUTUMN, "14:00")])
def test_case_1_nine_in_new_york_follows_the_offset_of_the_day(day: str, utc: str) -> None:
    schedule = Schedule(time_zone=NEW_YORK, rules=daily("09:00-17:00"))
    starts = utc_starts(schedule, 30, at(f"{day}T00:00"), at(f"{day}T23:00"))
    assert starts[0] == f"{day[-2:]} {utc}"
    assert len(starts) == 31  # up to 16:30 local, every 15 minutes


def test_case_2_the_night_of_the_spring_change_has_five_hours() -> None:
    schedule = Schedule(time_zone=NEW_YORK, slot_step_minutes=60, rules=daily("00:00-06:00"))
    assert local_starts(schedule, 60, SPRING) == ["00:00", "01:00", "03:00", "04:00", "05:00"]
    in_utc = utc_starts(schedule, 60, at(SPRING, NEW_YORK), at("2026-03-09", NEW_YORK))
    assert in_utc == ["08 05:00", "08 06:00", "08 07:00", "08 08:00", "08 09:00"]


def test_case_2_the_night_of_the_autumn_change_has_seven_hours() -> None:
    schedule = Schedule(time_zone=NEW_YORK, slot_step_minutes=60, rules=daily("00:00-06:00"))
    local = ["00:00", "01:00", "01:00", "02:00", "03:00", "04:00", "05:00"]
    assert local_starts(schedule, 60, AUTUMN) == local


def test_case_2_half_past_one_occurs_twice_in_autumn() -> None:
    schedule = Schedule(time_zone=NEW_YORK, rules=daily("01:30-01:45"))
    first, second = minute(f"{AUTUMN}T01:30", NEW_YORK), minute(f"{AUTUMN}T01:45", NEW_YORK, fold=1)
    assert second - first == 75
    assert in_open_time(schedule, first, second)
    assert not in_open_time(schedule, first - 1, second)
    assert not in_open_time(schedule, first, second + 1)


@pytest.mark.parametrize(
    ("window", "starts"),
    [
        ("02:30-04:00", ["03:00", "03:15", "03:30"]),  # opens at the first instant after the gap
        ("01:00-02:30", ["01:00", "01:15", "01:30"]),  # closes when the gap begins
        ("02:00-03:00", []),  # it does not exist
        ("02:15-02:45", []),
    ],
)
def test_case_2_a_boundary_in_the_gap_is_the_first_instant_after_it(
    window: str, starts: list[str]
) -> None:
    schedule = Schedule(time_zone=NEW_YORK, rules=daily(window))
    assert local_starts(schedule, 30, SPRING) == starts


def test_case_2_windows_that_touch_because_of_the_gap_are_merged() -> None:
    schedule = Schedule(
        time_zone=NEW_YORK, slot_step_minutes=40, rules=daily("01:00-02:15", "02:45-04:00")
    )
    assert local_starts(schedule, 30, SPRING) == ["01:00", "01:40", "03:20"]


def test_case_3_santiago_has_no_midnight_on_the_spring_day() -> None:
    schedule = Schedule(
        time_zone="America/Santiago", slot_step_minutes=60, rules=daily("00:00-03:00")
    )
    assert local_starts(schedule, 60, "2026-09-06") == ["01:00", "02:00"]
    assert local_starts(schedule, 60, "2026-09-05") == ["00:00", "01:00", "02:00"]


def test_case_3_lord_howe_changes_by_half_an_hour() -> None:
    schedule = Schedule(time_zone="Australia/Lord_Howe", rules=daily("09:00-09:15"))
    first = minute("2026-04-04", "Australia/Lord_Howe")
    starts = free_starts(schedule, kind(15), (), first=first, before=first + 3 * 1440, now=LONG_AGO)
    assert [later - start for start, later in pairwise(starts)] == [1470, 1440]


def test_case_3_a_skipped_date_has_no_slots() -> None:
    schedule = Schedule(
        time_zone="Pacific/Apia", slot_step_minutes=60, rules=daily("00:00-01:00", "23:00-24:00")
    )
    first = minute("2011-12-29T12:00", "Pacific/Apia")
    starts = free_starts(
        schedule, kind(60), (), first=first, before=first + 1440, now=at("2011-12-01")
    )
    local = [f"{to_instant(start).astimezone(schedule.zone):%d %H:%M}" for start in starts]
    assert local == ["29 23:00", "31 00:00"]


def test_case_3_a_repeated_midnight_repeats_no_start() -> None:
    havana = "America/Havana"  # 2026-11-01 01:00 becomes 00:00
    schedule = Schedule(time_zone=havana, slot_step_minutes=30, rules=daily("00:00-24:00"))
    assert local_starts(schedule, 30, AUTUMN)[:5] == ["00:00", "00:30", "00:00", "00:30", "01:00"]
    assert len(local_starts(schedule, 30, AUTUMN)) == 50


def test_case_3_a_date_may_begin_before_the_previous_one_ends() -> None:
    st_johns = "America/St_Johns"  # on 2010-11-07 at 00:01 it became 23:01 of the 6th
    schedule = Schedule(time_zone=st_johns, rules=on(Weekday.SUNDAY, "00:00-01:00"))
    first = minute("2010-11-07", st_johns)
    starts = free_starts(
        schedule, kind(30), (), first=first, before=first + 1, now=at("2010-11-01")
    )
    assert starts == [first]
    assert in_open_time(schedule, first, minute("2010-11-07T01:00", st_johns))


def test_case_4_windows_that_touch_at_midnight_are_one_open_time() -> None:
    rules = (*on(Weekday.MONDAY, "23:00-24:00"), *on(Weekday.TUESDAY, "00:00-00:30"))
    schedule = Schedule(time_zone="Europe/Berlin", rules=rules)
    starts = local_starts(schedule, 60, "2026-06-08", until="2026-06-10")
    assert starts == ["23:00", "23:15", "23:30"]


def test_case_4_the_open_time_may_begin_before_and_end_after_the_range() -> None:
    schedule = Schedule(time_zone="Europe/Berlin", rules=daily("00:00-24:00"))
    start = minute("2026-06-08T12:00", "Europe/Berlin")
    offered = free_starts(schedule, kind(1440), (), first=start, before=start + 1, now=LONG_AGO)
    assert offered == [start]


def test_case_4_a_day_long_appointment_may_end_two_dates_later() -> None:
    schedule = Schedule(time_zone="Europe/Berlin", rules=daily("00:00-24:00"))
    start = minute("2026-03-28T23:45", "Europe/Berlin")
    assert why_not(schedule, kind(1440), (), start, LONG_AGO) is None


@pytest.mark.parametrize(("start", "end"), [(600, 600), (600, 540), (-15, 60), (1380, 1441)])
def test_case_4_a_window_must_be_within_its_day_and_not_empty(start: int, end: int) -> None:
    with pytest.raises(AssertionError):
        Window(start, end)


def test_case_4_the_grid_of_each_date_begins_at_its_midnight() -> None:
    schedule = Schedule(
        time_zone="Europe/Berlin", slot_step_minutes=7 * 60, rules=daily("00:00-24:00")
    )
    each_day = ["00:00", "07:00", "14:00", "21:00"]
    assert local_starts(schedule, 60, "2026-06-08", until="2026-06-10") == each_day * 2


def test_case_5_horizons_use_the_dentists_dates() -> None:
    schedule = Schedule(time_zone="Asia/Tokyo", horizon_days=1, rules=daily("00:00-24:00"))
    now = at("2026-06-08T23:50", "Asia/Tokyo")
    until = "2026-06-12"
    assert local_starts(schedule, 15, "2026-06-09", until=until, now=now)[-1] == "23:45"
    assert len(local_starts(schedule, 15, "2026-06-09", until=until, now=now)) == 96
    later = now + timedelta(minutes=10)  # it is the 9th in Tokyo, still the 8th in UTC
    assert len(local_starts(schedule, 15, "2026-06-09", until=until, now=later)) == 192


def test_case_5_the_horizon_uses_the_date_at_a_repeated_midnight() -> None:
    schedule = Schedule(
        time_zone="America/Havana", horizon_days=1, slot_step_minutes=60, rules=daily("00:00-24:00")
    )
    now = at("2026-10-30T12:00", "America/Havana")
    starts = local_starts(schedule, 60, "2026-10-31", until="2026-11-02", now=now)
    assert len(starts) == 24
    assert starts[-1] == "23:00"


def test_case_5_the_last_day_continues_after_the_clock_returns_to_it() -> None:
    st_johns = "America/St_Johns"  # on 2010-11-07 at 00:01 it became 23:01 of the 6th
    schedule = Schedule(time_zone=st_johns, horizon_days=1, rules=daily("23:00-24:00"))
    now = at("2010-11-05T12:00", st_johns)
    starts = local_starts(schedule, 15, "2010-11-06", until="2010-11-09", now=now)
    # One start is not offered: 00:00, the first minute of the 7th.
    assert starts == ["23:00", "23:15", "23:30", "23:45", "23:15", "23:30", "23:45"]


@pytest.mark.parametrize(
    ("notice", "first"), [(0, "12:05"), (4, "12:05"), (5, "12:10"), (60, "13:05")]
)
def test_case_6_after_half_a_minute_the_first_slot_is_the_next(notice: int, first: str) -> None:
    schedule = Schedule(
        time_zone="UTC", slot_step_minutes=5, min_notice_minutes=notice, rules=daily("09:00-17:00")
    )
    now = at("2026-06-08T12:00:30")
    assert local_starts(schedule, 5, "2026-06-08", now=now)[0] == first


def test_case_6_a_start_exactly_at_now_plus_notice_is_allowed() -> None:
    schedule = Schedule(time_zone="UTC", min_notice_minutes=120, rules=daily("09:00-17:00"))
    now = at("2026-06-08T10:00")
    assert local_starts(schedule, 15, "2026-06-08", now=now)[0] == "12:00"
    assert why_not(schedule, kind(15), (), minute("2026-06-08T12:00"), now) is None


def test_case_6_a_start_that_is_too_soon_names_the_earliest() -> None:
    schedule = Schedule(time_zone="UTC", min_notice_minutes=120, rules=daily("09:00-17:00"))
    now = at("2026-06-08T10:00:30")
    refusal = why_not(schedule, kind(15), (), minute("2026-06-08T12:00"), now)
    assert isinstance(refusal, TooSoon)
    assert refusal.earliest == at("2026-06-08T12:01")


def test_case_6_past_and_too_far_starts_are_neither_listed_nor_booked() -> None:
    schedule = Schedule(time_zone="UTC", horizon_days=2, rules=daily("09:00-10:00"))
    now = at("2026-06-08T09:20")
    listed = local_starts(schedule, 15, "2026-06-07", until="2026-06-15", now=now)
    assert listed == ["09:30", "09:45", *["09:00", "09:15", "09:30", "09:45"] * 2]
    past = why_not(schedule, kind(15), (), minute("2026-06-08T09:15"), now)
    beyond = why_not(schedule, kind(15), (), minute("2026-06-11T09:00"), now)
    assert isinstance(past, TooSoon)
    assert isinstance(beyond, TooFar)
    assert beyond.horizon_days == 2


@pytest.mark.parametrize("start", [at("0001-01-01"), at("9999-12-31T23:59")])
def test_case_6_the_first_and_last_dates_of_python_are_refused(start: datetime) -> None:
    schedule = Schedule(time_zone="Pacific/Kiritimati", rules=daily("00:00-24:00"))
    refusal = why_not(schedule, kind(15), (), to_minute(start), LONG_AGO)
    assert isinstance(refusal, OutsideAvailability)
    assert not in_open_time(schedule, to_minute(start), to_minute(start) + 15)
    everything = free_starts(
        schedule,
        kind(1440),
        (),
        first=minute("0001-01-01"),
        before=minute("9999-12-31"),
        now=LONG_AGO,
    )
    assert everything[0] == to_minute(LONG_AGO)


def test_case_7_a_leap_day_is_an_ordinary_day() -> None:
    schedule = Schedule(
        time_zone="Europe/Berlin",
        horizon_days=1095,
        rules=on(Weekday.MONDAY, "09:00-10:00"),
        overrides=(override("2028-02-29", "11:00-11:30"),),
    )
    assert date(2028, 2, 29).weekday() == 1
    assert local_starts(schedule, 30, "2028-02-28", until="2028-03-01") == [
        *["09:00", "09:15", "09:30"],
        "11:00",
    ]


def test_instants_must_be_utc_and_whole_minutes() -> None:
    assert to_instant(to_minute(LONG_AGO)) == LONG_AGO
    assert to_instant(0).tzinfo is UTC
    assert to_minute(datetime(1969, 12, 31, 23, 59, tzinfo=UTC)) == -1
    for wrong in (datetime(2026, 6, 8), datetime(2026, 6, 8, 9, 0, 1, tzinfo=UTC)):
        with pytest.raises(AssertionError):
            to_minute(wrong)


@pytest.mark.parametrize(("start", "end"), [(0, 0), (0, 1441), (10, 5)])
def test_a_row_lasts_at_least_a_minute_and_at_most_a_day(start: int, end: int) -> None:
    with pytest.raises(AssertionError):
        row("2026-06-08T09:00", end - start)
