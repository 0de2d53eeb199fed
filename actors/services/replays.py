"""Replay by time, for protocols whose clients have no positions.

A time becomes the position just before it; from there catch-up is that of all clients
(:mod:`actors.services.changes`). A replay is complete, or there is none.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.domain.principal import Principal
from actors.ports.clock import Clock
from actors.ports.events import EventLog, EventRecord
from actors.services.changes import BYTES_MAX, EVENTS_MAX, check_readable

_FIRST_LOOK: Final = 32
"""Events of the first read: most replays are of the last minutes."""


class Replays:
    def __init__(self, events: EventLog, clock: Clock, *, kept: timedelta) -> None:
        """``kept`` is the retention of events: younger ones were never deleted."""
        self._events, self._clock, self._kept = events, clock, kept

    async def place_before(
        self, principal: Principal, channel: Channel, at: datetime
    ) -> Position | None:
        """The position that is followed by every event at or after ``at``.

        ``None``: history does not reach back to ``at``, or holds more since then than one
        response may (:data:`~actors.services.changes.EVENTS_MAX`). Raises Forbidden for a
        channel the principal may not join, ValidationFailed for one without history.
        """
        check_readable(principal, [channel])
        head = (await self._events.heads([channel]))[channel]
        for look in (_FIRST_LOOK, EVENTS_MAX + 1):
            tail = await self._events.read(
                channel,
                after=max(0, head.offset - look),
                up_to=head.offset,
                limit=look,
                max_bytes=4 * BYTES_MAX,
            )
            first = next((each for each in tail if each.time >= at), None)
            reaches_back = bool(tail) and tail[0].time < at
            if reaches_back or len(tail) < look:
                break
        else:
            return None
        oldest = tail[0].position.offset if tail else head.offset + 1
        if not (reaches_back or oldest == 1 or at >= self._clock.now() - self._kept):
            return None  # an event since then may have been deleted
        since = tail if first is None else tail[tail.index(first) :]
        if first is not None and since[-1].position.offset != head.offset:
            return None  # cut: more than may be read at once
        if _was_replaced(tail, head) and at < datetime.fromtimestamp(head.epoch, UTC):
            return None
        return Position(head.epoch, head.offset if first is None else first.position.offset - 1)


def _was_replaced(tail: Sequence[EventRecord], head: Position) -> bool:
    """Whether the channel's history is known to have been restored from a copy.

    Its epoch is then about the time when that was done, in Unix seconds; what happened
    between the copy and that time is lost.
    """
    whole = bool(tail) and tail[0].position == (head.epoch, 1)
    return head.offset > 0 and not whole
