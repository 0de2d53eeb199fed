"""Values read from rows equal the stored ones."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from actors.domain.schedule import Override, Schedule, Weekday, WeeklyRule, Window
from store.sql.codec import schedule_json, schedule_of
from store.sql.types import Instant

SQLITE = sqlite.dialect()

windows = st.builds(
    lambda ends: Window(min(ends), max(ends)),
    st.sets(st.integers(0, 1440), min_size=2, max_size=2),
)
schedules = st.builds(
    Schedule,
    time_zone=st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe"]),
    slot_step_minutes=st.integers(1, 1440),
    min_notice_minutes=st.integers(0, 10_000),
    horizon_days=st.integers(1, 1_095),
    rules=st.lists(
        st.builds(WeeklyRule, weekday=st.sampled_from(Weekday), window=windows), max_size=9
    ).map(tuple),
    overrides=st.lists(
        st.builds(
            Override,
            date=st.dates(date(2020, 1, 1), date(2040, 1, 1)),
            windows=st.lists(windows, max_size=3).map(tuple),
        ),
        max_size=5,
    ).map(tuple),
    version=st.integers(1, 1_000),
)


@given(schedules)
def test_a_schedule_is_read_as_it_was_written(schedule: Schedule) -> None:
    assert schedule_of(schedule_json(schedule), schedule.version) == schedule


@given(
    st.datetimes(
        min_value=datetime(1900, 1, 1),
        max_value=datetime(2200, 1, 1),
        timezones=st.just(UTC),
    )
)
def test_an_instant_keeps_its_microseconds(instant: datetime) -> None:
    kind = Instant()
    stored = kind.process_bind_param(instant, SQLITE)
    assert isinstance(stored, int)
    read = kind.process_result_value(stored, SQLITE)
    assert read == instant
    assert read.tzinfo is UTC


@given(st.lists(st.datetimes(timezones=st.just(UTC)), min_size=2, max_size=2))
def test_stored_instants_have_the_order_of_the_instants(two: list[datetime]) -> None:
    first, second = (Instant().process_bind_param(instant, SQLITE) for instant in two)
    assert (first < second) == (two[0] < two[1])


def test_an_instant_without_a_zone_cannot_be_stored() -> None:
    naive = datetime(2027, 3, 8, tzinfo=UTC).replace(tzinfo=None)
    with pytest.raises(TypeError):
        Instant().process_bind_param(naive, SQLITE)


def test_none_is_stored_as_null() -> None:
    assert Instant().process_bind_param(None, SQLITE) is None
    assert Instant().process_result_value(None, SQLITE) is None


def test_an_instant_of_another_zone_is_stored_in_utc() -> None:
    here = datetime(2027, 3, 8, 9, tzinfo=timezone(timedelta(hours=-5)))
    stored = Instant().process_bind_param(here, SQLITE)
    assert Instant().process_result_value(stored, SQLITE) == here
