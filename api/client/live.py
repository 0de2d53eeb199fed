"""The Socket.IO side of the client: commands with acks, and channels without loss.

When a connection ends, the next one takes up every channel at its position. Callbacks
are plain functions, called in order; they must not block (put what takes time into a
queue).
"""

import asyncio
import contextlib
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from api.client.channels import ASK, ChannelAnswer, Follower, HubEvent, Place, Step
from api.client.commands import Commands, new_key
from api.client.errors import FINAL, ClientClosed, ClientError, ConnectionLost, HubError
from api.client.link import Address, Link
from api.client.operations import Operation
from api.client.retry import LONGEST_RETRY_AFTER_S, RetryPolicy

logger = logging.getLogger(__name__)

OnEvent = Callable[[HubEvent], None]
OnRefetch = Callable[[str, Place], None]
"""Called with the channel and its position: fetch again, history does not reach back.
Also at first, for each channel that was joined without a position."""
OnEnd = Callable[[HubError], None]
"""Called once when the hub refuses the client for good: no connection will follow."""
Token = str | Callable[[], str | Awaitable[str]]

TRANSPORTS = ("websocket",)
FALLBACK = ("polling", "websocket")
"""Polling, and an upgrade where the network lets it pass."""
STABLE_S = 1.0
"""A connection that lived shorter counts as failed: the next attempt waits longer."""
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
                assert self.follower.place is not None
                self.on_refetch(self.follower.channel, self.follower.place)
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
        since: Mapping[str, Place] | None = None,
        session: aiohttp.ClientSession | None = None,
        transports: Sequence[str] = TRANSPORTS,
        fallback: bool = True,
        retry: RetryPolicy | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        self._address = Address(
            url=url.rstrip("/"), namespace=namespace, timeout_s=timeout_s, session=session
        )
        self._ways: list[Sequence[str]] = [tuple(transports)]
        if fallback and "polling" not in transports:
            self._ways.append(FALLBACK)
        self._token = token
        self._on_behalf_of = on_behalf_of
        self._on_event = on_event
        self._on_refetch: OnRefetch = on_refetch or (lambda _channel, _place: None)
        self._on_end: OnEnd = on_end or (lambda _refusal: None)
        self._retry = retry or RetryPolicy()
        self._channels: dict[str, _Followed] = {}
        self._left: set[str] = set()
        for channel, place in (since or {}).items():
            self._add(Follower(channel, place))
        self._link: Link | None = None
        self._ready = asyncio.Event()  # connected, or refused for good
        self._refusal: HubError | None = None
        self._runner: asyncio.Task[None] | None = None
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._commands = asyncio.Semaphore(COMMANDS_AT_ONCE)
        self.connections = 0
        """How many connections became ready so far."""

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
        assert self._runner is None, "a client is connected once"
        self._runner = asyncio.create_task(self._run())
        try:
            await self.ready()
        except BaseException:
            await self.close()
            raise

    async def ready(self) -> None:
        """Wait until the client is connected and had its ``hub:ready``.

        Raises HubError when the hub refuses it for good, ConnectionLost after the timeout,
        ClientClosed after :meth:`close`.
        """
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

    @property
    def connected(self) -> bool:
        return self._link is not None

    async def close(self) -> None:
        """Whoever still waits for an answer gets ConnectionLost or ClientClosed."""
        self._closed = True
        self._ready.set()
        runner, self._runner = self._runner, None
        tasks = [*self._tasks, *([runner] if runner else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        """One connection after the other, each with its own way of trying."""
        failures = renewed = 0
        while True:
            asked_s = 0.0
            began = time.monotonic()
            try:
                await self._connection(self._ways[0])
                failures = 0 if time.monotonic() - began >= STABLE_S else failures + 1
                renewed = 0
            except HubError as refusal:
                failures += 1
                asked_s = min(refusal.retry_after_s or 0.0, LONGEST_RETRY_AFTER_S)
                if refusal.code in FINAL:
                    # A token may have ended on its way here; a new one is asked for once.
                    if refusal.code != "UNAUTHORIZED" or isinstance(self._token, str) or renewed:
                        self._end(refusal)
                        return
                    renewed = 1
            except ConnectionLost:
                failures += 1
                self._ways.append(self._ways.pop(0))
            except Exception:  # e.g. the token could not be had: the next attempt may
                logger.exception("connection failed")
                failures += 1
            await asyncio.sleep(max(asked_s, self._retry.delay_s(max(failures - 1, 0))))

    async def _connection(self, transports: Sequence[str]) -> None:
        """From the attempt to the end. Raises HubError, ConnectionLost."""
        link = Link(self._address, transports, await self._auth(), self._received)
        try:
            await link.open()
            await link.closed.wait()
        finally:
            self._unlink()
            await link.close()

    def _end(self, refusal: HubError) -> None:
        self._refusal = refusal
        self._ready.set()
        try:
            self._on_end(refusal)
        except Exception:
            logger.exception("callback failed", extra={"code": refusal.code})

    def _unlink(self) -> None:
        self._link = None
        if not self._closed:
            self._ready.clear()
        for followed in self._channels.values():
            followed.follower.unanswered()

    async def _auth(self) -> dict[str, Any]:
        auth: dict[str, Any] = {"token": await self._current_token()}
        if self._on_behalf_of is not None:
            auth["on_behalf_of"] = self._on_behalf_of
        since = {
            channel: followed.follower.place.to_wire()
            for channel, followed in self._channels.items()
            if followed.follower.place is not None
        }
        return {**auth, "since": since} if since else auth

    async def _current_token(self) -> str:
        if isinstance(self._token, str):
            return self._token
        token = self._token()
        return await token if inspect.isawaitable(token) else token

    async def _renew(self) -> None:
        """The token is about to end: a new one goes over the same connection.

        When that fails the hub ends the connection with the token, and the next one asks
        for a token again.
        """
        try:
            await self.call("auth:refresh", {"token": await self._current_token()})
        except Exception as error:
            logger.warning("token not renewed", extra={"error": type(error).__name__})

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- channels ----------------------------------------------------------------------

    async def follow(
        self,
        channel: str,
        on_event: OnEvent | None = None,
        *,
        on_refetch: OnRefetch | None = None,
        since: Place | None = None,
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

    def place(self, channel: str) -> Place | None:
        """Up to where ``channel`` was handed over; ``None`` before the first answer."""
        followed = self._channels.get(channel)
        return followed.follower.place if followed else None

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
            if follower.place is not None:
                data["since"] = follower.place.to_wire()
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
            self._start(self._ask(followed))

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

    def _received(self, link: Link, event: str, data: Any) -> None:
        if event == "hub:ready":
            self._became_ready(link, data["channels"])
        elif event == "auth:expiring":
            if not isinstance(self._token, str):
                self._start(self._renew())
        elif event == "channel:position":
            place = Place(epoch=data["epoch"], offset=data["offset"])
            if data["channel"] in self._channels:
                self._take(data["channel"], lambda follower: follower.position(place))
        elif isinstance(data, Mapping) and {"channel", "offset"} <= data.keys():
            envelope = HubEvent.from_wire(data)
            if envelope.channel in self._channels:
                self._take(envelope.channel, lambda follower: follower.live(envelope))

    def _became_ready(self, link: Link, channels: Mapping[str, Any]) -> None:
        self._link = link
        self.connections += 1
        self._ready.set()
        link.opened()
        for channel in [name for name in self._channels if name not in channels]:
            self._take(channel, lambda _follower: ASK)  # not asked for: no position yet
        for channel, raw in channels.items():
            if channel in self._left:
                self._start(self._leave_again(channel))
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
        await self.ready()
        if self._link is None:
            raise ConnectionLost(f"{event}: not connected")
        return await self._link.call(event, data, on_data)
