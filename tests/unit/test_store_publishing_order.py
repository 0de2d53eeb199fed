"""Concurrent commits: the events of a channel are published in the order of offsets."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from actors.domain.channels import Channel
from actors.domain.ids import EventId
from actors.domain.position import Position
from actors.ports.events import EventRecord
from store.postgres.publishing_order import PublishingOrder


class RecordingPublisher:
    def __init__(self) -> None:
        self.offsets: list[tuple[str, int]] = []

    def publish(self, records: Sequence[EventRecord]) -> None:
        self.offsets += [(record.channel, record.position.offset) for record in records]


def event(channel: str, offset: int) -> EventRecord:
    return EventRecord(
        channel=Channel(channel),
        position=Position(1, offset),
        event_id=EventId("e"),
        type="t",
        time=datetime.now(UTC),
        payload=b"",
    )


async def test_a_later_offset_waits_for_the_earlier_one() -> None:
    published = RecordingPublisher()
    order = PublishingOrder(published)
    first, second = order.begin([event("a", 1)]), order.begin([event("a", 2), event("b", 1)])
    other = order.begin([event("c", 7)])
    order.end(second, committed=True)
    order.end(other, committed=True)
    await asyncio.sleep(0)
    assert published.offsets == [("c", 7)], "other channels do not wait"
    order.end(first, committed=True)
    await asyncio.sleep(0)
    assert published.offsets == [("c", 7), ("a", 1), ("a", 2), ("b", 1)]


async def test_failed_commit_delays_no_events() -> None:
    published = RecordingPublisher()
    order = PublishingOrder(published)
    first, second = order.begin([event("a", 1)]), order.begin([event("a", 1)])
    third = order.begin([event("a", 2)])
    order.end(third, committed=True)
    order.end(first, committed=False)
    order.end(second, committed=True)
    await asyncio.sleep(0)
    assert published.offsets == [("a", 1), ("a", 2)]
