"""What everybody in a simulation shares, and the one way to send a command."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from chairside.client import Commands, ConnectionLost, HubError
from chairside.client.shapes import Appointment, Slot
from chairside.traffic.ledger import Ledger
from chairside.traffic.links import LinkedPerson, Links
from chairside.traffic.pace import Pace
from chairside.traffic.statistics import CONNECTION_LOST, Figures

T = TypeVar("T")

WEEKS_AHEAD = 4
"""Bookings are made within these weeks, so that people compete."""

POPULAR = 12
"""Of the free slots found, one of the first so many is tried: the same ones by everybody."""


@dataclass(kw_only=True)
class World:
    url: str
    links: Links
    pace: Pace
    ends_at: float
    """On the monotonic clock."""
    random: random.Random
    figures: Figures = field(default_factory=Figures)
    ledger: Ledger = field(default_factory=Ledger)
    booked: Callable[[Appointment, float], None]
    """Told of every acknowledged booking and when (monotonic) it was asked for."""

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.ends_at

    async def think(self, least_s: float, most_s: float) -> None:
        """Do nothing for a while, at most until the end."""
        wait_s = self.random.uniform(least_s, most_s)
        await asyncio.sleep(min(wait_s, max(0.0, self.ends_at - time.monotonic())))

    async def command(
        self, kind: str, send: Callable[[], Awaitable[T]], *, late: bool = False
    ) -> T | None:
        """Send one command at the common pace; ``None`` when the hub said no.

        Refusals are counted by code; whether they were to be expected is the verdict's
        business. After the end only ``late`` commands are sent: they tidy up.
        """
        async with await self.pace.turn():
            if self.is_over and not late:
                return None
            self.figures.commands[kind] += 1
            asked_at = time.monotonic()
            try:
                return await send()
            except HubError as refusal:
                self.figures.refusals[refusal.code] += 1
            except ConnectionLost:
                self.figures.refusals[CONNECTION_LOST] += 1
            finally:
                self.figures.every_command.add(time.monotonic() - asked_at)
        return None

    async def book(
        self, kind: str, send: Callable[[], Awaitable[Appointment]]
    ) -> Appointment | None:
        """A command that books; its acknowledgement goes into the ledger and is timed."""
        asked_at = 0.0

        async def timed() -> Appointment:
            nonlocal asked_at
            asked_at = time.monotonic()
            row = await send()
            self.figures.booking_to_commit.add(time.monotonic() - asked_at)
            return row

        row = await self.command(kind, timed)
        if row is not None:
            self.ledger.booked(row)
            self.booked(row, asked_at)
        return row

    async def free_slot(self, commands: Commands, dentist: LinkedPerson) -> Slot | None:
        """One of the first free slots of some day in the coming weeks."""
        day = datetime.now(UTC) + timedelta(days=self.random.randrange(WEEKS_AHEAD * 7))
        kind = self.random.choice(self.links.appointment_types)
        page = await self.command(
            "find",
            lambda: commands.find_slots(
                appointment_type_id=kind.id,
                dentist_ids=[dentist.id],
                starts_from=instant(day),
                starts_before=instant(day + timedelta(days=4)),
                limit=POPULAR,
            ),
        )
        return self.random.choice(page["data"]) if page and page["data"] else None


def instant(moment: datetime) -> str:
    """As the hub writes and reads instants, in whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
