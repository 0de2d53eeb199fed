"""From wall times to instants: the searched span contains every slot that is meant."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from chairside.chatbot.understanding.when import LONGEST_SPAN, Days, When, between, on, span

NOW = datetime(2027, 1, 1, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "day", "first", "before"),
    [
        ("Europe/Berlin", date(2027, 3, 28), "2027-03-27 23:00", "2027-03-28 22:00"),
        ("Europe/Berlin", date(2027, 10, 31), "2027-10-30 22:00", "2027-10-31 23:00"),
        ("America/New_York", date(2027, 3, 14), "2027-03-14 05:00", "2027-03-15 04:00"),
        ("America/New_York", date(2027, 11, 7), "2027-11-07 04:00", "2027-11-08 05:00"),
        ("Pacific/Kiritimati", date(2027, 6, 1), "2027-05-31 10:00", "2027-06-01 10:00"),
    ],
)
def test_a_day_is_as_long_as_in_its_zone(zone: str, day: date, first: str, before: str) -> None:
    assert span(on(day), NOW, [ZoneInfo(zone)]) == (utc(first), utc(before))


def test_a_day_that_has_no_midnight_holds_all_its_hours() -> None:
    zone = ZoneInfo("America/Santiago")
    starts, before = span(on(date(2026, 9, 6)), datetime(2026, 9, 1, tzinfo=UTC), [zone])
    assert starts <= datetime(2026, 9, 6, 1, tzinfo=zone).astimezone(UTC)
    assert before == datetime(2026, 9, 7, tzinfo=zone).astimezone(UTC)


def test_span_over_several_zones_covers_the_day_in_each() -> None:
    zones = [ZoneInfo("Pacific/Auckland"), ZoneInfo("America/Los_Angeles")]
    starts, before = span(on(date(2027, 6, 1)), NOW, zones)
    assert starts == datetime(2027, 6, 1, tzinfo=zones[0]).astimezone(UTC)
    assert before == datetime(2027, 6, 2, tzinfo=zones[1]).astimezone(UTC)


def test_a_wall_time_that_occurs_twice_is_meant_twice() -> None:
    zone = ZoneInfo("America/New_York")
    when = When(days=on(date(2027, 11, 7)).days, at=time(1, 30))
    for fold in (0, 1):
        assert when.allows(datetime(2027, 11, 7, 1, 30, tzinfo=zone, fold=fold))
    assert not when.allows(datetime(2027, 11, 7, 2, 30, tzinfo=zone))


def test_span_begins_now_and_is_no_longer_than_the_hub_lists() -> None:
    now = datetime(2027, 3, 10, 9, tzinfo=UTC)
    starts, before = span(between(date(2027, 1, 1), date(2027, 12, 31)), now, [])
    assert (starts, before) == (now, now + LONGEST_SPAN)
    starts, before = span(on(date(2020, 1, 1)), now, [])
    assert now == starts < before
    starts, before = span(When(), now, [])
    assert timedelta(days=7) < before - starts < LONGEST_SPAN


def test_newer_words_replace_their_part_and_keep_the_rest() -> None:
    tuesday, wednesday = on(date(2027, 3, 16)), on(date(2027, 3, 17))
    after_three = When(time_from=time(15))
    wanted = tuesday.refined_by(after_three)
    assert (wanted.days, wanted.time_from) == (tuesday.days, time(15))
    assert wanted.refined_by(wednesday).time_from == time(15)
    assert wanted.refined_by(When(any_time=True)).time_from is None
    assert wanted.refined_by(When(at=time(9))) == When(days=tuesday.days, at=time(9))
    assert When().refined_by(When()).is_empty


def test_days_go_forward() -> None:
    with pytest.raises(AssertionError):
        Days(first=date(2027, 3, 2), last=date(2027, 3, 1))
