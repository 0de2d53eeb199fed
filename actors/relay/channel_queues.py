"""The queues of all channels, and where each channel is."""

from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.ports.events import EventLog, EventRecord
from actors.relay.channel_queue import ChannelQueue


class ChannelQueues:
    """Finds the queue of a channel, and forgets queues that have been idle for long.

    At most ``idle_max`` queues are kept, not counting those with work. A channel without a
    queue is at its committed head: nothing of it waits to be broadcast here.
    """

    def __init__(self, events: EventLog, *, idle_max: int) -> None:
        self._events, self._idle_max = events, idle_max
        self._queues: OrderedDict[Channel, ChannelQueue] = OrderedDict()
        self._lookups: Counter[Channel] = Counter()
        """Lookups of a head that are under way, by channel."""

    def __iter__(self) -> Iterator[ChannelQueue]:
        return iter(tuple(self._queues.values()))

    def is_followed(self, channel: Channel) -> bool:
        """Whether a position of the channel was looked up here, or is being looked up."""
        return channel in self._queues or self._lookups[channel] > 0

    def queue_of(self, record: EventRecord) -> ChannelQueue:
        """The queue that an event belongs to; an event of a new epoch begins a new queue."""
        queue = self._queues.get(record.channel)
        if queue is not None and record.position.epoch <= queue.epoch:
            return queue
        fresh = ChannelQueue(record.channel, record.position.before(1))
        if queue is not None:
            fresh.inherit(queue)
        self._keep(fresh)
        return fresh

    def extend(self, channel: Channel, head: Position) -> ChannelQueue | None:
        """Note the committed head of a channel; returns its queue if that is behind."""
        queue = self._queues.get(channel)
        if queue is None:
            return None
        if head.epoch > queue.epoch:
            self._keep(ChannelQueue(channel, head))
            return None
        return queue if head.epoch == queue.epoch and queue.extend_to(head.offset) else None

    async def positions(self, channels: Sequence[Channel]) -> Mapping[Channel, Position]:
        """See :meth:`actors.relay.relay.Relay.positions`."""
        found: dict[Channel, Position] = {}
        unknown = [channel for channel in channels if channel not in self._queues]
        self._lookups.update(unknown)
        try:
            heads = await self._events.heads(unknown) if unknown else {}
        finally:
            self._lookups.subtract(unknown)
            self._lookups = +self._lookups
        for channel in channels:
            queue = self._queues.get(channel)
            if queue is None:
                # Its queue may have been forgotten during the lookup of the others.
                head = heads.get(channel) or (await self._events.heads([channel]))[channel]
                queue = self._queues.get(channel) or ChannelQueue(channel, head)
            self._keep(queue)
            found[channel] = queue.position
        return found

    def _keep(self, queue: ChannelQueue) -> None:
        self._queues[queue.channel] = queue
        self._queues.move_to_end(queue.channel)
        surplus = len(self._queues) - self._idle_max
        if surplus > 0:
            idle = (name for name, old in self._queues.items() if old.is_idle and old is not queue)
            for name in list(islice(idle, surplus)):
                del self._queues[name]
