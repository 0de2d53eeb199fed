"""A Socket.IO client like a user's page, which records all received events."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import socketio  # type: ignore[import-untyped]  # ships no types

CONNECT_S = 5.0
ACK_S = 5.0


@dataclass(frozen=True, slots=True)
class Received:
    event: str
    data: Any
    at: float
    """On the monotonic clock."""

    @property
    def resource(self) -> Any:
        """The envelope's ``data``."""
        return self.data["data"]


class ConnectionRefused(Exception):
    """The hub refused the connection, with this message and data."""

    def __init__(self, message: str, data: Any) -> None:
        super().__init__(message)
        self.message, self.data = message, data


@dataclass(eq=False)
class Screen:
    """Use :func:`connect`."""

    namespace: str
    sio: socketio.AsyncClient
    received: list[Received] = field(default_factory=list)
    refusal: Any = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    disconnected: asyncio.Event = field(default_factory=asyncio.Event)

    def on_event(self, event: str, data: Any = None) -> None:
        self.received.append(Received(event, data, time.monotonic()))
        self._changed.set()

    @property
    def ready(self) -> dict[str, Any]:
        """The channels of ``hub:ready``, by name."""
        (ready,) = [each for each in self.received if each.event == "hub:ready"]
        channels = ready.data["channels"]
        assert isinstance(channels, dict)
        return channels

    def events(self, channel: str | None = None) -> list[Received]:
        """Envelopes only, of one channel or of all."""
        return [
            each
            for each in self.received
            if isinstance(each.data, dict)
            and {"channel", "offset", "data"} <= each.data.keys()
            and channel in (None, each.data["channel"])
        ]

    async def until(self, wanted: Callable[[Received], bool], within_s: float) -> Received:
        """The first event received, so far or within the limit, that is ``wanted``."""
        seen = 0
        try:
            async with asyncio.timeout(within_s):
                while True:
                    for each in self.received[seen:]:
                        if wanted(each):
                            return each
                    seen = len(self.received)
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            kinds = [each.event for each in self.received]
            raise AssertionError(f"not within {within_s} s; received: {kinds}") from None

    async def event(
        self, kind: str, within_s: float = 1.0, *, channel: str | None = None, **fields: Any
    ) -> Received:
        """The first event of a type whose resource has these fields."""

        def wanted(each: Received) -> bool:
            return (
                each.event == kind
                and channel in (None, each.data["channel"])
                and all(each.resource.get(name) == value for name, value in fields.items())
            )

        return await self.until(wanted, within_s)

    async def call(self, event: str, data: Any = None) -> Any:
        """Send a command; returns its acknowledgement."""
        return await self.sio.call(event, data, namespace=self.namespace, timeout=ACK_S)

    async def ok(self, event: str, data: Any = None) -> Any:
        """Send a command that must succeed; returns the data."""
        ack = await self.call(event, data)
        assert ack["ok"] is True, ack
        return ack["data"]

    async def refused(self, event: str, data: Any = None) -> dict[str, Any]:
        """Send a command that must be refused; returns the error."""
        ack = await self.call(event, data)
        assert ack["ok"] is False, ack
        error = ack["error"]
        assert isinstance(error, dict)
        return error

    async def close(self) -> None:
        await self.sio.disconnect()


async def connect(
    url: str,
    namespace: str,
    auth: Any,
    *,
    session: aiohttp.ClientSession | None = None,
    transports: tuple[str, ...] = ("websocket",),
) -> Screen:
    """A real ``socketio.AsyncClient`` that got its ``hub:ready``.

    Raises :class:`ConnectionRefused`.
    """
    sio = socketio.AsyncClient(reconnection=False, handle_sigint=False, http_session=session)
    screen = Screen(namespace, sio)

    def refused(data: Any = None) -> None:
        screen.refusal = data

    sio.on("*", screen.on_event, namespace=namespace)
    sio.on("connect_error", refused, namespace=namespace)
    sio.on("disconnect", lambda *_: screen.disconnected.set(), namespace=namespace)
    try:
        await sio.connect(
            url,
            auth=auth,
            namespaces=[namespace],
            transports=list(transports),
            wait_timeout=CONNECT_S,
        )
    except socketio.exceptions.ConnectionError:
        await sio.disconnect()
        if not isinstance(screen.refusal, dict):
            raise
        raise ConnectionRefused(
            screen.refusal.get("message", ""), screen.refusal.get("data")
        ) from None
    await screen.until(lambda each: each.event == "hub:ready", CONNECT_S)
    return screen
