"""A load balancer in front of several hubs: it picks ready hubs in rotation."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import aiohttp

CHUNK_BYTES = 65_536
CHECK_INTERVAL_S = 0.2


class Balancer:
    """Balances TCP connections, like HAProxy with ``option httpchk``.

    A hub is ready if its readiness endpoint responds with 200. A hub that refuses the
    connection is skipped. A WebSocket stays on the hub to which it was connected.
    """

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = list(ports)
        self._ready: list[int] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._next = 0
        self.url = ""

    @property
    def ready(self) -> Sequence[int]:
        """The ports of the hubs that were ready at the last check."""
        return self._ready

    async def watch(self) -> None:
        timeout = aiohttp.ClientTimeout(total=1.0)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                found = await asyncio.gather(*(_is_ready(session, p) for p in self._ports))
                self._ready = [p for p, ready in zip(self._ports, found, strict=True) if ready]
                await asyncio.sleep(CHECK_INTERVAL_S)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._accepted(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError):
                await self._serve(reader, writer)
        finally:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, up = await self._connected()
        pumps = [asyncio.create_task(_pump(*each)) for each in ((reader, up), (back, writer))]
        try:
            await asyncio.gather(*pumps)
        except OSError:
            pass  # one end has closed: the connection is not moved to another hub
        finally:
            up.transport.abort()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Raises OSError if no hub accepts the connection."""
        ready = self._ready or self._ports
        for last in range(len(ready)):
            self._next += 1
            try:
                return await asyncio.open_connection("127.0.0.1", ready[self._next % len(ready)])
            except OSError:
                if last == len(ready) - 1:
                    raise
        raise AssertionError("one port at least")

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def _is_ready(session: aiohttp.ClientSession, port: int) -> bool:
    try:
        async with session.get(f"http://127.0.0.1:{port}/health/ready") as answer:
            return answer.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK_BYTES):
        writer.write(chunk)
        await writer.drain()
    if writer.can_write_eof():
        with contextlib.suppress(OSError):
            writer.write_eof()


@contextlib.asynccontextmanager
async def balancer_for(ports: Sequence[int]) -> AsyncIterator[Balancer]:
    balancer = Balancer(ports)
    server = await asyncio.start_server(balancer.accept, "127.0.0.1", 0)
    balancer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    watching = asyncio.create_task(balancer.watch())
    try:
        yield balancer
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        server.close()
        await balancer.close()
        await server.wait_closed()
