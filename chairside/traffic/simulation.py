"""One run: connect everybody, let them live, wait until the screens are still, audit."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from chairside.traffic.arrivals import Arrivals
from chairside.traffic.audit import (
    Findings,
    audit_channels,
    audit_holds,
    audit_promises,
    audit_rows,
    heads,
)
from chairside.traffic.context import World
from chairside.traffic.ledger import Ledger
from chairside.traffic.links import Links
from chairside.traffic.observer import Observer
from chairside.traffic.pace import Pace
from chairside.traffic.participants import DASHBOARDS_PER_DENTIST, Crew, readers
from chairside.traffic.statistics import Figures

COMMANDS_PER_S = 100.0
COMMANDS_AT_ONCE = 32
STOP_S = 15.0
"""How long the last commands may take after the time is over."""
SETTLE_S = 5.0
"""How long the screens may take to show what was committed last, whatever had failed before."""
SETTLE_STEP_S = 0.2
DELAY_STEP_S = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    url: str
    links: Links
    seconds: float
    patients: int
    commands_per_s: float = COMMANDS_PER_S
    seed: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    figures: Figures
    ledger: Ledger
    findings: Findings
    seconds: float
    patients: int
    sockets: int
    reconnections: int
    gaps_healed: int
    """Gaps that clients noticed and closed by asking."""
    duplicates_dropped: int
    """Events that came twice over a wire and were shown once."""
    unshown: int
    """Acknowledged bookings that some dashboard had not shown in the end."""

    @property
    def problems(self) -> list[str]:
        findings = self.findings
        found = [
            *(f"overlap: {each}" for each in findings.overlaps),
            *(f"lost: {each}" for each in findings.lost),
            *(f"duplicate: {each}" for each in findings.duplicates),
            *findings.other,
            *(f"{count} × {code}" for code, count in self.figures.unexpected.items()),
        ]
        if self.duplicates_dropped and not (self.gaps_healed or self.reconnections):
            found.append(f"duplicate: {self.duplicates_dropped} events came twice, unasked")
        if self.unshown:
            found.append(f"lost: {self.unshown} bookings did not reach every dashboard")
        if not self.ledger.bookings:
            found.append("not one booking succeeded")
        return found


class Simulation:
    """Holds what a display may look at while :meth:`run` goes on."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.figures, self.ledger = Figures(), Ledger()
        self.phase = "connecting"
        self.events = 0
        """Events that all screens were shown so far."""
        self._started_at: float | None = None
        self._world: World | None = None
        self._crew: Crew | None = None
        self._arrivals = Arrivals(DASHBOARDS_PER_DENTIST, self.figures.booking_to_dashboards)

    @property
    def elapsed_s(self) -> float:
        return 0.0 if self._started_at is None else time.monotonic() - self._started_at

    @property
    def observers(self) -> Sequence[Observer]:
        """All the screens; none before they are connected."""
        return self._crew.observers if self._crew else ()

    async def run(self) -> Outcome:
        """Raises ClientError when the hub cannot be reached or refuses the links' tokens."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session, AsyncExitStack() as open_:
            readable = readers(self.plan.url, self.plan.links, session)
            await readable.dentists[self.plan.links.dentists[0].id].me()  # is anybody there?
            self._world = world = self._make_world()
            crew = self._crew = Crew(world, session, readable, self._arrivals, open_)
            await crew.connect(self.plan.patients)
            self._started_at = time.monotonic()
            world.ends_at = self._started_at + self.plan.seconds
            self.phase = "running"
            async with self._watched(crew):
                await _live(crew, self.plan.seconds + STOP_S)
                lived_s = self.elapsed_s
                self.phase = "settling"
                for dentist in crew.dentists:
                    await dentist.tidy()
                await settle(crew.observers)
            self.phase = "auditing"
            findings = Findings()
            await audit_rows(readable, findings)
            await audit_promises(readable, self.ledger, findings)
            await audit_holds(readable, self.ledger, findings)
            await audit_channels(crew.observers, findings)
            return self._outcome(crew, findings, lived_s)

    def finish(self) -> None:
        """Let everybody stop now instead of at the end of the time; the audit follows."""
        if self._world is not None:
            self._world.ends_at = time.monotonic()

    def _make_world(self) -> World:
        return World(
            url=self.plan.url,
            links=self.plan.links,
            pace=Pace(per_s=self.plan.commands_per_s, at_once=COMMANDS_AT_ONCE),
            ends_at=0.0,
            random=random.Random(self.plan.seed),  # noqa: S311  # variety, not secrets
            figures=self.figures,
            ledger=self.ledger,
            booked=lambda row, asked_at: self._arrivals.asked(row["id"], asked_at),
        )

    @asynccontextmanager
    async def _watched(self, crew: Crew) -> AsyncIterator[None]:
        """Meanwhile count what the screens show, and how late our own loop runs."""

        async def watch() -> None:
            while True:
                due = time.monotonic() + DELAY_STEP_S
                await asyncio.sleep(DELAY_STEP_S)
                self.figures.own_delay.add(max(0.0, time.monotonic() - due))
                self.events = sum(observer.events for observer in crew.observers)

        task = asyncio.create_task(watch())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _outcome(self, crew: Crew, findings: Findings, lived_s: float) -> Outcome:
        followers = [
            socket.tracker(channel) for socket in crew.sockets for channel in socket.channels
        ]
        return Outcome(
            figures=self.figures,
            ledger=self.ledger,
            findings=findings,
            seconds=lived_s,
            patients=len(crew.patients),
            sockets=len(crew.sockets),
            reconnections=sum(socket.connections - 1 for socket in crew.sockets),
            gaps_healed=sum(follower.gaps for follower in followers),
            duplicates_dropped=sum(follower.duplicates for follower in followers),
            unshown=self._arrivals.missing,
        )


async def _live(crew: Crew, seconds: float) -> None:
    """Let everybody live until they stop by themselves; a failure of one ends the run."""
    async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
        for dentist in crew.dentists:
            group.create_task(dentist.live())
        for patient in crew.patients:
            group.create_task(patient.live())


async def settle(observers: list[Observer], within_s: float = SETTLE_S) -> None:
    """Wait until every screen shows what was committed when this was called.

    Returns after ``within_s`` in any case: the audit then names what is missing.
    """
    behind = [
        (observer, channel, position)
        for observer in observers
        for channel, position in (await heads(observer.reader, observer.channels)).items()
    ]
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        behind = [each for each in behind if not each[0].has_reached(each[1], each[2])]
        if not behind:
            return
        await asyncio.sleep(SETTLE_STEP_S)
