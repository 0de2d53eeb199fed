"""A screen that follows its channels with the Python or the JavaScript client.

It records received events, connections and refetches of channels.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

from chairside.client import HubEvent, LiveClient, RetryPolicy
from tests.support.clinic import Person
from tests.support.node import Program, program

KINDS = ("javascript", "python")
RETRY = RetryPolicy(attempts=8, first_delay_s=0.02, longest_delay_s=0.2)


class FollowingScreen(Protocol):
    async def received(self, channel: str) -> list[tuple[int, str]]:
        """(offset, id of the resource) of every event, in the order of arrival."""
        ...

    async def connections(self) -> int: ...

    async def refetches(self, channel: str) -> int:
        """How often it had to fetch the channel, the first time included."""
        ...


@asynccontextmanager
async def screen(
    kind: str, url: str, person: Person, transports: Sequence[str] = ("websocket",)
) -> AsyncIterator[FollowingScreen]:
    opened = _javascript if kind == "javascript" else _python
    async with opened(url, person, transports) as found:
        yield found


class _Python:
    def __init__(self) -> None:
        self.events: list[HubEvent] = []
        self.refetched: list[str] = []
        self.client: LiveClient | None = None

    async def received(self, channel: str) -> list[tuple[int, str]]:
        return [
            (event.offset or 0, event.data["id"])
            for event in self.events
            if event.channel == channel
        ]

    async def connections(self) -> int:
        assert self.client is not None
        return self.client.connections

    async def refetches(self, channel: str) -> int:
        return self.refetched.count(channel)


@asynccontextmanager
async def _python(
    url: str, person: Person, transports: Sequence[str]
) -> AsyncIterator[FollowingScreen]:
    found = _Python()
    async with LiveClient(
        url,
        namespace=f"/{person.role}",
        token=person.token,
        on_event=found.events.append,
        on_refetch=lambda channel, _position: found.refetched.append(channel),
        transports=transports,
        retry=RETRY,
    ) as found.client:
        yield found


class _JavaScript:
    def __init__(self, node: Program) -> None:
        self._node = node

    async def _record(self) -> dict[str, Any]:
        await self._node.send({"received": True})
        record = (await self._node.answer())["it"]
        assert isinstance(record, dict)
        return record

    async def received(self, channel: str) -> list[tuple[int, str]]:
        events = (await self._record())["received"].get(channel, ())
        return [(event["offset"], event["data"]["id"]) for event in events]

    async def connections(self) -> int:
        return int((await self._record())["connections"])

    async def refetches(self, channel: str) -> int:
        refetched: list[str] = (await self._record())["refetches"]
        return refetched.count(channel)


@asynccontextmanager
async def _javascript(
    url: str, person: Person, transports: Sequence[str]
) -> AsyncIterator[FollowingScreen]:
    async with program("screens.mjs") as node:
        options = {
            "url": url,
            "namespace": f"/{person.role}",
            "auth": {"token": person.token},
            "transports": transports,
        }
        await node.send({"open": {"it": options}})
        assert await node.answer() == {"opened": 1}
        yield _JavaScript(node)
