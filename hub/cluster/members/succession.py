"""Which node does a piece of work, and whether the node that did it before is gone."""

from hub.cluster.members.membership import Membership


class Succession:
    """Follows where the work with a key is placed; to be asked often, by this node."""

    def __init__(self, membership: Membership, key: str) -> None:
        self._membership, self._key = membership, key
        self._before: str | None = None
        """The last other node that did it; ``None``: not known."""

    def is_mine(self) -> bool:
        """Whether the work is placed on this node."""
        holder, me = self._membership.view.place(self._key), self._membership.me
        if holder != me:
            self._before = holder
        return holder is not None and holder == me

    def is_inherited(self) -> bool:
        """Whether the node that did it before has left or was evicted.

        A node that joins takes work from one that goes on, or is still leaving: that is no
        inheritance.
        """
        return self._before is not None and self._membership.node(self._before) is None
