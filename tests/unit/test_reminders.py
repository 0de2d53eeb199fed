"""When reminders are looked for, and that none is missed."""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from actors.domain.appointment import AppointmentType
from actors.domain.ids import AppointmentTypeId
from actors.domain.notices import is_worth_reminding, reminder_delay
from hub.messages.reminders import Reminders
from hub.messages.settings import MessageSettings
from tests.unit.calendars import CHECKUP, CLEANING, NOW, row

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
START = datetime(2027, 3, 8, 9, tzinfo=UTC)


class Windows:
    """Records which windows are looked at; ``found`` reminders are in the next one."""

    def __init__(self) -> None:
        self.seen: list[tuple[timedelta, datetime, datetime]] = []
        self.types: dict[timedelta, list[str]] = {}
        self.asked: dict[timedelta, bool] = {}
        self.found = 0

    async def remind(
        self,
        lead: timedelta,
        types: Collection[str],
        since: datetime,
        now: datetime,
        *,
        asks: bool = False,
    ) -> int:
        self.asked[lead] = asks
        self.types[lead] = list(types)
        self.seen.append((lead, since, now))
        found, self.found = self.found, 0
        return found


async def load_types() -> list[AppointmentType]:
    return [CHECKUP]


async def test_the_first_look_reaches_back_and_later_ones_overlap() -> None:
    windows = Windows()
    reminders = Reminders(windows, load_types, [2 * DAY, 3 * HOUR])
    windows.found = 1
    assert await reminders.queue_due(NOW)
    assert windows.seen == [
        (2 * DAY, NOW - 12 * HOUR, NOW),
        (3 * HOUR, NOW - 1.5 * HOUR, NOW),
    ]
    windows.seen.clear()
    assert not await reminders.queue_due(NOW + timedelta(seconds=19))
    assert windows.seen == []
    later = NOW + MINUTE
    assert not await reminders.queue_due(later)
    assert windows.seen == [(lead, NOW - 2 * MINUTE, later) for lead in (2 * DAY, 3 * HOUR)]


async def test_reminders_long_before_a_visit_ask_for_a_confirmation() -> None:
    windows, settings = Windows(), MessageSettings(confirm_from_hours=24.0)
    leads = [2 * DAY, DAY, 3 * HOUR]
    await Reminders(windows, load_types, leads, settings.asks_at).queue_due(NOW)
    assert windows.asked == {2 * DAY: True, DAY: True, 3 * HOUR: False}
    never = replace(settings, confirm_from_hours=0.0)
    assert not any(map(never.asks_at, leads))


async def test_after_another_node_all_are_looked_at_again() -> None:
    windows = Windows()
    reminders = Reminders(windows, load_types, [2 * DAY])
    await reminders.queue_due(NOW)
    reminders.forget()
    await reminders.queue_due(NOW + timedelta(seconds=1))
    assert windows.seen[-1][1] == NOW + timedelta(seconds=1) - 12 * HOUR


async def test_a_clock_that_was_set_back_stops_nothing() -> None:
    windows = Windows()
    reminders = Reminders(windows, load_types, [2 * DAY])
    await reminders.queue_due(NOW)
    await reminders.queue_due(NOW - DAY)
    assert len(windows.seen) == 2


def test_a_reminder_is_late_by_half_of_its_lead_at_most() -> None:
    assert reminder_delay(3 * HOUR) == 1.5 * HOUR
    assert reminder_delay(7 * DAY) == 12 * HOUR


@pytest.mark.parametrize(
    ("created", "noticed", "worth"),
    [
        (-3 * DAY, None, True),
        (-3 * DAY, -3 * DAY, True),
        (-2 * DAY, -2 * DAY, True),
        (-2 * DAY + MINUTE, None, False),
        (-3 * DAY, -DAY, False),
    ],
)
def test_who_has_just_heard_of_the_visit_is_not_reminded(
    created: timedelta, noticed: timedelta | None, worth: bool
) -> None:
    visit = replace(row(START), created_at=START + created)
    at = None if noticed is None else START + noticed
    assert is_worth_reminding(visit, 2 * DAY, at) is worth


@pytest.mark.parametrize("hours", ["0.1", "1000", "soon", "nan"])
def test_leads_are_checked(hours: str) -> None:
    with pytest.raises(ValueError, match=r"^reminders_hours "):
        MessageSettings(reminders_hours=(hours,))


async def test_a_type_has_reminders_of_its_own() -> None:
    windows = Windows()

    async def types() -> list[AppointmentType]:
        weekly = replace(CLEANING, reminder_hours=(168, 3))
        silent = replace(CLEANING, id=AppointmentTypeId("silent"), reminder_hours=())
        return [CHECKUP, weekly, silent]

    await Reminders(windows, types, [2 * DAY, 3 * HOUR]).queue_due(NOW)
    assert windows.types == {
        2 * DAY: [CHECKUP.id],
        3 * HOUR: [CHECKUP.id, CLEANING.id],
        7 * DAY: [CLEANING.id],
    }
