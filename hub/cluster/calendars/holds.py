"""Alarms for holds of calendars that no request activates (criterion 8.3)."""

import asyncio
import contextlib

import structlog

from actors.calendar.alarms import Alarms
from actors.ports.calendars import CalendarStore, DueHold
from hub.cluster.members.membership import Membership

log = structlog.get_logger(__name__)

_CHECK_EVERY_S = 10.0
_RETRY_S = 1.0


class HoldWatch:
    """Sets an alarm for each live hold whose calendar is placed on this node."""

    def __init__(self, store: CalendarStore, alarms: Alarms, membership: Membership) -> None:
        self._store, self._alarms, self._members = store, alarms, membership
        self._known: set[DueHold] = set()
        self._changed = asyncio.Event()

    def members_changed(self) -> None:
        """Check soon: other calendars are placed here now."""
        self._changed.set()

    async def run(self) -> None:
        """Check regularly, and soon after each change of the members, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CHECK_EVERY_S):
                    await self._changed.wait()
            self._changed.clear()
            try:
                await self._check()
            except Exception as error:  # for example a database outage: the next check finds them
                log.warning("holds_unread", error=str(error))
                await asyncio.sleep(_RETRY_S)
                self._changed.set()

    async def _check(self) -> None:
        view = self._members.view
        due = {hold for hold in await self._store.live_holds() if view.is_mine(hold.dentist_id)}
        for hold in due - self._known:
            self._alarms.add(hold)
        self._known = due
