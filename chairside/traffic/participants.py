"""The simulated people, and how each of them is connected."""

import time
from contextlib import AsyncExitStack

import aiohttp

from chairside.client import (
    ClientError,
    Commands,
    HubClient,
    HubEvent,
    LiveClient,
    availability_channel,
)
from chairside.traffic.audit import AuditClients, run_each
from chairside.traffic.context import DASHBOARDS_PER_DENTIST, SimulationContext
from chairside.traffic.dentists import Dashboard, SimulatedDentist
from chairside.traffic.links import LinkedPerson
from chairside.traffic.patients import SimulatedPatient
from chairside.traffic.screens import Observer

CONNECTING_MAX = 10


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

    async def _add_dentist(self, number: int, person: LinkedPerson) -> None:
        """Several dashboards; commands over Socket.IO or REST."""
        reader, name = self._clients.dentists[person.id], f"dentist {number}"
        dashboard = Dashboard()
        socket = await self._connect(
            Observer(name, reader, self._arrived, dashboard.on_event), "/dentist", person.token
        )
        for _ in range(DASHBOARDS_PER_DENTIST - 1):
            await self._connect(Observer(name, reader, self._arrived), "/dentist", person.token)
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
                observer = Observer(f"{name}'s chatbot", reader)
                commands = await self._connect(observer, "/chatbot", chatbot, person.id)
        elif number % 4 == 1:
            observer = Observer(name, self._clients.patients[person.id])
            commands = await self._connect(observer, "/patient", person.token)
        if isinstance(commands, LiveClient):
            dentist = self._context.random.choice(self._context.links.dentists)
            await commands.follow(availability_channel(dentist.id))
        self.patients.append(SimulatedPatient(self._context, person.id, commands))

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
