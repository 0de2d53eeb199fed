"""The system clock, and ids that sort by their creation time."""

import time
from datetime import UTC, datetime

from uuid_utils import uuid7


class SystemClock:
    """Implements :class:`actors.ports.clock.Clock`."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    monotonic = staticmethod(time.monotonic)


def new_id() -> str:
    """A UUIDv7 (RFC 9562) in text form."""
    return str(uuid7())
