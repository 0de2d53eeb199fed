"""Commits of profiles, appointment types and webhooks, which have no actor."""

from collections.abc import Awaitable, Callable

from actors.domain.announcements import Body, announcements
from actors.domain.events import (
    AppointmentTypeSaved,
    ProfileSaved,
    RecordEvent,
    WebhookDeleted,
    WebhookSaved,
)
from actors.domain.outcome import Outcome
from actors.domain.refusals import Unavailable, VersionConflict
from actors.ports.clock import Clock, NewId
from actors.ports.commits import (
    IdempotencyKey,
    OutcomeUnknown,
    Reply,
    StoreUnavailable,
    Turn,
    TurnRefused,
    TurnReplayed,
)
from actors.ports.records import RecordStore
from actors.services.caller import Caller
from actors.services.idempotency import Body as Request
from actors.services.idempotency import idempotency_key

_TRIES = 5
"""Attempts to change a record that others change too; each attempt reads it again."""


class Records:
    """Commits changed records with their events, replies and idempotency keys."""

    def __init__(self, store: RecordStore, clock: Clock, new_id: NewId) -> None:
        self._store = store
        self._clock = clock
        self.new_id = new_id

    def key(self, caller: Caller, operation: str, request: Request) -> IdempotencyKey:
        return idempotency_key(caller, operation, request, self.new_id)

    async def save(
        self,
        caller: Caller,
        key: IdempotencyKey,
        event: ProfileSaved | AppointmentTypeSaved | WebhookSaved,
        body: Body,
    ) -> Reply:
        """Commit the event; without a change, store only the reply.

        Raises VersionConflict when the row changed since ``event.before`` was read.
        """
        changed = event.before != event.after
        outcome = Outcome.CHANGED if changed else Outcome.UNCHANGED
        return await self._commit(
            caller,
            key,
            (event,) if changed else (),
            outcome=outcome if event.before else Outcome.CREATED,
            resource_id=event.after.id,
            version=event.after.version,
            reply=body,
        )

    async def delete(self, caller: Caller, key: IdempotencyKey, event: WebhookDeleted) -> Reply:
        return await self._commit(
            caller,
            key,
            (event,),
            outcome=Outcome.GONE,
            resource_id=event.before.id,
            version=event.before.version,
            reply=None,
        )

    async def _commit(
        self,
        caller: Caller,
        key: IdempotencyKey,
        events: tuple[RecordEvent, ...],
        *,
        outcome: Outcome,
        resource_id: str,
        version: int,
        reply: Body | None,
    ) -> Reply:
        turn = Turn(
            by=caller.principal,
            at=self._clock.now(),
            request_id=caller.request_id,
            key=key,
            events=events,
            announcements=announcements(events),
            outcome=outcome,
            resource_id=resource_id,
            version=version,
            reply=reply,
        )
        try:
            return await self._store.commit_record(turn)
        except TurnReplayed as replayed:
            return replayed.reply
        except TurnRefused as refused:
            raise refused.refusal from None
        except (StoreUnavailable, OutcomeUnknown) as error:
            raise Unavailable from error


async def retried(expected_version: int | None, save: Callable[[], Awaitable[Reply]]) -> Reply:
    """Retry after conflicts; with an expected version, raise the first one."""
    for _ in range(_TRIES - 1):
        try:
            return await save()
        except VersionConflict:
            if expected_version is not None:
                raise
    return await save()
