"""A TCP proxy between clients and a hub that simulates network failures."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Sequence
from urllib.parse import urlsplit

CHUNK_BYTES = 65_536


class ProxiedConnection:
    """One TCP connection through the proxy."""

    def __init__(self, client: asyncio.StreamWriter, hub: asyncio.StreamWriter) -> None:
        self._ends = (client, hub)
        self._open = asyncio.Event()
        self._open.set()
        self.delay_s = 0.0
        """Added to the delay of the network."""
        self.carried_marker = False

    def reset(self) -> None:
        """Reset both sides at once, as a failing router does."""
        for end in self._ends:
            end.transport.abort()

    def freeze(self) -> None:
        """Make it half-open: both sides stay connected, but no byte passes."""
        self._open.clear()

    async def pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        flows: asyncio.Event,
        network: "Network",
    ) -> None:
        """Copy bytes one way; ``flows`` is set while the network passes this direction."""
        while chunk := await reader.read(CHUNK_BYTES):
            await flows.wait()
            if delay_s := self.delay_s + network.delay_s:
                await asyncio.sleep(delay_s)
            await self._open.wait()
            network.passes(self, chunk)
            writer.write(chunk)
            await writer.drain()
        await self._open.wait()  # a frozen connection does not even pass its end
        writer.transport.abort()


class Network:
    """A TCP proxy that fails on command.

    ``down`` refuses new connections. :meth:`stall` holds bytes back while connections stay
    open. ``lets_through`` accepts or refuses a connection by the client's first bytes.
    """

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        assert parts.hostname is not None
        assert parts.port is not None
        self._host, self._port = parts.hostname, parts.port
        self._open_connections: dict[ProxiedConnection, None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.down = False
        self.delay_s = 0.0
        """The delay of each chunk, in each direction."""
        self._trigger, self._marker = b"", b""
        self._up, self._back = asyncio.Event(), asyncio.Event()
        self.flow()
        self.lets_through: Callable[[bytes], bool] = lambda _first: True
        self.url = ""
        self.connections = 0

    def cut(self) -> None:
        """Reset all connections at once."""
        for connection in self._open_connections:
            connection.reset()

    def freeze(self) -> None:
        """Make all present connections half-open; new ones work."""
        for connection in self._open_connections:
            connection.freeze()

    def some(self, chance: random.Random, share: float) -> Sequence[ProxiedConnection]:
        """A random share of the connections, in the order in which they were made."""
        return [
            connection for connection in list(self._open_connections) if chance.random() < share
        ]

    def stall(self, *, up: bool = True, back: bool = True) -> None:
        """Hold bytes back: those from the client (``up``), those to it (``back``)."""
        if up:
            self._up.clear()
        if back:
            self._back.clear()

    def lose_answer_to(self, word: bytes, *, of: bytes) -> None:
        """Stall all responses when a client sends ``word``.

        Only connections count over which the client has sent ``of`` before.
        """
        self._trigger, self._marker = word, of

    def passes(self, connection: ProxiedConnection, chunk: bytes) -> None:
        """Called before a chunk is passed on; see :meth:`lose_answer_to`."""
        if not self._trigger:
            return
        connection.carried_marker = connection.carried_marker or self._marker in chunk
        if connection.carried_marker and self._trigger in chunk:
            self._trigger = b""
            self._back.clear()

    def flow(self) -> None:
        """Pass on the bytes that were held back, and end the stall."""
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
        connection = ProxiedConnection(writer, hub)
        self._open_connections[connection] = None
        try:
            hub.write(first)
            await asyncio.gather(
                connection.pump(reader, hub, self._up, self),
                connection.pump(hub_reader, writer, self._back, self),
            )
        finally:
            del self._open_connections[connection]
            hub.transport.abort()

    async def close(self) -> None:
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def no_websockets(first: bytes) -> bool:
    """A ``lets_through`` that refuses WebSockets, as some proxies do."""
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
