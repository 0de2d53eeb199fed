"""The outcome of a command that was not refused."""

from enum import StrEnum


class Outcome(StrEnum):
    """Whether a command changed something; the API maps it to an HTTP status."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    """There was nothing to do: a repeated command."""
    GONE = "gone"
    """Cancelled, released, or already over: the reply has no body."""
