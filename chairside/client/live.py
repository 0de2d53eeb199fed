"""The Socket.IO side of the client: commands with acks, and channels without loss.

When a connection ends, the next one takes up every channel at its position. Callbacks
are plain functions, called in order; they must not block (put what takes time into a
queue).
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from chairside.client.channels import ASK, ChannelAnswer, Follower, HubEvent, Position, Step
from chairside.client.commands import Commands, new_key
from chairside.client.errors import ClientError, ConnectionLost, HubError
from chairside.client.operations import Operation
from chairside.client.reconnecting import Connection, OnEnd, Token
from chairside.client.retry import RetryPolicy
from chairside.client.socketio_connection import Address

logger = logging.getLogger(__name__)

OnEvent = Callable[[HubEvent], None]
OnRefetch = Callable[[str, Position], None]
"""Called with the channel and its position: fetch again, history does not reach back.
Also at first, for each channel that was joined without a position."""

COMMANDS_AT_ONCE = 32
"""As many as a hub takes from one socket."""


@dataclass(frozen=True, slots=True)
class _Followed:
    follower: Follower
    on_event: OnEvent
    on_refetch: OnRefetch

    def hand_over(self, step: Step) -> None:
        """Call back; a callback's failure is its own and costs nobody the connection."""
        try:
            if step.refetch:
                assert self.follower.position is not None
                self.on_refetch(self.follower.channel, self.follower.position)
            for event in step.deliver:
                self.on_event(event)
        except Exception:
            logger.exception("callback failed", extra={"channel": self.follower.channel})


