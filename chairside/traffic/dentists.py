"""Simulated dentists at their dashboards: statuses, notes and opening hours."""

from datetime import UTC, datetime, timedelta
from typing import Any

from chairside.client import Commands, HubEvent
from chairside.traffic.context import World
from chairside.traffic.links import LinkedPerson

THINK_S = (0.5, 2.0)

FAR_AHEAD_DAYS = 200
"""Overrides are put beyond where bookings are made, and before most horizons."""

TIDY_TRIES = 3
"""Somebody else may change the hours at the same time."""

RECENT = 30
"""How many of the latest bookings on the dashboard a dentist works with."""


class Dentist:
    """Works with what the own dashboard shows; puts the opening hours back at the end."""

    def __init__(self, world: World, person: LinkedPerson, commands: Commands) -> None:
        self._world, self._person, self._commands = world, person, commands
        self._shown: dict[str, str] = {}  # appointment id → status, newest last
        self._added: set[str] = set()  # dates of our own overrides

    def on_dashboard(self, event: HubEvent) -> None:
        if event.type.startswith("appointment."):
            self._shown.pop(event.data["id"], None)
            self._shown[event.data["id"]] = event.data["status"]
            if len(self._shown) > RECENT:
                del self._shown[next(iter(self._shown))]

    async def live(self) -> None:
        await self._change_hours()
        while not self._world.is_over:
            await self._world.think(*THINK_S)
            if self._world.random.random() < 0.4:
                await self._change_hours()
            elif self._shown:
                await self._work_on_an_appointment()

    async def tidy(self) -> None:
        """Remove what was added to the opening hours."""
        for _ in range(TIDY_TRIES):
            if not self._added or await self._replace_without(set(self._added), late=True):
                return

    async def _work_on_an_appointment(self) -> None:
        chosen, status = self._world.random.choice(list(self._shown.items()))
        fields: dict[str, Any] = {"notes": "bring the X-ray"}
        if self._world.random.random() < 0.7:
            wanted = {"confirmed": "arrived", "arrived": "confirmed"}.get(status)
            if wanted is None:
                return
            fields = {"status": wanted}
        row = await self._world.command(
            "dentist changes", lambda: self._commands.change(chosen, **fields)
        )
        if row is not None:
            self._world.ledger.shown(row)

    async def _change_hours(self) -> None:
        if self._added and self._world.random.random() < 0.5:
            await self._replace_without({self._world.random.choice(sorted(self._added))})
            return
        day = datetime.now(UTC) + timedelta(days=FAR_AHEAD_DAYS + self._world.random.randrange(60))
        date = day.strftime("%Y-%m-%d")
        override = {"date": date, "windows": [{"start": "10:00", "end": "12:00"}]}
        schedule = await self._schedule()
        if schedule is None or any(each["date"] == date for each in schedule["overrides"]):
            return
        schedule["overrides"] = [*schedule["overrides"], override]
        self._added.add(date)  # even if no answer comes: to be removed in any case
        await self._replace(schedule)

    async def _replace_without(self, dates: set[str], *, late: bool = False) -> bool:
        schedule = await self._schedule(late=late)
        if schedule is None:
            return False
        schedule["overrides"] = [x for x in schedule["overrides"] if x["date"] not in dates]
        if not await self._replace(schedule, late=late):
            return False
        self._added -= dates
        return True

    async def _schedule(self, *, late: bool = False) -> dict[str, Any] | None:
        shown = await self._world.command(
            "see hours", lambda: self._commands.availability(self._person.id), late=late
        )
        return None if shown is None else dict(shown)

    async def _replace(self, schedule: dict[str, Any], *, late: bool = False) -> bool:
        replaced = await self._world.command(
            "change hours",
            lambda: self._commands.replace_availability(
                self._person.id, schedule, version=schedule["version"]
            ),
            late=late,
        )
        return replaced is not None
