"""Presence: who of a channel's clients says that they are there, and with what; pure.

One board a channel. Each connection has at most one entry under its key; several may share
a key. Bounded in bytes, for a board is written whole to everybody who joins.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

KEY_CHARS_MAX: Final = 128
META_BYTES_MAX: Final = 4_096
"""What one client may say of itself, as JSON."""
BOARD_BYTES_MAX: Final = 65_536
"""What all clients of a channel may say together."""

_RESERVED_KEYS: Final = frozenset({"ids", "__proto__"})
"""Clients take a state with a key ``ids`` for a change of the database, and break."""
_OURS: Final = frozenset({"phx_ref", "phx_ref_prev", "presence_ref"})
"""Fields that tell entries apart: nobody says them of themselves."""


class TooMuch(Exception):
    """The entry is too large, or the board is full; the text says which."""


@dataclass(frozen=True, slots=True)
class _Entry:
    key: str
    ref: str
    meta: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.key) + len(self.meta)


@dataclass(frozen=True, slots=True)
class Diff:
    """What ``presence_diff`` tells: ``{"joins": …, "leaves": …}`` as JSON."""

    payload: bytes


def is_key(text: str) -> bool:
    return 0 < len(text) <= KEY_CHARS_MAX and text not in _RESERVED_KEYS


class Board:
    """The entries of one channel, by an owner that the caller names (a connection)."""

    def __init__(self) -> None:
        self._entries: dict[object, _Entry] = {}
        self._size_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def track(self, owner: object, key: str, said: Mapping[str, Any], ref: str) -> Diff:
        """The owner is there, or says something else now. Raises :class:`TooMuch`."""
        meta = {name: value for name, value in said.items() if name not in _OURS}
        before = self._entries.get(owner)
        if before is not None:
            meta["phx_ref_prev"] = before.ref
        entry = _Entry(key, ref, _written({**meta, "phx_ref": ref}))
        if len(entry.meta) > META_BYTES_MAX:
            raise TooMuch(f"a presence has at most {META_BYTES_MAX} bytes")
        size_bytes = self._size_bytes + entry.size_bytes - (before.size_bytes if before else 0)
        if size_bytes > BOARD_BYTES_MAX:
            raise TooMuch("the presence of this channel is full")
        self._entries[owner], self._size_bytes = entry, size_bytes
        return Diff(_diff((entry,), (before,) if before else ()))

    def untrack(self, owner: object) -> Diff | None:
        """The owner is gone; ``None`` if it was not there."""
        entry = self._entries.pop(owner, None)
        if entry is None:
            return None
        self._size_bytes -= entry.size_bytes
        return Diff(_diff((), (entry,)))

    def state(self) -> bytes:
        """``{key: {"metas": […]}}`` of everybody, as JSON."""
        return orjson.dumps(_by_key(tuple(self._entries.values())))


def _written(meta: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(meta)
    except (orjson.JSONEncodeError, RecursionError):  # nested deeper than can be written
        raise TooMuch("a presence is not nested that deeply") from None


def _diff(joins: tuple[_Entry, ...], leaves: tuple[_Entry, ...]) -> bytes:
    return orjson.dumps({"joins": _by_key(joins), "leaves": _by_key(leaves)})


def _by_key(entries: tuple[_Entry, ...]) -> dict[str, dict[str, list[orjson.Fragment]]]:
    found: dict[str, dict[str, list[orjson.Fragment]]] = {}
    for entry in entries:
        found.setdefault(entry.key, {"metas": []})["metas"].append(orjson.Fragment(entry.meta))
    return found
