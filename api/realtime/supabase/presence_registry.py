"""The presence of every channel, and the topics that watch it.

A channel is kept while a topic watches it or it has a meta, of this node or of another one
(:mod:`api.realtime.supabase.presence_sync`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

import orjson

from actors.domain.channels import Channel
from actors.ports.clock import NewId
from api.realtime.rooms.subscribers import WireForms
from api.realtime.supabase.presence import PresenceDiff, PresenceMeta, PresenceState
from api.realtime.supabase.topic import Topic

LocalListener = Callable[[Channel, PresenceDiff], None]


class _WatchedState:
    """The presence of one channel, and the topics that watch it."""

    def __init__(self) -> None:
        self.state = PresenceState()
        self.watchers: dict[Topic, None] = {}


class PresenceRegistry:
    """Applies changes of presence and pushes the diffs to the watching topics."""

    def __init__(self, new_id: NewId) -> None:
        self._channels: dict[Channel, _WatchedState] = {}
        self._new_id = new_id
        self._local_listeners: list[LocalListener] = []

    def __len__(self) -> int:
        return len(self._channels)

    def on_local_change(self, listener: LocalListener) -> None:
        """Calls ``listener`` with each diff that this node's clients cause, from now on."""
        self._local_listeners.append(listener)

    def watch(self, topic: Topic) -> None:
        """Pushes the state to the topic now, and every diff from now on."""
        channel = topic.channel
        if channel is None or not topic.carries_presence:
            topic.push("presence_state", {})
            return
        watched = self._channels.setdefault(channel, _WatchedState())
        topic.push("presence_state", orjson.Fragment(watched.state.payload()))
        watched.watchers[topic] = None

    def track(self, topic: Topic, meta: Mapping[str, object]) -> None:
        """Raises :class:`~api.realtime.supabase.presence.PresenceLimitExceeded`."""
        channel = topic.channel
        assert channel is not None, "only channels of the hub carry presence"
        watched = self._channels.setdefault(channel, _WatchedState())
        try:
            diff = watched.state.track(topic, topic.presence_key, meta, self._new_id())
        finally:
            self._drop_if_unused(channel)
        self._local_change(channel, watched, diff)

    def untrack(self, topic: Topic) -> None:
        channel = topic.channel
        if channel is None or (watched := self._channels.get(channel)) is None:
            return
        if diff := watched.state.untrack(topic):
            self._local_change(channel, watched, diff)

    def leave(self, topic: Topic) -> None:
        """Removes the meta of the topic, and the topic from the watchers."""
        channel = topic.channel
        if channel is None or (watched := self._channels.get(channel)) is None:
            return
        watched.watchers.pop(topic, None)
        self.untrack(topic)
        self._drop_if_unused(channel)

    # --- for the other nodes ---

    def local(self, channel: Channel) -> Sequence[PresenceMeta]:
        """The metas of this node's clients in the channel."""
        watched = self._channels.get(channel)
        return () if watched is None else watched.state.local

    def local_channels(self) -> Sequence[Channel]:
        return [channel for channel, watched in self._channels.items() if watched.state.local]

    def replace_node(
        self, node: str, channel: Channel, metas: Iterable[PresenceMeta]
    ) -> PresenceDiff | None:
        """Replaces another node's metas in the channel; ``None`` if nothing changes."""
        watched = self._channels.setdefault(channel, _WatchedState())
        if diff := watched.state.replace_node(node, metas):
            self._push_diff(watched, diff)
        self._drop_if_unused(channel)
        return diff

    def _local_change(self, channel: Channel, watched: _WatchedState, diff: PresenceDiff) -> None:
        self._push_diff(watched, diff)
        for listener in self._local_listeners:
            listener(channel, diff)

    @staticmethod
    def _push_diff(watched: _WatchedState, diff: PresenceDiff) -> None:
        if not watched.watchers:
            return
        forms, payload = WireForms(), orjson.Fragment(diff.payload)
        for topic in watched.watchers:
            frame = partial(topic.shared_frame, "presence_diff", payload)
            topic.write(forms((topic.vsn, topic.name), frame))

    def _drop_if_unused(self, channel: Channel) -> None:
        watched = self._channels[channel]
        if not watched.watchers and not len(watched.state):
            del self._channels[channel]
