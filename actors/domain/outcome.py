"""What became of a command that was not refused; the edges turn it into statuses."""

from enum import StrEnum


class Outcome(StrEnum):
    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    """Nothing to do: asked again for what already is."""
    GONE = "gone"
    """Cancelled, released, or already over: nothing left to show."""
