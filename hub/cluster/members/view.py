"""The members of the cluster, as one node sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

from hub.cluster.members.placement import place


@dataclass(frozen=True, kw_only=True, slots=True)
class View:
    """The members as this node last saw them."""

    me: str
    epoch: int
    nodes: Sequence[str]
    leaving: frozenset[str] = frozenset()

    def place(self, key: str) -> str | None:
        """Where ``key`` belongs: never on a node that leaves, unless all do."""
        staying = [node for node in self.nodes if node not in self.leaving]
        return place(key, staying or self.nodes)
