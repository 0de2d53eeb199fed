"""One run: connect all participants, let them act, wait for the screens, audit."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp

from chairside.client import (
    ClientError,
    Commands,
    HubClient,
    HubEvent,
    LiveClient,
    availability_channel,
)
from chairside.traffic.audit import AuditClients, AuditFindings, audit, run_each
from chairside.traffic.boards import Board, MaySee, of_calendars, of_patient, of_stranger
from chairside.traffic.context import DASHBOARDS_PER_DENTIST, SimulationContext, SimulationPlan
from chairside.traffic.dentists import Dashboard, SimulatedDentist
from chairside.traffic.desks import SimulatedDesk
from chairside.traffic.ledger import Ledger
from chairside.traffic.links import LinkedPerson
from chairside.traffic.patients import SimulatedPatient
from chairside.traffic.screens import Observer
from chairside.traffic.statistics import RunStatistics
from chairside.traffic.strangers import SimulatedStranger

CONNECTING_MAX = 10
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
        unexpected = self.statistics.unexpected.items()
        found = self.findings.problems + [f"{count} × {code}" for code, count in unexpected]
        if self.duplicates_dropped and not (self.gaps_healed or self.reconnections):
            found.append(
                f"duplicate: {self.duplicates_dropped} events arrived twice without a catch-up"
            )
        if self.unshown:
            found.append(f"lost: {self.unshown} bookings did not reach every dashboard")
        if not self.ledger.bookings:
            found.append("no booking succeeded")
        return found


class Participants:
    """All simulated people with their connections, which ``stack`` closes."""

    def __init__(
        self,
        context: SimulationContext,
        session: aiohttp.ClientSession,
        clients: AuditClients,
        stack: AsyncExitStack,
    ) -> None:
        self._context, self._session = context, session
        self._clients, self._stack = clients, stack
        self.dentists: list[SimulatedDentist] = []
        self.patients: list[SimulatedPatient] = []
        self.desks: list[SimulatedDesk | SimulatedStranger] = []
        self.sockets: list[LiveClient] = []

    async def connect(self, patients: int) -> None:
        """Connect all dentists and some patients. Raises ClientError if one cannot connect."""
        for number, person in enumerate(self._context.links.dentists):
            await self._add_dentist(number, person)
        chosen = enumerate(self._context.links.patients[:patients])
        failed: BaseException | None = None
        try:
            await run_each(chosen, self._add_patient, at_once=CONNECTING_MAX)
        except* ClientError as failures:
            failed = failures.exceptions[0]
        if failed is not None:
            raise failed
        for number, person in enumerate(self._context.links.desks):
            await self._add_desk(number, person)
        if self._context.links.stranger:
            await self._add_stranger(self._context.links.stranger)
        await run_each(self._context.boards, Board.load, at_once=CONNECTING_MAX)

    async def _add_dentist(self, number: int, person: LinkedPerson) -> None:
        """Several dashboards; commands over Socket.IO or REST."""
        reader, name = self._clients.dentists[person.id], f"dentist {number}"
        dashboard = Dashboard()
        may_see = of_calendars([person.id])
        first = self._observer(name, reader, may_see, self._arrived, dashboard.on_event)
        socket = await self._connect(first, "/dentist", person.token)
        for _ in range(DASHBOARDS_PER_DENTIST - 1):
            observer = self._observer(name, reader, may_see, self._arrived)
            await self._connect(observer, "/dentist", person.token)
        commands = socket if number % 2 == 0 else reader
        self.dentists.append(SimulatedDentist(self._context, person, commands, dashboard))

    def _arrived(self, event: HubEvent) -> None:
        if event.type == "appointment.created" and ":dentist:" in event.channel:
            self._context.arrivals.appeared(event.data["id"], time.monotonic())

    async def _add_patient(self, numbered: tuple[int, LinkedPerson]) -> None:
        """A quarter each: REST, Socket.IO, chatbot over REST, chatbot over Socket.IO."""
        number, person = numbered
        commands: Commands = self._clients.patients[person.id]
        chatbot = self._context.links.chatbot_token
        name = f"patient {number}"
        if number % 4 in (2, 3):
            commands = reader = HubClient(
                self._context.plan.url, token=chatbot, session=self._session, on_behalf_of=person.id
            )
            if number % 4 == 3:
                observer = self._observer(f"{name}'s chatbot", reader, of_patient(person.id))
                commands = await self._connect(observer, "/chatbot", chatbot, person.id)
        elif number % 4 == 1:
            reader = self._clients.patients[person.id]
            observer = self._observer(name, reader, of_patient(person.id))
            commands = await self._connect(observer, "/patient", person.token)
        if isinstance(commands, LiveClient):
            dentist = self._context.random.choice(self._context.links.dentists)
            await commands.follow(availability_channel(dentist.id))
        self.patients.append(SimulatedPatient(self._context, person.id, commands))

    async def _add_desk(self, number: int, person: LinkedPerson) -> None:
        """Commands over Socket.IO or REST."""
        rest = self._clients.desks[person.id]
        may_see = of_calendars(each.id for each in self._context.links.dentists)
        observer = self._observer(f"desk {number}", rest, may_see)
        socket = await self._connect(observer, "/staff", person.token)
        commands: Commands = socket if number % 2 == 0 else rest
        self.desks.append(SimulatedDesk(self._context, person, commands, rest))

    async def _add_stranger(self, person: LinkedPerson) -> None:
        rest = HubClient(self._context.plan.url, token=person.token, session=self._session)
        observer = self._observer("the stranger", rest, of_stranger)
        await self._connect(observer, "/staff", person.token)
        self.desks.append(SimulatedStranger(self._context, rest))

    def _observer(
        self,
        name: str,
        reader: HubClient,
        may_see: MaySee,
        *listeners: Callable[[HubEvent], None],
    ) -> Observer:
        """With a board, if a practice is simulated."""
        if not self._context.links.desks:
            return Observer(name, reader, *listeners)
        board = Board(name, reader, may_see)
        self._context.boards.append(board)
        return Observer(name, reader, board.on_event, *listeners)

    async def _connect(
        self, observer: Observer, namespace: str, token: str, on_behalf_of: str | None = None
    ) -> LiveClient:
        client = LiveClient(
            self._context.plan.url,
            namespace=namespace,
            token=token,
            on_behalf_of=on_behalf_of,
            on_event=observer.on_event,
            on_refetch=observer.on_refetch,
        )
        await self._stack.enter_async_context(client)
        self._context.observers.append(observer)
        self.sockets.append(client)
        return client


class Simulation(SimulationContext):
    """One run."""

    def __init__(self, plan: SimulationPlan) -> None:
        super().__init__(plan)
        self.phase = "connecting"
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
            measuring = asyncio.create_task(self._measure_delay())
            stack.callback(measuring.cancel)
            await _run(participants, self.plan.seconds + STOP_S)
            elapsed_s = self.elapsed_s
            self.phase, self.is_cleaning_up = "settling", True
            for each in (*participants.dentists, *participants.desks):
                await each.clean_up()
            await settle(self.observers)
            measuring.cancel()
            self.phase = "auditing"
            findings = await audit(clients, self.ledger, self.observers, self.boards, self.findings)
            return self._result(participants, findings, elapsed_s)

    def finish(self) -> None:
        """End the run early; the audit follows."""
        self.ends_at = time.monotonic()

    async def _measure_delay(self) -> None:
        """Measure the delay of the event loop until cancelled."""
        while True:
            due = time.monotonic() + DELAY_STEP_S
            await asyncio.sleep(DELAY_STEP_S)
            self.statistics.own_delay.add(max(0.0, time.monotonic() - due))

    def _result(
        self, participants: Participants, findings: AuditFindings, elapsed_s: float
    ) -> SimulationResult:
        sockets = participants.sockets
        trackers = [tracker for socket in sockets for tracker in socket.trackers.values()]
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
        for each in (*participants.dentists, *participants.patients, *participants.desks):
            group.create_task(each.run())


async def settle(observers: list[Observer]) -> None:
    """Wait until every screen shows what was committed before this call.

    Returns after ``SETTLE_S`` in any case; the audit then reports what is missing.
    """
    behind = [
        (observer, channel, position)
        for observer in observers
        for channel, position in (await observer.heads()).items()
    ]
    until = time.monotonic() + SETTLE_S
    while time.monotonic() < until:
        behind = [each for each in behind if not each[0].has_reached(each[1], each[2])]
        if not behind:
            return
        await asyncio.sleep(SETTLE_STEP_S)
