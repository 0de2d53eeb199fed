"""Events of all nodes to the sockets of this one: quickly over the stream, surely by repair.

The stream is only quick. Every ``repair_s`` the heads of the channels that somebody joined
here are compared with the database, and what is behind is read from the log. So whatever
Redis loses is late by one interval at most, and nothing of it is missing.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import structlog

from actors.domain.channels import AVAILABILITY_ALL, HUB_STATUS, Channel
from actors.domain.position import Position
from actors.ports.clock import Clock
from actors.ports.events import Delivery, EventLog, EventRecord
from actors.relay.relay import Relay
from hub.cluster.members.membership import Membership
from hub.cluster.stream.continuity import Continuity
from hub.cluster.stream.entries import Entry, Garbled, Kind, decode, encode
from hub.cluster.stream.redis_stream import Stream

log = structlog.get_logger(__name__)

_OWN_MAX = 50_000
"""Own events whose broadcast is still to be written down."""
_SILENCE_S = 3.0
_CHANNELS_AT_ONCE = 5_000
_LEFT_BEHIND = timedelta(seconds=30)
"""So long an event may be unmarked before its node counts as gone."""
_SWEPT_AT_ONCE = 500
_ON_ITS_WAY_S = 0.05
"""What was committed a moment ago is about to be announced, here or over the stream."""

Channels = Callable[[], Sequence[Channel]]
HearPresence = Callable[[str, Mapping[str, Any]], None]
"""Which node said what; raises KeyError, TypeError or ValueError for what it cannot read."""


class Fanout:
    """Takes the committed events of this node (an outbox) and of the other nodes."""

    def __init__(
        self,
        *,
        stream_url: str,
        relay: Relay,
        events: EventLog,
        clock: Clock,
        membership: Membership,
        channels: Channels,
        forget_caches: Callable[[], None],
        hear_presence: HearPresence,
        is_placed_here: Callable[[str], bool],
        repair_s: float,
        stream_name: str,
        stream_keep: int,
    ) -> None:
        self.stream = Stream(
            stream_url,
            on_entry=self._take,
            on_break=self._broken,
            name=stream_name,
            keep=stream_keep,
        )
        self._relay, self._events, self._clock = relay, events, clock
        self._members, self._channels = membership, channels
        self._forget_caches = forget_caches
        self._hear_presence = hear_presence
        self._is_placed_here, self._repair_s = is_placed_here, repair_s
        self._continuity = Continuity(silence_s=_SILENCE_S)
        self._number = 0
        self._numbered_as = ""
        self._own: OrderedDict[tuple[Channel, Position], None] = OrderedDict()
        self._doubt = asyncio.Event()
        self._begin = 0
        self.figures: dict[str, tuple[float, Mapping[str, Any]]] = {}
        """What each node said of itself in its last beat, and when that was heard."""
        self.repairs = 0
        """Channels that were behind the database."""
        self.breaks = 0
        """Times that the stream was not whole."""
        self.lag_ms = 0.0
        """From the commit to this node, of the last event of another."""

    # --- this node's own ---

    def publish(self, records: Sequence[EventRecord]) -> None:
        """After the commit, never on its path."""
        for record in records:
            self._own[record.channel, record.position] = None
        while len(self._own) > _OWN_MAX:
            self._own.popitem(last=False)
        self._send(Kind.EVENTS, records=records)
        self._relay.publish(records)

    def is_own(self, record: EventRecord) -> bool:
        """Whether this node writes down what became of the broadcast: who committed, does."""
        key = record.channel, record.position
        if key not in self._own:
            return False
        del self._own[key]
        return True

    def beat(self, figures: Mapping[str, Any]) -> None:
        """Once a second: so that the others notice a lost last event, and know how we are."""
        self._send(Kind.BEAT, said=figures)

    def tell_presence(self, said: Mapping[str, Any]) -> None:
        self._send(Kind.PRESENCE, said=said)

    def _send(
        self,
        kind: Kind,
        *,
        records: Sequence[EventRecord] = (),
        said: Mapping[str, Any] | None = None,
    ) -> None:
        if self._numbered_as != self._members.me:  # a new life counts from the beginning
            self._numbered_as, self._number = self._members.me, 0
        self._number += 1
        entry = Entry(
            node=self._numbered_as,
            number=self._number,
            kind=kind,
            records=records,
            said=said or {},
        )
        self.stream.send(encode(entry, self._members.key))

    # --- from the stream ---

    def _take(self, raw: bytes) -> None:
        try:
            entry = decode(raw, self._members.key)
        except Garbled as error:
            log.warning("entry_unreadable", error=str(error))
            return
        now_s = self._clock.monotonic()
        if not self._continuity.heard(entry.node, entry.number, now_s):
            self._broken("an entry is missing")
        match entry.kind:
            case Kind.BEAT:
                self.figures[entry.node] = (now_s, entry.said)
            case Kind.PRESENCE if entry.node != self._members.me:
                self._take_presence(entry)
            case Kind.EVENTS if entry.node != self._members.me and entry.records:
                self._relay.receive(entry.records)
                late = self._clock.now() - entry.records[-1].time
                self.lag_ms = max(0.0, late.total_seconds() * 1_000)

    def _take_presence(self, entry: Entry) -> None:
        try:
            self._hear_presence(entry.node, entry.said)
        except (KeyError, TypeError, ValueError) as error:  # of another version
            log.warning("entry_unreadable", error=type(error).__name__)

    def _broken(self, why: str) -> None:
        """Something may have been missed: look, and believe no cache until then."""
        self.breaks += 1
        self._forget_caches()
        self._doubt.set()
        log.debug("stream_broken", why=why)

    # --- from the database ---

    async def repair(self) -> None:
        """Compare with the database, every ``repair_s`` and whenever in doubt."""
        while True:
            try:
                async with asyncio.timeout(self._repair_s):
                    await self._doubt.wait()
            except TimeoutError:
                pass
            self._doubt.clear()
            self._check_silence()
            try:
                await self.repair_once()
            except Exception as error:  # e.g. the database is away: the next round does it
                log.warning("repair_postponed", error=str(error))
                await asyncio.sleep(self._repair_s / 4)

    def _check_silence(self) -> None:
        """A member that is not heard, or oneself: then the stream proves nothing."""
        now_s, members = self._clock.monotonic(), self._members.view.nodes
        self._continuity.forget(members)
        self.figures = {n: told for n, told in self.figures.items() if n in members}
        silent = self._continuity.silent(members, now_s)
        if not silent:
            return
        self._forget_caches()
        if self._members.me in silent and self.stream.up:
            self.stream.take_up_anew()

    async def repair_once(self) -> int:
        """Returns how many channels were behind."""
        wanted = self._some_of({AVAILABILITY_ALL, *self._channels()} - {HUB_STATUS})
        behind = 0
        if wanted:
            await self._relay.positions(wanted)
            heads = await self._events.heads(wanted)
            await asyncio.sleep(_ON_ITS_WAY_S)
            behind = self._relay.catch_up(heads)
        self.repairs += behind
        return behind

    def _some_of(self, channels: set[Channel]) -> Sequence[Channel]:
        """All of them; of very many, a part each time, round and round."""
        if len(channels) <= _CHANNELS_AT_ONCE:
            return tuple(channels)
        ordered = sorted(channels)
        begin = self._begin % len(ordered)
        self._begin = begin + _CHANNELS_AT_ONCE
        return (ordered + ordered)[begin : begin + _CHANNELS_AT_ONCE]

    async def sweep(self) -> None:
        """Write down what nodes that are gone had no time to: their events were repaired."""
        if not self._is_placed_here("sweep") or not self._members.surely:
            return
        now = self._clock.now()
        left = [
            record
            for record in await self._events.pending(limit=_SWEPT_AT_ONCE)
            if now - record.time > _LEFT_BEHIND
        ]
        if left:
            log.info("events_left_behind", count=len(left))
            await self._events.mark([_repaired(record, self._clock) for record in left])


def _repaired(record: EventRecord, clock: Clock) -> Delivery:
    now = clock.now()
    return Delivery(
        channel=record.channel,
        position=record.position,
        sent=True,
        at=now,
        latency_ms=(now - record.time).total_seconds() * 1_000,
        attempts=0,
        recipients=0,
        error="the node that committed it was gone; the others read it from the log",
    )
