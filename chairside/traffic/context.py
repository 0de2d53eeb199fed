"""What all participants of a simulation share, and how they send commands."""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from chairside.client import Commands, ConnectionLost, HubError
from chairside.client.shapes import Appointment, Slot
from chairside.traffic.arrivals import Arrivals
from chairside.traffic.ledger import Ledger
from chairside.traffic.links import LinkedPerson, Links
from chairside.traffic.pace import Pace
from chairside.traffic.statistics import CONNECTION_LOST, RunStatistics

T = TypeVar("T")

WEEKS_AHEAD = 4
"""Bookings are made within these weeks, so that patients compete for slots."""

POPULAR = 12
"""One of the first so many free slots is chosen, so that patients compete for them."""


@dataclass(kw_only=True)
class SimulationContext:
    url: str
    links: Links
    pace: Pace
    random: random.Random
    statistics: RunStatistics
    ledger: Ledger
    arrivals: Arrivals
    ends_at: float = math.inf
    """On the monotonic clock; moved forward to end the run early."""

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
        """Send one command at the common pace; ``None`` if the hub refused it.

        Refusals are counted by code. After the end only ``late`` commands are sent, which
        clean up.
        """
        async with self.pace.admission():
            if self.is_over and not late:
                return None
            self.statistics.commands[kind] += 1
            requested_at = time.monotonic()
            try:
                return await send()
            except HubError as refusal:
                self.statistics.refusals[refusal.code] += 1
            except ConnectionLost:
                self.statistics.refusals[CONNECTION_LOST] += 1
            finally:
                self.statistics.every_command.add(time.monotonic() - requested_at)
        return None

    async def book(
        self, kind: str, send: Callable[[], Awaitable[Appointment]]
    ) -> Appointment | None:
        """Send a command that books; record and time its acknowledgement."""
        requested_at = 0.0

        async def timed() -> Appointment:
            nonlocal requested_at
            requested_at = time.monotonic()
            row = await send()
            self.statistics.booking_to_commit.add(time.monotonic() - requested_at)
            return row

        row = await self.command(kind, timed)
        if row is not None:
            self.ledger.booked(row)
            self.arrivals.acknowledged(row["id"], requested_at)
        return row

    async def free_slot(self, commands: Commands, dentist: LinkedPerson) -> Slot | None:
        """One of the first free slots from a random day of the coming weeks on."""
        day = datetime.now(UTC) + timedelta(days=self.random.randrange(WEEKS_AHEAD * 7))
        appointment_type_id = self.random.choice(self.links.appointment_type_ids)
        page = await self.command(
            "find",
            lambda: commands.find_slots(
                appointment_type_id=appointment_type_id,
                dentist_ids=[dentist.id],
                starts_from=instant(day),
                starts_before=instant(day + timedelta(days=4)),
                limit=POPULAR,
            ),
        )
        return self.random.choice(page["data"]) if page and page["data"] else None


def instant(moment: datetime) -> str:
    """In the format of the hub, in whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
