"""EventLog: outbox, history and log of the broadcasts."""

import pytest

from actors.domain.author import Author
from actors.domain.channels import AVAILABILITY_ALL, Channel, dentist_channel, patient_channel
from actors.domain.ids import DentistId, PatientId
from actors.domain.principal import Role
from actors.ports.events import Delivery, EventRecord
from tests.contract.clinic import DAY, MINUTE, Clinic, booked, dentist, patient
from tests.contract.engines import Database


@pytest.fixture
async def channel(clinic: Clinic) -> Channel:
    """A dentist's channel with ten events."""
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded, now = await clinic.open(ann), clinic.clock.now()
    for n in range(1, 11):
        await clinic.commit(loaded, clinic.turn(booked(clinic.row(ann, pat, now + n * DAY))))
    return dentist_channel(DentistId(ann.id))


def delivered(record: EventRecord, clinic: Clinic, *, sent: bool = True) -> Delivery:
    return Delivery(
        channel=record.channel,
        position=record.position,
        sent=sent,
        at=clinic.clock.now(),
        latency_ms=1.5,
        attempts=1 if sent else 4,
        recipients=2,
        error=None if sent else "TimeoutError",
    )


async def read(
    clinic: Clinic, channel: Channel, after: int, up_to: int, limit: int = 500, size: int = 2**19
) -> list[int]:
    found = await clinic.store.events.read(
        channel, after=after, up_to=up_to, limit=limit, max_bytes=size
    )
    return [record.position.offset for record in found]


async def test_heads_of_known_and_unknown_channels(clinic: Clinic, channel: Channel) -> None:
    unknown = Channel("appointments:dentist:nobody")
    heads = await clinic.store.events.heads([channel, unknown])
    assert (heads[channel].offset, heads[unknown].offset) == (10, 0)
    assert heads[channel].epoch == heads[unknown].epoch
    assert await clinic.store.events.heads([]) == {}
    many = [Channel(f"availability:dentist:{n}") for n in range(1_200)]
    assert len(await clinic.store.events.heads([*many, channel])) == 1_201


async def test_history_is_read_as_it_was_announced(clinic: Clinic, channel: Channel) -> None:
    published = [record for record in clinic.postbox.records if record.channel == channel]
    found = await clinic.store.events.read(channel, after=0, up_to=10, limit=500, max_bytes=2**19)
    assert found == published


async def test_a_patient_reads_who_made_a_change_as_a_role_only(clinic: Clinic) -> None:
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    loaded, channel = await clinic.open(ann), patient_channel(PatientId(pat.id))
    row = clinic.row(ann, pat, clinic.clock.now() + DAY)
    await clinic.commit(loaded, clinic.turn(booked(row), by=dentist(ann)))
    named = Author(role=Role.DENTIST, id=ann.id, name=ann.name)
    for reader, where, shown in (
        (patient(pat), channel, Author(role=Role.DENTIST)),
        (dentist(ann), dentist_channel(DentistId(ann.id)), named),
    ):
        (event,) = await clinic.store.events.read(
            where, after=0, up_to=9, limit=9, max_bytes=2**19, by=reader
        )
        assert event.by == shown


async def test_history_has_bounds(clinic: Clinic, channel: Channel) -> None:
    assert await read(clinic, channel, 3, 7) == [4, 5, 6, 7]
    assert await read(clinic, channel, 10, 10) == []
    assert await read(clinic, channel, 0, 99, limit=4) == [1, 2, 3, 4]


async def test_history_is_bounded_in_bytes_but_never_stuck(
    clinic: Clinic, channel: Channel
) -> None:
    one = len(clinic.postbox.records[0].payload)
    assert await read(clinic, channel, 0, 10, size=3 * one) == [1, 2, 3]
    assert await read(clinic, channel, 0, 10, size=3 * one - 1) == [1, 2]
    assert await read(clinic, channel, 4, 10, size=1) == [5]


async def test_the_oldest_event_still_kept(clinic: Clinic, channel: Channel) -> None:
    assert await clinic.store.events.oldest(channel) == 1
    assert await clinic.store.events.oldest(Channel("availability:dentist:nobody")) is None


async def test_what_was_never_broadcast_is_pending(clinic: Clinic, channel: Channel) -> None:
    """The process died between commit and broadcast: the next one finds the rows."""
    pending = await clinic.store.events.pending(limit=1_000)
    published = {(record.channel, record.position.offset) for record in clinic.postbox.records}
    founding = (
        AVAILABILITY_ALL,
        1,
    )  # the appointment type, published before the postbox was emptied
    assert {(r.channel, r.position.offset) for r in pending} == {*published, founding}
    of_channel = [r.position.offset for r in pending if r.channel == channel]
    assert of_channel == sorted(of_channel), "a channel's in order"
    assert len(await clinic.store.events.pending(limit=7)) == 7


async def test_a_marked_event_is_pending_no_more(
    clinic: Clinic, channel: Channel, database: Database
) -> None:
    pending = await clinic.store.events.pending(limit=1_000)
    await clinic.store.events.mark([delivered(record, clinic) for record in pending[1:]])
    assert await clinic.store.events.pending(limit=1_000) == pending[:1]
    await clinic.store.events.mark([delivered(pending[0], clinic, sent=False)])
    assert await clinic.store.events.pending(limit=1_000) == []
    sql = (
        "SELECT status, latency_ms, attempts, recipients, error FROM realtime_events "
        'WHERE channel = ? AND "offset" = ? AND broadcast_at IS NOT NULL'
    )
    failed, sent = pending[0], pending[1]
    assert database.query(sql, failed.channel, failed.position.offset) == [
        ("failed", 1.5, 4, 2, "TimeoutError")
    ]
    assert database.query(sql, sent.channel, sent.position.offset) == [("sent", 1.5, 1, 2, None)]
    await clinic.store.events.mark([])


async def test_what_is_settled_is_skipped_and_nothing_else(
    clinic: Clinic, channel: Channel
) -> None:
    """Neither an old event between settled ones, nor one that is committed later."""
    first, between, *others = await clinic.store.events.pending(limit=1_000)
    await clinic.store.events.mark([delivered(record, clinic) for record in (first, *others)])
    clinic.clock.advance(11 * MINUTE)
    for _ in range(2):
        assert await clinic.store.events.pending(limit=1_000) == [between]
    await clinic.store.events.mark([delivered(between, clinic)])
    clinic.clock.advance(11 * MINUTE)
    assert await clinic.store.events.pending(limit=1_000) == []
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    row = clinic.row(ann, pat, clinic.clock.now() + DAY)
    await clinic.commit(await clinic.open(ann), clinic.turn(booked(row)))
    later = await clinic.store.events.pending(limit=1_000)
    assert {dentist_channel(DentistId(ann.id))} < {record.channel for record in later}
