"""What all participants of a simulation share, and how they send commands."""

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ParamSpec, TypeVar

from chairside.client import Commands, ConnectionLost, HubError
from chairside.client.shapes import Appointment, Slot
from chairside.traffic.audit import AuditFindings
from chairside.traffic.boards import Board
from chairside.traffic.ledger import Ledger
from chairside.traffic.links import LinkedPerson, Links
from chairside.traffic.screens import Observer
from chairside.traffic.statistics import CONNECTION_LOST, Arrivals, RunStatistics

P = ParamSpec("P")
T = TypeVar("T")

COMMANDS_PER_S = 100.0
COMMANDS_MAX = 32
"""Commands in flight."""

DASHBOARDS_PER_DENTIST = 3

WEEKS_AHEAD = 4
"""Bookings are made within these weeks, so that patients compete for slots."""

POPULAR = 12
"""One of the first so many free slots is chosen, so that patients compete for them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulationPlan:
    url: str
    links: Links
    seconds: float
    patients: int
    commands_per_s: float = COMMANDS_PER_S
    seed: int | None = None


class Pace:
    """At most ``per_s`` starts a second, evenly spread, and ``max_in_flight`` at once."""

    def __init__(self, *, per_s: float, max_in_flight: int) -> None:
        assert per_s > 0
        assert max_in_flight > 0
        self._interval_s = 1 / per_s
        self._next = 0.0
        self._in_flight = asyncio.Semaphore(max_in_flight)

    @asynccontextmanager
    async def admission(self) -> AsyncIterator[None]:
        """Wait for the next start, and count as in flight until the block ends."""
        now = time.monotonic()
        self._next = max(now, self._next + self._interval_s)
        if self._next > now:
            await asyncio.sleep(self._next - now)
        async with self._in_flight:
            yield


_own_pace: ContextVar[Pace | None] = ContextVar("own_pace", default=None)


class SimulationContext:
    """The state of a run; it may be read at any time."""

    def __init__(self, plan: SimulationPlan) -> None:
        self.plan, self.links = plan, plan.links
        self.random = random.Random(plan.seed)  # noqa: S311  # variety, not secrets
        self.statistics, self.ledger = RunStatistics(), Ledger()
        self.arrivals = Arrivals(DASHBOARDS_PER_DENTIST, self.statistics.booking_to_dashboards)
        self.observers: list[Observer] = []
        """Of all screens that are connected so far."""
        self.boards: list[Board] = []
        self.findings = AuditFindings()
        """What is wrong already during the run; the audit adds to it."""
        self.ends_at = math.inf
        """On the monotonic clock; moved forward to end the run early."""
        self.is_cleaning_up = False
        """Then commands are sent even after the end."""
        self._pace = Pace(per_s=plan.commands_per_s, max_in_flight=COMMANDS_MAX)

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self.ends_at

    def take_own_pace(self) -> None:
        """The calling task waits for no turn among the patients, however many there are."""
        _own_pace.set(Pace(per_s=self.plan.commands_per_s, max_in_flight=1))

    async def think(self, least_s: float, most_s: float) -> None:
        """Do nothing for a while, at most until the end."""
        wait_s = self.random.uniform(least_s, most_s)
        await asyncio.sleep(min(wait_s, max(0.0, self.ends_at - time.monotonic())))

    async def command(
        self, kind: str, send: Callable[P, Awaitable[T]], *args: P.args, **fields: P.kwargs
    ) -> T | None:
        """Send one command at the common pace; ``None`` if the hub refused it.

        Refusals are counted by code. After the end nothing is sent.
        """
        answer, _ = await self._send(kind, lambda: send(*args, **fields))
        return answer

    async def book(
        self,
        kind: str,
        send: Callable[P, Awaitable[Appointment]],
        *args: P.args,
        **fields: P.kwargs,
    ) -> Appointment | None:
        """Send a command that books; record and time its acknowledgement."""
        row, requested_at = await self._send(kind, lambda: send(*args, **fields))
        if row is not None:
            self.statistics.booking_to_commit.add(time.monotonic() - requested_at)
            self.ledger.booked(row)
            self.arrivals.acknowledged(row["id"], requested_at)
        return row

    async def _send(self, kind: str, send: Callable[[], Awaitable[T]]) -> tuple[T | None, float]:
        """The answer, and when it was requested."""
        async with (_own_pace.get() or self._pace).admission():
            requested_at = time.monotonic()
            if self.is_over and not self.is_cleaning_up:
                return None, requested_at
            self.statistics.commands[kind] += 1
            try:
                return await send(), requested_at
            except HubError as refusal:
                self.statistics.refusals[refusal.code] += 1
            except ConnectionLost:
                self.statistics.refusals[CONNECTION_LOST] += 1
            finally:
                self.statistics.every_command.add(time.monotonic() - requested_at)
        return None, requested_at

    async def free_slot(self, commands: Commands, dentist: LinkedPerson) -> Slot | None:
        """One of the first free slots from a random day of the coming weeks on."""
        day = datetime.now(UTC) + timedelta(days=self.random.randrange(WEEKS_AHEAD * 7))
        page = await self.command(
            "find",
            commands.find_slots,
            appointment_type_id=self.random.choice(self.links.appointment_type_ids),
            dentist_ids=[dentist.id],
            starts_from=day.isoformat(timespec="seconds"),
            starts_before=(day + timedelta(days=4)).isoformat(timespec="seconds"),
            limit=POPULAR,
        )
        return self.random.choice(page["data"]) if page and page["data"] else None
