"""This node, as far as its calendars and its events need to know that there are others."""

from dataclasses import dataclass

from actors.ports.calendars import CalendarStore
from actors.ports.clock import Clock
from hub.cluster.calendars.claims import ClaimingStore
from hub.cluster.members.membership import Membership
from hub.cluster.settings import ClusterSettings, RedisSettings
from hub.cluster.stream.publisher import StreamPublisher
from hub.cluster.stream.redis_stream import RedisStreamWriter


@dataclass(frozen=True, kw_only=True, slots=True)
class LocalNode:
    """Owns no calendar and publishes nothing to others until it has joined the cluster."""

    membership: Membership
    claims: ClaimingStore
    writer: RedisStreamWriter
    publisher: StreamPublisher


def local_node(
    settings: ClusterSettings,
    redis: RedisSettings,
    store: CalendarStore,
    clock: Clock,
) -> LocalNode:
    membership = Membership(clock, lease_s=settings.lease_s)
    writer = RedisStreamWriter(redis)
    return LocalNode(
        membership=membership,
        claims=ClaimingStore(store, membership),
        writer=writer,
        publisher=StreamPublisher(membership, writer),
    )
