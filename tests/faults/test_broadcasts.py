"""Broadcasts fail once, three times, for good, hang, half-way, or in one channel alone: the relay
retries and tells (7.5, 9.1), nobody else waits, and clients still end with every event."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from actors.calendar.settings import ReservationSettings
from actors.ports.events import Broadcaster, EventRecord
from actors.relay.committed_events import CommittedEvents
from actors.relay.settings import RelaySettings
from api.settings import ApiSettings
from hub.cluster.settings import ClusterSettings
from tests.support.clinic import Clinic, appointments_of
from tests.support.database import rows
from tests.support.eventually import eventually
from tests.support.followers import KINDS, FollowingScreen, screen
from tests.support.histories import problems_of
from tests.support.logs import captured_logs
from tests.support.running import Template, clinic_on

TRIES = 4
"""Once, and three retries."""
BOOKINGS = 24
QUICK = RelaySettings(backoff_ms=20, attempt_timeout_ms=60)
PROMPT_MS = 1_000.0

Mishap = tuple[str, int]
"""What happens to a broadcast, and how many times."""
Place = tuple[str, int]

FINE: Mishap = ("", 0)
MISHAPS: Sequence[Mishap] = (
    FINE,
    ("fails", 1),
    ("fails", 3),
    ("fails", TRIES),
    ("hangs", 1),
    ("hangs", TRIES),
)


class Unlucky:
    """Lets broadcasts fail as ``plan`` has it, by channel and offset; those of a batch, too."""

    def __init__(self, real: Broadcaster, plan: Callable[[EventRecord], Mishap]) -> None:
        self._real, self._plan = real, plan
        self._left: dict[Place, Mishap] = {}
        """What is still to happen to each."""
        self.tried: Counter[Place] = Counter()
        self.sent: set[Place] = set()

    async def broadcast(self, records: Sequence[EventRecord]) -> int:
        """It may fail half-way: what comes before a mishap has arrived."""
        places = [(str(record.channel), record.position.offset) for record in records]
        self.tried.update(places)
        reached = 0
        for place, record in zip(places, records, strict=True):
            await self._mishap(place, record)
            reached = await self._real.broadcast([record])
        self.sent.update(places)
        return reached

    async def _mishap(self, place: Place, record: EventRecord) -> None:
        what, times = self._left.get(place) or self._plan(record)
        self._left[place] = what, times - 1
        if times <= 0:
            return
        if what == "hangs":
            await asyncio.Event().wait()
        raise ConnectionError("the room is on fire")


@pytest.mark.parametrize("where", ["everywhere", "in one channel"])
async def test_clients_get_every_event_although_broadcasts_fail(
    template: Template, tmp_path: Path, where: str
) -> None:
    chance = random.Random(7)
    dentist, patient = template.people.dentists[0], template.people.patients[0]
    victim = appointments_of(dentist)
    watched = {victim: dentist, appointments_of(patient): patient}
    unlucky: list[Unlucky] = []

    def plan(record: EventRecord) -> Mishap:
        hit = where == "everywhere" or record.channel == victim
        return chance.choice(MISHAPS) if hit else FINE

    def wrap(real: Broadcaster) -> Broadcaster:
        unlucky.append(Unlucky(real, plan))
        return unlucky[0]

    with captured_logs() as logs:
        async with (
            clinic_on(
                template,
                tmp_path,
                overrides={"wrap_broadcaster": wrap},
                relay=QUICK,
                api=ApiSettings(rate_per_s=1_000, rate_burst=1_000),
                reservations=ReservationSettings(max_future_per_patient=0),
            ) as clinic,
            AsyncExitStack() as opened,
        ):
            screens = [
                (channel, await opened.enter_async_context(screen(kind, clinic.url, who, ways)))
                for channel, who in watched.items()
                for kind, ways in zip(KINDS, (("websocket",), ("polling",)), strict=True)
            ]
            await asyncio.gather(*(_book(clinic, number) for number in range(BOOKINGS)))
            for channel, each in screens:
                await _has_received_everything(clinic, each, channel)
            events = await _marked(clinic, unlucky[0].tried)
        assert problems_of(clinic.database) == []
    assert len(unlucky[0].tried) == len(events)
    for event in events:
        _is_marked_as_it_went(event, unlucky[0])
    if where == "in one channel":
        slow = [e for e in events if e["channel"] != victim and e["latency_ms"] > PROMPT_MS]
        assert slow == [], "no channel waits for another"
    failed = {(e["channel"], e["offset"]) for e in events if e["status"] == "failed"}
    assert failed, "some were to fail for good"
    lines = logs.lines("broadcast_failed")
    assert {(line["channel"], line["offset"]) for line in lines} == failed
    assert all(line["event_id"] and line["type"] and line["attempts"] == TRIES for line in lines)


async def test_events_of_which_the_hub_was_not_told_are_broadcast(
    template: Template, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when COMMIT is done, and its answer is lost: nothing is published."""
    publish, lost = CommittedEvents.publish, list[int]()

    def lose(committed: CommittedEvents, records: Sequence[EventRecord]) -> None:
        if lost:
            publish(committed, records)
        else:
            lost.append(len(records))

    dentist = template.people.dentists[0]
    async with (
        clinic_on(template, tmp_path, cluster=ClusterSettings(repair_s=0.1)) as clinic,
        screen("python", clinic.url, dentist, ("websocket",)) as shown,
    ):
        monkeypatch.setattr(CommittedEvents, "publish", lose)
        await _book(clinic, 0)
        await _has_received_everything(clinic, shown, appointments_of(dentist))
        assert lost


async def _book(clinic: Clinic, number: int) -> None:
    """At one dentist, two an hour; every other one is the first patient's."""
    day, slot = divmod(number, 18)
    body = clinic.slot() | {
        "start": clinic.at(f"{8 + slot // 2:02}:{30 * (slot % 2):02}", days=3 + day)
    }
    who = clinic.patients[0 if number % 2 == 0 else number]
    booked = await clinic.api(who).post("/api/appointments", body)
    assert booked.status == 201, booked.body


async def _has_received_everything(clinic: Clinic, it: FollowingScreen, channel: str) -> None:
    sql = 'SELECT "offset" FROM realtime_events WHERE channel = ? ORDER BY "offset"'
    expected = [row["offset"] for row in rows(clinic.database, sql, channel)]
    assert expected

    async def offsets() -> list[int]:
        return [offset for offset, _ in await it.received(channel)]

    async def complete() -> bool:
        return len(await offsets()) >= len(expected)

    await eventually(complete, 10.0)
    assert await offsets() == expected, "each once, in order"


async def _marked(clinic: Clinic, places: Collection[Place]) -> list[dict[str, Any]]:
    """The events' rows, once what became of each was written."""

    def all_marked() -> list[dict[str, Any]]:
        found = rows(clinic.database, "SELECT * FROM realtime_events")
        found = [row for row in found if (row["channel"], row["offset"]) in places]
        return [] if any(row["status"] == "pending" for row in found) else found

    return await eventually(all_marked, 5.0)


def _is_marked_as_it_went(event: dict[str, Any], unlucky: Unlucky) -> None:
    place = event["channel"], event["offset"]
    was_sent = place in unlucky.sent
    assert event["attempts"] == unlucky.tried[place], place
    assert event["status"] == ("sent" if was_sent else "failed"), place
    assert was_sent == (event["error"] is None), place
    assert was_sent or event["attempts"] == TRIES, "given up only after three retries"
