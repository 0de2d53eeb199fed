"""The limits of a schedule, and the windows of a local date."""

from datetime import date
from typing import Any

import pytest

from actors.domain.schedule import (
    MAX_HORIZON_DAYS,
    MAX_MIN_NOTICE_MINUTES,
    Schedule,
    Weekday,
    Window,
)
from tests.unit.slot_cases import daily, on, override, window

MONDAY = date(2026, 6, 8)


def test_weekdays_follow_the_calendar() -> None:
    week = [Weekday.of(date.fromordinal(MONDAY.toordinal() + n)) for n in range(7)]
    assert week == list(Weekday)


def test_a_date_has_the_windows_of_its_weekday() -> None:
    schedule = Schedule(
        time_zone="Europe/Berlin", rules=on(Weekday.MONDAY, "14:00-18:00", "09:00-12:00")
    )
    assert schedule.windows_on(MONDAY) == (window("14:00-18:00"), window("09:00-12:00"))
    assert schedule.windows_on(date(2026, 6, 9)) == ()


def test_overrides_of_a_date_replace_its_rules_and_add_up() -> None:
    schedule = Schedule(
        time_zone="Europe/Berlin",
        rules=daily("09:00-12:00"),
        overrides=(
            override("2026-06-08", "10:00-11:00"),
            override("2026-06-08", "15:00-16:00"),
            override("2026-06-09"),
        ),
    )
    assert schedule.windows_on(MONDAY) == (window("10:00-11:00"), window("15:00-16:00"))
    assert schedule.windows_on(date(2026, 6, 9)) == ()
    assert schedule.windows_on(date(2026, 6, 10)) == (window("09:00-12:00"),)


def test_a_whole_day_ends_at_24() -> None:
    assert window("00:00-24:00") == Window(0, 1440)


@pytest.mark.parametrize(
    "wrong",
    [
        {"slot_step_minutes": 0},
        {"slot_step_minutes": 1441},
        {"min_notice_minutes": -1},
        {"min_notice_minutes": MAX_MIN_NOTICE_MINUTES + 1},
        {"horizon_days": 0},
        {"horizon_days": MAX_HORIZON_DAYS + 1},
    ],
)
def test_a_policy_out_of_its_bounds_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(AssertionError):
        Schedule(time_zone="UTC", **wrong)


def test_the_caches_of_a_schedule_do_not_affect_equality() -> None:
    one, other = (Schedule(time_zone="UTC", rules=daily("09:00-12:00")) for _ in range(2))
    one.cached_spans[MONDAY] = ((0, 1),)
    assert one == other
    assert hash(one) == hash(other)
