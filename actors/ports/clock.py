"""Time and new ids, which tests replace to be deterministic."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The current time."""

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never decrease, for deadlines and durations only."""
        ...


NewId = Callable[[], str]
"""Returns a new UUIDv7 in text form."""
