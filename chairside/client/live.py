"""A client that sends commands and follows channels over Socket.IO."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping, Sequence
from typing import Final, cast

import aiohttp

from chairside.client import tracking
from chairside.client.channels import (
    CatchUp,
    HubEvent,
    Json,
    Position,
    canonical_channel,
    catch_ups,
)
from chairside.client.commands import Commands, Operation, ResultT, new_key, without_none
from chairside.client.errors import ClientError, ConnectionLost, HubError
from chairside.client.reconnecting import OnEnd, ReconnectingClient, Token
from chairside.client.retry import RetryPolicy
from chairside.client.socketio_connection import HubAddress

logger = logging.getLogger(__name__)

COMMANDS_MAX: Final = 32
"""Commands in flight: as many as a hub accepts from one socket."""


class LiveClient(ReconnectingClient, Commands):
    """Socket.IO client of one principal; ``async with`` connects and closes it.

    When a connection ends, the next one continues every channel at its position.
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
        on_event: tracking.OnEvent,
        on_refetch: tracking.OnRefetch = lambda _channel, _position: None,
        on_end: OnEnd = lambda _refusal: None,
        on_behalf_of: str | None = None,
        since: Mapping[str, Position] | None = None,
        session: aiohttp.ClientSession | None = None,
        transports: Sequence[str] = ("websocket",),
        fallback: bool = True,
        retry: RetryPolicy | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        super().__init__(
            HubAddress(
                url=url.rstrip("/"), namespace=namespace, timeout_s=timeout_s, session=session
            ),
            transports=transports,
            fallback=fallback,
            token=token,
            retry=retry or RetryPolicy(),
            on_end=on_end,
        )
        self._on_behalf_of = on_behalf_of
        self._callbacks = tracking.Callbacks(on_event, on_refetch)
        self.trackers = {
            channel: tracking.ChannelTracker(channel, at)
            for channel, at in ((canonical_channel(name), at) for name, at in (since or {}).items())
        }
        """Of the followed channels, with counts of gaps and duplicates."""
        self._left: set[str] = set()
        self._commands = asyncio.Semaphore(COMMANDS_MAX)

    def _connection_lost(self) -> None:
        for tracker in self.trackers.values():
            tracker.catch_up_failed()

    def _auth(self) -> dict[str, object]:
        since = {
            channel: tracker.position.to_wire()
            for channel, tracker in self.trackers.items()
            if tracker.position is not None
        }
        return without_none({"on_behalf_of": self._on_behalf_of, "since": since or None})

    # --- channels ----------------------------------------------------------------------

    async def follow(self, channel: str) -> None:
        """Join ``channel`` and stay in it. Raises HubError if that is not permitted.

        A channel that is followed already is started again, with a refetch.
        """
        channel = canonical_channel(channel)
        self._left.discard(channel)
        tracker = self.trackers[channel] = tracking.ChannelTracker(channel)
        try:
            await self._retry.run(lambda: self._join(tracker))
        except (HubError, ConnectionLost):
            self.trackers.pop(channel, None)
            raise

    async def leave(self, channel: str) -> None:
        """Stop following a channel, even one of the principal's own, for good."""
        channel = canonical_channel(channel)
        self.trackers.pop(channel, None)
        self._left.add(channel)
        await self.call("channel:leave", {"channel": channel})

    def position(self, channel: str) -> Position | None:
        """Up to where events of ``channel`` were delivered; ``None`` if that is unknown."""
        tracker = self.trackers.get(canonical_channel(channel))
        return tracker.position if tracker else None

    async def _join(self, tracker: tracking.ChannelTracker) -> None:
        """Catch up until nothing is missing; each answer is handled on arrival."""
        while self.trackers.get(tracker.channel) is tracker:
            data: dict[str, object] = {"channel": tracker.channel}
            if tracker.position is not None:
                data["since"] = tracker.position.to_wire()
            update = tracking.NOTHING

            def joined(answer: object) -> None:
                nonlocal update
                update = tracker.caught_up(CatchUp.from_wire(cast("Json", answer)))
                self._callbacks.deliver(tracker, update)

            tracker.catch_up_sent()
            try:
                await self.call("channel:join", data, on_data=joined)
            except BaseException:
                tracker.catch_up_failed()
                raise
            if not update.catch_up:
                return

    def _apply(self, tracker: tracking.ChannelTracker, update: tracking.ChannelUpdate) -> None:
        self._callbacks.deliver(tracker, update)
        if update.catch_up:
            self._spawn(self._catch_up(tracker))

    async def _catch_up(self, tracker: tracking.ChannelTracker) -> None:
        channel = tracker.channel
        try:
            await self._retry.run(lambda: self._join(tracker))
        except HubError as refusal:
            logger.warning("channel lost", extra={"channel": channel, "code": refusal.code})
            if not refusal.may_be_retried:
                self.trackers.pop(channel, None)
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
            position = Position.from_wire(data)
            if tracker := self.trackers.get(data["channel"]):
                self._apply(tracker, tracker.hub_is_at(position))
        elif {"channel", "offset"} <= data.keys():
            envelope = HubEvent.from_wire(data)
            if tracker := self.trackers.get(envelope.channel):
                self._apply(tracker, tracker.received(envelope))

    def _hub_ready(self, channels: Mapping[str, CatchUp]) -> None:
        for channel, tracker in list(self.trackers.items()):
            if channel not in channels:  # it had no position to send
                self._apply(tracker, tracking.CATCH_UP)
        for channel, answer in channels.items():
            if channel in self._left:
                self._spawn(self._leave_again(channel))
                continue
            # The principal's own channels need no join: they are tracked from here on.
            tracker = self.trackers.setdefault(channel, tracking.ChannelTracker(channel))
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
