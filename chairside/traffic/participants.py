"""Who takes part in a simulation, and how each of them is connected."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

import aiohttp

from chairside.client import ClientError, Commands, HubClient, HubEvent, LiveClient
from chairside.client.channels import availability_channel
from chairside.traffic.arrivals import Arrivals
from chairside.traffic.audit import Readers
from chairside.traffic.context import World
from chairside.traffic.dentists import Dentist
from chairside.traffic.links import LinkedPerson, Links
from chairside.traffic.observer import Observer
from chairside.traffic.patients import Patient

DASHBOARDS_PER_DENTIST = 3
CONNECTS_AT_ONCE = 10


def readers(url: str, links: Links, session: aiohttp.ClientSession) -> Readers:
    def clients(people: tuple[LinkedPerson, ...]) -> dict[str, HubClient]:
        return {each.id: HubClient(url, token=each.token, session=session) for each in people}

    return Readers(dentists=clients(links.dentists), patients=clients(links.patients))


class Crew:
    """Everybody, connected; ``open_`` closes their sockets."""

    def __init__(
        self,
        world: World,
        session: aiohttp.ClientSession,
        readers: Readers,
        arrivals: Arrivals,
        open_: AsyncExitStack,
    ) -> None:
        self._world, self._session, self._readers = world, session, readers
        self._arrivals, self._open = arrivals, open_
        self.dentists: list[Dentist] = []
        self.patients: list[Patient] = []
        self.observers: list[Observer] = []
        self.sockets: list[LiveClient] = []

    async def connect(self, patients: int) -> None:
        """Raises ClientError when the hub is not there or refuses somebody."""
        for number, person in enumerate(self._world.links.dentists):
            await self._dentist(number, person)
        room = asyncio.Semaphore(CONNECTS_AT_ONCE)

        async def connect(number: int, person: LinkedPerson) -> None:
            async with room:
                await self._patient(number, person)

        failed: BaseException | None = None
        try:
            async with asyncio.TaskGroup() as group:
                for number, person in enumerate(self._world.links.patients[:patients]):
                    group.create_task(connect(number, person))
        except* ClientError as failures:
            failed = failures.exceptions[0]
        if failed is not None:
            raise failed

    async def _dentist(self, number: int, person: LinkedPerson) -> None:
        """Looks at several dashboards and works over Socket.IO or REST."""
        reader = self._readers.dentists[person.id]
        screens = [Observer(f"dentist {number}", reader) for _ in range(DASHBOARDS_PER_DENTIST)]
        sockets = [await self._screen(screen, "/dentist", person.token) for screen in screens]
        dentist = Dentist(self._world, person, sockets[0] if number % 2 == 0 else reader)
        for screen in screens:
            screen.told = self._dashboard(dentist if screen is screens[0] else None)
        self.dentists.append(dentist)

    def _dashboard(self, dentist: Dentist | None) -> Callable[[HubEvent], None]:
        def told(event: HubEvent) -> None:
            if event.type == "appointment.created" and ":dentist:" in event.channel:
                self._arrivals.appeared(event.data["id"], time.monotonic())
            if dentist is not None:
                dentist.on_dashboard(event)

        return told

    async def _patient(self, number: int, person: LinkedPerson) -> None:
        """A quarter each: REST, Socket.IO, chatbot over REST, chatbot over Socket.IO."""
        commands: Commands = self._readers.patients[person.id]
        chatbot = self._world.links.chatbot_token
        name = f"patient {number}"
        if number % 4 in (2, 3):
            commands = reader = HubClient(
                self._world.url, token=chatbot, session=self._session, on_behalf_of=person.id
            )
            if number % 4 == 3:
                screen = Observer(f"{name}'s chatbot", reader)
                commands = await self._screen(screen, "/chatbot", chatbot, person.id)
        elif number % 4 == 1:
            screen = Observer(name, self._readers.patients[person.id])
            commands = await self._screen(screen, "/patient", person.token)
        if isinstance(commands, LiveClient):
            dentist = self._world.random.choice(self._world.links.dentists)
            await commands.follow(availability_channel(dentist.id))
        self.patients.append(Patient(self._world, person.id, commands))

    async def _screen(
        self, observer: Observer, namespace: str, token: str, on_behalf_of: str | None = None
    ) -> LiveClient:
        client = LiveClient(
            self._world.url,
            namespace=namespace,
            token=token,
            on_behalf_of=on_behalf_of,
            on_event=observer.on_event,
            on_refetch=observer.on_refetch,
        )
        await self._open.enter_async_context(client)
        self.observers.append(observer)
        self.sockets.append(client)
        return client
