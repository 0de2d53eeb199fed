"""Where a calendar is to be asked: decided from what this node knows, without asking anybody."""

from dataclasses import dataclass

from hub.cluster.members.view import View


@dataclass(frozen=True, slots=True)
class Here:
    """This node's own actor."""


@dataclass(frozen=True, slots=True)
class There:
    node: str


@dataclass(frozen=True, slots=True)
class Nowhere:
    """No node is known that could have it; look at the members again."""


Route = Here | There | Nowhere


def route(view: View, key: str, *, have: bool, owner: str | None) -> Route:
    """Where to ask. ``have``: its actor lives here. ``owner``: who is said to have it.

    What one has, one answers; else the one that was named, if it is a member; else where
    it belongs. A node outside of the members (it was buried, or has not joined) has nothing.
    """
    inside = view.me in view.nodes
    if have and inside:
        return Here()
    if owner in view.nodes:
        return Here() if owner == view.me else There(str(owner))
    where = view.place(key)
    if where is None:
        return Nowhere()
    return Here() if where == view.me else There(where)


@dataclass(frozen=True, slots=True)
class Serve:
    """A forwarded request is answered here."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """421: not here; ``owner`` may have it."""

    owner: str | None


def receive(view: View, key: str, *, have: bool, named: bool) -> Serve | Redirect:
    """What to do with a forwarded request.

    ``named``: the asker was told that the database says this node is the owner, so it is
    tried even where it does not belong (any more). A node that leaves takes up nothing.
    """
    leaving = view.me in view.leaving and set(view.nodes) != view.leaving
    if have:
        return Serve()
    where = view.place(key)
    if not leaving and (named or where == view.me):
        return Serve()
    return Redirect(where if where != view.me else None)
