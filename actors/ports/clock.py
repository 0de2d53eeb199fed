"""Time and identity: what the core needs from the outside to be deterministic in tests."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; for deadlines and durations only."""
        ...


NewId = Callable[[], str]
"""A fresh UUIDv7 in text form."""
