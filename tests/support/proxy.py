"""A network that fails on command, between clients and a hub."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

CHUNK_BYTES = 65_536


class Network:
    """A TCP proxy: :meth:`cut` resets every connection, ``down`` refuses new ones, and
    :meth:`stall` lets nothing through, one way or both, and nobody notice."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        assert parts.hostname is not None
        assert parts.port is not None
        self._host, self._port = parts.hostname, parts.port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.down = False
        self._up, self._back = asyncio.Event(), asyncio.Event()
        self.flow()
        self.url = ""
        self.connections = 0

    def cut(self) -> None:
        """Reset all connections at once, as a failing router would: no goodbye."""
        for writer in self._writers:
            writer.transport.abort()

    def stall(self, *, up: bool = True, back: bool = True) -> None:
        """From now on bytes wait: those of the client (``up``), those to it (``back``)."""
        if up:
            self._up.clear()
        if back:
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

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.down:
            writer.transport.abort()
            return
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            upstream_reader, upstream = await asyncio.open_connection(self._host, self._port)
            self._writers |= {writer, upstream}
            with contextlib.suppress(OSError):
                await asyncio.gather(
                    _pump(reader, upstream, self._up), _pump(upstream_reader, writer, self._back)
                )
            for each in (writer, upstream):
                each.transport.abort()
                self._writers.discard(each)
        finally:
            self._tasks.discard(task)

    async def close(self) -> None:
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, flows: asyncio.Event
) -> None:
    while chunk := await reader.read(CHUNK_BYTES):
        await flows.wait()
        writer.write(chunk)
        await writer.drain()
    writer.transport.abort()


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
