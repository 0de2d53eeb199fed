"""Serves an application on a listening socket, within the limits of its connections.

Connections are accepted here and not by the event loop's server: that accepts all that wait
at once, and logs an error when the process has no more file descriptors.
"""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import structlog
from aiohttp import StreamReader, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage

from actors.tasks import Tasks
from api.http.connection import PROXY_IDLE_S, Deadlines, HttpConnection, Refusals
from api.http.connections import ConnectionTable, descriptor_limit
from api.http.forwarded import TrustedProxies, forwarded_host
from api.http.settings import ServerSettings

log = structlog.get_logger(__name__)

_BATCH: Final = 32
"""Connections that are accepted before other tasks run."""
_FULL: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_OF_CLIENT: Final = frozenset(
    {
        errno.ECONNABORTED,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EPERM,
        errno.EPROTO,
    }
)
"""Errors of a connection that ended before it was accepted (accept(2)); EPERM: a firewall's."""
_PAUSE_S: Final = 0.05
"""Before the next attempt, when the system could not accept a connection."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What the connections of one listener may take."""

    deadlines: Deadlines
    most: int
    most_per_address: int
    proxies: TrustedProxies

    @classmethod
    def of(cls, settings: ServerSettings) -> "Limits":
        """``max_connections``, and never more than the system's limit of open files allows."""
        allowed = descriptor_limit()
        return cls(
            deadlines=Deadlines.of(settings),
            most=min(settings.max_connections or allowed, allowed),
            most_per_address=settings.max_connections_per_address,
            proxies=TrustedProxies(settings.trusted_proxies),
        )


@asynccontextmanager
async def serving(
    app: web.Application,
    listener: socket.socket,
    limits: Limits,
    refusals: Refusals,
    *,
    max_line_bytes: int,
    shutdown_s: float,
) -> AsyncIterator[ConnectionTable]:
    """Answer requests until the block ends; then refuse connections, and finish requests.

    Requests have ``shutdown_s`` seconds to finish. Closes the listener.
    """
    runner = web.AppRunner(app, shutdown_timeout=shutdown_s)
    await runner.setup()
    acceptor = _Acceptor(runner, listener, limits, refusals, max_line_bytes)
    tasks = Tasks()
    tasks.start(acceptor.run())
    try:
        yield acceptor.table
    finally:
        await tasks.finish()
        listener.close()
        await runner.cleanup()


class _Acceptor:
    """Accepts the connections of one listener."""

    def __init__(
        self,
        runner: web.AppRunner,
        listener: socket.socket,
        limits: Limits,
        refusals: Refusals,
        max_line_bytes: int,
    ) -> None:
        assert runner.server is not None, "the runner is set up"
        self._server, self._listener = runner.server, listener
        self._limits, self._refusals, self._max_line_bytes = limits, refusals, max_line_bytes
        self._idles_long = replace(
            limits.deadlines, first_byte_s=PROXY_IDLE_S, keep_alive_s=PROXY_IDLE_S
        )
        self.table = ConnectionTable(
            most=limits.most, most_per_address=limits.most_per_address, proxies=limits.proxies
        )
        self._make_request = self._server.request_factory
        self._server.request_factory = self._request
        listener.setblocking(False)

    async def run(self) -> None:
        """Accept until cancelled."""
        while True:
            accepted = await self._accept()
            connecting = asyncio.gather(*(self._connect(*each) for each in accepted))
            await asyncio.shield(connecting)

    async def _accept(self) -> Sequence[tuple[socket.socket, str]]:
        """The connections that wait now; waits for the first."""
        accepted: list[tuple[socket.socket, str]] = []
        try:
            connection, address = await asyncio.get_running_loop().sock_accept(self._listener)
            accepted.append((connection, address[0]))
            while len(accepted) < _BATCH:
                connection, address = self._listener.accept()
                connection.setblocking(False)
                accepted.append((connection, address[0]))
        except BlockingIOError:
            pass
        except OSError as error:
            await self._not_accepted(error)
        return accepted

    async def _not_accepted(self, error: OSError) -> None:
        if error.errno in _OF_CLIENT:
            return
        if error.errno not in _FULL:
            log.error("accept_failed", exc_info=error)
        self.table.make_room()
        await asyncio.sleep(_PAUSE_S)

    async def _connect(self, connection: socket.socket, peer: str) -> None:
        make, loop = partial(self._protocol, peer), asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(make, connection)
        except OSError:  # the client has left
            connection.close()

    def _protocol(self, peer: str) -> HttpConnection:
        is_of_proxy = self._limits.proxies.trusts(peer)
        return HttpConnection(
            self._server,
            self.table,
            self._idles_long if is_of_proxy else self._limits.deadlines,
            self._refusals,
            peer=peer,
            is_of_proxy=is_of_proxy,
            max_line_bytes=self._max_line_bytes,
        )

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        """The request whose head has arrived, with the address and the host of its client."""
        assert isinstance(protocol, HttpConnection), "the site makes all of them"
        protocol.request_begins(payload)
        request = self._make_request(message, payload, protocol, writer, task)
        if not protocol.is_of_proxy or not message.headers:
            return request
        client = self._limits.proxies.client(protocol.peer, message.headers)
        if host := forwarded_host(message.headers):
            return request.clone(remote=client, host=host)
        return request.clone(remote=client)
