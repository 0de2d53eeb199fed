"""One connection after the other, until it is closed or the hub says no for good.

It knows which transports to try, whose token to show, and how long to wait in between;
what is said over a connection is no matter of its.
"""

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any

from chairside.client.errors import FINAL, ClientClosed, ConnectionLost, HubError
from chairside.client.retry import LONGEST_RETRY_AFTER_S, RetryPolicy
from chairside.client.socketio_connection import Address, Link

logger = logging.getLogger(__name__)

Token = str | Callable[[], str | Awaitable[str]]
OnEnd = Callable[[HubError], None]
"""Called once when the hub refuses the client for good: no connection will follow."""

FALLBACK = ("polling", "websocket")
"""Polling, and an upgrade where the network lets it pass."""
STABLE_S = 1.0
"""A connection that lived shorter counts as failed: the next attempt waits longer."""


class Connection:
    """``auth`` is what is said beside the token; ``lost`` is called at each end."""

    def __init__(
        self,
        address: Address,
        *,
        transports: Sequence[str],
        fallback: bool,
        token: Token,
        retry: RetryPolicy,
        auth: Callable[[], Mapping[str, Any]],
        received: Callable[[str, Any], None],
        lost: Callable[[], None],
        on_end: OnEnd,
    ) -> None:
        self._address, self._token, self._retry = address, token, retry
        self._ways: list[Sequence[str]] = [tuple(transports)]
        if fallback and "polling" not in transports:
            self._ways.append(FALLBACK)
        self._auth, self._received = auth, received
        self._lost, self._on_end = lost, on_end
        self._link: Link | None = None
        self._ready = asyncio.Event()  # connected, refused for good, or closed
        self._refusal: HubError | None = None
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self.count = 0
        """How many connections became ready so far."""

    @property
    def is_ready(self) -> bool:
        return self._link is not None

    async def open(self) -> None:
        """Connect, and stay connected. Raises what :meth:`ready` raises, and is then closed."""
        self.spawn(self._run())
        try:
            await self.ready()
        except BaseException:
            await self.close()
            raise

    async def ready(self) -> None:
        """Raises HubError when the hub refuses for good, ConnectionLost after the timeout,
        ClientClosed after :meth:`close`."""
        if self._closed:
            raise ClientClosed(self._refusal)
        try:
            async with asyncio.timeout(self._address.timeout_s):
                await self._ready.wait()
        except TimeoutError:
            where = self._address.url + self._address.namespace
            raise ConnectionLost(f"No connection to {where}") from None
        if self._refusal is not None:
            raise self._refusal
        if self._closed:
            raise ClientClosed

    async def call(
        self, event: str, data: Any, on_data: Callable[[Any], None] | None = None
    ) -> Any:
        """As :meth:`Link.call`, after waiting for a connection."""
        await self.ready()
        if self._link is None:
            raise ConnectionLost(f"{event}: not connected")
        return await self._link.call(event, data, on_data)

    async def close(self) -> None:
        self._closed = True
        self._ready.set()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """A task that ends with the client at the latest."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def renew(self) -> None:
        """The token is about to end: a new one, if there are new ones, goes over the same
        connection. When that fails the hub ends the connection with the token, and the next
        one asks for a token again."""
        if isinstance(self._token, str):
            return
        try:
            await self.call("auth:refresh", {"token": await self._current_token()})
        except Exception as error:
            logger.warning("token not renewed", extra={"error": type(error).__name__})

    async def _run(self) -> None:
        failures, renewed = 0, False
        while True:
            asked_s, began = 0.0, time.monotonic()
            try:
                await self._once()
                failures = 0 if time.monotonic() - began >= STABLE_S else failures + 1
                renewed = False
            except HubError as refusal:
                # A token may have ended on its way here; a new one is asked for once.
                ended = refusal.code == "UNAUTHORIZED" and not isinstance(self._token, str)
                if refusal.code in FINAL and (renewed or not ended):
                    self._refused(refusal)
                    return
                renewed = renewed or ended
                failures += 1
                asked_s = min(refusal.retry_after_s or 0.0, LONGEST_RETRY_AFTER_S)
            except ConnectionLost:
                failures += 1
                self._ways.append(self._ways.pop(0))
            except Exception:  # e.g. the token could not be had: the next attempt may
                logger.exception("connection failed")
                failures += 1
            await asyncio.sleep(max(asked_s, self._retry.delay_s(max(failures - 1, 0))))

    async def _once(self) -> None:
        """From the attempt to the end. Raises HubError, ConnectionLost."""
        auth = {"token": await self._current_token(), **self._auth()}
        link = Link(self._address, self._ways[0], auth, self._heard)
        try:
            # Every way has its turn before whoever waits gives up.
            await link.open(self._address.timeout_s / len(self._ways))
            await link.closed.wait()
        finally:
            self._link = None
            if not self._closed:
                self._ready.clear()
            self._lost()
            await link.close()

    def _heard(self, link: Link, event: str, data: Any) -> None:
        match event:
            case "hub:ready":
                self._link = link
                self.count += 1
                self._ready.set()
                link.opened()
            case "auth:expiring":
                self.spawn(self.renew())
        self._received(event, data)

    def _refused(self, refusal: HubError) -> None:
        self._refusal = refusal
        self._ready.set()
        try:
            self._on_end(refusal)
        except Exception:
            logger.exception("callback failed", extra={"code": refusal.code})

    async def _current_token(self) -> str:
        if isinstance(self._token, str):
            return self._token
        token = self._token()
        return await token if inspect.isawaitable(token) else token
