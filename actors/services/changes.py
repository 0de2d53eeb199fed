"""Catch-up: the events of a channel since a position, or that they are lost.

``GET /api/changes``, ``channel:join`` and ``hub:ready`` follow one rule: either every missed
event in order, or ``recovered: false`` with the current position; never a silent or partial
gap.
"""

from collections.abc import Mapping, Sequence

from actors.domain.channels import HUB_STATUS, Channel, may_join_all
from actors.domain.position import Position
from actors.domain.principal import Principal
from actors.domain.refusals import Forbidden, ValidationFailed
from actors.domain.values import value
from actors.ports.events import EventLog, EventRecord

EVENTS_MAX = 500
"""Most events of one response, all its channels together."""
BYTES_MAX = 512 * 1024
"""Largest response; only a single event that is larger may exceed it."""
ENVELOPE_BYTES = 320
"""What the envelope adds to a payload, at most: names, ids, times, punctuation."""


@value
class ChannelChanges:
    channel: Channel
    recovered: bool
    """Whether ``events`` is all that was missed; if not, the client fetches again."""
    events: tuple[EventRecord, ...] = ()
    more: bool = False
    """The response was cut: the client requests the rest from ``position``."""
    position: Position
    """The position of a client that has this response and all before it."""

    @property
    def begins_at(self) -> Position:
        """The position before the first of ``events``."""
        return self.position.before(len(self.events))


class Changes:
    def __init__(self, events: EventLog) -> None:
        self._events = events

    async def read(
        self,
        principal: Principal,
        wanted: Sequence[tuple[Channel, Position | None]],
        *,
        limit: int = EVENTS_MAX,
        max_bytes: int = BYTES_MAX,
        up_to: Mapping[Channel, Position] | None = None,
    ) -> tuple[ChannelChanges, ...]:
        """What ``principal`` missed in each wanted channel, in the order of ``wanted``.

        ``None`` instead of a position: only where the channel is now. ``up_to`` is where
        live delivery takes over (the relay's position); without it, the
        committed head. ``limit`` and ``max_bytes`` are for the whole response. Raises
        Forbidden for a channel the principal may not join, ValidationFailed for one
        without history.
        """
        check_readable(principal, [channel for channel, _ in wanted])
        ends = await self._ends(principal, wanted, up_to or {})
        budget = _Budget(limit, max_bytes)
        return tuple([await self._one(principal, *item, *ends[item[0]], budget) for item in wanted])

    async def _ends(
        self,
        by: Principal,
        wanted: Sequence[tuple[Channel, Position | None]],
        up_to: Mapping[Channel, Position],
    ) -> Mapping[Channel, tuple[Position, Position]]:
        """For each channel, where this response ends, and the last position known to exist.

        Reads committed heads only where the result depends on them.
        """
        needed = [
            channel
            for channel, since in wanted
            if (end := up_to.get(channel)) is None
            or (since is not None and since.epoch == end.epoch and since.offset > end.offset)
        ]
        heads = await self._events.heads(needed, by) if needed else {}
        ends = {**heads, **up_to}
        return {
            channel: (ends[channel], heads.get(channel, ends[channel])) for channel, _ in wanted
        }

    async def _one(
        self,
        by: Principal,
        channel: Channel,
        since: Position | None,
        now: Position,
        head: Position,
        budget: "_Budget",
    ) -> ChannelChanges:
        if since is None or since.epoch != now.epoch or since.offset < 0:
            return ChannelChanges(channel=channel, recovered=False, position=now)
        if since.offset >= now.offset:
            exists = since <= (head if head.epoch == since.epoch else now)
            at = since if exists else now
            return ChannelChanges(channel=channel, recovered=exists, position=at)
        if budget.is_spent:
            return ChannelChanges(channel=channel, recovered=True, more=True, position=since)
        read = await self._events.read(
            channel,
            after=since.offset,
            up_to=now.offset,
            limit=budget.events,
            max_bytes=budget.bytes,
            by=by,
        )
        if not _is_whole(read, after=since):
            return ChannelChanges(channel=channel, recovered=False, position=now)
        events = budget.take(read)
        last = events[-1].position if events else since
        return ChannelChanges(
            channel=channel, recovered=True, events=events, more=last < now, position=last
        )


def check_readable(principal: Principal, channels: Sequence[Channel]) -> None:
    """Raise Forbidden, or ValidationFailed for the channel that keeps no history."""
    if not may_join_all(principal, channels):
        raise Forbidden("You may not join this channel")
    if HUB_STATUS in channels:
        raise ValidationFailed.of("channel", f"{HUB_STATUS} keeps no history")


class _Budget:
    """What the response may still hold."""

    def __init__(self, events: int, max_bytes: int) -> None:
        self.events, self.bytes = events, max_bytes
        self._empty = True

    @property
    def is_spent(self) -> bool:
        return self.events <= 0 or self.bytes <= 0

    def take(self, read: Sequence[EventRecord]) -> tuple[EventRecord, ...]:
        """As many as fit. The first event of a response always fits, so catch-up ends."""
        taken: list[EventRecord] = []
        for record in read[: self.events]:
            size = len(record.payload) + ENVELOPE_BYTES
            if size > self.bytes and not self._empty:
                self.bytes = 0
                break
            self._empty = False
            self.events, self.bytes = self.events - 1, self.bytes - size
            taken.append(record)
        return tuple(taken)


def _is_whole(read: Sequence[EventRecord], *, after: Position) -> bool:
    """Whether history reaches back to ``after`` and has no hole since."""
    return bool(read) and all(
        record.position == (after.epoch, after.offset + n) for n, record in enumerate(read, 1)
    )
