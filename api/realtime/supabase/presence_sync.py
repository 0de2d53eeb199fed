"""One presence out of that of all nodes: what each says of its own clients, the others hear.

A node says what its own clients say, a channel at a time and whole, so that saying it twice
harms nothing. Now and then it says a sum of all its entries. Whoever knows another sum of
that node has missed something, whatever the reason, and asks it to say everything again. A
node's entries go when it is no longer a member; nothing else takes them away.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, Protocol

from actors.domain.channels import Channel
from api.realtime.supabase.presence import Diff, Entry
from api.realtime.supabase.presence_registry import Halls

SAY_EVERY_S: Final = 0.1
"""How often :meth:`Exchange.say` is to be called."""
SUM_EVERY_S: Final = 1.0
RATE_BYTES_PER_S: Final = 131_072
"""What a node says, on average; what waits is said later, each channel in its turn."""
BURST_BYTES: Final = 262_144
_PAGE_BYTES: Final = 65_536
"""Channels are said together up to about this size."""

_NUMBER_BYTES: Final = 8


class OtherNodes(Protocol):
    """The nodes of one hub, as this one sees them."""

    @property
    def me(self) -> str: ...

    @property
    def members(self) -> Collection[str]:
        """Those that are alive, this one included."""
        ...

    def tell(self, said: Mapping[str, Any]) -> None:
        """Say it to all others, in order, if it can be said; never waits, never raises."""
        ...


@dataclass(slots=True)
class _Peer:
    """What is known of another node."""

    channels: set[Channel] = field(default_factory=set)
    """Where its clients say something."""
    sum: int = 0
    unconfirmed: set[Channel] = field(default_factory=set)
    """It says everything again, and has not come to these yet."""


class Exchange:
    """``hear`` what others say, in the order in which each says it; ``say`` all the time."""

    def __init__(self, halls: Halls, others: OtherNodes, monotonic: Callable[[], float]) -> None:
        self._halls, self._others, self._monotonic = halls, others, monotonic
        self._peers: dict[str, _Peer] = {}
        self._missed: dict[str, None] = {}
        """Whom to ask to say everything again."""
        self._sum = 0
        self._unsaid: dict[Channel, None] = {}
        self._again: set[Channel] | None = None
        """Everything is being said again, and these are still to be said."""
        self._begins = False
        self._again_at_s = self._said_at_s = self._refilled_at_s = monotonic()
        self._allowance_bytes = float(BURST_BYTES)
        halls.on_change = self._changed

    def _changed(self, channel: Channel, diff: Diff) -> None:
        self._sum ^= _sum_of(channel, diff)
        self._unsaid[channel] = None

    # --- saying ---

    def say(self) -> None:
        """What there is to say, within what may be said; and the sum, if it is time."""
        self._forget_who_left()
        now_s = self._monotonic()
        refill = (now_s - self._refilled_at_s) * RATE_BYTES_PER_S
        self._allowance_bytes = min(BURST_BYTES, self._allowance_bytes + refill)
        self._refilled_at_s = now_s
        may_say = self._unsaid and self._allowance_bytes > 0
        if not may_say and not self._missed and now_s - self._said_at_s < SUM_EVERY_S:
            return
        self._said_at_s = now_s
        boards, begins = self._page(), self._begins
        ends = self._again is not None and not self._again
        said = {
            "boards": boards,
            "begins": begins,
            "ends": ends,
            "sum": None if self._unsaid else self._sum,
            "missed": list(self._missed),
        }
        self._begins = False
        self._missed.clear()
        if ends:
            self._again = None
        self._others.tell(said)

    def _page(self) -> dict[Channel, list[tuple[str, str, str]]]:
        boards: dict[Channel, list[tuple[str, str, str]]] = {}
        room_bytes = min(self._allowance_bytes, _PAGE_BYTES)
        while self._unsaid and room_bytes > 0:
            channel = next(iter(self._unsaid))
            del self._unsaid[channel]
            own = self._halls.own(channel)
            boards[channel] = [(entry.key, entry.ref, entry.meta.decode()) for entry in own]
            size = len(channel) + sum(entry.size_bytes for entry in own)
            room_bytes -= size
            self._allowance_bytes -= size
            if self._again is not None:
                self._again.discard(channel)
        return boards

    def _say_everything_again(self) -> None:
        """Not twice at once, and not all the time: whoever still misses something asks again."""
        now_s = self._monotonic()
        if self._again is not None or now_s - self._again_at_s < SUM_EVERY_S:
            return
        self._again_at_s, self._begins = now_s, True
        self._again = set(self._halls.own_channels())
        self._unsaid |= dict.fromkeys(self._again)

    # --- hearing ---

    def hear(self, node: str, said: Mapping[str, Any]) -> None:
        """Raises KeyError, TypeError or ValueError for what another version says."""
        if self._others.me in said["missed"]:
            self._say_everything_again()
        if node not in self._others.members:
            return  # its sum will tell, once it is known here
        if node not in self._peers:
            self._forget_who_left()  # it may be the same process, in a new life
        peer = self._peers.setdefault(node, _Peer())
        if said["begins"]:
            peer.unconfirmed = set(peer.channels)
        for channel, board in said["boards"].items():
            entries = (Entry(key, ref, meta.encode()) for key, ref, meta in board)
            self._replace(node, peer, Channel(channel), entries)
        if said["ends"]:
            for channel in list(peer.unconfirmed):
                self._replace(node, peer, channel, ())
        if said["sum"] not in (None, peer.sum):
            self._missed[node] = None

    def _replace(self, node: str, peer: _Peer, channel: Channel, entries: Iterable[Entry]) -> None:
        entries = tuple(entries)
        peer.unconfirmed.discard(channel)
        if entries:
            peer.channels.add(channel)
        else:
            peer.channels.discard(channel)
        if diff := self._halls.replace(node, channel, entries):
            peer.sum ^= _sum_of(channel, diff)

    def _forget_who_left(self) -> None:
        gone = self._peers.keys() - set(self._others.members) if self._peers else ()
        for node in gone:
            peer = self._peers.pop(node)
            for channel in list(peer.channels):
                self._replace(node, peer, channel, ())


def _sum_of(channel: Channel, diff: Diff) -> int:
    """By which a sum changes: the entries that came and those that went, in any order."""
    total = 0
    for entry in (*diff.joins, *diff.leaves):
        named = blake2b(f"{channel}\0{entry.ref}".encode(), digest_size=_NUMBER_BYTES)
        total ^= int.from_bytes(named.digest())
    return total
