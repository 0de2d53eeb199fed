"""Reconnects until the client is closed, or the hub refuses it for good."""

import asyncio
import inspect
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Final, Self

from chairside.client.errors import FINAL, ClientClosed, ConnectionLost, HubError
from chairside.client.retry import RetryPolicy
from chairside.client.socketio_connection import HubAddress, OnData, SocketIoConnection

logger = logging.getLogger(__name__)

Token = str | Callable[[], str | Awaitable[str]]
OnEnd = Callable[[HubError], None]
"""Called once if the hub refuses the client for good; no connection follows."""

FALLBACK: Final = ("polling", "websocket")
"""Long polling, upgraded to a WebSocket where the network permits it."""
STABLE_S: Final = 1.0
"""A connection that ended earlier counts as a failure for the backoff."""


class ReconnectingClient(ABC):
    """A client whose connection is replaced whenever it ends; ``async with`` runs it.

    Chooses the transport and the token of each attempt, and waits between attempts.
    """

    def __init__(
        self,
        address: HubAddress,
        *,
        transports: Sequence[str],
        fallback: bool,
        token: Token,
        retry: RetryPolicy,
        on_end: OnEnd,
    ) -> None:
        self._address, self._token, self._retry = address, token, retry
        self._transports: list[Sequence[str]] = [tuple(transports)]
        if fallback and "polling" not in transports:
            self._transports.append(FALLBACK)
        self._on_end = on_end
        self._current: SocketIoConnection | None = None
        self._settled = asyncio.Event()  # connected, refused for good, or closed
        self._refusal: HubError | None = None
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        """How many connections became ready so far."""

    @abstractmethod
    def _auth(self) -> Mapping[str, object]:
        """What is sent beside the token."""

    @abstractmethod
    def _received(self, event: str, data: object) -> None:
        """Handle a message of the hub."""

    @abstractmethod
    def _connection_lost(self) -> None:
        """A connection has ended."""

    async def __aenter__(self) -> Self:
        """Raises HubError if the hub refuses, ConnectionLost if it does not answer in time."""
        self._spawn(self._run())
        try:
            await self.ready()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Commands in flight raise ConnectionLost or ClientClosed."""
        self._closed = True
        self._settled.set()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def connected(self) -> bool:
        return self._current is not None

    async def ready(self) -> None:
        """Wait until the client is connected.

        Raises HubError if the hub refuses it for good, ConnectionLost after the timeout,
        ClientClosed after the client was closed.
        """
        if self._closed:
            raise ClientClosed(self._refusal)
        try:
            async with asyncio.timeout(self._address.timeout_s):
                await self._settled.wait()
        except TimeoutError:
            where = self._address.url + self._address.namespace
            raise ConnectionLost(f"No connection to {where}") from None
        if self._refusal is not None:
            raise self._refusal
        if self._closed:
            raise ClientClosed

    async def call(self, event: str, data: object, *, on_data: OnData | None = None) -> object:
        """Send one command without retry, and return the data of its ack.

        ``on_data`` gets the data as the ack arrives, before any later event is delivered.
        Raises HubError, ConnectionLost.
        """
        await self.ready()
        if self._current is None:
            raise ConnectionLost(f"{event}: not connected")
        return await self._current.call(event, data, on_data)

    def _spawn(self, work: Coroutine[object, object, None]) -> None:
        """Start a task that is cancelled when the client is closed."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        failures, has_renewed = 0, False
        while True:
            error: HubError | None = None
            began = time.monotonic()
            try:
                await self._connect_once()
                failures = 0 if time.monotonic() - began >= STABLE_S else failures + 1
                has_renewed = False
            except HubError as refusal:
                # The token may have expired on its way: request a new one, once.
                can_renew = refusal.code == "UNAUTHORIZED" and callable(self._token)
                if refusal.code in FINAL and (has_renewed or not can_renew):
                    self._refused(refusal)
                    return
                has_renewed = has_renewed or can_renew
                failures += 1
                error = refusal
            except ConnectionLost:
                failures += 1
                self._transports.append(self._transports.pop(0))
            except Exception:  # e.g. the token function failed: retry
                logger.exception("connection failed")
                failures += 1
            await asyncio.sleep(self._retry.delay_s(max(failures - 1, 0), error))

    async def _connect_once(self) -> None:
        """From the attempt to the end. Raises HubError, ConnectionLost."""
        auth = {"token": await self._current_token(), **self._auth()}
        connection = SocketIoConnection(self._address, self._transports[0], auth, self._message)
        try:
            # Every transport is tried before callers of ready() time out.
            await connection.open(self._address.timeout_s / len(self._transports))
            self._current = connection
            self.connections += 1
            self._settled.set()
            await connection.closed.wait()
        finally:
            self._current = None
            if not self._closed:
                self._settled.clear()
            self._connection_lost()
            await connection.close()

    def _message(self, event: str, data: object) -> None:
        if event == "auth:expiring" and callable(self._token):
            self._spawn(self._renew_token())
        self._received(event, data)

    async def _renew_token(self) -> None:
        """Send a new token over the same connection.

        If that fails, the hub ends the connection when the old token expires.
        """
        try:
            await self.call("auth:refresh", {"token": await self._current_token()})
        except Exception as error:
            logger.warning("token not renewed", extra={"error": type(error).__name__})

    def _refused(self, refusal: HubError) -> None:
        self._refusal = refusal
        self._settled.set()
        try:
            self._on_end(refusal)
        except Exception:
            logger.exception("callback failed", extra={"code": refusal.code})

    async def _current_token(self) -> str:
        token = self._token() if callable(self._token) else self._token
        return await token if inspect.isawaitable(token) else token
