"""The settings of the relay: section ``[relay]`` of ``config.toml``, and its fixed limits."""

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from actors.bounds import Count


@dataclass(frozen=True, kw_only=True, slots=True)
class RelaySettings:
    """How often and how soon a failed broadcast is retried (criterion 7.5)."""

    retries: Annotated[int, Ge(0), Le(10)] = 3
    backoff_ms: Count = 100
    """The wait before the first retry; it doubles with each further one."""
    attempt_timeout_ms: Count = 200
    """For each event of an attempt."""

    @property
    def backoff_s(self) -> tuple[float, ...]:
        """The wait before each retry."""
        return tuple(self.backoff_ms / 1_000 * 2**n for n in range(self.retries))

    @property
    def attempt_timeout_s(self) -> float:
        return self.attempt_timeout_ms / 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class RelayLimits:
    """Limits that operators have no reason to change."""

    gap_wait_s: float = 1.0
    """How long event n + 1 waits for an event n that was not published, before n is read."""
    gap_reads_max: int = 30
    """Failed reads of a gap, one each ``gap_wait_s``, before the channel goes on without it.

    While the database is away, subscribers could not read the gap, either.
    """
    flush_interval_s: float = 0.25
    flush_max: int = 500
    """Deliveries marked in one batch."""
    unmarked_max: int = 20_000
    """Deliveries kept while the log cannot be written; older ones are sent again at start."""
    idle_channels_max: int = 20_000
    """Channels remembered without work; a forgotten one costs a read of its head."""
    batch_max: int = 16
    """Events of one channel broadcast together, when they arrive faster than they are sent."""
    batch_bytes_max: int = 65_536
    page_size: int = 1_000
    """Events read at once: pending ones at start, and those of a gap."""
    drain_s: float = 2.0
    """How long ``stop`` lets queues drain before it cancels them."""
