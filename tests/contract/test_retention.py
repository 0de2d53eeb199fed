"""Retention: what is forgotten, and what never is."""

from datetime import timedelta

import pytest

from actors.domain.appointment import Status
from actors.domain.channels import Channel, dentist_channel
from actors.domain.ids import DentistId
from actors.ports.events import Delivery
from store.repositories.retention import BATCH_ROWS_MAX
from tests.contract.clinic import (
    DAY,
    HOUR,
    MINUTE,
    Clinic,
    booked,
    client_key,
    expired,
    held,
    released,
)
from tests.contract.engines import Database


async def mark_all(clinic: Clinic, *, but: int | None = None) -> None:
    pending = await clinic.store.events.pending(limit=100_000)
    await clinic.store.events.mark(
        [
            Delivery(
                channel=record.channel,
                position=record.position,
                sent=True,
                at=clinic.clock.now(),
                latency_ms=1.0,
                attempts=1,
                recipients=0,
            )
            for record in pending
            if record.position.offset != but
        ]
    )


async def offsets(clinic: Clinic, channel: Channel) -> list[int]:
    found = await clinic.store.events.read(
        channel, after=0, up_to=10_000, limit=10_000, max_bytes=2**30
    )
    return [record.position.offset for record in found]


@pytest.fixture
async def channel(clinic: Clinic) -> Channel:
    """Six events, ten days apart, on a public channel; the last is of now."""
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded = await clinic.open(ann)
    for n in range(1, 7):
        row = clinic.row(ann, pat, clinic.clock.now() + 100 * DAY)
        await clinic.commit(loaded, clinic.turn(booked(row), key=client_key(f"key {n}")))
        clinic.clock.advance(10 * DAY if n < 6 else timedelta())
    return dentist_channel(DentistId(ann.id))


async def test_events_are_kept_for_thirty_days(clinic: Clinic, channel: Channel) -> None:
    await mark_all(clinic)
    heads = await clinic.store.events.heads([channel])
    await clinic.store.retention.forget(clinic.clock.now())
    assert await offsets(clinic, channel) == [3, 4, 5, 6]
    assert await clinic.store.events.oldest(channel) == 3
    assert await clinic.store.events.heads([channel]) == heads


async def test_what_was_never_sent_is_kept_and_leaves_no_gap(
    clinic: Clinic, channel: Channel
) -> None:
    await mark_all(clinic, but=1)
    await clinic.store.retention.forget(clinic.clock.now())
    assert await offsets(clinic, channel) == [1, 2, 3, 4, 5, 6]


async def test_a_clock_that_went_back_leaves_no_gap(
    clinic: Clinic, channel: Channel, database: Database
) -> None:
    await mark_all(clinic)
    database.query(
        "UPDATE event_log SET created_at = (SELECT min(created_at) FROM event_log) WHERE id ="
        ' (SELECT event FROM event_channels WHERE channel = ? AND "offset" = 4)',
        channel,
    )
    await clinic.store.retention.forget(clinic.clock.now())
    assert await offsets(clinic, channel) == [3, 4, 5, 6]


async def test_a_channel_goes_on_when_its_events_are_forgotten(
    clinic: Clinic, database: Database
) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded, channel = await clinic.open(ann), dentist_channel(DentistId(ann.id))
    for head in (1, 2, 3):
        row = clinic.row(ann, pat, clinic.clock.now() + DAY)
        await clinic.commit(loaded, clinic.turn(booked(row)))
        assert await offsets(clinic, channel) == [head]
        await mark_all(clinic)
        clinic.clock.advance(31 * DAY)
        await clinic.store.retention.forget(clinic.clock.now())
        assert await offsets(clinic, channel) == []
        assert await clinic.store.events.oldest(channel) is None
        assert (await clinic.store.events.heads([channel]))[channel].offset == head
    left = "SELECT (SELECT count(*) FROM event_log), (SELECT count(*) FROM deliveries)"
    assert database.query(left) == [(0, 0)]
    kept = "SELECT count(*), count(DISTINCT channel), max(event) FROM event_channels"
    ((entries, channels, last),) = database.query(kept)
    assert (entries, last) == (channels, 0), "one head for each channel"


async def test_keys_are_kept_for_a_day(clinic: Clinic, channel: Channel) -> None:
    keys = [client_key(f"key {n}") for n in range(1, 7)]
    assert len(await clinic.store.calendars.replies(keys)) == 6
    await clinic.store.retention.forget(clinic.clock.now())
    assert [s.key for s in await clinic.store.calendars.replies(keys)] == [keys[-1]]


async def test_reservations_that_came_to_nothing_are_kept_for_a_week(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded, start = await clinic.open(ann), clinic.clock.now() + 100 * DAY
    rows = [clinic.row(ann, pat, start + n * HOUR, status=Status.HELD) for n in range(3)]
    kept = clinic.row(ann, pat, start + 5 * HOUR, status=Status.CANCELLED)
    await clinic.commit(loaded, *(clinic.turn(held(row)) for row in rows))
    await clinic.commit(
        loaded,
        clinic.turn(released(rows[0])),
        clinic.turn(expired(rows[1])),
        clinic.turn(booked(kept)),
    )
    clinic.clock.advance(7 * DAY)
    assert (await clinic.store.retention.forget(clinic.clock.now()))["holds"] == 0
    clinic.clock.advance(MINUTE)
    assert (await clinic.store.retention.forget(clinic.clock.now()))["holds"] == 2
    assert [await clinic.stored(row) is not None for row in (*rows, kept)] == [0, 0, 1, 1]


async def test_much_is_forgotten_in_small_batches(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded, count = await clinic.open(ann), BATCH_ROWS_MAX + 100
    for first in range(0, count, 100):
        rows = [
            clinic.row(ann, pat, clinic.clock.now() + n * HOUR) for n in range(first, first + 100)
        ]
        await clinic.commit(loaded, *(clinic.turn(booked(row)) for row in rows))
    await mark_all(clinic)
    forgotten = await clinic.store.retention.forget(clinic.clock.now() + 31 * DAY)
    assert forgotten["events"] >= 3 * count
    assert forgotten["replies"] >= count
    again = await clinic.store.retention.forget(clinic.clock.now() + 31 * DAY)
    assert again == dict.fromkeys(
        ("events", "holds", "replies", "deliveries", "messages", "visit_links"), 0
    )
