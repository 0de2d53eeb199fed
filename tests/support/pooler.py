"""A transaction pooler in front of PostgreSQL, like PgBouncer, that fails on command.

After each transaction the server connection goes to the next client. So no session state
and no prepared statement of a client is there in its next transaction.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

READY, QUERY, SYNC, TERMINATE = b"Z", b"Q", b"S", b"X"
_COMMIT = b"COMMIT\0"
_NO_TLS = b"N"
TLS_REQUEST = 80_877_103  # the protocol's own number


@dataclass
class _Server:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeting: bytes
    """All messages of the server up to its first ReadyForQuery."""


@dataclass
class Pooler:
    host: str
    port: int
    servers: int
    url: str = ""
    at_commit: Literal["pass", "lose the request", "lose the answer"] = "pass"
    """The fate of the next COMMIT; unless it passes, its connection is lost."""
    transactions: int = 0
    _free: deque[_Server] = field(default_factory=deque)
    _made: int = 0
    _returned: asyncio.Condition = field(default_factory=asyncio.Condition)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, OSError):
                await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for server in self._free:
            server.writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        startup = await untyped(reader)
        if int.from_bytes(startup[4:8], "big") == TLS_REQUEST:
            writer.write(_NO_TLS)
            startup = await untyped(reader)
        server = await self._take(startup)
        writer.write(server.greeting)
        await self._give_back(server)
        while True:
            kind, message = await _message(reader)
            if kind == TERMINATE:
                return
            server = await self._take(startup)
            try:
                clean = await self._transaction(server, kind, message, reader, writer)
            except BaseException:
                self._drop(server)
                raise
            if not clean:
                self._drop(server)
                return
            await self._give_back(server)

    async def _transaction(
        self,
        server: _Server,
        kind: bytes,
        message: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> bool:
        """Pass messages until the server is idle; False when the connection is to be lost."""
        self.transactions += 1
        while True:
            losing = self.at_commit if message[5:] == _COMMIT else "pass"
            if losing != "pass":
                self.at_commit = "pass"
            if losing == "lose the request":
                return False
            server.writer.write(message)
            if kind in (QUERY, SYNC):
                state = await self._answer(server, None if losing != "pass" else writer)
                if losing == "lose the answer":
                    return False
                if state == b"I":
                    return True
            elif kind == b"H":  # Flush: the client waits for the responses so far
                await self._flushed(server, writer)
            kind, message = await _message(reader)

    async def _answer(self, server: _Server, writer: asyncio.StreamWriter | None) -> bytes:
        while True:
            kind, message = await _message(server.reader)
            if writer:
                writer.write(message)
            if kind == READY:
                return message[5:6]

    async def _flushed(self, server: _Server, writer: asyncio.StreamWriter) -> None:
        """After Parse and Describe: up to the row description, NoData or an error."""
        while True:
            kind, message = await _message(server.reader)
            writer.write(message)
            if kind in (b"T", b"n", b"E"):
                return

    # --- connections to the server -------------------------------------------------------

    async def _take(self, startup: bytes) -> _Server:
        """The connection that was free longest, so that clients rarely keep one."""
        async with self._returned:
            while not self._free and self._made >= self.servers:
                await self._returned.wait()
            if self._free and self._made >= self.servers:
                return self._free.popleft()
            self._made += 1
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(startup)
        greeting = b""
        while True:
            kind, message = await _message(reader)
            greeting += message
            if kind == READY:
                return _Server(reader, writer, greeting)

    async def _give_back(self, server: _Server) -> None:
        async with self._returned:
            self._free.append(server)
            self._returned.notify()

    def _drop(self, server: _Server) -> None:
        server.writer.transport.abort()
        self._made -= 1


async def untyped(reader: asyncio.StreamReader) -> bytes:
    size = await reader.readexactly(4)
    return size + await reader.readexactly(int.from_bytes(size, "big") - 4)


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    body = await reader.readexactly(int.from_bytes(head[1:], "big") - 4)
    return head[:1], head + body


@contextlib.asynccontextmanager
async def pooler_to(url: str, servers: int = 3) -> AsyncIterator[Pooler]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    pooler = Pooler(parts.hostname, parts.port, servers)
    listener = await asyncio.start_server(pooler.accept, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    pooler.url = parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}").geturl()
    try:
        yield pooler
    finally:
        await pooler.close()
        listener.close()
        await listener.wait_closed()
