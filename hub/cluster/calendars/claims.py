"""Activating a calendar makes this node its owner."""

from collections.abc import Sequence
from datetime import datetime

from actors.domain.appointment import Appointment, AppointmentType
from actors.domain.ids import AppointmentId, DentistId
from actors.ports.calendars import CalendarStore, DueHold, LoadedCalendar, StoredReply
from actors.ports.commits import CalendarCommit, Committed, IdempotencyKey, OwnedElsewhere
from hub.cluster.members.membership import Membership


class ClaimingStore:
    """A :class:`~actors.ports.calendars.CalendarStore` that claims each calendar it opens."""

    def __init__(self, store: CalendarStore, membership: Membership) -> None:
        self._store, self._members = store, membership
        self.claims = 0

    async def open(
        self, dentist_id: DentistId, *, live_after: datetime, owner: str | None = None
    ) -> LoadedCalendar | None:
        """Open the calendar with this node as owner. Raises OwnedElsewhere without a lease."""
        if not self._members.lease_is_held:
            raise OwnedElsewhere(dentist_id, None)
        me = self._members.me
        loaded = await self._store.open(dentist_id, live_after=live_after, owner=me)
        if loaded is not None:
            self.claims += 1
        return loaded

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

    async def commit(self, commit: CalendarCommit) -> Committed:
        return await self._store.commit(commit)

    async def live_holds(self) -> Sequence[DueHold]:
        return await self._store.live_holds()
