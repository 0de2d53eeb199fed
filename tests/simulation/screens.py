"""Screens: clients that follow channels, and their sessions at the nodes.

The session is a subscriber of the real rooms, with the real joins, rights and revocations. The
screen tracks its position with the real client library. Between them is a connection that keeps
the order, takes time, and breaks.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from actors.domain.channels import Channel, own_channels
from actors.domain.position import Position
from actors.domain.principal import Principal
from actors.domain.refusals import Refusal
from actors.ports.commits import CommitFailure
from actors.services.identity import Claims
from api.realtime.rooms.subscribers import EventBatch, WireForms
from api.schemas import envelope
from chairside.client import channels as wire
from chairside.client.channels import CatchUp, HubEvent
from chairside.client.tracking import Callbacks, ChannelTracker, ChannelUpdate
from tests.simulation.network import CLIENTS
from tests.simulation.process import Process

if TYPE_CHECKING:
    from tests.simulation.world import World

_RECONNECT_S = (0.05, 0.4)
_PATIENCE_S = 2.0
_SILENCE_S = 1.0
"""After which a broken connection is noticed, by both sides."""


class Session:
    """The connection of a screen at a node; a subscriber of its rooms."""

    def __init__(self, screen: "Screen", process: Process, principal: Principal) -> None:
        self.screen, self.process, self.principal = screen, process, principal
        self.claims, self.on_behalf_of = screen.claims, screen.on_behalf_of
        self.number = process.around.next_number()
        self.closed = False
        self.written: dict[Channel, Position] = {}
        """The last event or answer of each channel."""
        self.lock = asyncio.Lock()
        self._arrives_s = 0.0

    def __hash__(self) -> int:
        return self.number

    def deliver(self, batch: EventBatch) -> None:
        if self.process.unwritable:
            raise ConnectionError("the connection takes nothing now")
        for record, _ in batch.events:
            self.process.around.auditor.delivered(self, record)
            self.written[record.channel] = record.position
            self._write("event", orjson.loads(envelope(record)))

    def notify_position(self, channel: Channel, position: Position, forms: WireForms) -> None:
        self._write(
            "position", channel, wire.Position(epoch=position.epoch, offset=position.offset)
        )

    def notify(self, event: str, data: bytes, forms: WireForms) -> None: ...

    def end(self) -> None:
        """The hub ends it: the right is gone, or the hub stops."""
        if not self.closed:
            self._write("ended")
            self.close()

    def close(self) -> None:
        self.closed = True
        context = self.process.core.context
        context.rooms.leave_all(self)
        context.revocations.forget(self)

    async def join(self, wanted: Mapping[Channel, Position | None]) -> None:
        core = self.process.core
        async with self.lock:
            joined = await core.context.joins.join(self, self.principal, wanted)
            for changes in joined.changes:
                self.process.around.auditor.answered(self, changes)
                self.written[changes.channel] = changes.position
            self._write(
                "answers", {name: orjson.loads(raw) for name, raw in joined.answers.items()}
            )
            core.context.joins.release(joined)

    def _write(self, kind: str, *args: Any) -> None:
        """In order: nothing arrives before what was written earlier."""
        if self.closed:
            return
        around = self.process.around
        now_s = around.loop.time()
        delay_s = around.network.delay_s(self.process.place, CLIENTS)
        self._arrives_s = max(self._arrives_s + 0.0006, now_s + delay_s)
        if not around.network.send(
            self.process.place,
            CLIENTS,
            self.screen.received,
            self,
            kind,
            *args,
            delay_s=self._arrives_s - now_s,
        ):
            self._break()

    def _break(self) -> None:
        """The network lost something: the connection ends, and both sides notice."""
        around = self.process.around
        self.close()
        around.loop.call_later(
            _SILENCE_S, self.screen.received, self, "ended", context=around.network.outside
        )


class Screen:
    """A client that follows channels, from one connection to the next."""

    def __init__(
        self, world: "World", name: str, claims: Claims, on_behalf_of: str | None, *extra: Channel
    ) -> None:
        self._world, self.name = world, name
        self.claims, self.on_behalf_of, self._extra = claims, on_behalf_of, extra
        self.trackers: dict[str, ChannelTracker] = {}
        self.seen: dict[str, list[tuple[int, str]]] = {}
        """Offsets and ids of the events of each channel since the last refetch."""
        self.begins: dict[str, int] = {}
        self.refused: str | None = None
        self._session: Session | None = None
        self._attempts = 0
        self._ended = asyncio.Event()
        self._callbacks = Callbacks(self._on_event, self._on_refetch)

    @property
    def connected(self) -> bool:
        return self._session is not None and not self._session.closed

    async def run(self) -> None:
        world = self._world
        while True:
            self._ended.clear()
            process = world.some_process()
            self._attempts += 1
            if process is not None and world.network.send(
                CLIENTS,
                process.place,
                self._attach,
                process,
                self._attempts,
                context=process.context,
            ):
                await self._until_lost()
            self._session = None
            for tracker in self.trackers.values():
                tracker.catch_up_failed()
            await asyncio.sleep(world.random.uniform(*_RECONNECT_S))

    async def _until_lost(self) -> None:
        """Until the connection ends, or nothing was heard of the node for too long."""
        while not self._ended.is_set():
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    await self._ended.wait()
            except TimeoutError:
                session = self._session
                if session is None:
                    return
                if session.closed or session.process.paused or not session.process.ready:
                    process = session.process
                    self._world.network.send(
                        CLIENTS, process.place, session.close, context=process.context
                    )
                    return

    # --- at the node ----------------------------------------------------------------------

    def _attach(self, process: Process, attempt: int) -> None:
        process.on_death.append(lambda: self._lost(process))
        process.spawn(self._open(process, attempt))

    def _lost(self, process: Process) -> None:
        if self._session is None or self._session.process is process:
            world = self._world
            world.loop.call_later(0.01, self._ended.set, context=world.network.outside)

    async def _open(self, process: Process, attempt: int) -> None:
        core = process.core
        try:
            principal = await core.identity.principal(self.claims, self.on_behalf_of, create=False)
            wanted = self._wanted(principal)
            await process.services.access.check(principal, wanted)
            if attempt != self._attempts:
                return  # the client has given this connection up
            session = Session(self, process, principal)
            core.context.revocations.watch(session, session.end)
            self._session = session
            await session.join(wanted)
        except (Refusal, CommitFailure) as refused:
            self.refused = type(refused).__name__
            self._world.network.send(process.place, CLIENTS, self._ended.set)
            if not self._world.network.passes(process.place, CLIENTS):
                self._lost(process)
        else:
            self.refused = None

    def _wanted(self, principal: Principal) -> dict[Channel, Position | None]:
        return {name: self._since(name) for name in (*own_channels(principal), *self._extra)}

    def _since(self, channel: str) -> Position | None:
        tracker = self.trackers.get(channel)
        at = tracker.position if tracker else None
        return Position(at.epoch, at.offset) if at else None

    # --- at the client --------------------------------------------------------------------

    def received(self, session: Session, kind: str, *args: Any) -> None:
        if session is not self._session:
            return
        handlers: dict[str, Callable[..., None]] = {
            "ended": self._ended.set,
            "event": self._event,
            "position": self._position,
            "answers": self._answers,
        }
        handlers[kind](*args)

    def _event(self, data: Mapping[str, Any]) -> None:
        event = HubEvent.from_wire(data)
        if tracker := self.trackers.get(event.channel):
            self._apply(tracker, tracker.received(event))

    def _position(self, channel: str, position: wire.Position) -> None:
        if tracker := self.trackers.get(channel):
            self._apply(tracker, tracker.hub_is_at(position))

    def _answers(self, answers: Mapping[str, Any]) -> None:
        for channel, answer in answers.items():
            tracker = self.trackers.setdefault(channel, ChannelTracker(channel))
            self._apply(tracker, tracker.caught_up(CatchUp.from_wire(answer)))

    def _apply(self, tracker: ChannelTracker, update: ChannelUpdate) -> None:
        self._callbacks.deliver(tracker, update)
        if update.catch_up:
            self._catch_up(tracker)

    def _catch_up(self, tracker: ChannelTracker) -> None:
        session, channel = self._session, Channel(tracker.channel)
        if session is None or session.closed:
            return
        tracker.catch_up_sent()
        process = session.process

        async def join() -> None:
            try:
                await session.join({channel: self._since(channel)})
            except (Refusal, CommitFailure):
                session.end()

        self._world.network.send(
            CLIENTS, process.place, lambda: process.spawn(join()), context=process.context
        )

    def _on_event(self, event: HubEvent) -> None:
        assert event.offset is not None
        self.seen.setdefault(event.channel, []).append((event.offset, event.id))
        self._world.trace(f"{self.name} shows {event.channel} {event.offset} {event.type}")

    def _on_refetch(self, channel: str, position: wire.Position) -> None:
        self.seen[channel] = []
        self.begins[channel] = position.offset

    def is_behind(self, heads: Mapping[str, int]) -> str | None:
        """The first channel that does not show everything up to its head."""
        for channel, tracker in self.trackers.items():
            at = tracker.position.offset if tracker.position else -1
            if at != heads.get(channel, 0):
                return f"{channel} at {at}, not {heads.get(channel, 0)}"
        return None
