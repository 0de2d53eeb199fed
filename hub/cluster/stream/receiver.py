"""Receives what all nodes publish, and hands it to the parts of this node."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import structlog

from actors.ports.clock import Clock
from actors.relay.relay import Relay
from actors.relay.repair import ChannelRepair
from hub.cluster.members.membership import Membership
from hub.cluster.settings import RedisSettings
from hub.cluster.stream.continuity import Continuity
from hub.cluster.stream.entries import EntryKind, StreamEntry, UnreadableEntry, decode
from hub.cluster.stream.redis_stream import RedisStreamReader

log = structlog.get_logger(__name__)

_SILENCE_S: Final = 3.0

OnPresence = Callable[[str, Mapping[str, Any]], None]
"""Gets the node and its update; raises KeyError, TypeError or ValueError if it is unreadable."""


class Beat(NamedTuple):
    received_s: float
    """On the monotonic clock."""
    figures: Mapping[str, Any]


class StreamReceiver:
    """While entries may be missing, caches are cleared; once they are, all is read again."""

    def __init__(
        self,
        redis: RedisSettings,
        membership: Membership,
        clock: Clock,
        *,
        relay: Relay,
        repair: ChannelRepair,
        clear_caches: Callable[[], None],
        reopen_calendars: Callable[[], None],
        on_presence: OnPresence,
    ) -> None:
        self._members, self._clock = membership, clock
        self._relay, self._repair = relay, repair
        self._clear_caches, self._reopen_calendars = clear_caches, reopen_calendars
        self._on_presence = on_presence
        self._continuity = Continuity(silence_s=_SILENCE_S)
        self.reader = RedisStreamReader(redis, on_entry=self._receive, on_gap=self._gap)
        self.beats: dict[str, Beat] = {}
        """The last beat of each node."""
        self.gaps = 0
        """How often entries may have been missed."""
        self.lag_ms = 0.0
        """Between the commit of another node's last event and its receipt."""

    def check_silence(self) -> None:
        """To be called regularly: the stream of a silent member proves nothing."""
        now_s, members = self._clock.monotonic(), self._members.view.nodes
        self._continuity.keep_only(members)
        self.beats = {node: beat for node, beat in self.beats.items() if node in members}
        silent = self._continuity.silent(members, now_s)
        if silent:
            self._clear_caches()
        if self._members.me in silent and self.reader.up:
            self.reader.restart()  # this node's own beats do not return

    def _receive(self, raw: bytes) -> None:
        try:
            entry = decode(raw, self._members.key)
        except UnreadableEntry as error:
            log.warning("entry_unreadable", error=str(error))
            return
        now_s = self._clock.monotonic()
        if not self._continuity.received(entry.node, entry.number, now_s):
            self._gap("an entry is missing")
        if entry.kind is EntryKind.BEAT:
            self.beats[entry.node] = Beat(now_s, entry.body)
        elif entry.node != self._members.me:
            self._receive_of_peer(entry)

    def _receive_of_peer(self, entry: StreamEntry) -> None:
        if entry.kind is EntryKind.PRESENCE:
            try:
                self._on_presence(entry.node, entry.body)
            except (KeyError, TypeError, ValueError) as error:  # of another version
                log.warning("entry_unreadable", error=type(error).__name__)
        elif entry.kind is EntryKind.EVENTS and entry.records:
            self._relay.receive(entry.records)
            lag = self._clock.now() - entry.records[-1].time
            self.lag_ms = max(0.0, lag.total_seconds() * 1_000)

    def _gap(self, why: str) -> None:
        self.gaps += 1
        self._clear_caches()
        self._reopen_calendars()
        self._repair.request()
        log.debug("stream_gap", why=why)
