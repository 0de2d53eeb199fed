"""Presence of one channel: its state, diffs and limits; pure.

Each connection has at most one meta, under its presence key; several connections may share a
key. The state also holds the metas of other nodes. It is bounded in bytes, because it is sent
whole to each client that joins.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

import orjson

KEY_CHARS_MAX: Final = 128
META_BYTES_MAX: Final = 4_096
"""The meta of one client, as JSON."""
STATE_BYTES_MAX: Final = 65_536
"""All metas of a channel together. Only ``track`` refuses what is more: nodes that accept
clients at the same moment may exceed it together."""

_RESERVED_KEYS: Final = frozenset({"ids", "__proto__"})
"""Clients mistake a state with the key ``ids`` for a change of the database."""
_RESERVED_FIELDS: Final = frozenset({"phx_ref", "phx_ref_prev", "presence_ref"})
"""Fields that identify metas; clients cannot set them."""


class PresenceLimitExceeded(Exception):
    """The meta is too large, or the channel's state is full; the text says which."""


@dataclass(frozen=True, slots=True)
class PresenceMeta:
    """What one connection publishes about itself."""

    key: str
    ref: str
    """Unique; an update of the meta has another one."""
    json: bytes
    """The meta as JSON, with ``phx_ref``."""

    @property
    def size_bytes(self) -> int:
        return len(self.key) + len(self.json)


@dataclass(frozen=True, slots=True)
class PresenceDiff:
    """The difference between two states; an update is a leave and a join."""

    joins: tuple[PresenceMeta, ...]
    leaves: tuple[PresenceMeta, ...]

    @property
    def payload(self) -> bytes:
        """The payload of ``presence_diff``, ``{"joins": ..., "leaves": ...}``, as JSON."""
        return orjson.dumps({"joins": _by_key(self.joins), "leaves": _by_key(self.leaves)})

    @property
    def growth_bytes(self) -> int:
        return sum(m.size_bytes for m in self.joins) - sum(m.size_bytes for m in self.leaves)


def is_presence_key(text: str) -> bool:
    return 0 < len(text) <= KEY_CHARS_MAX and text not in _RESERVED_KEYS


class PresenceState:
    """The metas of one channel: of this node by connection, and of other nodes."""

    def __init__(self) -> None:
        self._local: dict[object, PresenceMeta] = {}
        self._remote: dict[str, dict[str, PresenceMeta]] = {}
        """By node, then by ``ref``."""
        self._size_bytes = 0

    def __len__(self) -> int:
        return len(self._local) + sum(map(len, self._remote.values()))

    @property
    def local(self) -> tuple[PresenceMeta, ...]:
        """The metas of this node's clients."""
        return tuple(self._local.values())

    def track(
        self, owner: object, key: str, fields: Mapping[str, object], ref: str
    ) -> PresenceDiff:
        """Sets or updates the owner's meta. Raises :class:`PresenceLimitExceeded`."""
        meta = {name: value for name, value in fields.items() if name not in _RESERVED_FIELDS}
        before = self._local.get(owner)
        if before is not None:
            meta["phx_ref_prev"] = before.ref
        after = PresenceMeta(key, ref, _encode({**meta, "phx_ref": ref}))
        if len(after.json) > META_BYTES_MAX:
            raise PresenceLimitExceeded(f"a presence has at most {META_BYTES_MAX} bytes")
        diff = PresenceDiff((after,), (before,) if before else ())
        if self._size_bytes + diff.growth_bytes > STATE_BYTES_MAX:
            raise PresenceLimitExceeded("the presence of this channel is full")
        self._local[owner] = after
        return self._counted(diff)

    def untrack(self, owner: object) -> PresenceDiff | None:
        """Removes the owner's meta; ``None`` if it has none."""
        meta = self._local.pop(owner, None)
        return None if meta is None else self._counted(PresenceDiff((), (meta,)))

    def replace_node(self, node: str, metas: Iterable[PresenceMeta]) -> PresenceDiff | None:
        """Replaces all metas of another node; ``None`` if nothing changes."""
        before = self._remote.pop(node, {})
        after = {meta.ref: meta for meta in metas}
        if after:
            self._remote[node] = after
        joins = tuple(meta for ref, meta in after.items() if ref not in before)
        leaves = tuple(meta for ref, meta in before.items() if ref not in after)
        return self._counted(PresenceDiff(joins, leaves)) if joins or leaves else None

    def payload(self) -> bytes:
        """The payload of ``presence_state``, ``{key: {"metas": [...]}}``, as JSON."""
        remote = chain.from_iterable(metas.values() for metas in self._remote.values())
        return orjson.dumps(_by_key(chain(self._local.values(), remote)))

    def _counted(self, diff: PresenceDiff) -> PresenceDiff:
        self._size_bytes += diff.growth_bytes
        return diff


def _encode(meta: Mapping[str, object]) -> bytes:
    try:
        return orjson.dumps(meta)
    except (orjson.JSONEncodeError, RecursionError):
        raise PresenceLimitExceeded("a presence must not be nested that deeply") from None


def _by_key(metas: Iterable[PresenceMeta]) -> dict[str, dict[str, list[orjson.Fragment]]]:
    found: dict[str, dict[str, list[orjson.Fragment]]] = {}
    for meta in metas:
        found.setdefault(meta.key, {"metas": []})["metas"].append(orjson.Fragment(meta.json))
    return found
