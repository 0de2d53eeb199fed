"""Detects entries of the stream that were lost.

Each node numbers what it publishes, also what could not be sent, and sends a beat every second.
So a lost entry shows as a skipped number, and a node that is cut off shows as silence.
"""

from collections.abc import Iterable


class Continuity:
    """The last entry of each node, and when it was received."""

    def __init__(self, *, silence_s: float) -> None:
        self._silence_s = silence_s
        self._last: dict[str, int] = {}
        self._received_s: dict[str, float] = {}

    def received(self, node: str, number: int, now_s: float) -> bool:
        """Note an entry; returns whether no entry of that node is missing before it.

        Entries before the first one are missing, too, unless it is number 1.
        """
        before = self._last.get(node, 0)
        self._received_s[node] = now_s
        if number <= before:
            return True  # repeated, after the reader was restarted
        self._last[node] = number
        return number == before + 1

    def silent(self, members: Iterable[str], now_s: float) -> tuple[str, ...]:
        """Members without an entry for too long; a new member has that long for its first."""
        return tuple(
            node
            for node in members
            if now_s - self._received_s.setdefault(node, now_s) > self._silence_s
        )

    def keep_only(self, members: Iterable[str]) -> None:
        """Forget the nodes that are no members any more."""
        kept = set(members)
        self._last = {node: n for node, n in self._last.items() if node in kept}
        self._received_s = {node: at for node, at in self._received_s.items() if node in kept}
