"""A network that fails on command, between clients and a hub."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Sequence
from urllib.parse import urlsplit

CHUNK_BYTES = 65_536


class Passage:
    """One TCP connection through the network."""

    def __init__(self, client: asyncio.StreamWriter, hub: asyncio.StreamWriter) -> None:
        self._ends = (client, hub)
        self._open = asyncio.Event()
        self._open.set()
        self.delay_s = 0.0
        """Besides the network's."""
        self.is_meant = False

    def reset(self) -> None:
        """End it at once, as a failing router would: no goodbye."""
        for end in self._ends:
            end.transport.abort()

    def freeze(self) -> None:
        """Half-open: both sides believe in it, nothing passes any more."""
        self._open.clear()

    async def pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        flows: asyncio.Event,
        network: "Network",
    ) -> None:
        """``flows``: set while the network lets this direction through."""
        while chunk := await reader.read(CHUNK_BYTES):
            await flows.wait()
            if delay_s := self.delay_s + network.delay_s:
                await asyncio.sleep(delay_s)
            await self._open.wait()
            network.passes(self, chunk)
            writer.write(chunk)
            await writer.drain()
        await self._open.wait()  # not even an end passes
        writer.transport.abort()


class Network:
    """A TCP proxy; ``down`` refuses new connections, and :meth:`stall` lets nothing through,
    one way or both, and nobody notice.

    ``lets_through`` looks at what a client says first, and decides about the connection.
    """

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        assert parts.hostname is not None
        assert parts.port is not None
        self._host, self._port = parts.hostname, parts.port
        self._passages: dict[Passage, None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.down = False
        self.delay_s = 0.0
        """Each way, of whatever comes from now on."""
        self._fatal, self._of = b"", b""
        self._up, self._back = asyncio.Event(), asyncio.Event()
        self.flow()
        self.lets_through: Callable[[bytes], bool] = lambda _first: True
        self.url = ""
        self.connections = 0

    def cut(self) -> None:
        """Reset all connections at once."""
        for passage in self._passages:
            passage.reset()

    def freeze(self) -> None:
        """All connections become half-open; new ones are whole."""
        for passage in self._passages:
            passage.freeze()

    def some(self, chance: random.Random, share: float) -> Sequence[Passage]:
        """Some of the connections, as chance has it, in the order they were made."""
        return [passage for passage in list(self._passages) if chance.random() < share]

    def stall(self, *, up: bool = True, back: bool = True) -> None:
        """From now on bytes wait: those of the client (``up``), those to it (``back``)."""
        if up:
            self._up.clear()
        if back:
            self._back.clear()

    def lose_answer_to(self, word: bytes, *, of: bytes) -> None:
        """Stall what comes back as soon as a client says ``word``, having said ``of`` before
        over the same connection."""
        self._fatal, self._of = word, of

    def passes(self, passage: Passage, chunk: bytes) -> None:
        """Something of a passage is about to arrive."""
        if not self._fatal:
            return
        passage.is_meant = passage.is_meant or self._of in chunk
        if passage.is_meant and self._fatal in chunk:
            self._fatal = b""
            self._back.clear()

    def flow(self) -> None:
        """What waited arrives, late."""
        self._up.set()
        self._back.set()

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 0

    async def serve(self) -> asyncio.Server:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.down:
            writer.transport.abort()
            return
        self.connections += 1
        task = asyncio.create_task(self._accepted(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError):
                await self._pass(reader, writer)
        finally:
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(CHUNK_BYTES)
        await self._up.wait()
        if not self.lets_through(first):
            return
        hub_reader, hub = await asyncio.open_connection(self._host, self._port)
        passage = Passage(writer, hub)
        self._passages[passage] = None
        try:
            hub.write(first)
            await asyncio.gather(
                passage.pump(reader, hub, self._up, self),
                passage.pump(hub_reader, writer, self._back, self),
            )
        finally:
            del self._passages[passage]
            hub.transport.abort()

    async def close(self) -> None:
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def no_websockets(first: bytes) -> bool:
    """Of a network whose proxy knows no WebSockets."""
    return b"upgrade: websocket" not in first.lower()


@contextlib.asynccontextmanager
async def network_to(upstream: str) -> AsyncIterator[Network]:
    network = Network(upstream)
    server = await network.serve()
    try:
        yield network
    finally:
        await network.close()
        server.close()
        await server.wait_closed()
