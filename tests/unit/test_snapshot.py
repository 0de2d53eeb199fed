"""Cached free starts equal freshly computed ones."""

from datetime import datetime, timedelta

from actors.calendar.snapshot import Snapshot
from actors.domain.ids import PatientId
from actors.domain.position import Position
from actors.domain.slots import to_minute
from tests.unit.calendars import (
    ANNA,
    BEN,
    CHECKUP,
    CLEANING,
    HOLD_TIME,
    NOW,
    at,
    calendar,
    held,
)

FIRST, BEFORE = to_minute(at(8)), to_minute(at(18))


def snapshot(*, hold: bool = False) -> Snapshot:
    rows = [held(at(9))] if hold else []
    return Snapshot(calendar=calendar(rows), position=Position(1, 0))


def starts(cached: Snapshot, now: datetime, who: PatientId | None = None) -> list[int]:
    return list(cached.free(CHECKUP, first=FIRST, before=BEFORE, now=now, patient_id=who))


def test_a_query_is_cached_within_its_minute() -> None:
    cached = snapshot()
    cached.free(CHECKUP, first=FIRST, before=BEFORE, now=at(10, 1), patient_id=None)
    once = cached.free(CHECKUP, first=FIRST, before=BEFORE, now=at(10, 1), patient_id=None)
    again = cached.free(
        CHECKUP, first=FIRST, before=BEFORE, now=at(10) + timedelta(seconds=59), patient_id=None
    )
    assert once is again


def test_a_start_is_not_free_after_its_minute_has_begun() -> None:
    cached = snapshot()
    assert to_minute(at(10)) in starts(cached, at(10))
    assert to_minute(at(10)) not in starts(cached, at(10) + timedelta(seconds=1))


def test_a_held_slot_is_free_when_the_hold_expires() -> None:
    cached = snapshot(hold=True)
    assert to_minute(at(9)) not in starts(cached, NOW)
    assert to_minute(at(9)) not in starts(cached, NOW + HOLD_TIME - timedelta(microseconds=1))
    assert to_minute(at(9)) in starts(cached, NOW + HOLD_TIME)


def test_a_held_slot_is_free_for_its_holder_only() -> None:
    cached = snapshot(hold=True)
    assert to_minute(at(9)) in starts(cached, NOW, ANNA)
    assert to_minute(at(9)) not in starts(cached, NOW, BEN)
    assert to_minute(at(9)) not in starts(cached, NOW)


def test_each_appointment_type_has_its_own_starts() -> None:
    cached = snapshot()
    cleanings = cached.free(CLEANING, first=FIRST, before=BEFORE, now=NOW, patient_id=None)
    assert len(starts(cached, NOW)) > len(cleanings)


def test_the_cache_is_bounded() -> None:
    cached = snapshot()
    for minute in range(FIRST, FIRST + 1_000):
        cached.free(CHECKUP, first=minute, before=BEFORE, now=NOW, patient_id=None)
        assert 0 < len(cached._cached) <= 256
