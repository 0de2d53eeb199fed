"""Replay by time: the position before a time, or None if events are missing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors.domain.channels import Channel
from actors.domain.ids import EventId, ProfileId
from actors.domain.position import Position
from actors.domain.principal import Principal, Role
from actors.domain.refusals import Forbidden
from actors.ports.events import EventRecord
from actors.services.changes import EVENTS_MAX
from actors.services.replays import Replays
from tests.support.clock import FakeClock
from tests.unit.relay_world import MemoryLog

CHANNEL = Channel("appointments:dentist:d1")
DENTIST = Principal(role=Role.DENTIST, subject="s", person=ProfileId("d1"))
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
KEPT = timedelta(days=30)
CREATED = int((NOW - timedelta(days=90)).timestamp())


def event(offset: int, minutes_ago: float, epoch: int = CREATED) -> EventRecord:
    return EventRecord(
        channel=CHANNEL,
        position=Position(epoch, offset),
        event_id=EventId(f"event-{offset}"),
        type="appointment.created",
        time=NOW - timedelta(minutes=minutes_ago),
        payload=b"{}",
    )


async def position_before(rows: list[EventRecord], minutes_ago: float) -> Position | None:
    replays = Replays(MemoryLog(rows), FakeClock(NOW), kept=KEPT)
    return await replays.place_before(DENTIST, CHANNEL, NOW - timedelta(minutes=minutes_ago))


async def test_a_replay_begins_with_the_first_event_at_or_after_the_time() -> None:
    rows = [event(1, 60), event(2, 30), event(3, 10)]
    assert await position_before(rows, 30) == Position(CREATED, 1)
    assert await position_before(rows, 29.9) == Position(CREATED, 2)
    assert await position_before(rows, 5) == Position(CREATED, 3)


async def test_a_complete_history_replays_from_its_beginning() -> None:
    assert await position_before([event(1, 60), event(2, 30)], 10_000_000) == Position(CREATED, 0)


async def test_a_channel_that_was_never_used_has_a_complete_history() -> None:
    found = await position_before([], 60)
    assert found is not None
    assert found.offset == 0


async def test_events_with_unordered_times_are_all_replayed() -> None:
    """Two calendars write to one patient's channel, with their own decision times."""
    rows = [event(1, 60), event(2, 29), event(3, 31), event(4, 10)]
    assert await position_before(rows, 30) == Position(CREATED, 1)


async def test_a_time_before_the_retained_events_has_no_position() -> None:
    rows = [event(offset, 60) for offset in range(8, 11)]
    days = 24 * 60
    assert await position_before(rows, 29 * days) == Position(CREATED, 7), "within retention"
    assert await position_before(rows, 31 * days) is None


async def test_a_channel_whose_events_were_all_deleted_replays_nothing() -> None:
    log = MemoryLog([event(1, 60)])
    replays = Replays(log, FakeClock(NOW), kept=KEPT)
    log.rows.clear()
    head = (await log.heads([CHANNEL]))[CHANNEL]
    days = timedelta(days=1)
    assert await replays.place_before(DENTIST, CHANNEL, NOW - days) == Position(
        epoch=head.epoch, offset=head.offset
    )


@pytest.mark.parametrize("many", [33, EVENTS_MAX])
async def test_a_replay_of_up_to_one_page_has_a_position(many: int) -> None:
    rows = [event(offset, 60 if offset > 7 else 120) for offset in range(1, many + 8)]
    assert await position_before(rows, 61) == Position(CREATED, 7)


async def test_a_replay_of_more_than_one_page_has_no_position() -> None:
    assert (
        await position_before([event(offset, 60) for offset in range(1, EVENTS_MAX + 2)], 61)
        is None
    )


async def test_a_time_before_a_restore_has_no_position() -> None:
    restored = int((NOW - timedelta(minutes=45)).timestamp())
    rows = [event(1, 120), event(2, 110), event(3, 30, restored)]
    assert await position_before(rows, 40) == Position(restored, 2)
    assert await position_before(rows, 60) is None, "events between backup and restore were lost"


async def test_only_members_of_the_channel_may_replay_it() -> None:
    other: Any = Principal(role=Role.DENTIST, subject="s", person=ProfileId("d2"))
    replays = Replays(MemoryLog([event(1, 60)]), FakeClock(NOW), kept=KEPT)
    with pytest.raises(Forbidden):
        await replays.place_before(other, CHANNEL, NOW)
