"""Commits of profiles, practices, appointment types and webhooks, which have no actor."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from actors.domain.announcements import Body, announcements
from actors.domain.appointment import AppointmentType
from actors.domain.consent import Consent
from actors.domain.events import PatientLinked, PatientsMerged, RecordEvent, WebhookDeleted
from actors.domain.message import Message
from actors.domain.outcome import Outcome
from actors.domain.practice import Practice, PracticePatient
from actors.domain.profile import Profile
from actors.domain.refusals import Unavailable, VersionConflict
from actors.domain.rules import check_version
from actors.domain.webhook import Webhook
from actors.ports import commits
from actors.ports.clock import Clock, NewId
from actors.ports.commits import IdempotencyKey, Reply
from actors.services.caller import Caller, idempotency_key
from actors.services.stored_bytes import StoredBytes

T = TypeVar("T")
Record = TypeVar("Record", Profile, AppointmentType)

_Record = Profile | Practice | PracticePatient | AppointmentType | Webhook | Consent | Message

_TRIES = 5
"""Attempts to change a record that others change too; each attempt reads it again."""


class Records:
    """Commits changed records with their events, replies and idempotency keys."""

    def __init__(
        self, store: commits.RecordStore, clock: Clock, new_id: NewId, stored: StoredBytes
    ) -> None:
        self._store, self.clock, self.new_id, self._stored = store, clock, new_id, stored

    def key(self, caller: Caller, operation: str, request: Mapping[str, object]) -> IdempotencyKey:
        return idempotency_key(caller, operation, request, self.new_id)

    async def save(
        self,
        caller: Caller,
        key: IdempotencyKey,
        event: RecordEvent,
        reply: Body | None,
    ) -> Reply:
        """Commit the event; without a change, store only the reply.

        Raises VersionConflict when the row changed since ``event.before`` was read.
        """
        record: _Record
        events: tuple[RecordEvent, ...] = (event,)
        if isinstance(event, WebhookDeleted):
            record, outcome = event.before, Outcome.GONE
        elif isinstance(event, PatientLinked):
            record, outcome = event.patient, Outcome.CHANGED
        elif isinstance(event, PatientsMerged):  # the commit adds the rows that move
            record, outcome = event.after, Outcome.CHANGED
        elif event.before is None:
            record, outcome = event.after, Outcome.CREATED
        elif event.before != event.after:
            record, outcome = event.after, Outcome.CHANGED
        else:
            record, outcome, events = event.after, Outcome.UNCHANGED, ()
        return await self._commit(caller, key, events, outcome, record, reply)

    async def save_together(
        self, caller: Caller, key: IdempotencyKey, events: tuple[RecordEvent, ...], made: Practice
    ) -> Reply:
        """Commit a new practice with what belongs to it, all or nothing; the reply is the practice.

        Events come in the order in which rows refer to each other.
        """
        return await self._commit(caller, key, events, Outcome.CREATED, made, made)

    async def _commit(
        self,
        caller: Caller,
        key: IdempotencyKey,
        events: tuple[RecordEvent, ...],
        outcome: Outcome,
        record: _Record,
        reply: Body | None,
    ) -> Reply:
        self._stored.check(caller.principal)
        turn = commits.Turn(
            by=caller.principal,
            at=self.clock.now(),
            request_id=caller.request_id,
            key=key,
            events=events,
            announcements=announcements(events),
            outcome=outcome,
            resource_id=record.id,
            version=record.version,
            reply=reply,
        )
        try:
            saved = await self._store.commit_record(turn)
        except commits.TurnReplayed as replayed:
            return replayed.reply
        except commits.TurnRefused as refused:
            raise refused.refusal from None
        except (commits.StoreUnavailable, commits.OutcomeUnknown) as error:
            raise Unavailable from error
        self._stored.add(caller.principal, saved)
        return saved


def edited(before: Record, sent: Mapping[str, object], expected_version: int | None) -> Record:
    """The record with the fields that were sent, as a new version if that changes it.

    Raises VersionConflict unless ``before`` has the expected version.
    """
    check_version(expected_version, before.version)
    after = replace(before, **sent)  # type: ignore[arg-type]  # a change has fields of its record
    return after if after == before else replace(after, version=before.version + 1)


async def retried(expected_version: int | None, save: Callable[[], Awaitable[T]]) -> T:
    """Retry after conflicts; with an expected version, raise the first one."""
    for _ in range(_TRIES - 1):
        try:
            return await save()
        except VersionConflict:
            if expected_version is not None:
                raise
    return await save()
