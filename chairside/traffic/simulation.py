"""One run: connect all participants, let them act, wait for the screens, audit."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import aiohttp

from chairside.traffic.audit import (
    AuditClients,
    AuditFindings,
    audit_acknowledged,
    audit_channels,
    audit_holds,
    audit_overlaps,
)
from chairside.traffic.context import SimulationContext, SimulationPlan
from chairside.traffic.ledger import Ledger
from chairside.traffic.participants import Participants
from chairside.traffic.screens import Observer
from chairside.traffic.statistics import RunStatistics

STOP_S = 15.0
"""How long the last commands may take after the end of the run."""
SETTLE_S = 5.0
"""How long the screens may take to show the last commit, even after failures."""
SETTLE_STEP_S = 0.2
DELAY_STEP_S = 0.05


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


class Simulation(SimulationContext):
    """One run."""

    def __init__(self, plan: SimulationPlan) -> None:
        super().__init__(plan)
        self.phase = "connecting"
        self.events = 0
        """Events that all screens were shown so far."""
        self._started_at: float | None = None

    @property
    def elapsed_s(self) -> float:
        return 0.0 if self._started_at is None else time.monotonic() - self._started_at

    async def run(self) -> SimulationResult:
        """Raises ClientError if the hub does not answer, or refuses the tokens of the links."""
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session, AsyncExitStack() as stack:
            clients = AuditClients.of(self.plan.url, self.links, session)
            await clients.dentists[self.links.dentists[0].id].me()  # fails early
            participants = Participants(self, session, clients, stack)
            await participants.connect(self.plan.patients)
            self._started_at = time.monotonic()
            self.ends_at = self._started_at + self.plan.seconds
            self.phase = "running"
            async with self._monitored():
                await _run(participants, self.plan.seconds + STOP_S)
                elapsed_s = self.elapsed_s
                self.phase, self.is_cleaning_up = "settling", True
                for dentist in participants.dentists:
                    await dentist.clean_up()
                await settle(self.observers)
            self.phase = "auditing"
            findings = await self._audit(clients)
            return self._result(participants, findings, elapsed_s)

    def finish(self) -> None:
        """End the run early; the audit follows."""
        self.ends_at = time.monotonic()

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
            unshown=self.arrivals.missing,
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
        for channel, position in (await observer.heads()).items()
    ]
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        behind = [each for each in behind if not each[0].has_reached(each[1], each[2])]
        if not behind:
            return
        await asyncio.sleep(SETTLE_STEP_S)
