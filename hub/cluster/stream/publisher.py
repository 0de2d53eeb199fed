"""Publishes this node's events, figures and presence to the other nodes."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from cachetools import FIFOCache

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.ports.events import EventRecord
from api.realtime.supabase.presence_sync import PresenceUpdate
from hub.cluster.members.membership import Membership
from hub.cluster.stream.entries import EntryKind, StreamEntry, encode
from hub.cluster.stream.redis_stream import RedisStreamWriter

_OWN_EVENTS_MAX: Final = 50_000
"""Own events whose broadcast is not yet recorded."""


class StreamPublisher:
    """Numbers and signs the entries of this node. Nothing in here waits or raises.

    An entry that cannot be sent has a number as well, so that the other nodes notice its loss.
    """

    def __init__(self, membership: Membership, writer: RedisStreamWriter) -> None:
        self._members, self._writer = membership, writer
        self._number, self._incarnation = 0, ""
        self._own: FIFOCache[tuple[Channel, Position], None] = FIFOCache(_OWN_EVENTS_MAX)

    def publish_events(self, records: Sequence[EventRecord]) -> None:
        """Events that this node has committed."""
        for record in records:
            self._own[record.channel, record.position] = None
        self._publish(EntryKind.EVENTS, records=records)

    def take_own(self, record: EventRecord) -> bool:
        """Whether this node committed the event, and so records its delivery; true only once."""
        key = record.channel, record.position
        if key not in self._own:
            return False
        del self._own[key]
        return True

    def publish_beat(self, figures: Mapping[str, object]) -> None:
        """To be called once a second, so that the others notice the loss of a last event."""
        self._publish(EntryKind.BEAT, body=figures)

    def publish_presence(self, update: PresenceUpdate) -> None:
        self._publish(EntryKind.PRESENCE, body=update)

    def _publish(
        self,
        kind: EntryKind,
        *,
        records: Sequence[EventRecord] = (),
        body: Mapping[str, object] | None = None,
    ) -> None:
        if self._incarnation != self._members.me:
            self._incarnation, self._number = self._members.me, 0
        self._number += 1
        entry = StreamEntry(
            node=self._incarnation,
            number=self._number,
            kind=kind,
            records=records,
            body=body or {},
        )
        self._writer.send(encode(entry, self._members.key))


class StreamPeers:
    """Implements :class:`api.realtime.supabase.presence_sync.PresencePeers`."""

    def __init__(self, membership: Membership, publisher: StreamPublisher) -> None:
        self._members, self._publisher = membership, publisher

    @property
    def me(self) -> str:
        return self._members.me

    @property
    def members(self) -> Collection[str]:
        """As last read from the database: also a node that lost its lease knows the others."""
        return tuple(node.id for node in self._members.roster.nodes)

    def publish(self, update: PresenceUpdate) -> None:
        self._publisher.publish_presence(update)
