"""Taking calendars up, and giving them away in good order."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

import structlog

from actors.calendar.registry import Registry
from actors.domain.appointment import Appointment, AppointmentType, Status
from actors.domain.ids import AppointmentId, DentistId
from actors.ports.calendars import CalendarStore, DueHold, LoadedCalendar, StoredReply
from actors.ports.commits import CalendarCommit, Committed, IdempotencyKey, OwnedElsewhere
from hub.cluster.members.membership import Membership
from store.postgres.nodes import Nodes

log = structlog.get_logger(__name__)

_TOGETHER = 10
"""Calendars that are handed over at once."""
_PAUSE_S = 0.1
"""Between two such batches when nothing is in a hurry: a node that joins causes no storm."""


class ClaimingStore:
    """A calendar store that opens calendars as this node's."""

    def __init__(self, store: CalendarStore, on_hold: Callable[[DueHold], None]) -> None:
        self._store, self._on_hold = store, on_hold
        self.membership: Membership
        """Set once it is made: it needs the registry, which needs this store."""
        self.claims = 0

    async def open(
        self, dentist_id: DentistId, *, live_after: datetime, owner: str | None = None
    ) -> LoadedCalendar | None:
        """With this node as ``owner``; its holds run out here from now on."""
        members = self.membership
        if not members.surely:
            raise OwnedElsewhere(dentist_id, None)
        loaded = await self._store.open(dentist_id, live_after=live_after, owner=members.me)
        if loaded is not None:
            self.claims += 1
            for row in loaded.rows:
                if row.status is Status.HELD and row.expires_at:
                    self._on_hold(_due(row, row.expires_at))
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


def _due(row: Appointment, expires_at: datetime) -> DueHold:
    return DueHold(expires_at=expires_at, dentist_id=row.dentist_id, appointment_id=row.id)


class Ownership:
    """Which calendars this node has, and those it is giving away just now."""

    def __init__(self, registry: Registry, nodes: Nodes, membership: Membership) -> None:
        self._registry, self._nodes, self._members = registry, nodes, membership
        self._giving: dict[DentistId, asyncio.Event] = {}
        self._look = asyncio.Event()
        self.moves = 0
        """Calendars given away in good order."""

    def has(self, dentist_id: DentistId) -> bool:
        """Whether its actor lives here, and is to stay."""
        return dentist_id not in self._giving and self._registry.has(dentist_id)

    async def settled(self, dentist_id: DentistId) -> None:
        """Wait until a handover that is under way is over."""
        while (giving := self._giving.get(dentist_id)) is not None:
            await giving.wait()

    # --- giving away ---

    def members_changed(self) -> None:
        self._look.set()

    async def run(self) -> None:
        """After each change of the members, give away what belongs elsewhere, a few at a time."""
        while True:
            await self._look.wait()
            self._look.clear()
            try:
                await self._give(in_a_hurry=False)
            except Exception as error:  # e.g. the database is away: tried again
                log.warning("handover_postponed", error=str(error))
                await asyncio.sleep(1.0)
                self._look.set()

    async def give_all(self) -> None:
        """Everything, as fast as it goes: this node leaves."""
        await self._give(in_a_hurry=True)

    async def _give(self, *, in_a_hurry: bool) -> None:
        members = self._members
        owned = await self._nodes.owned_by(members.me)
        epoch, moved = members.view.epoch, 0
        away = [each for each in owned if members.view.place(each) != members.me]
        for n in range(0, len(away), _TOGETHER):
            if members.view.epoch != epoch and not in_a_hurry:
                self._look.set()  # somebody else came or went: begin anew
                break
            moved += await self.hand_over(away[n : n + _TOGETHER])
            if not in_a_hurry:
                await asyncio.sleep(_PAUSE_S)
        if moved:
            log.info("calendars_handed_over", calendars=moved, epoch=epoch)

    async def hand_over(self, dentist_ids: Iterable[DentistId]) -> int:
        """Seal, finish what was accepted, raise the fence; then whoever asks goes elsewhere."""
        some = [each for each in dentist_ids if each not in self._giving]
        if not some:
            return 0
        over = asyncio.Event()
        self._giving.update(dict.fromkeys(some, over))
        try:
            await asyncio.gather(*(self._registry.stop(each) for each in some))
            given = await self._nodes.release(self._members.me, some)
        finally:
            for each in some:
                del self._giving[each]
            over.set()
        self.moves += len(given)
        return len(given)
