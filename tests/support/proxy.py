"""A network that fails on command, between clients and a hub."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

CHUNK_BYTES = 65_536


class Network:
    """A TCP proxy: :meth:`cut` resets every connection, ``down`` refuses new ones."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        assert parts.hostname is not None
        assert parts.port is not None
        self._host, self._port = parts.hostname, parts.port
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.down = False
        self.url = ""
        self.connections = 0

    def cut(self) -> None:
        """Reset all connections at once, as a failing router would: no goodbye."""
        for writer in self._writers:
            writer.transport.abort()

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
                await asyncio.gather(_pump(reader, upstream), _pump(upstream_reader, writer))
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


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK_BYTES):
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
