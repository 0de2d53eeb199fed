"""The calendars of this node, as the cluster may use them."""

from typing import NamedTuple

from actors.calendar.registry import Registry
from actors.calendar.snapshot import Snapshot
from actors.domain.commands import Command
from actors.domain.ids import DentistId
from actors.domain.refusals import CalendarBusy, Refusal, Unavailable
from actors.ports.calendars import CalendarStore
from actors.ports.commits import IdempotencyKey, Reply
from hub.cluster.members.membership import Membership


class TaggedSnapshot(NamedTuple):
    tag: str
    """Identifies this state of the calendar, over all nodes and restarts."""
    fence: int
    snapshot: Snapshot


class LocalCalendars:
    """Answers from memory only while no other node can own the calendar.

    Without a certain lease every method raises Unavailable. A snapshot and a refusal rest on
    memory alone, so for these the lease is checked again afterwards. A commit needs no such
    check: the fence protects it. All methods may raise OwnedElsewhere.
    """

    def __init__(self, registry: Registry, store: CalendarStore, membership: Membership) -> None:
        self._registry, self._store, self._members = registry, store, membership

    async def execute(
        self,
        dentist_id: DentistId,
        command: Command,
        *,
        key: IdempotencyKey,
        request_id: str,
        maybe_committed: bool,
    ) -> Reply:
        """As :meth:`Registry.execute`. ``maybe_committed``: look for a stored reply first."""
        self._check_lease()
        if maybe_committed and (stored := await self._stored_reply(dentist_id, key)) is not None:
            return stored
        try:
            return await self._registry.execute(dentist_id, command, key=key, request_id=request_id)
        except (CalendarBusy, Unavailable):
            raise
        except Refusal:
            self._check_lease()
            raise

    async def look(self, dentist_id: DentistId) -> TaggedSnapshot:
        self._check_lease()
        fence, number, snapshot = await self._registry.numbered_snapshot(dentist_id)
        self._check_lease()
        return TaggedSnapshot(f"{self._members.me}.{fence}.{number}", fence, snapshot)

    async def _stored_reply(self, dentist_id: DentistId, key: IdempotencyKey) -> Reply | None:
        """The result of an earlier attempt, if that was committed.

        Activating the calendar raises its fence, so no other node can commit it afterwards.
        """
        await self._registry.snapshot(dentist_id)
        for stored in await self._store.replies([key]):
            if stored.key.fingerprint == key.fingerprint:
                return stored.reply
        return None

    def _check_lease(self) -> None:
        if not self._members.lease_is_held:
            raise Unavailable
