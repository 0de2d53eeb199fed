"""Webhooks that end against their owner's will: an admin's decision, or a right that is gone."""

import asyncio
from typing import Final

from actors.domain.ids import PatientId
from actors.domain.principal import Principal, Role
from actors.domain.refusals import Forbidden
from actors.domain.webhook import DisabledReason
from actors.ports.clock import Clock
from actors.ports.webhooks import WebhookDispatcher, WebhookQueue
from actors.services.caller import Caller

_AT_ONCE: Final = 50
"""Webhooks of one party that are disabled concurrently."""


class Suspension:
    """Disables the webhooks of a party; each of them is audited."""

    def __init__(self, queue: WebhookQueue, dispatcher: WebhookDispatcher, clock: Clock) -> None:
        self._queue, self._dispatcher, self._clock = queue, dispatcher, clock

    async def by_admin(self, caller: Caller, party: str, patient: PatientId | None) -> int:
        """Disable the active webhooks of a party; only an admin can start them again.

        Answers how many there were. Raises Forbidden.
        """
        if caller.principal.role is not Role.ADMIN:
            raise Forbidden
        return await self.suspend(caller.principal, party, patient, DisabledReason.BY_ADMIN)

    async def suspend(
        self, by: Principal, party: str, patient: PatientId | None, reason: DisabledReason
    ) -> int:
        """Disable the active webhooks of a party, of one patient if given."""
        due = await self._queue.active_of(party, patient)
        now, count = self._clock.now(), 0
        for start in range(0, len(due), _AT_ONCE):
            batch = due[start : start + _AT_ONCE]
            disabling = (self._queue.disable(each, reason, now, by) for each in batch)
            count += sum(each is not None for each in await asyncio.gather(*disabling))
            for each in batch:
                self._dispatcher.changed(each.id)
        return count
