"""Whether the stream of events is whole: a number with each entry, and a beat every second.

Each node numbers what it publishes, whether or not that could be sent. A number that was
skipped, a node that nobody hears although it is a member, or an epoch unheard of: then
something may be missing, and the database is asked.
"""

from collections.abc import Iterable


class Continuity:
    def __init__(self, *, silence_s: float) -> None:
        self._silence_s = silence_s
        self._last: dict[str, int] = {}
        self._heard_s: dict[str, float] = {}

    def heard(self, node: str, number: int, now_s: float) -> bool:
        """Take an entry in; whether it follows the one before of the same node.

        The first entry of a node follows nothing: what it published before is unknown,
        unless it is its very first.
        """
        before = self._last.get(node, 0)
        self._heard_s[node] = now_s
        if number <= before:
            return True  # read twice, after the stream was taken up again
        self._last[node] = number
        return number == before + 1

    def silent(self, members: Iterable[str], now_s: float) -> tuple[str, ...]:
        """Members that were not heard of for too long; each has that long to say its first."""
        return tuple(
            node
            for node in members
            if now_s - self._heard_s.setdefault(node, now_s) > self._silence_s
        )

    def forget(self, members: Iterable[str]) -> None:
        """Keep only what concerns members."""
        kept = set(members)
        self._last = {node: n for node, n in self._last.items() if node in kept}
        self._heard_s = {node: at for node, at in self._heard_s.items() if node in kept}
