"""Which node owns a calendar: decided from what this node knows, without any request."""

from dataclasses import dataclass

from hub.cluster.members.view import ClusterView


@dataclass(frozen=True, slots=True)
class ThisNode:
    """The actor of this node answers."""


@dataclass(frozen=True, slots=True)
class OtherNode:
    """The request goes to that node."""

    id: str


@dataclass(frozen=True, slots=True)
class NoNode:
    """This node knows no member that could own the calendar."""


Route = ThisNode | OtherNode | NoNode


def route(view: ClusterView, key: str, *, is_active: bool, owner: str | None) -> Route:
    """Where a request goes.

    ``is_active``: the actor is in the memory of this node. ``owner``: the node that is said to
    own the calendar. The order is: this node if the actor is here; the named owner if it is a
    member; the node where the calendar is placed. A node that is not a member (it was evicted,
    or has not joined) owns nothing.
    """
    if is_active and view.me in view.nodes:
        return ThisNode()
    node = owner if owner in view.nodes else view.place(key)
    if node is None:
        return NoNode()
    return ThisNode() if node == view.me else OtherNode(node)


@dataclass(frozen=True, slots=True)
class Accept:
    """This node answers a forwarded request."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """421: this node does not own the calendar; ``owner`` may."""

    owner: str | None


def accept(view: ClusterView, key: str, *, is_active: bool, named: bool) -> Accept | Redirect:
    """What to do with a request that another node forwarded.

    ``named``: according to the database this node is the owner. Then it answers even if the
    calendar is placed elsewhere. A node that is leaving activates nothing.
    """
    if is_active:
        return Accept()
    node = view.place(key)
    if not view.is_leaving and (named or node == view.me):
        return Accept()
    return Redirect(node if node != view.me else None)
