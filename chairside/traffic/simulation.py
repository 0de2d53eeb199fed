"""One run: connect all participants, let them act, wait for the screens, audit."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from chairside.traffic.arrivals import Arrivals
from chairside.traffic.audit import (
    AuditClients,
    AuditFindings,
    audit_acknowledged,
    audit_channels,
    audit_holds,
    audit_overlaps,
    heads,
)
from chairside.traffic.context import SimulationContext
from chairside.traffic.ledger import Ledger
from chairside.traffic.links import Links
from chairside.traffic.observer import Observer
from chairside.traffic.pace import Pace
from chairside.traffic.participants import DASHBOARDS_PER_DENTIST, Participants, audit_clients
from chairside.traffic.statistics import RunStatistics

COMMANDS_PER_S = 100.0
COMMANDS_MAX = 32
"""Commands in flight."""
STOP_S = 15.0
"""How long the last commands may take after the end of the run."""
SETTLE_S = 5.0
"""How long the screens may take to show the last commit, even after failures."""
SETTLE_STEP_S = 0.2
DELAY_STEP_S = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulationPlan:
    url: str
    links: Links
    seconds: float
    patients: int
    commands_per_s: float = COMMANDS_PER_S
    seed: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulationResult:
    statistics: RunStatistics
    ledger: Ledger
    findings: AuditFindings
    seconds: float
    patients: int
    sockets: int
    reconnections: int
    gaps_healed: int
    """Gaps that clients noticed and closed by catching up."""
    duplicates_dropped: int
    """Events that arrived twice and were delivered once."""
    unshown: int
    """Acknowledged bookings that some dashboard had not shown at the end."""

    @property
    def problems(self) -> list[str]:
        """Why the run failed; empty if it did not."""
        findings = self.findings
        found = [
            *(f"overlap: {each}" for each in findings.overlaps),
            *(f"lost: {each}" for each in findings.lost),
            *(f"duplicate: {each}" for each in findings.duplicates),
            *findings.other,
            *(f"{count} × {code}" for code, count in self.statistics.unexpected.items()),
        ]
        if self.duplicates_dropped and not (self.gaps_healed or self.reconnections):
            found.append(
                f"duplicate: {self.duplicates_dropped} events arrived twice without a catch-up"
            )
        if self.unshown:
            found.append(f"lost: {self.unshown} bookings did not reach every dashboard")
        if not self.ledger.bookings:
            found.append("no booking succeeded")
        return found


class Simulation:
    """One run. Its attributes may be read while :meth:`run` is active."""

    def __init__(self, plan: SimulationPlan) -> None:
        self.plan = plan
        self.statistics, self.ledger = RunStatistics(), Ledger()
        self.observers: list[Observer] = []
        """Of all screens that are connected so far."""
        self.phase = "connecting"
        self.events = 0
        """Events that all screens were shown so far."""
        self._started_at: float | None = None
        self._arrivals = Arrivals(DASHBOARDS_PER_DENTIST, self.statistics.booking_to_dashboards)
        self._context = SimulationContext(
            url=plan.url,
            links=plan.links,
            pace=Pace(per_s=plan.commands_per_s, max_in_flight=COMMANDS_MAX),
            random=random.Random(plan.seed),  # noqa: S311  # variety, not secrets
            statistics=self.statistics,
            ledger=self.ledger,
            arrivals=self._arrivals,
        )

    @property
    def elapsed_s(self) -> float:
        return 0.0 if self._started_at is None else time.monotonic() - self._started_at

    async def run(self) -> SimulationResult:
        """Raises ClientError if the hub does not answer, or refuses the tokens of the links."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session, AsyncExitStack() as stack:
            clients = audit_clients(self.plan.url, self.plan.links, session)
            await clients.dentists[self.plan.links.dentists[0].id].me()  # fails early
            participants = Participants(
                self._context, session, clients, self._arrivals, self.observers, stack
            )
            await participants.connect(self.plan.patients)
            self._started_at = time.monotonic()
            self._context.ends_at = self._started_at + self.plan.seconds
            self.phase = "running"
            async with self._monitored():
                await _run(participants, self.plan.seconds + STOP_S)
                elapsed_s = self.elapsed_s
                self.phase = "settling"
                for dentist in participants.dentists:
                    await dentist.clean_up()
                await settle(self.observers)
            self.phase = "auditing"
            findings = await self._audit(clients)
            return self._result(participants, findings, elapsed_s)

    def finish(self) -> None:
        """End the run early; the audit follows."""
        self._context.ends_at = time.monotonic()

    @asynccontextmanager
    async def _monitored(self) -> AsyncIterator[None]:
        """Meanwhile count the events shown, and measure the delay of the event loop."""

        async def monitor() -> None:
            while True:
                due = time.monotonic() + DELAY_STEP_S
                await asyncio.sleep(DELAY_STEP_S)
                self.statistics.own_delay.add(max(0.0, time.monotonic() - due))
                self.events = sum(observer.events for observer in self.observers)

        task = asyncio.create_task(monitor())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _audit(self, clients: AuditClients) -> AuditFindings:
        findings = AuditFindings()
        await audit_overlaps(clients, findings)
        await audit_acknowledged(clients, self.ledger, findings)
        await audit_holds(clients, self.ledger, findings)
        await audit_channels(self.observers, findings)
        return findings

    def _result(
        self, participants: Participants, findings: AuditFindings, elapsed_s: float
    ) -> SimulationResult:
        sockets = participants.sockets
        trackers = [socket.tracker(channel) for socket in sockets for channel in socket.channels]
        return SimulationResult(
            statistics=self.statistics,
            ledger=self.ledger,
            findings=findings,
            seconds=elapsed_s,
            patients=len(participants.patients),
            sockets=len(sockets),
            reconnections=sum(socket.connections - 1 for socket in sockets),
            gaps_healed=sum(tracker.gaps for tracker in trackers),
            duplicates_dropped=sum(tracker.duplicates for tracker in trackers),
            unshown=self._arrivals.missing,
        )


async def _run(participants: Participants, timeout_s: float) -> None:
    """Run all participants until they end; an exception of one ends the run."""
    async with asyncio.timeout(timeout_s), asyncio.TaskGroup() as group:
        for dentist in participants.dentists:
            group.create_task(dentist.run())
        for patient in participants.patients:
            group.create_task(patient.run())


async def settle(observers: list[Observer], within_s: float = SETTLE_S) -> None:
    """Wait until every screen shows what was committed before this call.

    Returns after ``within_s`` in any case; the audit then reports what is missing.
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
