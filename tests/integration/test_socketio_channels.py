"""Channels over Socket.IO lose and repeat no event (criteria 7.2, 7.3, 7.5)."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from actors.domain.channels import (
    AVAILABILITY_ALL,
    HUB_STATUS,
    availability_channel,
    dentist_channel,
    patient_channel,
)
from actors.ports.events import Broadcaster, EventRecord
from api.realtime.rooms.settings import RealtimeSettings
from tests.integration.socketio_world import (
    CHANNEL,
    DENTIST,
    OTHER,
    arrived,
    event,
    events,
    live,
    offsets,
    place,
    running_world,
)
from tests.support.tokens import token
from tests.unit.relay_world import until

SLOTS = availability_channel(DENTIST)


async def test_events_arrive_after_a_join_and_not_after_a_leave() -> None:
    async with running_world() as world:
        screen = await world.screen()
        world.commit(event(1, SLOTS))
        answer = await screen.ok("channel:join", {"channel": SLOTS})
        assert answer == {
            "recovered": False,
            "events": [],
            "more": False,
            "epoch": 1,
            "offset": 1,
        }
        world.commit(event(2, SLOTS))
        await arrived(screen, 2, SLOTS)
        await screen.ok("channel:leave", {"channel": SLOTS})
        await screen.ok("channel:leave", {"channel": SLOTS})
        world.commit(event(3, SLOTS), event(1))
        await arrived(screen, 1)
        assert live(screen, SLOTS) == [2]


async def test_a_join_with_a_position_returns_the_missed_events() -> None:
    async with running_world(*events(1, 9, SLOTS)) as world:
        screen = await world.screen()
        answer = await screen.ok("channel:join", {"channel": SLOTS, "since": place(6)})
        assert answer["recovered"]
        assert offsets(answer["events"]) == [7, 8, 9]
        assert answer["events"][0]["data"] == {"n": 7}
        beyond = await screen.ok("channel:join", {"channel": SLOTS, "since": place(10)})
        assert (beyond["recovered"], beyond["offset"]) == (False, 9)


async def test_live_events_follow_the_answer_to_a_join() -> None:
    async with running_world(*events(1, 5, SLOTS)) as world:
        screen = await world.screen()
        world.log.readable.clear()
        joining = asyncio.create_task(
            screen.ok("channel:join", {"channel": SLOTS, "since": place(2)})
        )
        await until(lambda: world.log.reads == 1)
        world.commit(event(6, SLOTS), event(7, SLOTS), event(1))
        await arrived(screen, 1)
        assert live(screen, SLOTS) == []
        world.log.readable.set()
        answer = await joining
        await arrived(screen, 7, SLOTS)
        assert offsets(answer["events"]) == [3, 4, 5]
        assert live(screen, SLOTS) == [6, 7]


async def test_a_leave_waits_for_an_earlier_join() -> None:
    async with running_world(*events(1, 5, SLOTS)) as world:
        screen = await world.screen()
        world.log.readable.clear()
        joining = asyncio.create_task(
            screen.ok("channel:join", {"channel": SLOTS, "since": place(2)})
        )
        await until(lambda: world.log.reads == 1)
        leaving = asyncio.create_task(screen.ok("channel:leave", {"channel": SLOTS}))
        assert (await screen.refused("no:such", {}))["code"] == "VALIDATION_ERROR", "it came later"
        assert not leaving.done()
        world.log.readable.set()
        assert offsets((await joining)["events"]) == [3, 4, 5]
        await leaving
        world.commit(event(6, SLOTS), event(1))
        await arrived(screen, 1)
        assert live(screen, SLOTS) == []


async def test_joining_again_repeats_no_live_event() -> None:
    async with running_world() as world:
        screen = await world.screen()
        world.commit(*events(1, 3))
        await arrived(screen, 3)
        answer = await screen.ok("channel:join", {"channel": CHANNEL, "since": place(1)})
        assert offsets(answer["events"]) == [2, 3]
        world.commit(event(4))
        await arrived(screen, 4)
        assert live(screen) == [1, 2, 3, 4]


async def test_a_failed_join_changes_no_membership() -> None:
    async with running_world(*events(1, 3)) as world:
        screen = await world.screen()
        world.log.broken.add("read")
        request = {"channel": CHANNEL, "since": place(1)}
        assert (await screen.refused("channel:join", request))["code"] == "INTERNAL_ERROR"
        world.log.broken.add("heads")
        fresh = await screen.refused("channel:join", {"channel": SLOTS})
        assert fresh["code"] == "INTERNAL_ERROR"
        world.log.broken.clear()
        world.commit(event(4), event(1, SLOTS))
        await arrived(screen, 4)
        assert live(screen, SLOTS) == []
        assert (await screen.ok("channel:join", request))["recovered"]


async def test_many_missed_events_come_in_pages_before_live_events() -> None:
    async with running_world(*events(1, 1_200, SLOTS)) as world:
        screen = await world.screen(since={SLOTS: place(0)})
        answer = screen.ready[SLOTS]
        had = offsets(answer["events"])
        world.commit(event(1_201, SLOTS))
        for _ in range(2):
            assert (answer["recovered"], answer["more"]) == (True, True)
            request = {"channel": SLOTS, "since": place(answer["offset"])}
            answer = await screen.ok("channel:join", request)
            had += offsets(answer["events"])
        assert not answer["more"]
        world.commit(event(1_202, SLOTS))
        await arrived(screen, 1_202, SLOTS)
        assert had + live(screen, SLOTS) == list(range(1, 1_203))


async def test_clients_get_the_positions_of_their_channels_periodically() -> None:
    settings = RealtimeSettings(position_interval_s=0.05)
    async with running_world(*events(1, 4), settings=settings) as world:
        screen = await world.screen()
        notice = await screen.until(
            lambda each: each.event == "channel:position" and each.data["channel"] == CHANNEL, 2
        )
        assert notice.data == {"channel": CHANNEL, "epoch": 1, "offset": 4}


class Failing:
    """Fails the attempts at some offsets; otherwise the real broadcaster."""

    def __init__(self, inner: Broadcaster, fails: Callable[[EventRecord, int], bool]) -> None:
        self._inner, self._fails = inner, fails
        self.attempts: list[int] = []

    async def broadcast(self, records: Sequence[EventRecord]) -> int:
        offsets = [record.position.offset for record in records]
        self.attempts += offsets
        tries = [self.attempts.count(offset) for offset in offsets]
        if any(map(self._fails, records, tries)):
            raise ConnectionError("the rooms are away")
        return await self._inner.broadcast(records)


async def test_after_a_failed_broadcast_clients_can_fetch_missed_events() -> None:
    def fails(record: EventRecord, attempt: int) -> bool:
        return record.position.offset == 2

    async with running_world(broadcaster=lambda inner: Failing(inner, fails)) as world:
        screen = await world.screen()
        world.commit(event(1), event(2))
        notice = await screen.until(lambda each: each.event == "channel:position", 5)
        assert notice.data == {"channel": CHANNEL, "epoch": 1, "offset": 2}
        request = {"channel": CHANNEL, "since": place(1)}
        answer = await screen.ok("channel:join", request)
        assert offsets(answer["events"]) == [2]
        world.commit(event(3))
        await arrived(screen, 3)
        assert live(screen) == [1, 3]
        await until(lambda: 2 in world.log.marked(CHANNEL))
        mark = world.log.marked(CHANNEL)[2]
        assert (mark.sent, mark.attempts) == (False, 4)


async def test_a_retried_broadcast_repeats_no_event() -> None:
    class FailsAfterwards(Failing):
        async def broadcast(self, records: Sequence[EventRecord]) -> int:
            await self._inner.broadcast(records)
            return await super().broadcast(records)

    def fails(record: EventRecord, attempt: int) -> bool:
        return attempt == 1

    async with running_world(broadcaster=lambda inner: FailsAfterwards(inner, fails)) as world:
        screen = await world.screen()
        world.commit(*events(1, 5))
        await arrived(screen, 5)
        assert live(screen) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"channel": patient_channel(OTHER)}, "FORBIDDEN"),
        ({"channel": dentist_channel(DENTIST)}, "FORBIDDEN"),
        ({"channel": HUB_STATUS}, "FORBIDDEN"),
        ({"channel": "nonsense"}, "FORBIDDEN"),
        ({"channel": ""}, "VALIDATION_ERROR"),
        ({"channel": "availability:dentist:" + "x" * 500}, "VALIDATION_ERROR"),
        ({"channel": 7}, "VALIDATION_ERROR"),
        ({}, "VALIDATION_ERROR"),
        ({"channel": SLOTS, "since": 5}, "VALIDATION_ERROR"),
        ({"channel": SLOTS, "since": {"epoch": 1, "offset": "3"}}, "VALIDATION_ERROR"),
        ({"channel": SLOTS, "since": {"epoch": 1, "offset": 10**30}}, "VALIDATION_ERROR"),
        ({"channel": SLOTS, "more": True}, "VALIDATION_ERROR"),
    ],
)
async def test_forbidden_and_invalid_joins_are_refused(data: dict[str, object], code: str) -> None:
    async with running_world() as world:
        screen = await world.screen()
        assert (await screen.refused("channel:join", data))["code"] == code


async def test_the_number_of_channels_of_a_client_is_limited() -> None:
    async with running_world() as world:
        screen = await world.screen()
        for n in range(100):  # besides its own
            name = f"availability:dentist:01976f2e-0000-7000-8000-{n:012}"
            await screen.ok("channel:join", {"channel": name})
        one_more = {"channel": availability_channel(DENTIST)}
        refused = await screen.refused("channel:join", one_more)
        assert refused["code"] == "VALIDATION_ERROR"
        await screen.ok("channel:join", {"channel": AVAILABILITY_ALL})


async def test_status_events_go_to_admins_that_joined_the_channel() -> None:
    async with running_world() as world:
        watching = await world.screen("/admin", token("admin", "root"))
        other = await world.screen("/admin", token("admin", "root"))
        answer = await watching.ok("channel:join", {"channel": HUB_STATUS})
        assert answer == {
            "recovered": False,
            "events": [],
            "more": False,
            "epoch": None,
            "offset": None,
        }
        await world.realtime.publish_status({"calendars": 3})
        received = (await watching.event("hub.status")).data
        assert (received["offset"], received["epoch"]) == (None, None)
        assert received["data"] == {"calendars": 3}
        assert other.events(HUB_STATUS) == []
