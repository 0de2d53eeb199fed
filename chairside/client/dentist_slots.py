"""The free slots of one dentist in memory, refetched where they may have changed."""

import asyncio
import logging
import random
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from chairside.client import slot_table
from chairside.client.channels import Json, Position
from chairside.client.errors import ConnectionLost, HubError
from chairside.client.rest import HubClient
from chairside.client.shapes import DentistAvailability

logger = logging.getLogger(__name__)

RANGES_MAX: Final = 8
"""With more ranges to refetch, everything is refetched."""
COLLECT_S: Final = 0.3
"""Changes are collected for up to this long before slots are refetched."""
SETTLE_S: Final = 0.7
"""While a refetch takes longer, memory is not used."""
RETRY_DELAY_MAX_S: Final = 5
_DAY: Final = timedelta(days=1)


def collect_delay_s() -> float:
    return COLLECT_S * random.random()  # noqa: S311  # spreads load, no secret


async def fetch_slots(
    client: HubClient, dentist_id: str, type_id: str, starts: slot_table.StartRange
) -> DentistAvailability:
    """The slots of one dentist. Raises HubError, ConnectionLost."""
    return await client.availability(
        dentist_id,
        appointment_type_id=type_id,
        starts_from=starts.first.isoformat(),
        starts_before=starts.before.isoformat(),
    )


def times_of(answer: DentistAvailability) -> list[tuple[datetime, datetime]]:
    """Start and end of each slot."""
    read = datetime.fromisoformat
    return [(read(slot["start"]), read(slot["end"])) for slot in answer["slots"]]


class DentistSlots:
    """The slots of one dentist, and what of them has to be refetched."""

    def __init__(
        self,
        dentist_id: str,
        types: Mapping[str, slot_table.TypeTimes],
        client: HubClient,
        kept: slot_table.StartRange,
    ) -> None:
        self._id, self._types, self._client = dentist_id, types, client
        self._kept = kept
        self._table = slot_table.SlotTable()
        self._min_notice = timedelta()
        self._has_daily_limits = False  # with them a booking can close other slots of its day
        self._loaded_to: datetime | None = None  # up to here memory is right; None: nowhere
        self._pending: list[slot_table.StartRange] = []
        self._pending_since: float | None = None
        self._task: asyncio.Task[None] | None = None

    def knows(self, starts: slot_table.StartRange) -> bool:
        """Whether memory is right for ``starts``, or wrong for less than ``SETTLE_S``."""
        if self._loaded_to is None or starts.before > self._loaded_to:
            return False
        since = self._pending_since
        return since is None or time.monotonic() - since <= SETTLE_S

    def free(self, type_id: str, starts: slot_table.StartRange) -> Iterator[slot_table.FreeSlot]:
        """The slots in memory that can still be booked, in no order."""
        earliest = datetime.now(UTC) + self._min_notice
        for start, end in self._table.free(type_id, starts):
            if start >= earliest:
                yield slot_table.FreeSlot(self._id, type_id, start, end)

    def slots_changed(self, data: Json, position: Position) -> None:
        """Remove what was taken, and refetch around what was freed."""
        if position.epoch != self._table.epoch:
            self.schedule_changed()
            return
        taken = [slot_table.Block.from_wire(raw) for raw in data["taken"]]
        self._table.take(taken, position.offset, self._types)
        freed = [slot_table.Block.from_wire(raw) for raw in (*data["freed"], *data["refetch"])]
        if self._has_daily_limits:
            changed = [
                slot_table.StartRange(block.start - _DAY, block.end + _DAY)
                for block in (*taken, *freed)
            ]
        else:
            changed = slot_table.around(freed, self._types.values())
        if changed:
            self._refetch(changed)

    def schedule_changed(self) -> None:
        """Stop using memory until everything has been refetched."""
        self._loaded_to = None
        self._refetch([self._kept])

    def refresh(self, kept: slot_table.StartRange) -> None:
        """Refetch everything."""
        self._kept = kept
        self._refetch([kept])

    async def stop(self) -> None:
        """Cancel a refetch."""
        if (task := self._task) is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _refetch(self, ranges: Iterable[slot_table.StartRange]) -> None:
        self._pending = slot_table.join([*self._pending, *ranges])
        if len(self._pending) > RANGES_MAX:
            self._pending = [self._kept]
        if self._pending_since is None:
            self._pending_since = time.monotonic()
        if self._task is None:
            self._task = asyncio.create_task(self._fetch_pending())

    async def _fetch_pending(self) -> None:
        failures = 0
        try:
            while self._pending:
                await asyncio.sleep(collect_delay_s() + failures)
                wanted, self._pending = self._pending, []
                began = time.monotonic()
                try:
                    for starts in wanted:
                        await self.fetch(starts)
                except (HubError, ConnectionLost) as error:
                    logger.warning("slots not loaded", extra={"error": type(error).__name__})
                    failures = min(failures + 1, RETRY_DELAY_MAX_S)
                    self._pending = slot_table.join([*wanted, *self._pending])
                    continue
                failures = 0
                self._pending_since = began if self._pending else None
        finally:
            self._task = None

    async def fetch(self, starts: slot_table.StartRange) -> Position | None:
        """Fetch the kept part of ``starts``; the position that the oldest part is true for.

        Raises HubError, ConnectionLost.
        """
        is_everything = starts.covers(self._kept)
        starts = slot_table.StartRange(
            max(starts.first, datetime.now(UTC)), min(starts.before, self._kept.before)
        )
        if starts.first >= starts.before:
            return None
        first: Position | None = None
        for times in tuple(self._types.values()):
            is_stored = False
            while not is_stored:
                answer = await fetch_slots(self._client, self._id, times.id, starts)
                position = Position.from_wire(answer["position"])
                self._min_notice = timedelta(minutes=answer["min_notice_minutes"])
                self._has_daily_limits = bool(answer["daily_limits"])
                first = first or position
                is_stored = self._table.replace(times, starts, times_of(answer), position)
        if is_everything and not any(other.covers(self._kept) for other in self._pending):
            self._loaded_to = starts.before
        return first
