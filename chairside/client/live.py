"""A client that sends commands and follows channels over Socket.IO.

::

    async with LiveClient(
        "https://hub.example", namespace="/patient", token=token, on_event=print
    ) as patient:
        await patient.book_slot(dentist_id=..., appointment_type_id=..., start=...)

When a connection ends, the next one continues every channel at its position.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Final, cast

import aiohttp

from chairside.client.callbacks import Callbacks, OnEvent, OnRefetch
from chairside.client.channels import CatchUp, HubEvent, Position, catch_ups
from chairside.client.commands import Commands, new_key
from chairside.client.errors import ClientError, ConnectionLost, HubError
from chairside.client.operations import Operation, ResultT
from chairside.client.reconnecting import OnEnd, ReconnectingConnection, Token
from chairside.client.retry import RetryPolicy
from chairside.client.shapes import ChannelPosition, ChannelState, Envelope
from chairside.client.socketio_connection import HubAddress, OnData
from chairside.client.tracking import CATCH_UP, NOTHING, ChannelTracker, ChannelUpdate

logger = logging.getLogger(__name__)

COMMANDS_MAX: Final = 32
"""Commands in flight: as many as a hub accepts from one socket."""


class LiveClient(Commands):
    """Socket.IO client of one principal; ``async with`` connects and closes it.

    The principal's own channels are followed from the start with ``on_event`` and
    ``on_refetch``; others with :meth:`follow`. Callbacks are plain functions, are called in
    order and must not block: put what takes time into a queue.

    ``token`` may be a function, plain or async; it is called before each connection, and when
    the hub announces that the token is about to expire. ``transports`` is what is tried first;
    unless ``fallback`` is off, long polling is tried in turn with it.
    """

    def __init__(
        self,
        url: str,
        *,
        namespace: str,
        token: Token,
        on_event: OnEvent,
        on_refetch: OnRefetch | None = None,
        on_end: OnEnd | None = None,
        on_behalf_of: str | None = None,
        since: Mapping[str, Position] | None = None,
        session: aiohttp.ClientSession | None = None,
        transports: Sequence[str] = ("websocket",),
        fallback: bool = True,
        retry: RetryPolicy | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        self._retry = retry or RetryPolicy()
        self._connection = ReconnectingConnection(
            HubAddress(
                url=url.rstrip("/"), namespace=namespace, timeout_s=timeout_s, session=session
            ),
            transports=transports,
            fallback=fallback,
            token=token,
            retry=self._retry,
            auth=self._auth,
            on_message=self._received,
            on_lost=self._connection_lost,
            on_end=on_end or (lambda _refusal: None),
        )
        self._on_behalf_of = on_behalf_of
        self._callbacks = Callbacks(on_event, on_refetch or (lambda _channel, _position: None))
        self._trackers = {
            channel: ChannelTracker(channel, position)
            for channel, position in (since or {}).items()
        }
        self._left: set[str] = set()
        self._commands = asyncio.Semaphore(COMMANDS_MAX)

    # --- lifetime ----------------------------------------------------------------------

    async def __aenter__(self) -> "LiveClient":
        """Raises HubError if the hub refuses, ConnectionLost if it does not answer in time."""
        await self._connection.open()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Commands in flight raise ConnectionLost or ClientClosed."""
        await self._connection.close()

    async def ready(self) -> None:
        """Wait until the client is connected.

        Raises HubError if the hub refuses it for good, ConnectionLost after the timeout,
        ClientClosed after the client was closed.
        """
        await self._connection.ready()

    @property
    def connected(self) -> bool:
        return self._connection.is_ready

    @property
    def connections(self) -> int:
        """How many connections became ready so far."""
        return self._connection.count

    def _connection_lost(self) -> None:
        for tracker in self._trackers.values():
            tracker.catch_up_failed()

    def _auth(self) -> dict[str, object]:
        auth: dict[str, object] = {}
        if self._on_behalf_of is not None:
            auth["on_behalf_of"] = self._on_behalf_of
        since = {
            channel: tracker.position.to_wire()
            for channel, tracker in self._trackers.items()
            if tracker.position is not None
        }
        return {**auth, "since": since} if since else auth

    # --- channels ----------------------------------------------------------------------

    async def follow(self, channel: str) -> None:
        """Join ``channel`` and stay in it. Raises HubError if that is not permitted.

        A channel that is followed already is started again, with a refetch.
        """
        self._left.discard(channel)
        tracker = self._trackers[channel] = ChannelTracker(channel)
        try:
            await self._retry.run(lambda: self._join(tracker))
        except (HubError, ConnectionLost):
            self._trackers.pop(channel, None)
            raise

    async def leave(self, channel: str) -> None:
        """Stop following a channel, even one of the principal's own, for good."""
        self._trackers.pop(channel, None)
        self._left.add(channel)
        await self.call("channel:leave", {"channel": channel})

    def position(self, channel: str) -> Position | None:
        """Up to where events of ``channel`` were delivered; ``None`` if that is unknown."""
        tracker = self._trackers.get(channel)
        return tracker.position if tracker else None

    def tracker(self, channel: str) -> ChannelTracker:
        """Counts of gaps and duplicates in ``channel``. Raises KeyError if not followed."""
        return self._trackers[channel]

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(self._trackers)

    async def _join(self, tracker: ChannelTracker) -> None:
        """Catch up until nothing is missing; each answer is handled on arrival."""
        while self._trackers.get(tracker.channel) is tracker:
            data: dict[str, object] = {"channel": tracker.channel}
            if tracker.position is not None:
                data["since"] = tracker.position.to_wire()
            update = NOTHING

            def joined(answer: object) -> None:
                nonlocal update
                update = tracker.caught_up(CatchUp.from_wire(cast("ChannelState", answer)))
                self._callbacks.deliver(tracker, update)

            tracker.catch_up_sent()
            try:
                await self.call("channel:join", data, on_data=joined)
            except BaseException:
                tracker.catch_up_failed()
                raise
            if not update.catch_up:
                return

    def _apply(self, tracker: ChannelTracker, update: ChannelUpdate) -> None:
        self._callbacks.deliver(tracker, update)
        if update.catch_up:
            self._connection.spawn(self._catch_up(tracker))

    async def _catch_up(self, tracker: ChannelTracker) -> None:
        channel = tracker.channel
        try:
            await self._retry.run(lambda: self._join(tracker))
        except HubError as refusal:
            logger.warning("channel lost", extra={"channel": channel, "code": refusal.code})
            if not refusal.may_be_retried:
                self._trackers.pop(channel, None)
        except ClientError:
            pass  # the next connection or channel:position starts another catch-up

    async def _leave_again(self, channel: str) -> None:
        with contextlib.suppress(ClientError):  # the next connection does it
            await self.call("channel:leave", {"channel": channel})

    def _received(self, event: str, data: object) -> None:
        if not isinstance(data, Mapping):
            return
        if event == "hub:ready":
            self._hub_ready(catch_ups(data["channels"]))
        elif event == "channel:position":
            position = Position.from_wire(cast("ChannelPosition", data))
            if tracker := self._trackers.get(data["channel"]):
                self._apply(tracker, tracker.hub_is_at(position))
        elif {"channel", "offset"} <= data.keys():
            envelope = HubEvent.from_wire(cast("Envelope", data))
            if tracker := self._trackers.get(envelope.channel):
                self._apply(tracker, tracker.received(envelope))

    def _hub_ready(self, channels: Mapping[str, CatchUp]) -> None:
        for channel, tracker in list(self._trackers.items()):
            if channel not in channels:  # it had no position to send
                self._apply(tracker, CATCH_UP)
        for channel, answer in channels.items():
            if channel in self._left:
                self._connection.spawn(self._leave_again(channel))
                continue
            # The principal's own channels need no join: they are tracked from here on.
            tracker = self._trackers.setdefault(channel, ChannelTracker(channel))
            self._apply(tracker, tracker.caught_up(answer))

    # --- commands ----------------------------------------------------------------------

    async def perform(
        self, operation: Operation[ResultT], data: Mapping[str, object], *, key: str | None = None
    ) -> ResultT:
        sent = dict(data)
        if operation.writes:
            sent["idempotency_key"] = key or new_key()
        async with self._commands:
            answer = await self._retry.run(lambda: self.call(operation.event, sent))
        return cast("ResultT", answer)

    async def call(self, event: str, data: object, *, on_data: OnData | None = None) -> object:
        """Send one command without retry, and return the data of its ack.

        ``on_data`` gets the data as the ack arrives, before any later event is delivered.
        Raises HubError, ConnectionLost.
        """
        return await self._connection.call(event, data, on_data)
