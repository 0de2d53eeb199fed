"""The settings of calendars: sections ``[actors]`` and ``[reservations]`` of ``config.toml``."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from annotated_types import Ge

from actors.bounds import Count, Positive

MEMORY_REACH = timedelta(days=2)
"""Live rows that ended longer ago than this leave memory. It is longer than any local day: daily
limits count all rows of today, and a day on which clocks go back has 25 hours or more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ActorSettings:
    """Limits of one calendar actor."""

    mailbox_size: Count = 256
    batch_size: Count = 64
    command_deadline_ms: Count = 5_000
    """How long a command may wait in the mailbox."""
    passivate_after_minutes: Positive = 15.0

    @property
    def command_deadline_s(self) -> float:
        return self.command_deadline_ms / 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class ReservationSettings:
    """How long a slot is held, and how many slots one patient may hold."""

    hold_seconds: Positive = 300.0
    max_per_patient: Count = 3
    """Live holds of a patient, at all dentists together."""
    max_future_per_patient: Annotated[int, Ge(0)] = 10
    """Appointments and holds of a patient that lie ahead, at all dentists together; 0: no
    limit. It does not bind staff."""
