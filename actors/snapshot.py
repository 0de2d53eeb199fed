"""What readers see of a calendar: published after each commit, immutable, never queueing."""

from dataclasses import dataclass

from actors.domain.calendar import Calendar
from actors.ports import Position


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    calendar: Calendar
    position: Position
    """Where ``availability:dentist:{id}`` stands with exactly this state."""
