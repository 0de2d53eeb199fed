"""Anti-entropy of presence: each node publishes the metas of its own clients.

A node publishes its metas one channel at a time and always whole, so that a repetition is
harmless. Every second it also publishes a digest of all its metas. A node whose own digest of
that peer differs has missed an update, and requests a resync: the peer then publishes every
channel again. The metas of a peer are removed when it is no longer a member of the cluster.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, Protocol, TypedDict

from actors.domain.channels import Channel
from api.realtime.supabase.presence import PresenceDiff, PresenceMeta
from api.realtime.supabase.presence_registry import PresenceRegistry

PUBLISH_EVERY_S: Final = 0.1
"""How often :meth:`PresenceSync.publish` is to be called."""
DIGEST_EVERY_S: Final = 1.0
RATE_BYTES_PER_S: Final = 131_072
"""The average rate of a node's updates; channels that exceed it wait for their turn."""
BURST_BYTES: Final = 262_144
_UPDATE_BYTES: Final = 65_536
"""The approximate size of one update."""

_HASH_BYTES: Final = 8


class PresenceUpdate(TypedDict):
    """What a node publishes. Nodes of other versions read it, so its keys are stable."""

    boards: Mapping[Channel, Sequence[tuple[str, str, str]]]
    """Channels whose metas replace the earlier ones, each meta as key, ref and JSON."""
    begins: bool
    """A resync begins with this update."""
    ends: bool
    """The resync is complete: channels that it did not contain are empty."""
    sum: int | None
    """The digest of all metas of the node; ``None`` while channels wait to be published."""
    missed: Sequence[str]
    """Nodes that are requested to resync."""


class PresencePeers(Protocol):
    """The nodes of the cluster, as this node sees them."""

    @property
    def me(self) -> str: ...

    @property
    def members(self) -> Collection[str]:
        """The living nodes, with this one."""
        ...

    def publish(self, update: PresenceUpdate) -> None:
        """Sends the update to all other nodes, in order but not reliably; never waits."""
        ...


@dataclass(slots=True)
class _PeerState:
    """What this node knows of a peer's clients."""

    channels: dict[Channel, bool] = field(default_factory=dict)
    """The channels with metas; false until the resync under way has contained them."""
    digest: int = 0


class PresenceSync:
    """Publishes this node's presence, and applies the updates of its peers."""

    def __init__(
        self, registry: PresenceRegistry, peers: PresencePeers, monotonic: Callable[[], float]
    ) -> None:
        self._registry, self._peers, self._monotonic = registry, peers, monotonic
        self._peer_states: dict[str, _PeerState] = {}
        self._missed: dict[str, None] = {}
        """Peers to request a resync from, in order."""
        self._digest = 0
        self._unpublished: dict[Channel, None] = {}
        self._resyncing: set[Channel] | None = None
        """The channels that the resync under way still has to publish."""
        self._resync_begins = False
        self._resynced_at_s = self._published_at_s = self._refilled_at_s = monotonic()
        self._budget_bytes = float(BURST_BYTES)
        registry.on_local_change(self._local_change)

    def _local_change(self, channel: Channel, diff: PresenceDiff) -> None:
        self._digest ^= _digest_change(channel, diff)
        self._unpublished[channel] = None

    # --- publishing ---

    def publish(self) -> None:
        """Publishes changed channels within the rate, and the digest every second."""
        self._remove_gone_peers()
        now_s = self._monotonic()
        refill = (now_s - self._refilled_at_s) * RATE_BYTES_PER_S
        self._budget_bytes = min(BURST_BYTES, self._budget_bytes + refill)
        self._refilled_at_s = now_s
        has_changes = self._unpublished and self._budget_bytes > 0
        is_digest_due = now_s - self._published_at_s >= DIGEST_EVERY_S
        if not (has_changes or self._missed or is_digest_due):
            return
        self._published_at_s = now_s
        boards, begins = self._next_channels(), self._resync_begins
        ends = self._resyncing is not None and not self._resyncing
        update = PresenceUpdate(
            boards=boards,
            begins=begins,
            ends=ends,
            sum=None if self._unpublished else self._digest,
            missed=list(self._missed),
        )
        self._resync_begins = False
        self._missed.clear()
        if ends:
            self._resyncing = None
        self._peers.publish(update)

    def _next_channels(self) -> dict[Channel, list[tuple[str, str, str]]]:
        boards: dict[Channel, list[tuple[str, str, str]]] = {}
        left_bytes = min(self._budget_bytes, _UPDATE_BYTES)
        while self._unpublished and left_bytes > 0:
            channel = next(iter(self._unpublished))
            del self._unpublished[channel]
            metas = self._registry.local(channel)
            boards[channel] = [(meta.key, meta.ref, meta.json.decode()) for meta in metas]
            size_bytes = len(channel) + sum(meta.size_bytes for meta in metas)
            left_bytes -= size_bytes
            self._budget_bytes -= size_bytes
            if self._resyncing is not None:
                self._resyncing.discard(channel)
        return boards

    def _resync(self) -> None:
        """Begins a resync, at most once a second; peers repeat their requests."""
        now_s = self._monotonic()
        if self._resyncing is not None or now_s - self._resynced_at_s < DIGEST_EVERY_S:
            return
        self._resynced_at_s, self._resync_begins = now_s, True
        self._resyncing = set(self._registry.local_channels())
        self._unpublished |= dict.fromkeys(self._resyncing)

    # --- receiving ---

    def receive(self, node: str, update: Mapping[str, Any]) -> None:
        """Applies the :class:`PresenceUpdate` of a peer, in the order of its updates.

        Raises KeyError, TypeError or ValueError for an update of an unknown form.
        """
        if self._peers.me in update["missed"]:
            self._resync()
        if node not in self._peers.members:
            return  # once it is a member, its digest shows what was missed
        if node not in self._peer_states:
            self._remove_gone_peers()  # it may be the same process under a new name
        peer = self._peer_states.setdefault(node, _PeerState())
        if update["begins"]:
            peer.channels = dict.fromkeys(peer.channels, False)
        for channel, board in update["boards"].items():
            metas = [PresenceMeta(key, ref, meta.encode()) for key, ref, meta in board]
            self._replace(node, peer, Channel(channel), metas)
        if update["ends"]:
            for channel in [channel for channel, seen in peer.channels.items() if not seen]:
                self._replace(node, peer, channel, ())
        if update["sum"] not in (None, peer.digest):
            self._missed[node] = None

    def _replace(
        self, node: str, peer: _PeerState, channel: Channel, metas: Sequence[PresenceMeta]
    ) -> None:
        if metas:
            peer.channels[channel] = True
        else:
            peer.channels.pop(channel, None)
        if diff := self._registry.replace_node(node, channel, metas):
            peer.digest ^= _digest_change(channel, diff)

    def _remove_gone_peers(self) -> None:
        gone = self._peer_states.keys() - set(self._peers.members) if self._peer_states else ()
        for node in gone:
            peer = self._peer_states.pop(node)
            for channel in list(peer.channels):
                self._replace(node, peer, channel, ())


def _digest_change(channel: Channel, diff: PresenceDiff) -> int:
    """The XOR of the hashes of all metas in the diff; their order does not matter."""
    change = 0
    for meta in (*diff.joins, *diff.leaves):
        data = f"{channel}\0{meta.ref}".encode()
        change ^= int.from_bytes(blake2b(data, digest_size=_HASH_BYTES).digest())
    return change
