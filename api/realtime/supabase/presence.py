"""Presence: who of a channel's clients says that they are there, and with what; pure.

One board a channel. Each connection has at most one entry under its key; several may share
a key. What clients of other nodes say stands on it, too: a node's entries are replaced whole.
Bounded in bytes, for a board is written whole to everybody who joins.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import orjson

KEY_CHARS_MAX: Final = 128
META_BYTES_MAX: Final = 4_096
"""What one client may say of itself, as JSON."""
BOARD_BYTES_MAX: Final = 65_536
"""What all clients of a channel may say together. Nodes that let somebody in at the same
moment do not know of each other: what comes from there is taken all the same."""

_RESERVED_KEYS: Final = frozenset({"ids", "__proto__"})
"""Clients take a state with a key ``ids`` for a change of the database, and break."""
_OURS: Final = frozenset({"phx_ref", "phx_ref_prev", "presence_ref"})
"""Fields that tell entries apart: nobody says them of themselves."""


class TooMuch(Exception):
    """The entry is too large, or the board is full; the text says which."""


@dataclass(frozen=True, slots=True)
class Entry:
    key: str
    ref: str
    """Of this entry alone: whoever says something else has another one."""
    meta: bytes
    """JSON, with ``phx_ref``."""

    @property
    def size_bytes(self) -> int:
        return len(self.key) + len(self.meta)


@dataclass(frozen=True, slots=True)
class Diff:
    """Who came and who went; who says something else did both."""

    joins: tuple[Entry, ...]
    leaves: tuple[Entry, ...]

    @property
    def payload(self) -> bytes:
        """What ``presence_diff`` tells: ``{"joins": …, "leaves": …}`` as JSON."""
        return orjson.dumps({"joins": _by_key(self.joins), "leaves": _by_key(self.leaves)})


def is_key(text: str) -> bool:
    return 0 < len(text) <= KEY_CHARS_MAX and text not in _RESERVED_KEYS


class Board:
    """The entries of one channel, by an owner that the caller names (a connection)."""

    def __init__(self) -> None:
        self._entries: dict[object, Entry] = {}
        self._elsewhere: dict[str, dict[str, Entry]] = {}
        """By node, then by ``ref``."""
        self._size_bytes = 0

    def __len__(self) -> int:
        return len(self._entries) + sum(map(len, self._elsewhere.values()))

    @property
    def own(self) -> tuple[Entry, ...]:
        """Of this node's clients."""
        return tuple(self._entries.values())

    def track(self, owner: object, key: str, said: Mapping[str, Any], ref: str) -> Diff:
        """The owner is there, or says something else now. Raises :class:`TooMuch`."""
        meta = {name: value for name, value in said.items() if name not in _OURS}
        before = self._entries.get(owner)
        if before is not None:
            meta["phx_ref_prev"] = before.ref
        entry = Entry(key, ref, _written({**meta, "phx_ref": ref}))
        if len(entry.meta) > META_BYTES_MAX:
            raise TooMuch(f"a presence has at most {META_BYTES_MAX} bytes")
        diff = Diff((entry,), (before,) if before else ())
        if self._size_bytes + _growth_bytes(diff) > BOARD_BYTES_MAX:
            raise TooMuch("the presence of this channel is full")
        self._entries[owner] = entry
        return self._counted(diff)

    def untrack(self, owner: object) -> Diff | None:
        """The owner is gone; ``None`` if it was not there."""
        entry = self._entries.pop(owner, None)
        return None if entry is None else self._counted(Diff((), (entry,)))

    def replace(self, node: str, entries: Iterable[Entry]) -> Diff | None:
        """These, and no others, another node's clients say; ``None`` if that is known."""
        before = self._elsewhere.pop(node, {})
        after = {entry.ref: entry for entry in entries}
        if after:
            self._elsewhere[node] = after
        joins = tuple(entry for ref, entry in after.items() if ref not in before)
        leaves = tuple(entry for ref, entry in before.items() if ref not in after)
        return self._counted(Diff(joins, leaves)) if joins or leaves else None

    def state(self) -> bytes:
        """``{key: {"metas": […]}}`` of everybody, as JSON."""
        elsewhere = chain.from_iterable(each.values() for each in self._elsewhere.values())
        return orjson.dumps(_by_key(chain(self._entries.values(), elsewhere)))

    def _counted(self, diff: Diff) -> Diff:
        self._size_bytes += _growth_bytes(diff)
        return diff


def _growth_bytes(diff: Diff) -> int:
    return sum(e.size_bytes for e in diff.joins) - sum(e.size_bytes for e in diff.leaves)


def _written(meta: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(meta)
    except (orjson.JSONEncodeError, RecursionError):  # nested deeper than can be written
        raise TooMuch("a presence is not nested that deeply") from None


def _by_key(entries: Iterable[Entry]) -> dict[str, dict[str, list[orjson.Fragment]]]:
    found: dict[str, dict[str, list[orjson.Fragment]]] = {}
    for entry in entries:
        found.setdefault(entry.key, {"metas": []})["metas"].append(orjson.Fragment(entry.meta))
    return found
