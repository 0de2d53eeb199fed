"""Alarms expire due holds in the order of their times, and retry after failures."""

import asyncio
from datetime import timedelta

from actors.calendar.alarms import Alarms
from actors.domain.ids import AppointmentId, DentistId, ProfileId
from actors.domain.refusals import CalendarBusy, NotFound
from actors.ports.calendars import DueHold
from tests.support.clock import FakeClock

DENTIST = DentistId(ProfileId("dentist"))


class FiredHolds:
    """Records the ids of fired holds; raises the given failures first."""

    def __init__(self, *failures: Exception) -> None:
        self.ids: list[str] = []
        self._failures = list(failures)
        self.changed = asyncio.Event()

    async def __call__(self, due: DueHold) -> None:
        self.ids.append(due.appointment_id)
        self.changed.set()
        if self._failures:
            raise self._failures.pop(0)

    async def reached(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.ids) < count:
                self.changed.clear()
                await self.changed.wait()


def due(clock: FakeClock, id: str, in_s: float) -> DueHold:
    return DueHold(
        expires_at=clock.now() + timedelta(seconds=in_s),
        dentist_id=DENTIST,
        appointment_id=AppointmentId(id),
    )


async def running(alarms: Alarms, fired: FiredHolds) -> asyncio.Task[None]:
    task = asyncio.create_task(alarms.run(fired))
    await asyncio.sleep(0)
    return task


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_overdue_holds_fire_at_once_in_order_of_time() -> None:
    clock, fired = FakeClock(), FiredHolds()
    alarms = Alarms(clock)
    for name, in_s in [("b", -1.0), ("a", -2.0), ("later", 3600.0)]:
        alarms.add(due(clock, name, in_s))
    task = await running(alarms, fired)
    await fired.reached(2)
    await stop(task)
    assert fired.ids == ["a", "b"]
    assert len(alarms) == 1


async def test_a_sooner_hold_wakes_a_sleeping_alarm() -> None:
    clock, fired = FakeClock(), FiredHolds()
    alarms = Alarms(clock)
    alarms.add(due(clock, "later", 3600.0))
    task = await running(alarms, fired)
    alarms.add(due(clock, "now", 0.0))
    await fired.reached(1)
    await stop(task)
    assert fired.ids == ["now"]


async def test_a_hold_of_a_busy_calendar_is_retried_a_second_later() -> None:
    clock, fired = FakeClock(), FiredHolds(CalendarBusy())
    alarms = Alarms(clock)
    alarms.add(due(clock, "x", 0.0))
    task = await running(alarms, fired)
    await fired.reached(1)
    while not len(alarms):  # noqa: ASYNC110 - the heap has no event to wait for
        await asyncio.sleep(0)
    clock.advance(timedelta(seconds=1))
    alarms.add(due(clock, "y", 0.0))  # wakes the task, because the fake clock does not run
    await fired.reached(3)
    await stop(task)
    assert sorted(fired.ids) == ["x", "x", "y"]


async def test_a_hold_that_is_gone_is_not_retried() -> None:
    clock, fired = FakeClock(), FiredHolds(NotFound("reservation"))
    alarms = Alarms(clock)
    alarms.add(due(clock, "x", 0.0))
    task = await running(alarms, fired)
    await fired.reached(1)
    await asyncio.sleep(0)
    await stop(task)
    assert len(alarms) == 0
