"""Criteria 7.2, 7.3, 7.5: each change goes to its channels, failed broadcasts are retried."""

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from actors.ports.events import Broadcaster, EventRecord
from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import Clinic, Person, appointments_of
from tests.support.database import rows
from tests.support.eventually import eventually


class FlakyBroadcaster:
    """Fails if ``fails`` is true for a record and its attempt, else broadcasts."""

    def __init__(self, real: Broadcaster, fails: Callable[[EventRecord, int], bool]) -> None:
        self._real, self._fails = real, fails
        self.attempts: dict[tuple[str, int], list[float]] = {}

    async def broadcast(self, records: Sequence[EventRecord]) -> int:
        fails = False
        for record in records:
            attempts = self.attempts.setdefault((record.channel, record.position.offset), [])
            attempts.append(time.monotonic())
            fails |= self._fails(record, len(attempts))
        if fails:
            raise ConnectionError("injected failure")
        return await self._real.broadcast(records)


async def test_r7_2_changes_are_published_to_the_dentists_channel(clinic: Clinic) -> None:
    await _assert_channel(clinic, clinic.dentists[0])


async def test_r7_3_changes_are_published_to_the_patients_channel(clinic: Clinic) -> None:
    await _assert_channel(clinic, clinic.patients[0])


async def _assert_channel(clinic: Clinic, person: Person) -> None:
    """Hold, book, change and cancel are one event each, in order and without a gap."""
    patient, api = clinic.patients[0], clinic.api(clinic.patients[0])
    screen = await clinic.screen(person)
    channel = appointments_of(person)
    start = screen.ready[channel]["offset"]
    held = await clinic.hold(patient)
    booked = await api.post("/api/appointments", {"reservation_id": held["id"]})
    assert booked.status == 201, booked.body
    await api.put(f"/api/appointments/{held['id']}", {"notes": "x"})
    await api.delete(f"/api/appointments/{held['id']}")
    await screen.event("appointment.cancelled", 1.0, channel=channel)

    events = screen.events(channel)
    assert [each.event for each in events] == [
        "reservation.created",
        "appointment.created",
        "appointment.updated",
        "appointment.cancelled",
    ]
    assert [each.data["offset"] for each in events] == list(range(start + 1, start + 5))
    for each in events:
        keys = {"id", "type", "channel", "offset", "epoch", "time", "by", "data"}
        assert each.data.keys() == keys
        assert each.data["type"] == each.event
        assert each.data["epoch"] == screen.ready[channel]["epoch"]
        assert each.resource["id"] == held["id"], "a hold keeps its id when it is booked"


async def test_r7_2_r7_3_both_channels_carry_the_same_event(clinic: Clinic) -> None:
    dentist, patient = clinic.dentists[0], clinic.patients[0]
    screens = {person.id: await clinic.screen(person) for person in (dentist, patient)}
    booked = await clinic.book(patient)
    ids = {
        (await screen.event("appointment.created", id=booked["id"])).data["id"]
        for screen in screens.values()
    }
    assert len(ids) == 1


@pytest.mark.parametrize("failures", [1, 2, 3])
async def test_r7_5_a_failed_broadcast_is_retried_three_times_with_backoff(
    open_clinic: OpenClinic, failures: int
) -> None:
    flaky: list[FlakyBroadcaster] = []

    def wrap(real: Broadcaster) -> Broadcaster:
        flaky.append(
            FlakyBroadcaster(
                real,
                lambda record, attempt: (
                    record.type == "appointment.created" and attempt <= failures
                ),
            )
        )
        return flaky[0]

    async with open_clinic(overrides={"wrap_broadcaster": wrap}) as clinic:
        dentist = clinic.dentists[0]
        screen = await clinic.screen(dentist)
        booked = await clinic.book(clinic.patients[0])
        event = await screen.event("appointment.created", 2.0, id=booked["id"])
        channel, offset = appointments_of(dentist), event.data["offset"]

        attempts = flaky[0].attempts[channel, offset]
        assert len(attempts) == failures + 1
        waits = [later - earlier for earlier, later in pairwise(attempts)]
        for number, wait in enumerate(waits):
            step = 0.1 * 2**number
            assert step * 0.4 <= wait <= step + 0.2, "100, 200, 400 ms, jittered"
        same = [each for each in screen.events(channel) if each.data["offset"] == offset]
        assert len(same) == 1, "delivered once"
        row = await _marked(clinic, channel, offset)
        assert (row["status"], row["attempts"]) == ("sent", failures + 1)


async def test_r7_5_other_channels_do_not_wait_for_a_failing_one(
    open_clinic: OpenClinic,
) -> None:
    def wrap(real: Broadcaster) -> Broadcaster:
        return FlakyBroadcaster(
            real, lambda record, _attempt: record.channel.startswith("appointments:dentist:")
        )

    async with open_clinic(overrides={"wrap_broadcaster": wrap}) as clinic:
        page = await clinic.screen(clinic.patients[0])
        began = time.monotonic()
        booked = await clinic.book(clinic.patients[0])
        event = await page.event("appointment.created", 1.0, id=booked["id"])
        assert event.at - began < 0.5


async def _marked(clinic: Clinic, channel: str, offset: int) -> dict[str, Any]:
    """The event's row, after its delivery was recorded."""

    def marked() -> dict[str, Any] | None:
        sql = 'SELECT * FROM realtime_events WHERE channel = ? AND "offset" = ?'
        (row,) = rows(clinic.database, sql, channel, offset)
        return row if row["status"] != "pending" else None

    row = await eventually(marked, 3.0)
    assert row is not None, "still pending"
    return row
