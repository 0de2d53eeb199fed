"""Presence of every channel, and who is told of it.

A hall is there as long as somebody watches it or has an entry on its board, here or at
another node (:mod:`api.realtime.supabase.presence_sync`).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import orjson

from actors.domain.channels import Channel
from actors.ports.clock import NewId
from api.realtime.rooms.subscribers import Once
from api.realtime.supabase.presence import Board, Diff, Entry
from api.realtime.supabase.topic import Topic


class _Hall:
    def __init__(self) -> None:
        self.board = Board()
        self.watchers: dict[Topic, None] = {}


class Halls:
    def __init__(self, new_id: NewId) -> None:
        self._halls: dict[Channel, _Hall] = {}
        self._new_id = new_id
        self.on_change: Callable[[Channel, Diff], None] = lambda _channel, _diff: None
        """Told of what this node's clients say and take back."""

    def __len__(self) -> int:
        return len(self._halls)

    def watch(self, topic: Topic) -> None:
        """Write who is there, and from now on who comes and goes."""
        channel = topic.channel
        if channel is None or not topic.carries_presence:
            topic.push("presence_state", {})
            return
        hall = self._halls.setdefault(channel, _Hall())
        topic.push("presence_state", orjson.Fragment(hall.board.state()))
        hall.watchers[topic] = None

    def track(self, topic: Topic, said: Mapping[str, Any]) -> None:
        """Raises :class:`~api.realtime.supabase.presence.TooMuch`."""
        channel = topic.channel
        assert channel is not None, "names of the client's own carry no presence"
        hall = self._halls.setdefault(channel, _Hall())
        try:
            diff = hall.board.track(topic, topic.presence_key, said, self._new_id())
        finally:
            self._drop_if_empty(channel)
        self._tell(hall, diff)
        self.on_change(channel, diff)

    def untrack(self, topic: Topic) -> None:
        if (hall := self._hall(topic)) is None:
            return
        if diff := hall.board.untrack(topic):
            self._tell(hall, diff)
            assert topic.channel is not None
            self.on_change(topic.channel, diff)

    def leave(self, topic: Topic) -> None:
        """The topic was left: it is no longer there, and is told nothing more."""
        if (hall := self._hall(topic)) is None:
            return
        hall.watchers.pop(topic, None)
        self.untrack(topic)
        assert topic.channel is not None
        self._drop_if_empty(topic.channel)

    # --- for the other nodes ---

    def own(self, channel: Channel) -> Sequence[Entry]:
        """What this node's clients say there."""
        hall = self._halls.get(channel)
        return () if hall is None else hall.board.own

    def own_channels(self) -> Sequence[Channel]:
        return [channel for channel, hall in self._halls.items() if hall.board.own]

    def replace(self, node: str, channel: Channel, entries: Iterable[Entry]) -> Diff | None:
        """What another node's clients say there now, all of it; ``None`` if it is known."""
        hall = self._halls.setdefault(channel, _Hall())
        if diff := hall.board.replace(node, entries):
            self._tell(hall, diff)
        self._drop_if_empty(channel)
        return diff

    # ---

    def _hall(self, topic: Topic) -> _Hall | None:
        return None if topic.channel is None else self._halls.get(topic.channel)

    def _drop_if_empty(self, channel: Channel) -> None:
        hall = self._halls[channel]
        if not hall.watchers and not len(hall.board):
            del self._halls[channel]

    @staticmethod
    def _tell(hall: _Hall, diff: Diff) -> None:
        if not hall.watchers:
            return
        once, payload = Once(), orjson.Fragment(diff.payload)
        for each in hall.watchers:
            each.write(once(each.vsn, partial(each.frame, "presence_diff", payload)))