class LiveClient(Commands):
    """One principal's live view of a hub; ``async with`` connects and closes it.

    Own channels are followed from the start with ``on_event``/``on_refetch``; others
    with :meth:`follow`. ``token`` may be a function, plain or async: it is asked before
    each connection, and when the hub says that the token is about to end.
    ``transports`` is what is tried first; where that does not get through, polling is
    tried in turn with it, unless ``fallback`` is off.
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
        self._connection = Connection(
            Address(url=url.rstrip("/"), namespace=namespace, timeout_s=timeout_s, session=session),
            transports=transports,
            fallback=fallback,
            token=token,
            retry=self._retry,
            auth=self._auth,
            received=self._received,
            lost=self._lost,
            on_end=on_end or (lambda _refusal: None),
        )
        self._on_behalf_of = on_behalf_of
        self._on_event = on_event
        self._on_refetch: OnRefetch = on_refetch or (lambda _channel, _position: None)
        self._channels: dict[str, _Followed] = {}
        self._left: set[str] = set()
        for channel, position in (since or {}).items():
            self._add(Follower(channel, position))
        self._commands = asyncio.Semaphore(COMMANDS_AT_ONCE)

    # --- lifetime ----------------------------------------------------------------------

    async def __aenter__(self) -> "LiveClient":
        await self.connect()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def connect(self) -> None:
        """Connect and stay connected until :meth:`close`.

        Raises HubError when the hub refuses, ConnectionLost when it is not there in time.
        """
        await self._connection.open()

    async def ready(self) -> None:
        """Wait until the client is connected and had its ``hub:ready``.

        Raises HubError when the hub refuses it for good, ConnectionLost after the timeout,
        ClientClosed after :meth:`close`.
        """
        await self._connection.ready()

    @property
    def connected(self) -> bool:
        return self._connection.is_ready

    @property
    def connections(self) -> int:
        """How many connections became ready so far."""
        return self._connection.count

    async def close(self) -> None:
        """Whoever still waits for an answer gets ConnectionLost or ClientClosed."""
        await self._connection.close()

    def _lost(self) -> None:
        for followed in self._channels.values():
            followed.follower.unanswered()

    def _auth(self) -> dict[str, Any]:
        auth: dict[str, Any] = {}
        if self._on_behalf_of is not None:
            auth["on_behalf_of"] = self._on_behalf_of
        since = {
            channel: followed.follower.position.to_wire()
            for channel, followed in self._channels.items()
            if followed.follower.position is not None
        }
        return {**auth, "since": since} if since else auth

    # --- channels ----------------------------------------------------------------------

    async def follow(
        self,
        channel: str,
        on_event: OnEvent | None = None,
        *,
        on_refetch: OnRefetch | None = None,
        since: Position | None = None,
    ) -> None:
        """Join ``channel`` and stay in it; raises HubError when it may not be joined.

        A channel that is followed already is followed anew, from ``since``.
        """
        self._left.discard(channel)
        followed = self._add(Follower(channel, since), on_event, on_refetch)
        try:
            await self._retry.run(lambda: self._join(followed))
        except (HubError, ConnectionLost):
            self._channels.pop(channel, None)
            raise

    async def leave(self, channel: str) -> None:
        """Hear of it no more, own channel or not, over later connections, too."""
        self._channels.pop(channel, None)
        self._left.add(channel)
        await self.call("channel:leave", {"channel": channel})

    def position(self, channel: str) -> Position | None:
        """Up to where ``channel`` was handed over; ``None`` before the first answer."""
        followed = self._channels.get(channel)
        return followed.follower.position if followed else None

    def follower(self, channel: str) -> Follower:
        """Counters of what the network did to ``channel``; raises KeyError if unknown."""
        return self._channels[channel].follower

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(self._channels)

    def _add(
        self,
        follower: Follower,
        on_event: OnEvent | None = None,
        on_refetch: OnRefetch | None = None,
    ) -> _Followed:
        followed = _Followed(follower, on_event or self._on_event, on_refetch or self._on_refetch)
        self._channels[follower.channel] = followed
        return followed

    async def _join(self, followed: _Followed) -> None:
        """Ask for what is missing until nothing is; answers are taken in on arrival."""
        follower = followed.follower
        while self._channels.get(follower.channel) is followed:
            data: dict[str, Any] = {"channel": follower.channel}
            if follower.position is not None:
                data["since"] = follower.position.to_wire()
            step = Step()

            def take_in(answer: Any) -> None:
                nonlocal step
                step = follower.answered(ChannelAnswer.from_wire(answer))
                followed.hand_over(step)

            follower.asked()
            try:
                await self.call("channel:join", data, on_data=take_in)
            except BaseException:
                follower.unanswered()
                raise
            if not step.ask:
                return

    def _take(self, channel: str, decide: Callable[[Follower], Step]) -> None:
        """Let a channel's follower decide, and do it; own channels come unasked."""
        followed = self._channels.get(channel) or self._add(Follower(channel))
        step = decide(followed.follower)
        followed.hand_over(step)
        if step.ask:
            self._connection.spawn(self._ask(followed))

    async def _ask(self, followed: _Followed) -> None:
        channel = followed.follower.channel
        try:
            await self._retry.run(lambda: self._join(followed))
        except HubError as refusal:
            logger.warning("channel lost", extra={"channel": channel, "code": refusal.code})
            if not refusal.may_be_retried:
                self._channels.pop(channel, None)
        except ClientError:
            pass  # the next connection, or the next channel:position, asks again

    async def _leave_again(self, channel: str) -> None:
        with contextlib.suppress(ClientError):  # the next connection does it
            await self.call("channel:leave", {"channel": channel})

    def _received(self, event: str, data: Any) -> None:
        if event == "hub:ready":
            self._became_ready(data["channels"])
        elif event == "channel:position":
            position = Position(epoch=data["epoch"], offset=data["offset"])
            if data["channel"] in self._channels:
                self._take(data["channel"], lambda follower: follower.hub_is_at(position))
        elif isinstance(data, Mapping) and {"channel", "offset"} <= data.keys():
            envelope = HubEvent.from_wire(data)
            if envelope.channel in self._channels:
                self._take(envelope.channel, lambda follower: follower.live(envelope))

    def _became_ready(self, channels: Mapping[str, Any]) -> None:
        for channel in [name for name in self._channels if name not in channels]:
            self._take(channel, lambda _follower: ASK)  # not asked for: no position yet
        for channel, raw in channels.items():
            if channel in self._left:
                self._connection.spawn(self._leave_again(channel))
                continue
            answer = ChannelAnswer.from_wire(raw)
            self._take(channel, lambda follower, told=answer: follower.answered(told))  # type: ignore[misc]  # mypy infers no lambda with a default

    # --- commands ----------------------------------------------------------------------

    async def perform(
        self, operation: Operation, data: Mapping[str, Any], *, key: str | None = None
    ) -> Any:
        sent = dict(data)
        if operation.writes:
            sent["idempotency_key"] = key or new_key()
        async with self._commands:
            return await self._retry.run(lambda: self.call(operation.event, sent))

    async def call(
        self, event: str, data: Any, *, on_data: Callable[[Any], None] | None = None
    ) -> Any:
        """One command and its ack, no retry. ``on_data`` gets the data as the ack arrives,
        before any later event is handed over. Raises HubError, ConnectionLost."""
        return await self._connection.call(event, data, on_data)
