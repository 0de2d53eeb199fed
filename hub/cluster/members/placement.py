"""Which node a calendar belongs on: rendezvous hashing, the same answer on every node.

Each node has a score for each key; the highest wins. A node that comes or goes therefore
moves only the keys that it wins or had won, and no table of assignments is kept anywhere.
"""

from collections.abc import Iterable
from hashlib import blake2b


def place(key: str, nodes: Iterable[str]) -> str | None:
    """The node of ``nodes`` that has ``key``, ``None`` if there are none."""
    return max(nodes, key=lambda node: _score(key, node), default=None)


def _score(key: str, node: str) -> tuple[bytes, str]:
    return blake2b(f"{node}\0{key}".encode(), digest_size=8).digest(), node
