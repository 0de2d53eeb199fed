"""On which node a key belongs: rendezvous hashing, with the same result on every node.

Each node has a score for each key, and the highest score wins. When a node joins or leaves,
only the keys move that it wins or had won. No table of assignments is stored.
"""

from collections.abc import Iterable
from hashlib import blake2b


def place(key: str, nodes: Iterable[str]) -> str | None:
    """The node of ``nodes`` for ``key``; ``None`` if there are no nodes."""
    return max(nodes, key=lambda node: _score(key, node), default=None)


def _score(key: str, node: str) -> tuple[bytes, str]:
    return blake2b(f"{node}\0{key}".encode(), digest_size=8).digest(), node
