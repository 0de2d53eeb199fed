"""Catch-up returns all missed events in order, or reports that it cannot."""

import pytest

from actors.domain.channels import (
    AVAILABILITY_ALL,
    HUB_STATUS,
    Channel,
    dentist_channel,
    patient_channel,
)
from actors.domain.ids import DentistId, PatientId, ProfileId
from actors.domain.position import Position
from actors.domain.principal import Principal, Role
from actors.domain.refusals import Forbidden, ValidationFailed
from actors.services.changes import ENVELOPE_BYTES, Changes, ChannelChanges
from tests.unit.relay_world import A, B, MemoryLog, record, records

PATIENT = Principal(role=Role.PATIENT, subject="s", person=ProfileId("p"))
ADMIN = Principal(role=Role.ADMIN, subject="root")


async def read(
    log: MemoryLog,
    since: Position | None,
    *,
    channel: Channel = A,
    limit: int = 500,
    max_bytes: int = 512 * 1024,
    released: int | None = None,
) -> ChannelChanges:
    up_to = None
    if released is not None:
        up_to = {channel: Position(1, released)}
    (answer,) = await Changes(log).read(
        PATIENT, [(channel, since)], limit=limit, max_bytes=max_bytes, up_to=up_to
    )
    return answer


def offsets(answer: ChannelChanges) -> list[int]:
    return [event.position.offset for event in answer.events]


def at(offset: int) -> Position:
    return Position(1, offset)


async def test_all_missed_events_are_returned_in_order() -> None:
    answer = await read(MemoryLog(records(1, 9)), at(4))
    assert answer.recovered
    assert offsets(answer) == [5, 6, 7, 8, 9]
    assert (answer.position.epoch, answer.position.offset, answer.more) == (1, 9, False)


async def test_a_client_that_missed_nothing_has_recovered_without_events() -> None:
    answer = await read(MemoryLog(records(1, 9)), at(9))
    assert (answer.recovered, offsets(answer), answer.position.offset) == (True, [], 9)


async def test_an_untouched_channel_is_recovered_from_its_beginning() -> None:
    answer = await read(MemoryLog(), at(0))
    assert (answer.recovered, offsets(answer), answer.position.offset) == (True, [], 0)


async def test_without_a_position_only_the_current_one_is_returned() -> None:
    answer = await read(MemoryLog(records(1, 9)), None)
    assert (answer.recovered, offsets(answer), answer.position.offset) == (False, [], 9)


async def test_another_epoch_is_not_recovered() -> None:
    answer = await read(MemoryLog(records(1, 9)), Position(2, 3))
    assert (answer.recovered, answer.position.epoch, answer.position.offset) == (False, 1, 9)


async def test_a_position_ahead_of_the_channel_is_not_recovered() -> None:
    answer = await read(MemoryLog(records(1, 9)), at(10))
    assert (answer.recovered, answer.position.offset) == (False, 9)


async def test_a_history_that_begins_too_late_is_not_recovered() -> None:
    log = MemoryLog(records(5, 9))
    assert not (await read(log, at(3))).recovered
    assert offsets(await read(log, at(4))) == [5, 6, 7, 8, 9]
    assert offsets(await read(MemoryLog([record(9)]), at(8))) == [9]


async def test_a_history_with_a_gap_is_not_recovered() -> None:
    log = MemoryLog([*records(1, 3), *records(5, 9)])
    assert not (await read(log, at(1))).recovered


async def test_a_completely_deleted_history_is_not_recovered() -> None:
    log = MemoryLog()
    (answer,) = await Changes(log).read(PATIENT, [(A, at(3))], up_to={A: Position(1, 9)})
    assert (answer.recovered, answer.position.offset) == (False, 9)


async def test_many_events_are_paged_without_gap_or_repetition() -> None:
    log = MemoryLog(records(1, 25))
    seen: list[int] = []
    since = at(2)
    for _ in range(3):
        answer = await read(log, since, limit=10)
        seen += offsets(answer)
        since = Position(answer.position.epoch, answer.position.offset)
    assert seen == list(range(3, 26))
    assert not answer.more


async def test_an_incomplete_page_has_more_and_the_position_to_continue_at() -> None:
    answer = await read(MemoryLog(records(1, 25)), at(0), limit=10)
    assert (answer.recovered, answer.more, answer.position.offset) == (True, True, 10)


async def test_a_page_is_bounded_in_bytes_but_has_at_least_one_event() -> None:
    rows = [record(offset, payload=b"x" * 1_000) for offset in range(1, 6)]
    size = 1_000 + ENVELOPE_BYTES
    assert offsets(await read(MemoryLog(rows), at(0), max_bytes=3 * size)) == [1, 2, 3]
    answer = await read(MemoryLog(rows), at(0), max_bytes=10)
    assert (offsets(answer), answer.more) == ([1], True)


async def test_the_limits_apply_to_all_channels_together() -> None:
    log = MemoryLog([*records(1, 8), *records(1, 8, B)])
    first, second = await Changes(log).read(PATIENT, [(A, at(0)), (B, at(3))], limit=8)
    assert (offsets(first), first.more) == (list(range(1, 9)), False)
    assert (second.recovered, offsets(second), second.more, second.position.offset) == (
        True,
        [],
        True,
        3,
    )


async def test_a_large_event_waits_for_the_next_page() -> None:
    log = MemoryLog([record(1), record(1, B, payload=b"x" * 10_000)])
    first, second = await Changes(log).read(PATIENT, [(A, at(0)), (B, at(0))], max_bytes=2_000)
    assert offsets(first) == [1]
    assert (offsets(second), second.more, second.position.offset) == ([], True, 0)


async def test_a_join_reads_up_to_the_position_of_live_delivery() -> None:
    answer = await read(MemoryLog(records(1, 9)), at(4), released=7)
    assert (offsets(answer), answer.position.offset, answer.more) == ([5, 6, 7], 7, False)


async def test_a_position_between_live_delivery_and_the_head_is_recovered() -> None:
    answer = await read(MemoryLog(records(1, 9)), at(8), released=7)
    assert (answer.recovered, offsets(answer), answer.position.offset) == (True, [], 8)


async def test_a_position_ahead_of_the_head_is_not_recovered() -> None:
    answer = await read(MemoryLog(records(1, 9)), at(10), released=7)
    assert (answer.recovered, answer.position.offset) == (False, 7)


async def test_heads_are_read_only_when_needed() -> None:
    log = MemoryLog(records(1, 9))
    await read(log, at(4), released=7)
    await read(log, None, released=7)
    assert log.heads_read == []


@pytest.mark.parametrize(
    "channel",
    [
        patient_channel(PatientId(ProfileId("other"))),
        dentist_channel(DentistId(ProfileId("d"))),
        HUB_STATUS,
        Channel("no:such:channel"),
        Channel(""),
    ],
)
async def test_channels_of_others_are_forbidden_before_reading(channel: Channel) -> None:
    log = MemoryLog()
    log.broken = {"heads", "read"}
    with pytest.raises(Forbidden):
        await Changes(log).read(PATIENT, [(AVAILABILITY_ALL, None), (channel, at(0))])


async def test_hub_status_has_no_history() -> None:
    with pytest.raises(ValidationFailed):
        await Changes(MemoryLog()).read(ADMIN, [(HUB_STATUS, None)])
