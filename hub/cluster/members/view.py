"""The members of the cluster, as one node sees them."""

from collections.abc import Sequence
from dataclasses import dataclass

from hub.cluster.members.placement import place


@dataclass(frozen=True, kw_only=True, slots=True)
class ClusterView:
    """The member ids of one epoch, and which of them are leaving."""

    me: str
    epoch: int
    nodes: Sequence[str]
    leaving: frozenset[str] = frozenset()

    @property
    def is_leaving(self) -> bool:
        """Whether this node is leaving while another one stays."""
        return self.me in self.leaving and set(self.nodes) != self.leaving

    def place(self, key: str) -> str | None:
        """The node for ``key``: never one that is leaving, unless all are."""
        staying = [node for node in self.nodes if node not in self.leaving]
        return place(key, staying or self.nodes)

    def is_mine(self, key: str) -> bool:
        """Whether ``key`` is placed on this node."""
        return self.place(key) == self.me
