"""Simulated dentists: they change statuses, notes and opening hours."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from chairside.client import Commands, HubError, HubEvent
from chairside.client.shapes import Appointment, DateOverride, DentistAvailability
from chairside.traffic.context import SimulationContext
from chairside.traffic.links import LinkedPerson

THINK_S = (0.5, 2.0)

FAR_AHEAD_DAYS = 200
"""Overrides are added later than all bookings, but within the usual horizons."""

TIDY_TRIES = 3
"""Another client may change the hours at the same time."""

AWAY_STEP_S = 0.1
AWAY_STEPS = 50

RECENT = 30
"""How many of the latest appointments a dashboard keeps."""


class Dashboard:
    """The latest appointments that a dentist's screen shows, with their statuses."""

    def __init__(self) -> None:
        self.statuses: dict[str, str] = {}
        """By appointment id, the latest change last."""
        self.given_away: set[str] = set()
        """Appointments that a desk gave to another dentist, and that have not come back."""
        self.starts: dict[str, str] = {}
        """Of the same appointments."""

    def on_event(self, event: HubEvent) -> None:
        if event.type.startswith("appointment."):
            self.statuses.pop(event.data["id"], None)
            self.starts.pop(event.data["id"], None)
            if event.type == "appointment.moved_away":
                self.given_away.add(event.data["id"])
                return
            self.given_away.discard(event.data["id"])
            self.statuses[event.data["id"]] = event.data["status"]
            self.starts[event.data["id"]] = event.data["start"]
            if len(self.statuses) > RECENT:
                oldest = next(iter(self.statuses))
                del self.statuses[oldest], self.starts[oldest]


class SimulatedDentist:
    """Works with the appointments of a dashboard; restores the opening hours at the end."""

    def __init__(
        self,
        context: SimulationContext,
        person: LinkedPerson,
        commands: Commands,
        dashboard: Dashboard,
    ) -> None:
        self._context, self._person, self._commands = context, person, commands
        self._dashboard = dashboard
        self._added: set[str] = set()  # dates of our own overrides

    async def run(self) -> None:
        await self._change_hours()
        while not self._context.is_over:
            await self._context.think(*THINK_S)
            if self._context.random.random() < 0.4:
                await self._change_hours()
            elif self._dashboard.statuses:
                await self._change_appointment()

    async def clean_up(self) -> None:
        """Remove the overrides that were added."""
        for _ in range(TIDY_TRIES):
            if not self._added or await self._replace_without(set(self._added)):
                return

    async def _change_appointment(self) -> None:
        chosen, status = self._context.random.choice(list(self._dashboard.statuses.items()))
        fields: dict[str, Any] = {"notes": "bring the X-ray"}
        has_begun = datetime.fromisoformat(self._dashboard.starts[chosen]) <= datetime.now(UTC)
        if has_begun and self._context.random.random() < 0.7:  # nobody arrives on another day
            wanted = {"confirmed": "arrived", "arrived": "confirmed"}.get(status)
            if wanted is None:
                return
            fields = {"status": wanted}

        async def change() -> Appointment | None:
            try:
                return await self._commands.change(chosen, **fields)
            except HubError as refusal:
                if refusal.code == "NOT_FOUND" and await self._is_given_away(chosen):
                    return None
                raise

        row = await self._context.command("dentist changes", change)
        if row is not None:
            self._context.ledger.shown(row)

    async def _is_given_away(self, appointment_id: str) -> bool:
        """Whether the screen says, a little later at most, that another dentist has it now."""
        for _ in range(AWAY_STEPS):
            if appointment_id in self._dashboard.given_away:
                return True
            await asyncio.sleep(AWAY_STEP_S)
        return False

    async def _change_hours(self) -> None:
        if self._added and self._context.random.random() < 0.5:
            await self._replace_without({self._context.random.choice(sorted(self._added))})
            return
        day = datetime.now(UTC) + timedelta(
            days=FAR_AHEAD_DAYS + self._context.random.randrange(60)
        )
        date = day.strftime("%Y-%m-%d")
        override: DateOverride = {"date": date, "windows": [{"start": "10:00", "end": "12:00"}]}
        schedule = await self._schedule()
        if schedule is None or any(each["date"] == date for each in schedule["overrides"]):
            return
        schedule["overrides"] = [*schedule["overrides"], override]
        self._added.add(date)  # removed at the end even if no answer arrives
        await self._replace(schedule)

    async def _replace_without(self, dates: set[str]) -> bool:
        schedule = await self._schedule()
        if schedule is None:
            return False
        schedule["overrides"] = [x for x in schedule["overrides"] if x["date"] not in dates]
        if not await self._replace(schedule):
            return False
        self._added -= dates
        return True

    async def _schedule(self) -> DentistAvailability | None:
        see = self._commands.availability
        return await self._context.command("see hours", see, self._person.id)

    async def _replace(self, schedule: DentistAvailability) -> bool:
        replaced = await self._context.command(
            "change hours",
            self._commands.replace_availability,
            self._person.id,
            schedule,
            version=schedule["version"],
        )
        return replaced is not None
