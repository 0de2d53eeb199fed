"""The simulated Redis: one stream, which can lose entries and forget all of them."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

from tests.simulation.loop import SimulatedLoop
from tests.simulation.network import REDIS, Network

_KEPT: Final = 200
_GIVEN_UP_S: Final = 0.5

_Entry = tuple[bytes, Mapping[bytes, bytes]]


class SimulatedRedis:
    def __init__(self, loop: SimulatedLoop, network: Network) -> None:
        self._loop, self.network = loop, network
        self._entries: list[tuple[int, bytes]] = []
        self._last = 0
        self._waiting: list[asyncio.Future[None]] = []
        self.losing = 0.0
        """The share of entries that are lost, although their writer does not notice."""

    def forget(self) -> None:
        """A restart without its data: the ids begin again."""
        self._entries.clear()
        self._last = 0

    def add(self, raw: bytes) -> None:
        if self.network.chance(self.losing):
            return
        self._last += 1
        self._entries.append((self._last, raw))
        del self._entries[:-_KEPT]
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def after(self, last: int, count: int) -> Sequence[_Entry]:
        found = [(number, raw) for number, raw in self._entries if number > last]
        return [(b"%d-0" % number, {b"e": raw}) for number, raw in found[:count]]

    @property
    def newest(self) -> Sequence[_Entry]:
        return self.after(self._last - 1, 1) if self._entries else ()

    async def new_entry(self, within_s: float) -> None:
        future = self._loop.create_future()
        self._waiting.append(future)
        try:
            async with asyncio.timeout(within_s):
                await future
        except TimeoutError:
            pass


class RedisConnection:
    """What the hub uses of ``redis.asyncio.Redis``, as one process."""

    def __init__(self, redis: SimulatedRedis, place: str) -> None:
        self._redis, self._place = redis, place
        self._network = redis.network

    async def _travel(self, sender: str, receiver: str) -> None:
        if not self._network.passes(sender, receiver):
            await asyncio.sleep(_GIVEN_UP_S)
            raise ConnectionError("cut off")
        await asyncio.sleep(self._network.delay_s(sender, receiver))

    async def xrevrange(self, _stream: str, *, count: int) -> Sequence[_Entry]:
        await self._travel(self._place, REDIS)
        newest = self._redis.newest
        await self._travel(REDIS, self._place)
        return newest

    async def xread(
        self, streams: Mapping[str, bytes | str], *, count: int, block: int
    ) -> Sequence[tuple[str, Sequence[_Entry]]]:
        ((stream, last),) = streams.items()
        number = int((last if isinstance(last, str) else last.decode()).partition("-")[0])
        await self._travel(self._place, REDIS)
        if not (found := self._redis.after(number, count)):
            await self._redis.new_entry(block / 1_000)
            found = self._redis.after(number, count)
        await self._travel(REDIS, self._place)
        return [(stream, found)] if found else []

    def pipeline(self, *, transaction: bool) -> "_Pipeline":
        return _Pipeline(self)

    async def append(self, raws: Sequence[bytes]) -> None:
        await self._travel(self._place, REDIS)
        for raw in raws:
            self._redis.add(raw)
        await self._travel(REDIS, self._place)

    async def aclose(self) -> None:
        pass


class _Pipeline:
    def __init__(self, connection: RedisConnection) -> None:
        self._connection = connection
        self._raws: list[bytes] = []

    def xadd(self, _stream: str, fields: Mapping[bytes, bytes], **_: Any) -> None:
        self._raws.append(fields[b"e"])

    async def execute(self) -> None:
        await self._connection.append(self._raws)
