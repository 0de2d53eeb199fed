"""A wrapper of the real store that can delay commits or make them fail."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from actors.domain.appointment import Appointment, AppointmentType
from actors.domain.ids import AppointmentId, DentistId
from actors.ports.calendars import CalendarStore, DueHold, LoadedCalendar, StoredReply
from actors.ports.commits import CalendarCommit, Committed, IdempotencyKey


class FaultyStore:
    """``before``: errors raised before a commit; ``after``: errors after the write."""

    def __init__(self, store: CalendarStore) -> None:
        self._store = store
        self.before: list[Exception] = []
        self.after: list[Exception] = []
        self.open_failures: list[Exception] = []
        self.batches: list[int] = []
        """The number of turns of each attempted commit."""
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._begun = asyncio.Event()

    def hold_commits(self) -> None:
        """Block the next commits until :meth:`let_commits_go`."""
        self._flowing.clear()
        self._begun.clear()

    def let_commits_go(self) -> None:
        self._flowing.set()

    async def commit_begun(self) -> None:
        async with asyncio.timeout(5):
            await self._begun.wait()

    async def commit(self, commit: CalendarCommit) -> Committed:
        self.batches.append(len(commit.turns))
        self._begun.set()
        await self._flowing.wait()
        if self.before:
            raise self.before.pop(0)
        committed = await self._store.commit(commit)
        if self.after:
            raise self.after.pop(0)
        return committed

    async def open(
        self, dentist_id: DentistId, *, live_after: datetime, owner: str | None = None
    ) -> LoadedCalendar | None:
        if self.open_failures:
            raise self.open_failures.pop(0)
        return await self._store.open(dentist_id, live_after=live_after, owner=owner)

    async def view(self, dentist_id: DentistId, *, live_after: datetime) -> LoadedCalendar | None:
        return await self._store.view(dentist_id, live_after=live_after)

    async def load_rows(
        self, dentist_id: DentistId, ids: Sequence[AppointmentId]
    ) -> Sequence[Appointment]:
        return await self._store.load_rows(dentist_id, ids)

    async def load_types(self) -> Sequence[AppointmentType]:
        return await self._store.load_types()

    async def replies(self, keys: Sequence[IdempotencyKey]) -> Sequence[StoredReply]:
        return await self._store.replies(keys)

    async def live_holds(self) -> Sequence[DueHold]:
        return await self._store.live_holds()
